"""PH2 in both layouts: the authors' folds, sizes, masks, and what is said when something is missing."""

from __future__ import annotations

import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import KFold

from hqzoo.data import FolderSegmentationDataModule, PH2DataModule
from hqzoo.data.sets.ph2 import authors_folds
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.whole_images import PH2_NAMES, blob, write_ph2


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ph2(tmp_path_factory.mktemp("ph2"))


def module(root: Path, **options: object) -> PH2DataModule:
    return PH2DataModule(str(root), **options)  # type: ignore[arg-type]


def names(data: PH2DataModule, split: str) -> list[str]:
    return [record.name for record in data.records(split)]  # type: ignore[arg-type]


def test_every_image_is_tested_once_and_trains_otherwise(download: Path) -> None:
    folds = [module(download, fold=fold) for fold in range(1, 6)]
    for data in folds:
        data.setup()
        assert sorted(names(data, "train") + names(data, "test")) == PH2_NAMES
        assert (len(data.records("train")), len(data.records("test"))) == (160, 40)
        assert data.val_dataloader() == []
    assert sorted(name for data in folds for name in names(data, "test")) == PH2_NAMES
    assert list(folds[0].fold_numbers()) == [1, 2, 3, 4, 5]


def test_authors_folds_are_those_of_scikit_learn() -> None:
    drawn = KFold(5, shuffle=True, random_state=42).split(PH2_NAMES)
    expected = {PH2_NAMES[place]: fold for fold, (_, test) in enumerate(drawn, 1) for place in test}
    assert authors_folds(PH2_NAMES[::-1]) == expected


def test_lists_in_the_folder_come_first(tmp_path: Path) -> None:
    write_ph2(tmp_path, original=False, count=5)
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds" / "fold_3_train.txt").write_text("IMD002\nIMD004.bmp\nIMD005.png\n")
    (tmp_path / "folds" / "fold_3_val.txt").write_text("IMD003\nIMD006\n")
    data = module(tmp_path, fold=3)
    assert names(data, "train") == ["IMD002", "IMD004", "IMD005"]
    assert names(data, "test") == ["IMD003", "IMD006"]
    with pytest.raises(DataError, match=r"fold_2_train\.txt"):
        module(tmp_path, fold=2).records("train")
    (tmp_path / "folds" / "fold_3_val.txt").write_text("IMD003\nIMD077\nIMD099\n")
    with (
        pytest.raises(DataError, match=r"2 image\(s\) of the splits are missing: IMD077, IMD099;.*fold=3"),
    ):
        module(tmp_path, fold=3).records("test")
    (tmp_path / "folds" / "fold_3_val.txt").write_text("IMD003\n")
    with pytest.warns(UserWarning, match="1 image.* in no split: IMD006"):
        module(tmp_path, fold=3).records("test")
    (tmp_path / "folds" / "fold_3_val.txt").write_text("IMD002\n")
    with pytest.raises(DataError, match="'IMD002' is in the split 'train' as well"):
        module(tmp_path, fold=3).records("test")


