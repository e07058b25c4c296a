"""Images of one place count as one draw: from what a data module knows to the interval of a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from scipy import stats

from hqzoo.compare import UnitRun, compare_units
from hqzoo.data import DataModule, FolderClassificationDataModule, PairCollectionDataModule
from hqzoo.tasks import ClassificationTask, ProbeTask, Task
from tests.fixtures.folder import write_tiff
from tests.fixtures.tasks import tiny_trainer

SIDE = 8
PLACES = 12
VIEWS = 5  # of every place
SCENE = r"^[a-z]+\d+"


def write_views(root: Path) -> Path:
    """Write two kinds of places, seen several times each, nearly alike; every third looks like the other kind."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for place in range(PLACES):
            kind, seems = place % 2, (place + (place % 3 == 0)) % 2
            folder = root / split / ("meadow", "water")[kind]
            folder.mkdir(parents=True, exist_ok=True)
            colour = np.array([40 + 150 * seems, 90, 120])
            for view in range(VIEWS):
                pixels = (colour + rng.normal(0, 3, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{split}{place:02d}_{view}.png")
    return root


def probe(encoder: str, **arguments: Any) -> ProbeTask:
    return ProbeTask(architecture_args={"encoder": encoder, "head": "linear"}, grid=[1.0], **arguments)


def fine_tuned() -> ClassificationTask:
    return ClassificationTask("classifier", {"encoder": "image_statistics", "head": "linear"})


def scored(task: Task, data: DataModule[Any], folder: Path) -> dict[str, np.ndarray]:
    """Return what a test finds of every image after an epoch of training."""
    trainer = tiny_trainer(folder)
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    return task.samples()


@pytest.mark.parametrize("size", [None, (4, 4)])
@pytest.mark.parametrize("make", [fine_tuned, lambda: probe("image_statistics")])
def test_labelled_folders_tell_scenes(make: Any, size: tuple[int, int] | None, tmp_path: Path) -> None:
    root = write_views(tmp_path / "set")
    data = FolderClassificationDataModule(str(root), scene_pattern=SCENE, inner_val=0.25, batch_size=16, size=size)
    found = scored(make(), data, tmp_path)
    assert found["group"].tolist() == [name.rpartition("/")[2][:-2] for name in found["name"].tolist()]
    assert len(set(found["group"].tolist())) == PLACES


def test_pairs_tell_acquisitions(tmp_path: Path) -> None:
    rng, count = np.random.default_rng(0), 24
    names = [f"S2A_MSIL2A_2017061{n % 8}T101031_N9999_R022_T33UUP_{n}_{n + 7}" for n in range(count)]
    np.savez(
        tmp_path / "pairs.npz",
        s2=rng.integers(1, 4000, (count, 4, SIDE, SIDE)).astype(np.uint16),
        s1=rng.normal(-12, 3, (count, 2, SIDE, SIDE)).astype(np.float32),
        patch_id=names,
        label=rng.integers(0, 2, (count, 19)),
    )
    sources = [str(tmp_path / "pairs.npz")]
    data = PairCollectionDataModule(sources, size=SIDE, batch_size=8, fold=0, num_folds=4)
    found = scored(probe("image_statistics"), data, tmp_path)
    assert found["group"].tolist() == [name.rsplit("_", 2)[0] for name in found["name"].tolist()]
    assert (len(found["name"]), len(set(found["group"].tolist()))) == (6, 2)


def test_ground_makes_neighbours_of_labelled_images(tmp_path: Path) -> None:
    """Two images touch on the ground, of different classes; the others lie far from them and from each other."""
    for name, kind in {"a": "meadow", "b": "water", "c": "meadow", "d": "water"}.items():
        (tmp_path / "train" / kind).mkdir(parents=True, exist_ok=True)
        write_tiff(tmp_path / "train" / kind / f"{name}.tif", np.ones((3, SIDE, SIDE), np.uint8))
    _move(tmp_path / "train/water/b.tif", beside=tmp_path / "train/meadow/a.tif")
    for size in (None, (4, 4)):
        data = FolderClassificationDataModule(str(tmp_path), size=size)
        groups = data.neighbours(data.records("train"))
        assert groups["meadow/a"] == groups["water/b"]
        assert len(set(groups.values())) == 3


def test_images_of_one_place_widen_the_interval(tmp_path: Path) -> None:
    root = write_views(tmp_path / "set")
    rows = []
    for encoder in ("image_statistics", "blank"):
        data = FolderClassificationDataModule(str(root), scene_pattern=SCENE, inner_val=0.25, batch_size=16)
        rows.append([UnitRun(scored(probe(encoder), data, tmp_path), classes=data.targets.classes)])
    own, none = (compare_units(*rows, "accuracy", clusters, method="components") for clusters in ("group", "name"))
    assert (own.units, own.clusters, none.clusters) == (PLACES * VIEWS, PLACES, PLACES * VIEWS)
    right = [(row[0].columns["prediction"] == row[0].columns["truth"]).astype(float) for row in rows]
    views = (right[0] - right[1]).reshape(PLACES, VIEWS)  # names are sorted
    for found, draws in ((own, views.mean(1)), (none, views.ravel())):
        expected = stats.t.interval(0.95, len(draws) - 1, draws.mean(), stats.sem(draws))
        assert (found.low, found.high) == pytest.approx(expected)
    assert own.high - own.low > 2 * (none.high - none.low)  # views are right or wrong together, nearly all


def _move(path: Path, beside: Path) -> None:
    import rasterio

    with rasterio.open(beside) as first, rasterio.open(path, "r+") as second:
        second.transform = first.transform @ Affine.translation(first.width, 0)
