"""The base data module: settings, stages, loaders, and other kinds of data sets on it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from hqzoo.data import (
    IGNORE_INDEX,
    ArrayRecord,
    ClassMap,
    FolderSegmentationDataModule,
    ImageRecord,
    SegmentationDataModule,
    Sensor,
    Window,
)
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.folder import write_folder

BANDS = ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12", "B01", "B09")


class Patch(ImageRecord):
    """A Sentinel-2 patch as SeasoNet stores it: bands of three resolutions in files of their own."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 120, 120)

    def read(self, window: Window | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        rng = np.random.default_rng(int(self.name))
        fine, middle, coarse = (rng.integers(0, 9000, (n, s, s)) for n, s in ((4, 120), (6, 60), (2, 20)))
        layers = [fine, middle.repeat(2, 1).repeat(2, 2), coarse.repeat(6, 1).repeat(6, 2)]
        image = np.concatenate(layers).astype(np.uint16)
        mask = CORINE.encode(rng.integers(1, 34, (120, 120)), self.name)
        return (image, mask) if window is None else (window.of(image), window.of(mask))


CORINE = ClassMap(tuple(f"class {value}" for value in range(1, 34)), tuple(range(1, 34)))


class Sentinel(SegmentationDataModule):
    """33 classes, 12 bands, patches smaller than the crop."""

    def load_records(self, split: str) -> Sequence[ImageRecord]:
        self.sensor, self.class_map = Sensor(BANDS, "reflectance x 1e4", 10_000.0), CORINE
        numbers = {"train": range(4), "val": range(4, 6), "test": range(6, 8)}[split]
        return [Patch(str(number)) for number in numbers]


class Empty(SegmentationDataModule):
    """A data set without images."""

    def load_records(self, split: str) -> Sequence[ImageRecord]:
        return []


def test_twelve_bands_and_patches_smaller_than_the_crop() -> None:
    data = Sentinel(batch_size=4, crop_size=128)
    data.setup()
    assert len(data.statistics["image"].mean) == 12
    assert len(data.targets.classes) == len(set(data.targets.palette)) == 33
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 12, 128, 128)
    assert batch["image"].max() <= 10_000
    test = next(iter(data.test_dataloader()))
    assert (test["mask"] != IGNORE_INDEX).sum() == 2 * 120 * 120
    assert test["height"].tolist() == [120, 120]


def test_stages_load_what_they_need() -> None:
    loaded = []

    class Watched(Sentinel):
        def load_records(self, split: str) -> Sequence[ImageRecord]:
            loaded.append(split)
            return super().load_records(split)

    for stage, expected in {
        "fit": ["train", "val"],
        "validate": ["val"],
        "test": ["test"],
        "predict": ["test"],
    }.items():
        loaded.clear()
        data = Watched()
        data.setup(stage)
        data.setup(stage)
        assert loaded == expected


