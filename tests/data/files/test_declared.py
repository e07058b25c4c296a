"""What files say of their own reading is honoured or refused by name, in images and masks alike."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps

from hqzoo.data import ClassMap, FolderSegmentationDataModule, Sensor, Window
from hqzoo.data.files.raw_masks import read_mask
from hqzoo.data.files.readers import FileRecord, read_header, read_image
from hqzoo.data.segmentation import Split
from hqzoo.errors import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 250, (24, 40), dtype=np.uint8)
RGB = RNG.integers(0, 250, (24, 40, 3), dtype=np.uint8)
NUMBERS = (GREY % 3).astype(np.uint8)


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[274] = orientation
    return found


def late_exif(path: Path, orientation: int) -> None:
    """Move the EXIF data of a PNG behind its pixels, where its specification allows them too."""
    data = exif(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = b"eXIf" + data
    whole = path.read_bytes()
    end = whole.index(b"IEND") - 4
    made = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(whole[:end] + made + whole[end:])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "late png"])
def test_pictures_are_read_as_they_are_shown(tmp_path: Path, orientation: int, kind: str) -> None:
    path = tmp_path / f"x.{kind[-3:]}"
    if kind == "late png":
        Image.fromarray(RGB).save(path)
        late_exif(path, orientation)
    else:
        Image.fromarray(RGB).save(path, exif=exif(orientation))
    with Image.open(path) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture)).transpose(2, 0, 1)
    header = read_header(path)
    assert header[:2] == shown.shape[1:] == ((24, 40) if orientation < 5 else (40, 24))
    assert np.array_equal(read_image(path, (1, 2, 3)), shown)
    window = Window(3, 5, 10, 12)
    assert np.array_equal(read_image(path, (3, 1), window), window.of(shown[[2, 0]]))


def test_transparency_and_masks_are_turned_too(tmp_path: Path) -> None:
    layered = np.dstack([RGB, np.where(NUMBERS == 2, 0, 255).astype(np.uint8)])
    Image.fromarray(layered).save(tmp_path / "i.png", exif=exif(6))
    Image.fromarray(NUMBERS).save(tmp_path / "m.png", exif=exif(6))
    turned = np.rot90(NUMBERS, -1)
    assert np.array_equal(read_mask(tmp_path / "m.png").values, turned)
    header = read_header(tmp_path / "i.png")
    classes = ClassMap(("a", "b", "c"))
    record = FileRecord(
        "x", tmp_path / "i.png", tmp_path / "m.png", header, header.indexes, Sensor(header.bands), classes
    )
    mask = record.read()[1]
    assert mask is not None
    assert np.array_equal(mask, np.where(turned == 2, 255, turned))


def turned_tiff(path: Path, big: bool = False, order: str = "<") -> Path:
    """Write a TIFF of one strip by hand: BigTIFF or not, of either byte order."""
    value, offset = (order + "HHQ", "Q") if big else (order + "HHI", "I")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + ("HHQ" if big else "I"), *((8, 0, 16) if big else (8,)))
    tags = [(256, 40), (257, 24), (258, 8), (259, 1), (262, 1), (273, 400), (274, 6), (277, 1), (278, 24), (279, 960)]
    body = struct.pack(order + ("Q" if big else "H"), len(tags))
    for tag, number in tags:
        kind = 3 if tag not in (273, 279) else 4
        stored = struct.pack(order + ("H" if kind == 3 else "I"), number).ljust(8 if big else 4, b"\0")
        body += struct.pack(value, tag, kind, 1) + stored
    body += struct.pack(order + offset, 0)
    path.write_bytes((head + body).ljust(400, b"\0") + GREY.tobytes())
    return path


@pytest.mark.parametrize("big", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_turned_tiff_is_refused(tmp_path: Path, big: bool, order: str) -> None:
    path = turned_tiff(tmp_path / "x.tif", big, order)
    with rasterio.open(path) as raster:
        assert np.array_equal(raster.read(1), GREY)  # GDAL heeds no orientation
    for read in (read_header, read_mask, lambda path: read_image(path, (1,))):
        with pytest.raises(DataError, match=r"x\.tif says that .* turned or mirrored \(orientation 6\).*tiffset"):
            read(path)


def test_pages_and_frames_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(GREY)
    page.save(tmp_path / "x.tif", save_all=True, append_images=[page, page])
    page.save(tmp_path / "x.png", save_all=True, append_images=[Image.fromarray(NUMBERS)])
    for read in (read_header, read_mask):
        with pytest.raises(DataError, match=r"x\.tif has 3 pages \(subdatasets\).*GTIFF_DIR:1"):
            read(tmp_path / "x.tif")
        with pytest.raises(DataError, match=r"x\.png has 2 frames"):
            read(tmp_path / "x.png")


def test_overviews_and_masks_inside_are_no_pages(tmp_path: Path) -> None:
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "x.tif", "w", driver="GTiff", count=1, height=24, width=40, dtype="uint8") as file,
    ):
        file.write(GREY[None])
        file.write_mask(GREY > 9)
        file.build_overviews([2])
    assert read_header(tmp_path / "x.tif")[:2] == (24, 40)
    page = Image.fromarray(RGB)
    page.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[page.resize((20, 12))])
    assert read_header(tmp_path / "x.jpg")[:2] == (24, 40)  # as cameras store a preview


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_tables_of_tiff_are_classes_in_masks_and_refused_in_images(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "x.tif"
    options = {"count": 1, "height": 24, "width": 40, "dtype": dtype, "photometric": "palette"}
    with rasterio.open(path, "w", driver="GTiff", **options) as file:
        file.write(NUMBERS[None].astype(dtype))
        file.write_colormap(1, {0: (9, 9, 9, 255), 1: (200, 0, 0, 255), 2: (0, 0, 200, 255)})
    assert np.array_equal(read_mask(path).values, NUMBERS)
    with pytest.raises(DataError, match=r"x\.tif holds indices into a colour table \(a palette\).*-expand rgb"):
        read_header(path)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".jpg", {"quality": 100}),
        (".tif", {"compress": "jpeg"}),
        (".tif", {"compress": "webp", "webp_level": 50}),
        (".tif", {"compress": "lerc", "max_z_error": 1}),
    ],
)
def test_masks_compressed_with_losses_are_refused(tmp_path: Path, suffix: str, options: dict[str, object]) -> None:
    path = tmp_path / f"m{suffix}"
    colours = RGB // 200 * 200
    if suffix == ".jpg":
        Image.fromarray(NUMBERS).save(path, **options)  # type: ignore[arg-type]
    else:
        with rasterio.open(path, "w", driver="GTiff", count=3, height=24, width=40, dtype="uint8", **options) as file:
            file.write(colours.transpose(2, 0, 1))
    with pytest.raises(DataError, match=rf"m\{suffix} is compressed with losses"):
        read_mask(path)
    assert read_header(path)[:2] == (24, 40)  # an image may be


@pytest.mark.parametrize("options", [{"compress": "webp", "webp_lossless": True}, {"compress": "lerc"}])
def test_lossless_kinds_of_the_same_compressions_pass(tmp_path: Path, options: dict[str, object]) -> None:
    with rasterio.open(
        tmp_path / "m.tif", "w", driver="GTiff", count=3, height=24, width=40, dtype="uint8", **options
    ) as file:
        file.write(RGB.transpose(2, 0, 1))
    assert np.array_equal(read_mask(tmp_path / "m.tif").values, RGB)


def test_masks_that_declare_zero_to_be_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray(NUMBERS > 0).save(tmp_path / "m.tif", tiffinfo={262: 0})
    with pytest.raises(DataError, match="0 to be white"):
        read_mask(tmp_path / "m.tif")
    Image.fromarray(NUMBERS > 0).save(tmp_path / "m.tif")
    assert np.array_equal(read_mask(tmp_path / "m.tif").values, NUMBERS > 0)


@pytest.mark.parametrize("count", [2, 4, 5])
def test_masks_of_any_other_number_of_bands_are_refused(tmp_path: Path, count: int) -> None:
    with rasterio.open(
        tmp_path / "m.tif", "w", driver="GTiff", count=count, height=24, width=40, dtype="int16"
    ) as file:
        file.write(np.stack([NUMBERS.astype(np.int16)] * count))
    with pytest.raises(DataError, match=rf"m\.tif has {count} bands; expected one of class numbers"):
        read_mask(tmp_path / "m.tif")


def read_all(data: FolderSegmentationDataModule) -> None:
    splits: tuple[Split, ...] = ("train", "val", "test")
    for split in splits:
        for record in data.records(split):
            record.read()


@pytest.mark.parametrize("first", ["grey", "rgb"])
@pytest.mark.parametrize("named", [True, False])
def test_masks_of_mixed_channels_are_refused(tmp_path: Path, first: str, named: bool) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    blue = np.dstack([np.zeros_like(NUMBERS)] * 2 + [NUMBERS])  # the colour of class 1 as a number is 1
    for number in range(5):
        Image.fromarray(RGB).save(tmp_path / "images" / f"{number}.png")
        rgb = (number == 3) != (first == "rgb")
        Image.fromarray(blue if rgb else NUMBERS).save(tmp_path / "masks" / f"{number}.png")
    palette = {0: [0, 0, 0], 1: [0, 0, 1], 2: [0, 0, 2]}
    classes = {"classes": {0: "a", 1: "b", 2: "c"}, "palette": palette} if named else {}
    data = FolderSegmentationDataModule(str(tmp_path), **classes)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"masks/3\.png holds .*Save all masks in one way"):
        read_all(data)
