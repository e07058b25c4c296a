"""The picture on a card shows the windows of the greatest variety, by their truth alone."""

import math

import numpy as np
import pytest
from PIL import Image

from benchmarks.checkpoint_panel import choose, main, variety
from hqzoo.data import IGNORE_INDEX
from tests.fixtures.weights import trained


def test_variety_is_the_entropy_of_what_is_labelled() -> None:
    halves = np.repeat([0, 3], 50).reshape(10, 10)
    assert variety(halves) == pytest.approx(1)
    halves[0, :3] = IGNORE_INDEX
    shares = (47 / 97, 50 / 97)
    assert variety(halves) == pytest.approx(-sum(share * math.log2(share) for share in shares))
    halves[:2] = IGNORE_INDEX
    assert variety(halves) == -1


def test_the_most_varied_windows_of_different_images(tmp_path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(0)
    for name, classes in (("town_a", 1), ("town_b", 3), ("town_c", 2), ("coast_a", 3), ("spare", 3)):
        mask = np.ones((128, 256), np.uint8)
        mask[:, 128:] = rng.integers(1, classes + 1, (128, 128))
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
        Image.fromarray(rng.integers(0, 256, (128, 256, 3), np.uint8)).save(tmp_path / f"images/{name}.png")
    folds = [f"{name},{name},0" for name in ("town_a", "town_b", "town_c", "coast_a")]
    (tmp_path / "folds.csv").write_text("\n".join(["name,scene,fold", *folds, "spare,spare,1"]) + "\n")
    found = choose(str(tmp_path), "town_", (128, 128))
    assert [(sample["scene"], sample["col"]) for sample in found] == [("town_b", 128), ("town_c", 128)]


def test_the_program_draws_a_picture(tmp_path) -> None:
    _, checkpoint = trained(tmp_path)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for name in "abc":
        mask = np.kron([[1, 2], [3, 1]], np.ones((16, 16))).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / f"data/masks/{name}.png")
        Image.fromarray(np.stack([mask] * 3, -1)).save(tmp_path / f"data/images/{name}.png")
    (tmp_path / "data/folds.csv").write_text("name,scene,fold\na,a,0\nb,b,0\nc,c,1\n")
    panel = tmp_path / "panel.png"
    assert main([str(checkpoint), str(panel), f"{tmp_path / 'data'}:"]) == 0
    with Image.open(panel) as picture:
        assert picture.size[0] > 100
