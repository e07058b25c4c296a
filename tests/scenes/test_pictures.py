"""Maps see PNG and JPEG as training does: turned as they are shown, with palettes and inks as colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data.files.readers import FileRecord, read_header
from hqzoo.data.sensor import Sensor
from hqzoo.errors import SceneError
from hqzoo.scenes.fitting import check_scene
from hqzoo.scenes.scene import open_scene
from tests.fixtures.scenes import RGB

PIXELS = np.random.default_rng(0).integers(0, 250, (24, 40, 3), dtype=np.uint8)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


def write(folder: Path, kind: str) -> Path:
    picture, path = Image.fromarray(PIXELS), folder / f"x.{kind.split()[-1]}"
    if kind.startswith("palette"):
        picture = picture.quantize(7)
    options: dict[str, object] = {"transparency": 2} if "transparent" in kind else {}
    if kind == "plain jpg":
        options["subsampling"] = 0  # decoders differ in how they enlarge the colours of noise
    if kind.startswith("inks"):
        picture = picture.convert("CMYK")
    if kind.startswith("turned"):
        options["exif"] = turned()
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "kind", ["plain png", "plain jpg", "palette png", "palette transparent png", "inks jpg", "turned png", "turned jpg"]
)
def test_maps_see_what_training_sees(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    header = read_header(path)
    record = FileRecord("x", path, None, header, header.indexes, RGB, None)
    image, missing = record.read()[0], record.missing()
    with open_scene(path, RGB) as scene:
        check_scene(scene, RGB)
        assert scene.path == str(path)
        seen, valid = scene.read((0, scene.height), (0, scene.width))
    assert valid.all() if missing is None else np.array_equal(valid, ~missing)
    if kind == "plain jpg":  # two decoders round differently
        assert np.abs(seen.astype(int) - image).max() <= 2
    else:
        assert np.array_equal(seen[:, valid], image[:, valid])


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[..., 0] > 90).save(tmp_path / "x.png")
    with open_scene(tmp_path / "x.png", Sensor(("grey",))) as scene:
        assert np.array_equal(scene.read((0, 24), (0, 40))[0][0], (PIXELS[..., 0] > 90) * np.uint8(255))


def test_a_turned_picture_with_a_world_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "turned png")
    (tmp_path / "x.pgw").write_text("2\n0\n0\n-2\n500001\n4999999\n")
    with pytest.raises(SceneError, match="georeferenced, and says that it is shown turned"), open_scene(path, RGB):
        pass


def test_pages_and_turned_tiff_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(PIXELS)
    page.save(tmp_path / "x.tif", save_all=True, append_images=[page])
    with pytest.raises(SceneError, match=r"2 pages .*GTIFF_DIR:1"), open_scene(tmp_path / "x.tif", RGB):
        pass
    with open_scene(f"GTIFF_DIR:2:{tmp_path / 'x.tif'}", RGB) as scene:
        assert len(scene.bands) == 3
    page.save(tmp_path / "y.tif", tiffinfo={274: 3})
    with pytest.raises(SceneError, match=r"y\.tif .*orientation 3"), open_scene(tmp_path / "y.tif", RGB):
        pass
