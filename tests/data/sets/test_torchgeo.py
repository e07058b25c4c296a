"""TorchGeo's own classes on files of the layouts that they document, and on TorchGeo's own fixtures."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hqzoo.data import TorchGeoDataModule
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.folder import write_tiff

CLASSES = ("AnnualCrop", "Forest", "River")


def picture(path: Path, seed: int, size: tuple[int, int] = (64, 64), levels: int = 256, bands: int = 3) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, levels, (*size, bands), dtype=np.uint8)
    Image.fromarray(values if bands == 3 else values[..., 0]).save(path)
    return values


def write_eurosat(root: Path) -> None:
    names = []
    for number in range(12):
        kind = CLASSES[number % 3]
        path = root / "ds/images/remote_sensing/otherDatasets/sentinel_2/tif" / kind / f"{kind}_{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tiff(path, np.random.default_rng(number).integers(0, 9000, (13, 64, 64)).astype(np.uint16))
        names.append(f"{kind}_{number}.jpg")
    for split, part in (("train", names[:6]), ("val", names[6:9]), ("test", names[9:])):
        (root / f"eurosat-{split}.txt").write_text("\n".join(part))
    for split, part in (("train", names[6:]), ("val", names[3:6]), ("test", names[:3])):
        (root / f"eurosat-spatial-{split}.txt").write_text("\n".join(part))


def write_ucmerced(root: Path) -> None:
    names = []
    for number in range(6):
        kind = ("agricultural", "beach")[number % 2]
        picture(root / "UCMerced_LandUse/Images" / kind / f"{kind}{number:02}.tif", number)
        names.append(f"{kind}{number:02}.tif")
    for split in ("train", "val", "test"):
        (root / f"uc_merced-{split}.txt").write_text("\n".join(names))


def write_resisc45(root: Path) -> None:
    names = []
    for number in range(6):
        kind = ("airport", "bridge")[number % 2]
        picture(root / "NWPU-RESISC45" / kind / f"{kind}_{number:03}.jpg", number, (256, 256))
        names.append(f"{kind}_{number:03}.jpg")
    for split in ("train", "val", "test"):
        (root / f"resisc45-{split}.txt").write_text("\n".join(names))


def write_patternnet(root: Path) -> None:
    for number in range(10):
        kind = ("airplane", "cemetery")[number % 2]
        picture(root / "PatternNet/images" / kind / f"{kind}{number:03}.jpg", number, (32, 32))


def write_loveda(root: Path) -> None:
    for split in ("Train", "Val", "Test"):
        for scene in ("Urban", "Rural"):
            for number in range(2):
                picture(root / split / scene / "images_png" / f"{number}.png", number)
                if split != "Test":
                    picture(root / split / scene / "masks_png" / f"{number}.png", 9 + number, levels=8, bands=1)


def write_etci2021(root: Path) -> None:
    for split in ("train", "test", "test_internal"):  # TorchGeo calls the second "val"
        for number, layer in enumerate(("vv", "vh", "water_body_label", "flood_label")):
            if split == "test_internal" and layer == "flood_label":
                continue
            picture(root / split / "region_1/tiles" / layer / "a.png", number, bands=3 if layer[0] == "v" else 1)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    def make(write: Any, dataset: str, **options: Any) -> TorchGeoDataModule:
        write(tmp_path)
        data = TorchGeoDataModule(dataset, root=str(tmp_path), batch_size=2, **options)
        data.prepare_data()
        data.setup()
        return data

    return make


def test_eurosat_reads_bands_and_labels_of_the_files(made: Any, tmp_path: Path) -> None:
    options = {"unit": "reflectance x 1e4", "scale": 10_000.0, "augment": False}
    data = made(write_eurosat, "torchgeo.datasets.EuroSAT", dataset_args={"bands": ["B04", "B03", "B02"]}, **options)
    assert data.targets.kind == "label"
    assert data.targets.classes == CLASSES
    assert data.sensors["image"].bands == ("B04", "B03", "B02")
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [6, 3, 3]
    assert data.sample_shapes() == {"image": (3, 64, 64)}
    stacks = [np.random.default_rng(n).integers(0, 9000, (13, 64, 64))[[3, 2, 1]] for n in range(6)]
    pixels = np.stack(stacks).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(data.statistics["image"].mean, pixels.mean(1), rtol=1e-12)
    np.testing.assert_allclose(data.statistics["image"].std, pixels.std(1), rtol=1e-12)
    batch = next(iter(data.train_dataloader()))
    for image, label in zip(batch["image"], batch["label"], strict=True):
        (number,) = [n for n, stack in enumerate(stacks) if np.array_equal(stack, image.numpy())]
        assert int(label) == number % 3
    names = [name for each in data.test_dataloader() for name in each["name"]]
    assert len(set(names)) == len(names) == 3


@pytest.mark.parametrize(("dataset", "tested"), [("EuroSAT", (9, 10, 11)), ("EuroSATSpatial", (0, 1, 2))])
def test_thirteen_bands_of_eurosat_in_either_split(made: Any, dataset: str, tested: tuple[int, ...]) -> None:
    data = made(write_eurosat, dataset, scale=10_000.0, augment=False, remark="Only generated.")
    assert data.sensors["image"].bands == (*(f"B{number:02}" for number in range(1, 13)), "B8A")
    assert data.notes() == ["Only generated."]
    stacks = [np.random.default_rng(number).integers(0, 9000, (13, 64, 64)) for number in tested]
    samples = [data.test_dataloader().dataset[index] for index in range(3)]
    for sample in samples:
        (number,) = [n for n, stack in zip(tested, stacks, strict=True) if np.array_equal(sample["image"], stack)]
        assert int(sample["label"]) == number % 3


def test_samples_follow_from_seed_epoch_and_index(made: Any) -> None:
    data = made(write_eurosat, "EuroSAT", scale=10_000.0)
    samples = data.train_dataloader().dataset
    copy = pickle.loads(pickle.dumps(samples))
    for epoch in (0, 1):
        assert torch.equal(samples[(epoch, 2)]["image"], copy[(epoch, 2)]["image"])
    assert not torch.equal(samples[(0, 2)]["image"], samples[(1, 2)]["image"])
    assert samples[(0, 2)]["name"] == samples[(1, 2)]["name"]


@pytest.mark.parametrize(
    ("write", "dataset", "shape", "classes"),
    [
        (write_ucmerced, "UCMerced", (3, 256, 256), ("agricultural", "beach")),
        (write_resisc45, "RESISC45", (3, 256, 256), ("airport", "bridge")),
    ],
)
def test_colour_pictures_with_labels(
    made: Any, write: Any, dataset: str, shape: tuple[int, int, int], classes: tuple[str, ...]
) -> None:
    data = made(write, dataset)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (2, *shape)
    assert data.targets.classes == classes
    assert data.sensors["image"].bands == ("red", "green", "blue")


def test_a_class_without_splits_is_drawn_and_divided(made: Any) -> None:
    data = made(write_patternnet, "PatternNet", inner_val=0.25, size=(16, 16))
    parts = [{record.name for record in data.records(split)} for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert len(set.union(*parts)) == 10
    assert next(iter(data.train_dataloader()))["image"].shape == (2, 3, 16, 16)


def test_folds_test_every_image_once(made: Any, tmp_path: Path) -> None:
    write_patternnet(tmp_path)
    modules = [TorchGeoDataModule("PatternNet", root=str(tmp_path), num_folds=5, fold=fold) for fold in range(5)]
    tested = [record.name for module in modules for record in module.records("test")]
    assert len(tested) == len(set(tested)) == 10
    assert list(modules[0].fold_numbers()) == [0, 1, 2, 3, 4]


def test_masks_in_windows_with_values_of_their_own(made: Any) -> None:
    classes = dict(enumerate(("background", "building", "road", "water", "barren", "forest", "agriculture"), 1))
    splits = {"train": "train", "test": "val"}
    data = made(write_loveda, "LoveDA", classes=classes, ignore=[0], splits=splits, crop_size=40)
    assert data.targets.classes == tuple(classes.values())
    batches = list(data.test_dataloader())
    masks = np.concatenate([batch["mask"].numpy().ravel() for batch in batches])
    raw = np.concatenate([np.random.default_rng(9 + n).integers(0, 8, 64 * 64, dtype=np.uint8) for n in (0, 1)] * 2)
    counts = np.bincount(masks, minlength=256)
    assert counts[:7].tolist() == np.bincount(raw, minlength=8)[1:].tolist()  # every pixel once, value 0 not at all
    names = [name for batch in batches for name in batch["name"]]
    assert len(set(names)) == len(names) == 4 * 4


def test_one_of_several_masks(made: Any) -> None:
    bands = [f"{name}_{colour}" for name in ("VV", "VH") for colour in "rgb"]  # TorchGeo repeats the grey values
    options = {"classes": ["dry", "water"], "bands": bands, "splits": {"train": "train", "test": "val"}}
    data = made(write_etci2021, "ETCI2021", mask_layer=1, crops_per_epoch=2, **options)
    assert next(iter(data.train_dataloader()))["image"].shape == (2, 6, 64, 64)
    with pytest.raises(ConfigError, match="2 layer"):
        made(write_etci2021, "ETCI2021", **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dataset": "EuroSaat"}, ConfigError, "EuroSAT"),
        ({"dataset": "nowhere.Data"}, ConfigError, "nowhere.Data cannot be imported"),
        ({"dataset": "EuroSAT", "dataset_args": {"band": []}}, ConfigError, "bands"),
        ({"dataset": "EuroSAT", "splits": {"train": "training"}}, ConfigError, "Correct `splits`"),
        ({"dataset": "EuroSAT", "splits": {"training": "train"}}, ConfigError, "train"),
        ({"dataset": "PatternNet", "splits": {"train": "train"}}, ConfigError, "no splits of its own"),
        ({"dataset": "EuroSAT"}, DataError, "did not find its files"),
        ({"dataset": "EuroSAT", "test_share": 0.0}, ConfigError, "test_share"),
    ],
)
def test_mistakes(tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TorchGeoDataModule(root=str(tmp_path), **options).setup()


def test_bands_must_fit_the_images(made: Any) -> None:
    with pytest.raises(ConfigError, match=r"images of 13 band\(s\), but `bands` names 2: a, b"):
        _ = made(write_eurosat, "EuroSAT", bands=["a", "b"]).sensors


TWELVE = [f"band_{number}" for number in range(12)]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "dataset", "options", "kind", "classes"),
    [
        ("eurosat", "EuroSAT", {}, "label", 2),
        ("eurosat", "EuroSAT100", {}, "label", 2),
        ("eurosat", "EuroSATSpatial", {}, "label", 2),
        ("landcoverai", "LandCoverAI", {"crop_size": 2}, "mask", 5),
        ("loveda", "LoveDA", {"splits": {"train": "train", "test": "val"}}, "mask", 8),
        ("seasonet", "SeasoNet", {"bands": TWELVE}, "mask", 33),
        ("bigearthnet/v1", "BigEarthNet", {"dataset_args": {"bands": "s2"}, "bands": TWELVE}, "multilabel", 19),
    ],
)
def test_torchgeos_own_fixtures(
    real_data: Path, tmp_path: Path, folder: str, dataset: str, options: dict[str, Any], kind: str, classes: int
) -> None:
    root = shutil.copytree(real_data / "torchgeo_fixtures" / folder, tmp_path / "data")  # classes unpack archives there
    data = TorchGeoDataModule(dataset, root=str(root), batch_size=1, scale=10_000.0, **options)
    data.prepare_data()
    data.setup()
    assert data.targets.kind == kind
    assert len(data.targets) == classes
    for loader in (data.train_dataloader(), data.test_dataloader()):
        batch = next(iter(loader))
        assert batch["image"].shape == (1, *data.sample_shapes()["image"])
        target = batch["mask" if kind == "mask" else "label"]
        expected = {"mask": (1, *batch["image"].shape[2:]), "label": (1,), "multilabel": (1, classes)}[kind]
        assert target.shape == expected
        assert target.dtype == (torch.float32 if kind == "multilabel" else torch.int64)
        assert batch["name"][0]
