import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import confusion_matrix

from hqzoo.data.sets.landscapes import CLASS_MAP, PIXEL_SIZE, SENSOR, LandscapesDataModule, render, write_scene
from hqzoo.errors import ConfigError, WriteError
from hqzoo.models import create_model
from hqzoo.nn import Normalizer
from hqzoo.tasks.losses import LossSettings, SegmentationLoss

TINY = {"train_landscapes": 2, "val_landscapes": 1, "test_landscapes": 1, "size": 96, "crop_size": 64}


def test_same_bytes_on_every_platform():
    image, mask = render(7, (96, 160))
    assert image.shape == (96, 160, 3)
    assert mask.shape == (96, 160)
    assert image.dtype == mask.dtype == np.uint8
    assert (
        hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()
        == "114820fefb538081a3b7fc0b752e3651b51d2c7ed2dc0a1406b9fde7770a5a53"
    )


def test_seeds_give_different_landscapes():
    masks = [render(seed, (64, 64))[1] for seed in range(6)]
    assert len({mask.tobytes() for mask in masks}) == 6


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (33, 200)])
def test_any_size_from_sixteen_pixels_on(size):
    for seed in range(10):
        image, mask = render(seed, size)
        assert image.shape[:2] == mask.shape == size
        assert mask.max() <= 4


@pytest.mark.parametrize(("seed", "size", "named"), [(-1, (64, 64), "-1"), (0, (15, 64), "15, 64"), (0, (64,), "64")])
def test_bad_seed_or_size(seed, size, named):
    with pytest.raises(ConfigError, match=named):
        render(seed, size)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_split_holds_all_classes(split):
    data = LandscapesDataModule(train_landscapes=16, val_landscapes=8, test_landscapes=16)
    masks = np.stack([record.read()[1] for record in data.records(split)])
    shares = np.bincount(masks.ravel(), minlength=5) / masks.size
    assert len(shares) == 5
    assert shares.min() > 0.02
    assert shares.max() < 0.7


def test_splits_share_no_landscape():
    data = LandscapesDataModule(**TINY)
    data.setup()
    seen = [record.read()[0].tobytes() for split in ("train", "val", "test") for record in data.records(split)]
    assert len(seen) == len(set(seen)) == 4
    assert list(data.predict_records()) == list(data.records("test"))


def test_validation_landscapes_do_not_depend_on_how_many_train():
    few, many = LandscapesDataModule(**TINY), LandscapesDataModule(**{**TINY, "train_landscapes": 5})
    assert few.records("val")[0].name == many.records("val")[0].name
    assert [r.name for r in few.records("train")] == [r.name for r in many.records("train")][:2]


def test_second_data_module_renders_nothing_again():
    first, second = LandscapesDataModule(**TINY), LandscapesDataModule(**TINY)
    assert first.records("train")[0] is second.records("train")[0]
    with pytest.raises(ValueError, match="read-only"):
        first.records("train")[0].read()[0][:] = 0


def test_batches_are_raw_images_with_class_indices():
    data = LandscapesDataModule(**TINY, batch_size=2, augment=False)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (2, 3, 64, 64)
    assert batch["mask"].shape == (2, 64, 64)
    assert 0 <= batch["mask"].min() <= batch["mask"].max() <= 4
    assert batch["image"].max() > 100  # digital numbers, not scaled
    assert data.sensor == SENSOR
    assert data.targets.classes == ("background", "building", "woodland", "water", "road")


