"""Several sources as one folder: each pixel has the class that its source's legend says, at the common resolution."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from hqzoo.cli import main
from hqzoo.data import IGNORE_INDEX, FolderSegmentationDataModule
from hqzoo.data.merge import merge, read_legend
from hqzoo.errors import ConfigError, DataError

TOWN = {
    "images": "town/images/*.png",
    "masks": "town/masks/*.png",
    "legend": {"roof": [7], "green": [1, 2], "ignore": [0]},
    "folds": "town/folds.csv",
    "gsd": 0.5,
}
COAST = {
    "images": "coast/*_rgb.png",
    "masks": "coast/*_truth.png",
    "legend": {"water": [3], "green": [4]},
    "folds": {"a": ["bay", 1]},
    "gsd": 0.25,
}
CLASSES = ["roof", "green", "water"]


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("x", "y"):
        write(tmp_path / f"town/images/{name}.png", rng.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        write(tmp_path / f"town/masks/{name}.png", np.repeat([[0, 1, 2, 7, 7, 1]], 8, 0).astype(np.uint8))
    (tmp_path / "town/folds.csv").write_text("name,scene,fold\nx,north,0\ny,south,2\n")
    write(
        tmp_path / "coast/a_rgb.png",
        np.kron([[10, 30], [50, 90]], np.ones((4, 4))).astype(np.uint8)[..., None].repeat(3, 2),
    )
    write(tmp_path / "coast/a_truth.png", np.kron([[3, 4], [4, 3]], np.ones((4, 4))).astype(np.uint8))
    return tmp_path


def described(folder: Path, **changed: object) -> Path:
    sources = {"town": TOWN, "coast": {**COAST, **changed}}
    path = folder / "sources.yaml"
    path.write_text(yaml.safe_dump({"gsd": 0.5, "classes": CLASSES, "sources": sources}))
    return path


def test_a_merged_folder_is_read_as_any_other(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    assert merge(read_legend(described(sources)), sources, out) == {"town": 2, "coast": 1}
    data = FolderSegmentationDataModule(str(out), folds="folds.csv", fold=0, val_fold=1, gsd=0.5)
    found = {record.name: record for split in ("train", "val", "test") for record in data.load_records(split)}  # type: ignore[arg-type]
    assert data.class_map.names == tuple(CLASSES)
    assert {name: data.scene_of(record) for name, record in found.items()} == {
        "town_x": "town/north", "town_y": "town/south", "coast_a": "coast/bay",
    }  # fmt: skip
    image, mask = found["town_x"].read()
    assert np.array_equal(image, np.asarray(Image.open(sources / "town/images/x.png")).transpose(2, 0, 1))
    assert mask is not None
    assert mask[0].tolist() == [IGNORE_INDEX, 1, 1, 0, 0, 1]
    # Twice as fine as the rest: half its height and width, and each block stays its own colour and class.
    image, mask = found["coast_a"].read()
    assert mask is not None
    assert mask.tolist() == np.kron([[2, 1], [1, 2]], np.ones((2, 2), int)).tolist()
    assert image[:, [0, 0, 3, 3], [0, 3, 0, 3]].tolist() == [[10, 30, 50, 90]] * 3


def test_the_verb_writes_the_same(sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "merged", tmp_path / "report.json"
    arguments = ["data", "merge", str(sources), "-c", str(described(sources)), "--out", str(out), "--json", str(report)]
    assert main(arguments) == 0
    assert "1 images of coast, 2 images of town" in capsys.readouterr().out
    assert json.loads(report.read_text())["images"] == {"town": 2, "coast": 1}
    assert main(["data", "check", str(out)]) == 0


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"legend": {"water": [3]}}, DataError, r"a_truth.png holds values 4"),
        ({"legend": {"watr": [3]}}, ConfigError, r"'coast'.*watr.*water"),
        ({"images": "coast/a.png"}, ConfigError, r"one `\*`"),
        ({"gsd": -1}, ConfigError, r"positive number of metres"),
        ({"folds": {"b": ["bay", 1]}}, DataError, r"b_rgb.png"),
        ({"colour": 1}, ConfigError, r"describes no sources"),
    ],
)
def test_mistakes(
    sources: Path, tmp_path: Path, changed: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        merge(read_legend(described(sources, **changed)), sources, tmp_path / "merged")