def test_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="The split 'train' of Empty is empty"):
        Empty().setup("fit")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("num_workers", -1),
        ("crop_size", 0),
        ("crops_per_epoch", 0),
        ("seed", -1),
        ("cache_gib", -1.0),
        ("crop_size", (32, 0)),
    ],
)
def test_bad_settings_name_themselves(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must be at least .*, got {re.escape(str(value))}"):
        Sentinel(**{name: value})  # type: ignore[arg-type]


def test_length_of_an_epoch(tmp_path: Path) -> None:
    root = write_folder(tmp_path, size=(96, 80))  # training: 96 x 80 and 96 x 96
    counts = {None: round(96 * 80 / 1024) + 9, 100: 100, 3: 3}
    for crops, expected in counts.items():
        data = FolderSegmentationDataModule(str(root), crop_size=32, batch_size=8, crops_per_epoch=crops)
        data.setup("fit")
        loader = data.train_dataloader()
        assert len(loader.dataset) == expected  # type: ignore[arg-type]
        # The short last batch is left out, unless it is the only one.
        assert [len(batch["mask"]) for batch in loader] == ([8] * (expected // 8) or [3])


def test_last_short_batch_can_be_kept(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    data = FolderSegmentationDataModule(str(root), crop_size=32, batch_size=8, crops_per_epoch=11, drop_last=False)
    data.setup("fit")
    assert [len(batch["mask"]) for batch in data.train_dataloader()] == [8, 3]


def test_rectangular_windows() -> None:
    data = Sentinel(batch_size=4, crop_size=(40, 60))
    data.setup()
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 12, 40, 60)
    assert len(data.train_dataloader().dataset) == 4 * 6  # type: ignore[arg-type]
    test = list(data.test_dataloader())
    assert sum(len(batch["mask"]) for batch in test) == 2 * 3 * 2
    assert sum(int((batch["mask"] != IGNORE_INDEX).sum()) for batch in test) == 2 * 120 * 120


class Numbered(SegmentationDataModule):
    """40 training images of ten scenes, and as many validation images as it is told."""

    val = 0

    def load_records(self, split: str) -> Sequence[ImageRecord]:
        self.sensor, self.class_map = Sensor(("grey",)), ClassMap(("a", "b"))
        count = {"train": 40, "val": self.val, "test": 8}[split]
        pixels = np.zeros((8, 8), np.uint8)
        return [ArrayRecord(f"{split}{number:02}", pixels[None] + number, pixels) for number in range(count)]

    def scene_of(self, record: ImageRecord) -> str:
        return record.name[:-1]


class Unscened(Numbered):
    """Each image is its own scene."""

    def scene_of(self, record: ImageRecord) -> str:
        return record.name


def taken(data: SegmentationDataModule, split: str) -> list[str]:
    return [record.name for record in data.records(split)]  # type: ignore[arg-type]


def test_fewer_labels_are_nested_and_leave_the_rest_alone() -> None:
    shares = [0.001, 0.05, 0.1, 0.5, 1.0]
    kept = [taken(Numbered(label_fraction=share), "train") for share in shares]
    assert [len(names) for names in kept] == [1, 2, 4, 20, 40]
    assert all(set(few) < set(many) for few, many in pairwise(kept))
    assert kept[2] == taken(Numbered(label_fraction=0.1, seed=7), "train")  # not the training seed
    assert kept[3] == sorted(kept[3])
    assert len(taken(Numbered(label_fraction=0.1), "test")) == 8
    few = Numbered(label_fraction=0.1, crop_size=8)
    few.setup("fit")
    assert len(few.train_dataloader().dataset) == 4  # type: ignore[arg-type]
    means = [int(name[-2:]) for name in kept[2]]
    np.testing.assert_allclose(few.statistics["image"].mean, np.mean(means))


def test_inner_validation_takes_whole_scenes_of_training() -> None:
    for first in ("train", "val"):  # whichever is asked for first
        data = Numbered(inner_val=0.25)
        data.records(first)
        train, val = taken(data, "train"), taken(data, "val")
        assert sorted(train + val) == taken(Numbered(), "train")
        assert len(val) in (10, 20)
        assert not {name[:-1] for name in train} & {name[:-1] for name in val}
    assert taken(data, "test") == taken(Numbered(), "test")
    assert val == taken(Numbered(inner_val=0.25, seed=3), "val")
    assert len(taken(Unscened(inner_val=0.25), "val")) == 10
    fewer = Unscened(inner_val=0.25, label_fraction=0.1)
    assert taken(fewer, "val") == taken(Unscened(inner_val=0.25), "val")
    assert len(taken(fewer, "train")) == 3
    assert not set(taken(fewer, "train")) & set(taken(fewer, "val"))


def test_inner_validation_beside_another_is_refused() -> None:
    data = Numbered(inner_val=0.2)
    data.val = 3
    with pytest.raises(ConfigError, match=r"`inner_val=0\.2` makes a validation split .* there is one already"):
        data.records("train")
    assert len(data.records("test")) == 8


@pytest.mark.parametrize(
    ("name", "value"), [("inner_val", 1.0), ("inner_val", -0.1), ("label_fraction", 0.0), ("label_fraction", 1.1)]
)
def test_shares_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` is a share .*, got {value}"):
        Numbered(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_nothing_to_divide_is_an_empty_split(share: float) -> None:
    with pytest.raises(DataError, match="The split 'train' of Empty is empty"):
        Empty(inner_val=share).records("train")


def test_augmentation_can_be_switched_off(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    options = {"crop_size": 32, "batch_size": 8}
    plain = FolderSegmentationDataModule(str(root), augment=False, **options)  # type: ignore[arg-type]
    changed = FolderSegmentationDataModule(str(root), **options)  # type: ignore[arg-type]
    for data in (plain, changed):
        data.setup("fit")
    images = next(iter(plain.train_dataloader()))["image"]
    assert torch.equal(images, images.round())  # pixels as they are in the file
    others = next(iter(changed.train_dataloader()))["image"]
    assert not torch.equal(others, others.round())


def test_loader_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    data = FolderSegmentationDataModule(str(write_folder(tmp_path)), crop_size=32)
    data.setup()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(data.train_dataloader())
    list(data.test_dataloader())
    assert torch.equal(torch.get_rng_state(), before)


def test_spawned_workers_get_no_copy_of_the_memory() -> None:
    data = Sentinel(crop_size=32)
    data.setup("fit")
    dataset = data.train_dataloader().dataset
    expected = dataset[(1, 3)]["image"]
    assert data.cache.used > 0
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 20_000
    assert torch.equal(pickle.loads(pickled)[(1, 3)]["image"], expected)


def test_state_outside_a_trainer_is_plain() -> None:
    data = Sentinel()
    assert data.state_dict() == {"epoch": 0, "samples": 0, "samples_per_step": 16, "seed": 0, "contents": data.contents}


def test_package_is_light_and_complete() -> None:
    import hqzoo.data

    for name in hqzoo.data.__all__:
        if name != "LandCoverAIDataModule":
            assert getattr(hqzoo.data, name) is not None
    assert set(dir(hqzoo.data)) == set(hqzoo.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Folder'"):
        hqzoo.data.Folder  # noqa: B018


def test_array_records_give_views() -> None:
    image = np.arange(24).reshape(1, 4, 6)
    record = ArrayRecord("a", image)
    part, mask = record.read(Window(1, 2, 2, 3))
    assert mask is None
    assert part.tolist() == [[[8, 9, 10], [14, 15, 16]]]
    assert np.shares_memory(part, image)


@pytest.mark.parametrize(
    ("crops_by", "shares"),
    [("area", (0.5, 0.125, 0.375)), ("image", (1 / 3, 1 / 3, 1 / 3)), ("scene", (0.4, 0.1, 0.5))],
)
def test_what_crops_are_shared_by(crops_by: str, shares: tuple[float, ...]) -> None:
    """Two images of 64 and 16 rows make a scene, one of 48 another."""
    scenes = {"a": "town", "b": "town", "c": "coast"}

    class Three(SegmentationDataModule):
        sensor, class_map = Sensor(("red",)), ClassMap(("one", "two"))

        def load_records(self, split: str) -> Sequence[ImageRecord]:
            sizes = {"a": 64, "b": 16, "c": 48}
            images = {name: np.zeros((1, rows, 16), np.uint8) for name, rows in sizes.items()}
            return [ArrayRecord(name, image, image[0]) for name, image in images.items()]

        def scene_of(self, record: ImageRecord) -> str:
            return scenes[record.name]

    data = Three(crop_size=8, crops_per_epoch=240, crops_by=crops_by, batch_size=24)  # type: ignore[arg-type]
    names = [name for batch in data.train_dataloader() for name in batch["name"]]
    assert [names.count(name) / 240 for name in "abc"] == pytest.approx(shares, abs=0.01)
    with pytest.raises(ConfigError, match=r"'scenes'.*scene"):
        Three(crops_by="scenes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="zoom"):
        Three(zoom=(2.0, 1.0))
