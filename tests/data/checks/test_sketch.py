"""Pictures that look alike are found, others are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from hqzoo.data import FolderSegmentationDataModule, LandscapesDataModule
from hqzoo.data.checks.inspection import inspect
from hqzoo.data.checks.sketch import alike, sketch
from tests.fixtures.folder import draw, write_folder


def planes(picture: Image.Image) -> np.ndarray:
    return np.moveaxis(np.asarray(picture), -1, 0)


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file)


CHANGES = {
    "compressed": compressed,
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "smaller": lambda picture: picture.resize((70, 70)),
    "noise": lambda picture: Image.fromarray(
        (np.asarray(picture) + np.random.default_rng(0).normal(0, 5, (*picture.size[::-1], 3)))
        .clip(0, 255)
        .astype("u1")
    ),
}


@pytest.fixture(scope="module")
def landscapes() -> list[Image.Image]:
    records = LandscapesDataModule().records("test")
    return [Image.fromarray(np.moveaxis(record.read()[0], 0, -1)[..., :3].astype(np.uint8)) for record in records]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_found_among_others(change: object, landscapes: list[Image.Image]) -> None:
    copies = [change(picture) for picture in landscapes]  # type: ignore[operator]
    found = set(alike([sketch(planes(picture)) for picture in landscapes + copies]))
    assert found == {(number, number + len(landscapes)) for number in range(len(landscapes))}


def test_flat_and_random_images_are_like_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (3, 64, 64)).astype(np.uint8) for _ in range(200)]
    flat = [np.full((3, 64, 64), 7, np.uint8)] * 3
    drawn = [np.moveaxis(draw(seed, 96, 96)[0], -1, 0) for seed in range(200)]
    assert not list(alike([sketch(image) for image in noise + flat + drawn]))
    assert not list(alike([]))


def test_a_thousand_copies_are_not_a_million_pairs() -> None:
    own = sketch(np.moveaxis(draw(0, 96, 96)[0], -1, 0))
    assert 1000 <= len(list(alike([own] * 1500))) <= 20 * 1500


def test_a_compressed_copy_in_another_split_leaks(tmp_path: Path) -> None:
    root = write_folder(tmp_path, size=(64, 64))
    copy = compressed(Image.open(root / "images" / "scene0_0.png").convert("RGB"))
    copy.save(root / "images" / "scene2_0.png")
    found = inspect(lambda fold: FolderSegmentationDataModule(str(root), fold=fold or 0))
    assert found.leaks[0] == ("fold 0: train and test share 1 pair(s) of images that look alike: scene2_0 ~ scene0_0.")
    assert len(found.leaks) == 3  # a pair in every fold