def test_drawn_folds(tmp_path: Path) -> None:
    write_ph2(tmp_path, count=11)
    with pytest.raises(DataError, match="all 200 images of PH2, but 11 were found"):
        module(tmp_path).records("train")
    tested = [names(module(tmp_path, folds="drawn", num_folds=3, fold=fold), "test") for fold in (1, 2, 3)]
    assert sorted(map(len, tested)) == [3, 4, 4]
    assert sorted(chain(*tested)) == PH2_NAMES[:11]
    other = names(module(tmp_path, folds="drawn", num_folds=3, fold=1, fold_seed=1), "test")
    assert other != tested[0]
    assert tested[0] == names(module(tmp_path, folds="drawn", num_folds=3, fold=1, seed=9), "test")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fold": 0}, r"`fold=0`: there is no such fold; folds: \[1, 2, 3, 4, 5\]"),
        ({"fold": 6}, "`fold=6`"),
        ({"folds": "autors"}, "Did you mean 'authors'"),
        ({"num_folds": 10}, "Set `folds: drawn`"),
        ({"size": (0, 8)}, r"`size` must be at least 1 .*got \(0, 8\)"),
    ],
)
def test_bad_settings(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        module(Path("nowhere"), **options)


def test_images_are_resized_and_taken_whole(download: Path) -> None:
    data = module(download, fold=2, batch_size=18)
    data.setup()
    assert data.targets.classes == ("background", "lesion")
    batches = list(data.train_dataloader())
    assert [len(batch["image"]) for batch in batches] == [18] * 8 + [16]  # 160 images, the last batch is kept
    assert batches[0]["image"].shape == (18, 3, 192, 256)
    assert batches[0]["mask"].shape == (18, 192, 256)
    test = list(data.test_dataloader())
    assert list(chain(*(batch["scene"] for batch in test))) == names(data, "test")
    place = PH2_NAMES.index(test[0]["scene"][1])
    image, mask = blob(place, (24, 32 + place % 3))
    whole = Image.fromarray(image).resize((256, 192), Image.Resampling.BILINEAR)
    assert np.array_equal(test[0]["image"][1].numpy(), np.asarray(whole).transpose(2, 0, 1))
    rows = ((np.arange(192) + 0.5) * 24 / 192).astype(int)
    cols = ((np.arange(256) + 0.5) * mask.shape[1] / 256).astype(int)
    assert np.array_equal(test[0]["mask"][1].numpy(), mask[np.ix_(rows, cols)])


def test_every_epoch_sees_every_training_image_once(download: Path) -> None:
    data = module(download, size=(12, 16), batch_size=7)
    data.setup("fit")
    seen = torch.cat([batch["image"] for batch in data.train_dataloader()]).flatten(1).double().sum(1)
    truth = [float(record.read()[0].astype(float).sum()) for record in data.records("train")]
    assert sorted(seen.tolist()) == sorted(truth)


def test_both_layouts_hold_the_same(download: Path, tmp_path: Path) -> None:
    prepared = module(write_ph2(tmp_path / "prepared", original=False), fold=1)
    shutil.copytree(download / "PH2 Dataset images", tmp_path / "deep" / "PH2Dataset" / "PH2 Dataset images")
    for other in (download, tmp_path / "deep", download / "PH2 Dataset images"):
        data = module(other, fold=1)
        assert names(data, "test") == names(prepared, "test")
        for mine, theirs in zip(data.records("test")[:3], prepared.records("test"), strict=False):
            for part, truth in zip(mine.read(), theirs.read(), strict=True):
                assert np.array_equal(part, truth)


def test_inner_validation_comes_from_training(download: Path) -> None:
    plain, data = module(download, fold=4), module(download, fold=4, inner_val=0.2)
    assert names(data, "test") == names(plain, "test")
    assert len(data.records("val")) == 32
    assert sorted(names(data, "train") + names(data, "val")) == names(plain, "train")
    assert len(data.val_dataloader().dataset) == 32  # type: ignore[union-attr, arg-type]
    assert names(module(download, fold=4, inner_val=0.2, seed=5), "val") == names(data, "val")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No image of PH2 was found in .*PH2 Dataset images/IMD002"):
        module(tmp_path).records("train")
    write_ph2(tmp_path, count=3)
    mask = tmp_path / "PH2 Dataset images" / "IMD003" / "IMD003_lesion" / "IMD003_lesion.bmp"
    content = mask.read_bytes()
    mask.unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) of PH2 are missing: .*IMD003_lesion\.bmp"):
        module(tmp_path, folds="drawn", num_folds=3).records("train")
    mask.write_bytes(content)
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(mask)
    with pytest.raises(DataError, match=r"IMD003_lesion\.bmp has 5 x 6 pixels, but its image .*IMD003\.bmp 24 x 33"):
        module(tmp_path, folds="drawn", num_folds=3).records("train")


def test_other_mask_values_are_named(tmp_path: Path) -> None:
    write_ph2(tmp_path, original=False, count=3)
    mask = tmp_path / "masks" / "IMD003.png"
    values = np.asarray(Image.open(mask)).copy()
    Image.fromarray(values // 255).save(mask)  # 0 and 1 are read as 0 and 255 are
    data = module(tmp_path, folds="drawn", num_folds=3)
    records = {record.name: record for record in (*data.records("train"), *data.records("test"))}
    assert records["IMD003"].read()[1].max() == 1  # type: ignore[union-attr]
    values[2, 3] = 128
    Image.fromarray(values).save(mask)
    with pytest.raises(DataError, match=r"IMD003\.png holds the values 0, 128, 255\. Expected 0 .background. and 1 or"):
        records["IMD003"].read()
    colours = np.stack([values, values, 255 - values], axis=-1)
    Image.fromarray(colours).save(mask)
    with pytest.raises(DataError, match=r"IMD003\.png holds colours"):
        records["IMD003"].read()


def test_grey_images_are_refused(tmp_path: Path) -> None:
    write_ph2(tmp_path, original=False, count=3)
    Image.open(tmp_path / "images" / "IMD003.png").convert("L").save(tmp_path / "images" / "IMD003.png")
    with pytest.raises(DataError, match=r"IMD003\.png has 1 band\(s\); PH2DataModule expects 3"):
        module(tmp_path).records("train")


@pytest.mark.real_data
def test_real_folds(real_data: Path) -> None:
    root = real_data / "ph2"
    tested: list[str] = []
    for fold in range(1, 6):
        data = module(root, fold=fold)
        train, test = names(data, "train"), names(data, "test")
        assert (len(train), len(test), len(set(train) & set(test))) == (160, 40, 0)
        computed = authors_folds(train + test)  # the authors' own lists are KFold's
        assert {name for name, which in computed.items() if which == fold} == set(test)
        tested += test
    assert len(set(tested)) == 200
    lists = {"train": "folds/fold_5_train.txt", "test": "folds/fold_5_val.txt"}
    plain = FolderSegmentationDataModule(str(root), classes={0: "skin", 1: "lesion"}, split_file=lists)
    for mine, theirs in zip(data.records("test")[:5], plain.records("test"), strict=False):
        for part, truth in zip(mine.read(), theirs.read(), strict=True):  # already 192 x 256: nothing is resized
            assert np.array_equal(part, truth)
