"""ISBI 2012 as stacks and as files: equal slices, random folds, runs of neighbours, damaged stacks."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data import FolderSegmentationDataModule, ISBI2012DataModule, Window
from hqzoo.data.checks.inspection import inspect, recognise
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.whole_images import blob, write_isbi2012

SLICES = [f"{number:02}" for number in range(30)]


@pytest.fixture(scope="module", params=[True, False], ids=["stacks", "files"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_isbi2012(tmp_path_factory.mktemp("isbi"), stacks=request.param)


def module(root: Path, **options: object) -> ISBI2012DataModule:
    return ISBI2012DataModule(str(root), **options)  # type: ignore[arg-type]


def names(data: ISBI2012DataModule, split: str) -> list[str]:
    return [record.name for record in data.records(split)]  # type: ignore[arg-type]


def test_slices_are_those_that_were_written(root: Path) -> None:
    data = module(root, size=(32, 40))  # their own size
    assert data.targets.classes == ("membrane", "cell")
    assert data.sensor.bands == ("grey",)
    for record in data.records("test"):
        image, mask = record.read()
        expected, cell = blob(100 + int(record.name), (32, 40), bands=1)
        assert np.array_equal(image[0], expected[..., 0])
        assert mask is not None
        assert np.array_equal(mask, cell)
        part, truth = record.read(Window(3, 5, 10, 20))
        assert np.array_equal(part[0], expected[3:13, 5:25, 0])
        assert np.array_equal(truth, cell[3:13, 5:25])


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_test_every_slice_once(root: Path, grouped: bool) -> None:
    tested = []
    for fold in range(5):
        data = module(root, fold=fold, grouped=grouped)
        assert (len(data.records("train")), len(data.records("test")), len(data.records("val"))) == (24, 6, 0)
        assert not set(names(data, "train")) & set(names(data, "test"))
        tested.append(names(data, "test"))
    assert sorted(chain(*tested)) == SLICES
    assert (tested == [SLICES[6 * fold :][:6] for fold in range(5)]) == grouped


def test_neighbours_stay_together_in_inner_validation(root: Path) -> None:
    held = names(module(root, fold=2, grouped=True, inner_val=0.25), "val")
    assert len(held) == 6
    first = int(held[0])
    assert first % 6 == 0
    assert held == SLICES[first:][:6]
    assert not set(held) & set(SLICES[12:18])


def test_default_size_is_taken_whole(root: Path) -> None:
    data = module(root, batch_size=4)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 1, 384, 512)
    assert set(batch["mask"].unique().tolist()) == {0, 1}


def test_unpadded_numbers_are_put_in_order(tmp_path: Path) -> None:
    write_isbi2012(tmp_path, stacks=False, count=12)
    for folder in ("images", "masks"):
        for path in (tmp_path / folder).glob("0*.png"):
            path.rename(path.with_name(f"{int(path.stem)}.png"))
    assert names(module(tmp_path, grouped=True, num_folds=2, fold=0), "test") == list("012345")
    assert sorted(names(module(tmp_path, grouped=True, num_folds=4, fold=3), "test")) == ["10", "11", "9"]


def test_damaged_stacks_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No slice of ISBI 2012 was found.*train-volume\.tif and train-labels\.tif"):
        module(tmp_path).records("train")
    write_isbi2012(tmp_path, count=10)
    labels = tmp_path / "train-labels.tif"
    labels.unlink()
    with pytest.raises(DataError, match=r"train-labels\.tif does not exist"):
        module(tmp_path).records("train")
    pages = [Image.fromarray(np.zeros((32, 40), np.uint8))] * 9
    pages[0].save(labels, save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"train-volume\.tif has 10 slices, but .*train-labels\.tif has 9"):
        module(tmp_path).records("train")
    pages = [Image.fromarray(np.full((32, 40), 7, np.uint8))] * 10
    pages[0].save(labels, save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"train-labels\.tif, slice \d+ holds the values 7\."):
        module(tmp_path).records("train")[0].read()
    pages = [Image.fromarray(np.zeros((32, 41), np.uint8))] * 10
    pages[0].save(labels, save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"train-labels\.tif has 32 x 41 pixels, but its image .* 32 x 40"):
        module(tmp_path).records("train")[0].read()
    volume = tmp_path / "train-volume.tif"
    volume.write_bytes(volume.read_bytes()[: volume.stat().st_size // 2])
    with pytest.raises(DataError, match=r"train-volume\.tif"):
        [record.read() for record in module(tmp_path).records("train")]


def test_some_slices_may_be_missing(tmp_path: Path) -> None:
    write_isbi2012(tmp_path, stacks=False)
    for name in ("images/05", "masks/05", "images/17"):
        (tmp_path / f"{name}.png").unlink()
    (tmp_path / "images" / "00.png").write_bytes(b"no image")
    Image.fromarray(np.full((32, 40), 7, np.uint8)).save(tmp_path / "masks" / "02.png")
    assert recognise(tmp_path) is ISBI2012DataModule
    found = inspect(lambda fold: module(tmp_path, fold=fold or 0, grouped=True))
    assert (found.images, found.masks, found.sizes.total()) == (28, 28, 26)
    told = "\n".join(found.missing)
    assert "30 images, this one 28. Slices missing in" in told
    assert "images: 05, 17. If these are other images" in told
    assert "00.png is damaged" in told
    assert "02.png holds the values 7" in told
    assert "have no image in" in told  # mask 17
    assert len(found.missing) == 4


def test_a_short_stack_does_not_know_which_slice_is_missing(tmp_path: Path) -> None:
    write_isbi2012(tmp_path, count=29)
    found = inspect(lambda fold: module(tmp_path, fold=fold or 0, grouped=True))
    assert (found.images, found.masks) == (29, 29)
    assert found.missing == ["The published data set has 30 images, this one 29."]


def test_other_peoples_numbered_images_are_no_slices(tmp_path: Path) -> None:
    few = write_isbi2012(tmp_path / "few", stacks=False, count=10)
    colour, classes, described, more = (write_isbi2012(tmp_path / name, stacks=False) for name in "abcd")
    for path in (colour / "images").iterdir():
        Image.open(path).convert("RGB").save(path)
    for path in (classes / "masks").iterdir():
        Image.fromarray(np.asarray(Image.open(path)) // 255 + np.eye(32, 40, dtype=np.uint8)).save(path)
    (described / "folds.csv").write_text("name,fold\n")
    for folder in ("images", "masks"):
        Image.open(more / folder / "00.png").save(more / folder / "30.png")
    for root in (few, colour, classes, described, more):
        assert recognise(root) is FolderSegmentationDataModule, root


def test_no_such_fold(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`fold=5`: there is no such fold; folds: \[0, 1, 2, 3, 4\]"):
        module(tmp_path, fold=5)


@pytest.mark.real_data
def test_real_slices(real_data: Path) -> None:
    folds = [module(real_data / "isbi2012", fold=fold) for fold in range(5)]
    assert [(len(data.records("train")), len(data.records("test"))) for data in folds] == [(24, 6)] * 5
    assert sorted(name for data in folds for name in names(data, "test")) == SLICES
    image, mask = folds[0].records("test")[0].read()
    assert image.shape == (1, 384, 512)
    assert mask is not None
    assert 0.6 < mask.mean() < 0.9  # cells cover most of a slice
