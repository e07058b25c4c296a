"""LandCover.ai: official tiles, both splits, interruption, and what is said when something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data import LandCoverAIDataModule
from hqzoo.data.sets.landcoverai import CLASS_MAP
from hqzoo.data.sets.landcoverai_tiles import cut_tiles
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.landcoverai import LISTS, SIZES, TILE, orthophoto, write_landcoverai


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_landcoverai(tmp_path_factory.mktemp("landcoverai"))
    LandCoverAIDataModule(str(folder)).prepare_data()
    return folder


def prepared(root: Path, **options: object) -> LandCoverAIDataModule:
    data = LandCoverAIDataModule(str(root), **options)  # type: ignore[arg-type]
    data.prepare_data()
    data.setup()
    return data


def test_classes_are_those_of_torchgeo() -> None:
    from torchgeo.datasets import LandCoverAI

    assert CLASS_MAP.names == LandCoverAI.classes
    assert CLASS_MAP.palette == tuple(LandCoverAI.cmap[value][:3] for value in range(5))


def test_tiles_are_lossless_and_carry_official_numbers(root: Path) -> None:
    cut = {path.stem for path in (root / "tiles").glob("*.png")}
    expected = set()
    for name, (height, width) in SIZES.items():
        image, mask = orthophoto(name)
        number = 0
        # The rule of the data set's split.py, literally: incomplete tiles are skipped without a number.
        for row in range(0, height, TILE):
            for col in range(0, width, TILE):
                tile = image[:, row : row + TILE, col : col + TILE]
                if tile.shape[1:] != (TILE, TILE):
                    continue
                path = root / "tiles" / f"{name}_{number}.png"
                assert np.array_equal(np.asarray(Image.open(path)).transpose(2, 0, 1), tile)
                truth = np.asarray(Image.open(path.with_name(f"{path.stem}_m.png")))
                assert np.array_equal(truth, mask[row : row + TILE, col : col + TILE])
                expected |= {path.stem, f"{path.stem}_m"}
                number += 1
    assert cut == expected


def test_official_split(root: Path) -> None:
    data = prepared(root)
    for split, tiles in LISTS.items():
        assert sorted(record.name for record in data.records(split)) == sorted(tiles)  # type: ignore[arg-type]


def test_orthophotos_stay_together(root: Path) -> None:
    tested = []
    for fold in range(3):
        data = prepared(root, split="orthophoto", fold=fold, num_folds=3)
        found = {s: {record.name.rsplit("_", 1)[0] for record in data.records(s)} for s in ("train", "val", "test")}
        assert set.union(*found.values()) == set(SIZES)
        assert sum(map(len, found.values())) == len(SIZES)
        tested += list(found["test"])
    assert sorted(tested) == sorted(SIZES)  # every orthophoto is tested in exactly one fold


def test_epoch_draws_one_crop_of_each_tile_and_grids_cover_all(root: Path) -> None:
    data = prepared(root, batch_size=4)
    train = next(iter(data.train_dataloader()))
    assert train["image"].shape == (4, 3, 128, 128)
    assert len(data.train_dataloader().dataset) == len(LISTS["train"])  # type: ignore[arg-type]
    assert len(data.test_dataloader().dataset) == 16 * len(LISTS["test"])  # type: ignore[arg-type]
    names = {name for batch in data.test_dataloader() for name in batch["scene"]}
    assert names == set(LISTS["test"])


def test_statistics_are_those_of_the_training_tiles_and_are_stored(root: Path) -> None:
    data = prepared(root)
    tiles = [np.asarray(Image.open(root / "tiles" / f"{name}.png")) for name in LISTS["train"]]
    # Exact integer sums: numpy's own std over the first axis of (N, 3) is only good to 1e-11 here.
    pixels = np.concatenate([tile.reshape(-1, 3) for tile in tiles]).astype(np.int64)
    n, total, squares = len(pixels), pixels.sum(axis=0), (pixels**2).sum(axis=0)
    variance = [(n * int(q) - int(s) ** 2) / n**2 for q, s in zip(squares, total, strict=True)]
    np.testing.assert_allclose(data.statistics["image"].mean, total / n, rtol=1e-13)
    np.testing.assert_allclose(data.statistics["image"].std, np.sqrt(variance), rtol=1e-12)
    (stored,) = (root / "tiles").glob("statistics_official_*.json")
    content = json.loads(stored.read_text())
    content["statistics"]["image"]["mean"] = [1.0, 2.0, 3.0]
    stored.write_text(json.dumps(content))
    assert prepared(root).statistics["image"].mean == (1.0, 2.0, 3.0)  # read, not computed again
    content["key"] = "other tiles"
    stored.write_text(json.dumps(content))
    assert prepared(root).statistics == data.statistics  # stale: computed again


def test_archive_is_unpacked(tmp_path: Path) -> None:
    data = prepared(write_landcoverai(tmp_path, archive=True))
    assert len(data.records("train")) == len(LISTS["train"])


def test_interrupted_cut_goes_on(tmp_path: Path) -> None:
    write_landcoverai(tmp_path)
    tiles = tmp_path / "tiles"
    pairs = {name: (tmp_path / "images" / f"{name}.tif", tmp_path / "masks" / f"{name}.tif") for name in SIZES}
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(b"II*\0 no tiff")
    last = sorted(pairs)[-1]
    with pytest.raises(DataError, match=r"damaged\.tif"):
        cut_tiles({**pairs, last: (damaged, pairs[last][1])}, tiles, CLASS_MAP.palette or ())
    assert sorted(json.loads((tiles / "tiles.json").read_text())) == sorted(pairs)[:-1]
    before = {path.name: path.stat().st_mtime_ns for path in tiles.glob("*.png")}
    prepared(tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in tiles.glob("*.png")}
    assert all(after[name] == time for name, time in before.items())  # finished orthophotos are not cut again
    assert sum(last in name for name in after) == 6
    assert not list(tiles.glob(".*.tmp"))


def test_tiles_alone_suffice(tmp_path: Path) -> None:
    prepared(write_landcoverai(tmp_path))
    for path in [*(tmp_path / "images").glob("*"), *(tmp_path / "masks").glob("*")]:
        path.unlink()
    assert prepared(tmp_path).statistics["image"].mean[0] > 0


def test_missing_data_says_where_what_and_how(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        LandCoverAIDataModule(str(tmp_path / "nowhere")).prepare_data()
    for part in (
        str(tmp_path / "nowhere"),
        "images/*.tif",
        "landcover.ai.v1.zip",
        "1.5 GB",
        "CC BY-NC-SA",
        "download: true",
    ):
        assert part in str(error.value)


def test_missing_orthophoto_is_named(tmp_path: Path) -> None:
    write_landcoverai(tmp_path)
    name = "N-34-97-C-b-1-2"
    (tmp_path / "images" / f"{name}.tif").unlink()
    (tmp_path / "masks" / f"{name}.tif").unlink()
    with pytest.raises(DataError, match=f"3 of 8 tiles .* such as {name}_1"):
        prepared(tmp_path)


def test_mask_of_another_size(tmp_path: Path) -> None:
    write_landcoverai(tmp_path)
    names = sorted(SIZES)
    (tmp_path / "masks" / f"{names[0]}.tif").write_bytes((tmp_path / "masks" / f"{names[1]}.tif").read_bytes())
    with pytest.raises(DataError, match=rf"{names[0]}\.tif has 515 x 700 pixels, but its image .* 1030 x 1100"):
        prepared(tmp_path)


def test_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "landcover.ai.v1.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=r"cannot be unpacked.*landcover\.ai\.v1\.zip"):
        prepared(tmp_path)


def test_unknown_split_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'orthophoto'"):
        LandCoverAIDataModule(split="ortophotos")  # type: ignore[arg-type]


def test_setup_without_tiles(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tiles.*prepare_data"):
        LandCoverAIDataModule(str(tmp_path)).setup("fit")
