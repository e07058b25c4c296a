"""The fingerprint of a data set: what it counts, and what it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data import FolderSegmentationDataModule, ISBI2012DataModule, LandscapesDataModule, contents
from hqzoo.data.contents import FileDigests, content_of
from hqzoo.errors import DataError
from tests.fixtures.folder import write_folder
from tests.fixtures.whole_images import write_isbi2012


def content(root: Path, **options: object) -> str:
    return content_of(FolderSegmentationDataModule(str(root), **options), FileDigests())


def flip(path: Path) -> None:
    """Change one pixel; neither size of the image nor, being stored plainly, that of the file changes."""
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 1 if pixels[0, 0].max() != 1 else 2
    Image.fromarray(pixels).save(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a pixel of an image": lambda root: flip(root / "images" / "scene0_0.png"),
    "a pixel of a mask": lambda root: flip(root / "masks" / "scene1_1.png"),
    "an image more": lambda root: [
        shutil.copy(root / part / "scene0_0.png", root / part / "scene0_7.png") for part in ("images", "masks")
    ],
    "a name": lambda root: [
        (root / part / "scene0_0.png").rename(root / part / "scene0_9.png") for part in ("images", "masks")
    ],
    "folds": lambda root: (root / "folds.csv").write_text(
        (root / "folds.csv").read_text().replace("scene0,0", "scene0,2").replace("scene2,2", "scene2,0")
    ),
    "classes": lambda root: (root / "classes.json").write_text(
        (root / "classes.json").read_text().replace("water", "lake")
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_noticed(change: Callable[[Path], object], tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    names = {"scene0_7", "scene0_9"}
    if change in (CHANGES["an image more"], CHANGES["a name"]):
        rows = (root / "folds.csv").read_text().rstrip() + "".join(f"\n{name},scene0,0" for name in sorted(names))
        (root / "folds.csv").unlink()
        (root / "folds.txt").write_text(rows)
    options = {"scene_pattern": r"(scene\d)", "num_folds": 3} if (root / "folds.txt").exists() else {}
    before = content(root, **options)
    change(root)
    assert content(root, **options) != before


def test_folders_and_times_do_not_count(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    before = content(root)
    shutil.copytree(root, tmp_path / "elsewhere" / "renamed")
    for path in (tmp_path / "elsewhere").rglob("*.png"):
        os.utime(path, (1, 1))
    assert content(tmp_path / "elsewhere" / "renamed") == before
    assert content(root, seed=5, batch_size=3) == before
    assert len({content(root, fold=fold) for fold in range(3)}) == 3


def test_digests_are_kept_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, path = tmp_path / "digests.json", tmp_path / "x.bin"
    path.write_bytes(b"one")
    digests = FileDigests(kept)
    first = digests.of(path)
    digests.keep()
    read: list[Path] = []
    original = contents._digest
    monkeypatch.setattr(contents, "_digest", lambda path, size: read.append(path) or original(path, size))
    assert FileDigests(kept).of(path) == first
    assert not read
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))
    assert FileDigests(kept).of(path) != first
    assert len(read) == 1
    kept.write_text("{")  # damaged: computed anew
    assert FileDigests(kept).of(path) != first
    with pytest.raises(DataError, match="Cannot read"):
        FileDigests().of(tmp_path / "absent")


def test_large_files_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "WHOLE", 100)
    monkeypatch.setattr(contents, "BLOCK", 4)
    monkeypatch.setattr(contents, "BLOCKS", 6)
    path = tmp_path / "x.bin"
    found = set()
    for place in range(0, 1004, 1):  # blocks start at 0, 200, ... 1000, the last one at the end
        path.write_bytes(bytes(place) + b"\x01" + bytes(1003 - place))
        found.add(FileDigests().of(path))
    assert len(found) == 6 * 4 + 1  # every byte of a block tells, the others do not


def test_sets_without_files_of_their_own(tmp_path: Path) -> None:
    digests = FileDigests()
    root = write_isbi2012(tmp_path / "isbi")
    before = content_of(ISBI2012DataModule(str(root)), digests)
    assert content_of(ISBI2012DataModule(str(root)), digests) == before
    assert content_of(ISBI2012DataModule(str(root), grouped=True), digests) != before  # other folds
    drawn = {"size": 64, "train_landscapes": 3, "val_landscapes": 1, "test_landscapes": 1}
    first = content_of(LandscapesDataModule(**drawn), digests)
    assert first == content_of(LandscapesDataModule(**drawn), digests)
    assert first != content_of(LandscapesDataModule(**drawn, train_seed=3), digests)
