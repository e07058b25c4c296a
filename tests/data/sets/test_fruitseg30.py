"""FruitSeg30: names, folds with the same share of every kind, both ways of writing masks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hqzoo.data import FruitSeg30DataModule
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.whole_images import FRUITS, blob, write_fruitseg30


def module(root: Path, **options: object) -> FruitSeg30DataModule:
    return FruitSeg30DataModule(str(root), **options)  # type: ignore[arg-type]


def kinds(data: FruitSeg30DataModule, split: str) -> Counter[str]:
    return Counter(record.name.rpartition("_")[0] for record in data.records(split))  # type: ignore[arg-type]


def test_folds_are_stratified(tmp_path: Path) -> None:
    write_fruitseg30(tmp_path)
    folds = [module(tmp_path, fold=fold) for fold in range(5)]
    tested = [kinds(data, "test") for data in folds]
    for kind, count in zip(FRUITS, (7, 11, 4), strict=True):
        assert {found[kind] for found in tested} <= {count // 5, count // 5 + 1}
    assert sum(tested, Counter()) == dict(zip(FRUITS, (7, 11, 4), strict=True))
    assert {found.total() for found in tested} == {4, 5}
    for data in folds:
        train, test = ({record.name for record in records} for records in (data.records("train"), data.records("test")))
        assert len(train | test) == 22
        assert not train & test
    assert len(module(tmp_path, inner_val=0.25).records("val")) == 4


def test_images_and_masks(tmp_path: Path) -> None:
    data = module(write_fruitseg30(tmp_path), size=(48, 48), batch_size=5)
    data.setup()
    assert data.targets.classes == ("background", "fruit")
    for record in [*data.records("train"), *data.records("test")]:
        kind, number = record.name.rsplit("_", 1)
        image, mask = record.read()
        expected, fruit = blob(1000 * FRUITS.index(kind) + int(number), (48, 48))
        assert mask is not None
        assert np.array_equal(mask, fruit)  # also where the mask is black and white RGB
        assert np.abs(image.transpose(1, 2, 0).astype(int) - expected).mean() < 15  # JPEG blurs the noise of 15
    assert module(tmp_path).records("train")[0].read()[0].shape == (3, 64, 64)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No image of FruitSeg30 was found.*<kind>/Mask/<name>_mask\.png"):
        module(tmp_path).records("train")
    write_fruitseg30(tmp_path)
    (tmp_path / "Banana" / "Mask" / "3_mask.png").unlink()
    with pytest.raises(DataError, match=r"1 image\(s\) in .*Banana/Images have no mask in .*: expected 3_mask\.\*"):
        module(tmp_path).records("train")
    with pytest.raises(ConfigError, match="`fold=-1`"):
        module(tmp_path, fold=-1)


def test_names_stay_distinct(tmp_path: Path) -> None:
    write_fruitseg30(tmp_path, (3, 3, 3))
    (tmp_path / "Kiwi").rename(tmp_path / "Apple")  # Apple/Gala_1.jpg and Apple_Gala/1.jpg
    for part, suffix in (("Images", ".jpg"), ("Mask", "_mask.png")):
        path = tmp_path / "Apple" / part / f"1{suffix}"
        path.rename(path.with_name(f"Gala_1{suffix}"))
    with pytest.raises(DataError, match=r"Two images are called 'Apple_Gala_1'"):
        module(tmp_path).records("train")