def test_test_windows_are_the_landscape():
    data = LandscapesDataModule(**{**TINY, "size": 128}, batch_size=4)
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    image, mask = data.records("test")[0].read()
    for window, truth, row, col in zip(*(batch[k] for k in ("image", "mask", "row", "col")), strict=True):
        np.testing.assert_array_equal(window, image[:, row : row + 64, col : col + 64])
        np.testing.assert_array_equal(truth, mask[row : row + 64, col : col + 64])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"test_seed": 1}, "different"),
        ({"train_seed": -3}, "-3"),
        ({"train_landscapes": 0}, "train_landscapes"),
        ({"test_landscapes": -1}, "test_landscapes"),
        ({"size": 8}, "size"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_arguments(change, named):
    with pytest.raises(ConfigError, match=named):
        LandscapesDataModule(**change)


def test_scene_is_georeferenced_and_its_truth_lies_on_it(tmp_path):
    import rasterio

    path = tmp_path / "scene.tif"
    truth = write_scene(path, 3, (70, 300))
    image, mask = render(3, (70, 300))
    with rasterio.open(path) as scene, rasterio.open(truth) as labels:
        np.testing.assert_array_equal(scene.read(), image.transpose(2, 0, 1))
        np.testing.assert_array_equal(labels.read(1), mask)
        assert scene.crs == labels.crs == rasterio.CRS.from_epsg(2180)
        assert scene.transform == labels.transform
        assert scene.res == (PIXEL_SIZE, PIXEL_SIZE)
        assert labels.colormap(1)[3][:3] == CLASS_MAP.palette[3]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scene.tif", "scene_mask.tif"]


def test_scene_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder.tif", tmp_path / "file" / "scene.tif"):
        with pytest.raises(WriteError, match=path.name):
            write_scene(path, 0, (32, 32))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.tif"]


# How hard the default landscapes are: four scores on test landscapes, whose seed nobody looked at while the
# painter was made. The networks' budget is what this test can afford; longer training takes them further.

STEPS, CROPS = 600, 8


def miou(truth, prediction):
    confusion = confusion_matrix(truth.ravel(), prediction.ravel(), labels=range(5)).astype(float)
    hits = np.diag(confusion)
    return float(np.mean(hits / (confusion.sum(0) + confusion.sum(1) - hits)))


def arrays(data, split):
    pairs = [record.read() for record in data.records(split)]
    return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])


def windows(images, side):
    """Every pixel with its neighbours, (pixels, 3 * side * side)."""
    edge = side // 2
    padded = np.pad(images, ((0, 0), (0, 0), (edge, edge), (edge, edge)), mode="reflect")
    view = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 3 * side * side)


def classifier_score(data, classifier, side, pixels):
    images, masks = arrays(data, "train")
    chosen = np.random.default_rng(0).choice(masks.size, pixels, replace=False)
    classifier.fit(windows(images, side)[chosen], masks.ravel()[chosen])
    images, masks = arrays(data, "test")
    return miou(masks, np.concatenate([classifier.predict(windows(one[None], side)) for one in images]))


def network_score(data, control, steps=STEPS, rate=5e-3):
    torch.manual_seed(0)
    network = create_model("hq_unet", in_channels=3, num_classes=5, width=16, control=control)
    model = torch.nn.Sequential(Normalizer(data.statistics["image"].mean, data.statistics["image"].std), network)
    model = model.to(memory_format=torch.channels_last)
    criterion = SegmentationLoss(LossSettings(), 5)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for batch in data.train_dataloader():  # one epoch of `steps` batches
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(batch["image"].to(memory_format=torch.channels_last))
        loss = criterion(logits.float(), batch["mask"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        pairs = [(batch["mask"], model(batch["image"]).argmax(1)) for batch in data.test_dataloader()]
    return miou(*(torch.cat(parts).numpy() for parts in zip(*pairs, strict=True)))


@pytest.fixture(scope="module")
def landscapes():
    return LandscapesDataModule(batch_size=CROPS, crops_per_epoch=STEPS * CROPS)


@pytest.mark.slow
def test_colours_and_small_windows_do_not_solve_the_landscapes(landscapes):
    colours = classifier_score(landscapes, HistGradientBoostingClassifier(max_iter=60, random_state=0), 1, 50_000)
    forest = RandomForestClassifier(40, min_samples_leaf=4, class_weight="balanced", random_state=0)
    assert 0.25 < colours < 0.45
    assert colours < classifier_score(landscapes, forest, 5, 30_000) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("control", ["double_conv", "quantum"])
def test_networks_solve_the_landscapes(landscapes, control):
    assert 0.75 < network_score(landscapes, control) < 0.92
