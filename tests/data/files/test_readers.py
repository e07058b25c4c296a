"""Files are read as an independent reader reads them; every damaged one is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.shutil import copy

from hqzoo.data import ClassMap, Sensor, Window
from hqzoo.data.files.raw_masks import mask_palette, read_mask
from hqzoo.data.files.readers import FileRecord, read_header, read_image
from hqzoo.errors import DataError
from tests.fixtures.folder import PALETTE, write_tiff
from tests.fixtures.scenes import write_raster

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 40, 30), dtype=np.uint8)
WINDOW = Window(5, 7, 20, 11)
RGB = ("red", "green", "blue")


def save(path: Path, planes: np.ndarray, **options: object) -> Path:
    picture = Image.fromarray(planes if planes.ndim == 2 else np.ascontiguousarray(planes.transpose(1, 2, 0)))
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def record(image: Path, mask: Path | None = None, sensor: Sensor | None = None) -> FileRecord:
    header = read_header(image)
    return FileRecord("x", image, mask, header, header.indexes, sensor or Sensor(header.bands), ClassMap(("a", "b")))


@pytest.mark.parametrize(
    ("planes", "bands"),
    [
        (PIXELS[0], ("grey",)),
        (PIXELS[:3], ("red", "green", "blue")),
        (PIXELS, ("red", "green", "blue")),
        (PIXELS[:2], ("grey",)),
    ],
    ids=["grey", "rgb", "rgb with alpha", "grey with alpha"],
)
def test_png(tmp_path: Path, planes: np.ndarray, bands: tuple[str, ...]) -> None:
    path = save(tmp_path / "x.png", planes)
    header = read_header(path)
    assert header[:4] == (40, 30, bands, tuple(range(1, len(bands) + 1)))
    assert header.holes == (len(planes) in (2, 4))
    assert not header.named
    expected = np.atleast_3d(planes.T).T[: len(bands)]
    assert np.array_equal(read_image(path, header.indexes), expected)
    assert np.array_equal(read_image(path, header.indexes, WINDOW), expected[:, 5:25, 7:18])
    assert read_image(path, header.indexes).flags.c_contiguous


def test_palette_png_as_image_is_its_colours(tmp_path: Path) -> None:
    picture = Image.fromarray(PIXELS[0] % 4)
    picture.putpalette([part for colour in PALETTE.values() for part in colour])
    picture.save(tmp_path / "x.png")
    expected = np.array(list(PALETTE.values()), np.uint8)[PIXELS[0] % 4].transpose(2, 0, 1)
    assert np.array_equal(read_image(tmp_path / "x.png", (1, 2, 3)), expected)


def test_16_bit_png(tmp_path: Path) -> None:
    planes = PIXELS[0].astype(np.uint16) * 200
    assert np.array_equal(read_image(save(tmp_path / "x.png", planes), (1,))[0], planes)


def deep_png(path: Path, count: int) -> tuple[Path, np.ndarray]:
    """Write a PNG of several 16-bit channels, which Pillow cannot."""
    planes = np.random.default_rng(3).integers(2000, 4000, (count, 40, 30)).astype(np.uint16)
    if count in (2, 4):
        planes[-1] = np.where(PIXELS[0] < 90, 0, planes[-1])
    write_tiff(path.with_suffix(".tif"), planes)
    copy(path.with_suffix(".tif"), path, driver="PNG")
    return path, planes


@pytest.mark.parametrize("count", [2, 3, 4])
def test_16_bit_png_of_several_channels_keeps_its_low_bytes(tmp_path: Path, count: int) -> None:
    path, planes = deep_png(tmp_path / "x.png", count)
    header = read_header(path)
    assert header.bands == (("red", "green", "blue") if count > 2 else ("grey",))
    assert header.holes == (count in (2, 4))
    sensor = Sensor(header.bands, "digital number", 65535.0)
    for window in (None, WINDOW):
        image = read_image(path, header.indexes, window)
        assert image.dtype == np.uint16
        expected = planes[: len(header.bands)]
        assert np.array_equal(image, expected if window is None else window.of(expected))
        missing = record(path, sensor=sensor).missing(window)
        if count == 3:
            assert missing is None
            assert np.array_equal(record(path, sensor=sensor).read(window)[0], image)
        else:
            hidden = PIXELS[0] < 90
            assert np.array_equal(missing, hidden if window is None else window.of(hidden))
    with pytest.raises(DataError, match="uint16 with values up to 3"):
        record(path, sensor=Sensor(header.bands)).read()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"x\.png is damaged, truncated or no PNG"):
        record(path, sensor=sensor).read()


def test_mask_of_16_bit_colours_is_refused(tmp_path: Path) -> None:
    image = save(tmp_path / "i.png", PIXELS[:3])
    mask, planes = deep_png(tmp_path / "m.png", 3)
    assert np.array_equal(read_mask(mask).values, planes.transpose(1, 2, 0))
    with pytest.raises(DataError, match=r"m\.png holds colours with values up to 3\d+; expected 0 to 255"):
        record(image, mask).read()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_tiff_of_any_kind_and_count(tmp_path: Path, dtype: str) -> None:
    planes = np.random.default_rng(1).integers(0, 200, (12, 20, 25)).astype(dtype)
    names = tuple(f"B{number:02}" for number in range(1, 13))
    write_tiff(tmp_path / "x.tif", planes, names)
    assert read_header(tmp_path / "x.tif")[:4] == (20, 25, names, tuple(range(1, 13)))
    assert read_header(tmp_path / "x.tif").named
    image = read_image(tmp_path / "x.tif", (4, 3, 2), Window(3, 4, 10, 11))
    assert image.dtype == dtype
    assert np.array_equal(image, planes[[3, 2, 1], 3:13, 4:15])


def test_tiff_alpha_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    alpha = PIXELS.copy()
    alpha[3] = 255 * (alpha[3] > 100)
    with rasterio.open(path, "w", driver="GTiff", height=40, width=30, count=4, dtype="uint8") as tiff:
        tiff.write(alpha)
    assert read_header(path)[:5] == (40, 30, ("red", "green", "blue"), (1, 2, 3), (4,))
    assert read_header(path).holes


@pytest.mark.parametrize("named", [True, False])
def test_near_infrared_that_gdal_calls_alpha_is_kept(tmp_path: Path, named: bool) -> None:
    planes = PIXELS if not named else np.full_like(PIXELS, 255)
    write_tiff(tmp_path / "x.tif", planes, ("red", "green", "blue", "nir") if named else ())
    with rasterio.open(tmp_path / "x.tif") as tiff:
        assert tiff.colorinterp[3].name == "alpha"  # what GDAL makes of any four 8-bit bands
    assert read_header(tmp_path / "x.tif").indexes == (1, 2, 3, 4)


def test_masks(tmp_path: Path) -> None:
    values = PIXELS[0] % 4
    picture = Image.fromarray(values)
    picture.putpalette([part for colour in PALETTE.values() for part in colour])
    picture.save(tmp_path / "index.png")
    write_tiff(tmp_path / "mask.tif", values[None].astype(np.uint16))
    for name in ("index.png", "mask.tif"):
        assert np.array_equal(read_mask(tmp_path / name).values, values)
        assert np.array_equal(read_mask(tmp_path / name, WINDOW).values, values[5:25, 7:18])
    rgb = save(tmp_path / "rgb.png", PIXELS)
    assert np.array_equal(read_mask(rgb, WINDOW).values, PIXELS[:3, 5:25, 7:18].transpose(1, 2, 0))
    found = mask_palette(tmp_path / "index.png")
    assert {value: found[value] for value in PALETTE} == PALETTE
    assert mask_palette(save(tmp_path / "grey.png", values)) == {}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_truncated_files_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    if suffix == ".tif":
        write_tiff(path, PIXELS)
    else:
        save(path, PIXELS[:3])
    whole = path.read_bytes()
    for keep in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=rf"broken\{suffix} is damaged, truncated"):
            record(path, sensor=Sensor(("red", "green", "blue"))).read() if keep else read_header(path)


def test_text_that_is_called_an_image(tmp_path: Path) -> None:
    for name in ("x.png", "x.jpg", "x.tif"):
        (tmp_path / name).write_text("<html>404 not found</html>")
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            read_header(tmp_path / name)
        with pytest.raises(DataError, match="does not exist"):
            read_header(tmp_path / "sub" / name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_names_file_and_band(tmp_path: Path, value: float) -> None:
    planes = np.ones((3, 8, 8), np.float32)
    planes[1, 2, 3] = value
    write_tiff(tmp_path / "hole.tif", planes, ("red", "nir", "swir"))
    with pytest.raises(DataError, match=r"hole\.tif holds NaN or infinite values in the band\(s\) nir\."):
        record(tmp_path / "hole.tif").read()


@pytest.mark.parametrize(
    ("planes", "sensor", "words"),
    [
        (np.full((1, 4, 4), 3000, np.uint16), Sensor(("a",)), "uint16 with values up to 3000.*scale"),
        (
            np.ones((1, 4, 4), np.uint8),
            Sensor(("a",), "reflectance x 1e4", 10_000.0),
            "is of type uint8.*10000",
        ),
        (np.ones((1, 4, 4), np.complex64), Sensor(("a",)), "complex64"),
    ],
)
def test_wrong_dtype(tmp_path: Path, planes: np.ndarray, sensor: Sensor, words: str) -> None:
    write_tiff(tmp_path / "x.tif", planes)
    with pytest.raises(DataError, match=rf"x\.tif.*{words}"):
        record(tmp_path / "x.tif", sensor=sensor).read()


@pytest.mark.parametrize(
    ("high", "scale", "words"),
    [(1.0, 255.0, "Set `scale: 1`"), (1.0, 10_000.0, "Set `scale: 1`"), (10_000.0, 1.0, "Set `unit` and `scale`")],
)
def test_real_numbers_of_another_range_are_refused_whatever_the_window(
    tmp_path: Path, high: float, scale: float, words: str
) -> None:
    image = np.random.default_rng(0).uniform(0, high, (3, 300, 40)).astype(np.float32)
    write_tiff(tmp_path / "x.tif", image)
    read = record(tmp_path / "x.tif", sensor=Sensor(("red", "green", "blue"), "reflectance", scale))
    for window in (None, Window(3, 4, 5, 6)):
        with pytest.raises(DataError, match=rf"x\.tif go from .* full scale {scale:g}\. {words}"):
            read.read(window)


def test_a_dark_window_of_a_bright_file_passes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (3, 300, 40)).astype(np.float32)
    image[:, :20, :20] /= 255
    write_tiff(tmp_path / "x.tif", image)
    part, _ = record(tmp_path / "x.tif").read(Window(0, 0, 20, 20))
    assert part.max() <= 1


def test_what_lies_in_missing_pixels_is_not_judged(tmp_path: Path) -> None:
    image = np.full((1, 30, 40), 200, np.uint16)
    image[0, 5:] = 65535
    write_raster(tmp_path / "x.tif", image, nodata=65535)
    read, _ = record(tmp_path / "x.tif").read()
    assert (read == 200).all()


def test_small_16_bit_values_are_8_bit_imagery_in_a_larger_box(tmp_path: Path) -> None:
    write_tiff(tmp_path / "x.tif", np.full((1, 4, 4), 255, np.uint16))
    image, _ = record(tmp_path / "x.tif").read()
    assert (image == 255).all()


def test_mask_that_changed_its_size(tmp_path: Path) -> None:
    image, mask = save(tmp_path / "x.png", PIXELS[:3]), save(tmp_path / "m.png", PIXELS[0, :39] % 2)
    with pytest.raises(DataError, match=r"m\.png has 39 x 30 pixels, but its image .*x\.png 40 x 30"):
        record(image, mask).read()


def test_bands_that_do_not_exist(tmp_path: Path) -> None:
    for path in (save(tmp_path / "x.png", PIXELS[:3]), tmp_path / "x.tif"):
        if path.suffix == ".tif":
            write_tiff(path, PIXELS[:3])
        for indexes in [(4,), (0,), ()]:
            with pytest.raises(DataError, match=r"has 3 band\(s\)"):
                read_image(path, indexes)
