"""Samples, crops and statistics of the data modules that published tables were measured on stay what they were."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hqzoo.data import (
    FolderSegmentationDataModule,
    ISBI2012DataModule,
    LandscapesDataModule,
    PH2DataModule,
    SegmentationDataModule,
)
from tests.fixtures.folder import write_folder

BATCHES = 5  # of each epoch and of the test

DUBAI = {"classes": {1: "building", 2: "land", 3: "road", 4: "vegetation", 5: "water"}, "ignore": [0], "fold": 2}


def digest(data: SegmentationDataModule) -> str:
    """Return a digest of epochs 0 and 1, of the test windows and of the statistics."""
    data.setup()
    found = hashlib.sha256()

    def add(batch: dict[str, Any]) -> None:
        for key in ("image", "mask"):
            found.update(batch[key].contiguous().numpy().tobytes())
        for key in ("scene", "row", "col", "height", "width"):
            if key in batch and "row" in batch:
                found.update(repr(list(map(str, map(_plain, batch[key])))).encode())

    loader = data.train_dataloader()
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in islice(loader, BATCHES):
            add(batch)
    for batch in islice(data.test_dataloader(), BATCHES):
        add(batch)
    statistics = data.statistics["image"]
    # The last digits depend on the processor, which sums in an order of its own.
    found.update(repr([f"{value:.9g}" for value in (*statistics.mean, *statistics.std)]).encode())
    return found.hexdigest()[:16]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


def test_landscapes() -> None:
    data = LandscapesDataModule(4, 1, 2, size=64, crop_size=32, batch_size=4, inner_val=0.0)
    assert digest(data) == "a30e3fad00a44a11"
    assert (
        digest(LandscapesDataModule(4, 1, 2, size=64, crop_size=(24, 40), seed=3, augment=False)) == "82ec74833258529c"
    )


def test_folder(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    assert (
        digest(FolderSegmentationDataModule(str(root), crop_size=32, batch_size=4, crops_per_epoch=40))
        == "fd3583a961f3689f"
    )


@pytest.mark.real_data
def test_dubai(real_data: Path) -> None:
    data = FolderSegmentationDataModule(str(real_data / "aerial_dubai"), batch_size=8, inner_val=0.0, **DUBAI)
    assert digest(data) == "83b863f9a32d0b41"
    held = FolderSegmentationDataModule(
        str(real_data / "aerial_dubai"), batch_size=8, val_fold=None, inner_val=0.2, label_fraction=0.3, **DUBAI
    )
    assert digest(held) == "682195eaac773f57"


@pytest.mark.real_data
def test_ph2(real_data: Path) -> None:
    data = PH2DataModule(str(real_data / "ph2"), fold=2, batch_size=8, inner_val=0.1, standardise=True, augment=True)
    assert digest(data) == "9236792b0ecab004"


@pytest.mark.real_data
def test_isbi2012(real_data: Path) -> None:
    data = ISBI2012DataModule(str(real_data / "isbi2012"), fold=1, batch_size=4, grouped=True, inner_val=0.2)
    assert digest(data) == "f5a365e802eca5cd"
