import numpy as np
import pytest
import torch
from PIL import Image

from hqzoo.data.labels import default_palette
from hqzoo.errors import ConfigError
from hqzoo.tasks.panels import RIGHT, UNLABELLED, WRONG, as_picture, draw_panel, red_green_blue
from tests.fixtures.tasks import CLASSES, PALETTE


def stacks(count=2, size=32):
    rng = np.random.default_rng(0)
    truths = rng.integers(0, 3, (count, size // 8, size // 8)).repeat(8, 1).repeat(8, 2)
    predictions = truths.copy()
    predictions[:, :8] = 0
    truths[:, -4:] = 255
    return rng.uniform(0, 255, (count, 3, size, size)), truths, predictions


def colours_of(path):
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(value.tolist()): int(count) for value, count in zip(values, counts, strict=True)}


def test_every_class_and_both_verdicts_are_on_the_panel(tmp_path):
    path = draw_panel(*stacks(), CLASSES, PALETTE, tmp_path / "deep" / "panel.png")
    seen = colours_of(path)
    for colour in (*PALETTE, RIGHT, WRONG):
        assert seen.get(colour, 0) > 500, colour
    assert [file.name for file in path.parent.iterdir()] == ["panel.png"]


def test_a_right_prediction_shows_no_wrong_pixel_but_in_the_legend(tmp_path):
    images, truths, predictions = stacks()
    some = colours_of(draw_panel(images, truths, predictions, CLASSES, PALETTE, tmp_path / "a.png"))[WRONG]
    none = colours_of(draw_panel(images, truths, truths, CLASSES, PALETTE, tmp_path / "b.png"))[WRONG]
    assert none < 1000 < some


def test_wrong_pixels_have_a_colour_of_their_own_beside_a_red_class(tmp_path):
    palette = ((190, 20, 40), (0, 80, 200), (255, 10, 250))  # red, and nearly the next choice
    seen = colours_of(draw_panel(*stacks(), CLASSES, palette, tmp_path / "panel.png"))
    wrong = [each for each, count in seen.items() if count > 2000 and each not in {*palette, RIGHT, UNLABELLED}]
    flat = [each for each in wrong if min(np.linalg.norm(np.subtract(each, other)) for other in palette) > 100]
    assert seen.get(WRONG, 0) == 0
    assert flat


def test_no_class_is_red_by_default():
    for count in (1, 5, 30):
        for red, green, blue in default_palette(count):
            assert not (red > 1.6 * green and red > 1.6 * blue), (count, red, green, blue)
            assert np.linalg.norm(np.subtract((red, green, blue), WRONG)) > 75


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (("red", "green", "blue"), (0, 1, 2)),
        (("blue", "green", "red", "nir"), (2, 1, 0)),
        (("B02 Blue", "swir", "Green", "Red"), (0, 1, 2)),  # not all three are named so: the first three
        (("Blue", "Green", "Red"), (2, 1, 0)),
        (("vv", "vh"), (0, 1, 2)),
        (("B02", "B03", "B04", "B08"), (2, 1, 0)),
    ],
)
def test_red_green_and_blue_are_found_by_name(bands, shown):
    assert red_green_blue(bands) == shown


def test_tensors_bands_and_default_colours(tmp_path):
    images, truths, predictions = (torch.from_numpy(part) for part in stacks())
    for bands in (1, 2, 3):
        draw_panel(images[:, :bands], truths, predictions, CLASSES, None, tmp_path / f"{bands}.png")
    picture = as_picture(np.arange(8.0).reshape(2, 2, 2), 8.0, (0, 1, 2))
    assert picture[..., 0].tolist() == picture[..., 2].tolist() == [[0, 32], [64, 96]]


def test_stretch_and_missing_pixels():
    image = np.linspace(1000, 3000, 3 * 16).reshape(3, 4, 4)
    image[0, 0, 0] = np.nan
    picture = as_picture(image, None, (0, 1, 2))
    assert (picture.min(), picture.max()) == (0, 255)
    flat = as_picture(np.full((3, 4, 4), 7.0), None, (0, 1, 2))
    assert flat.max() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 32, 32))}, r"got \(2, 32, 32\)"),
        ({"truths": np.zeros((2, 16, 32), int)}, r"must be \(2, 32, 32\)"),
        ({"palette": PALETTE[:2]}, r"per class \(3\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, change, message):
    images, truths, predictions = stacks()
    arguments = {"images": images, "truths": truths, "predictions": predictions, "palette": PALETTE} | change
    with pytest.raises(ConfigError, match=message):
        draw_panel(**arguments, classes=CLASSES, path=tmp_path / "panel.png")
    assert not list(tmp_path.iterdir())
