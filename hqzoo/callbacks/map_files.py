"""The file of one predicted class map: a GeoTIFF on its image's grid, or an index PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hqzoo._files import replacing
from hqzoo.data.targets import Targets
from hqzoo.data.tiling import Grid
from hqzoo.scenes.assembly import Assembly, Tile
from hqzoo.scenes.content import ClassPixels, class_content

__all__ = ["MapFile", "write_index_png"]

STEP = 256  # rows written together: those of a GeoTIFF's tiles

Palette = Sequence[Sequence[int]]


class MapFile:
    """One map in the making: pixels hold the codes of the masks where the file can, else class indices.

    Args:
        stem: Where it goes, without ``.tif`` or ``.png``.
        source: The image's own file, which may have a grid; None where it is in no file.
        grid: Windows of the image.
        classes: Names of the K classes.
        palette: RGB colour of each.
        targets: What the task knows of its classes' codes.
    """

    def __init__(
        self,
        stem: Path,
        source: Path | None,
        grid: Grid,
        classes: Sequence[str],
        palette: Palette,
        targets: Targets | None,
    ) -> None:
        self._pixels = ClassPixels.of(len(classes), targets.values if targets else None)
        self._palette = palette
        self._path = stem.with_name(f"{stem.name}.png")
        self._geotiff = None
        shape = grid.rows.size, grid.columns.size
        if source is not None and _is_georeferenced(source, shape):
            from hqzoo.scenes.output import GeoTiff
            from hqzoo.scenes.scene import open_plain

            self._path = stem.with_name(f"{stem.name}.tif")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open_plain(source) as scene:
                self._geotiff = GeoTiff(self._path, class_content(classes, palette, self._pixels), scene)
            self._geotiff.open()
        else:
            if self._pixels.dtype == "int32":  # PNG holds 16 bits
                self._pixels = ClassPixels.of(len(classes))
            self._picture = np.full(shape, self._pixels.missing, self._pixels.dtype)
        self._assembly = Assembly(grid, len(classes), STEP, self._write)

    def add(self, tile: Tile, probabilities: npt.NDArray[np.float32]) -> bool:
        """Blend a window in; return whether it was the last one."""
        return self._assembly.add(tile, probabilities)

    def publish(self) -> Path:
        """Give the file its name; return it."""
        if self._geotiff is None:
            return write_index_png(self._path, self._picture, dict(zip(self._pixels.codes, self._palette, strict=True)))
        self._geotiff.finish()
        self._geotiff.publish()
        return self._path

    def discard(self) -> None:
        """Remove what is not published."""
        if self._geotiff is not None:
            self._geotiff.discard()

    def _write(self, row: int, column: int, blended: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> None:
        pixels = self._pixels.of_probabilities(blended, valid)
        if self._geotiff is not None:
            self._geotiff.write(row, column, pixels)
        else:
            self._picture[row : row + pixels.shape[1]] = pixels[0]


def _is_georeferenced(path: Path, shape: tuple[int, int]) -> bool:
    """Tell whether a file has a grid, and the pixels that were predicted; resized images have others."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False  # training from PNG and JPEG does without rasterio
    from hqzoo.scenes.scene import open_plain

    with open_plain(path) as scene:
        dataset = scene.dataset
        placed = dataset.crs is not None or not dataset.transform.is_identity or dataset.gcps[0] or dataset.rpcs
        return bool(placed) and dataset.shape == shape


def write_index_png(path: Path, numbers: npt.NDArray[np.integer], colours: dict[int, Sequence[int]]) -> Path:
    """Write class numbers as a PNG whose pixels are the numbers and whose palette shows their colours.

    Args:
        path: PNG file; it appears when it is whole.
        numbers: ``(H, W)`` class numbers; those of 16 bits are written as grey without palette.
        colours: RGB colour (0 to 255) of each number; others are shown black.

    Returns:
        The path.
    """
    picture = Image.fromarray(numbers)
    if numbers.dtype == np.uint8:
        table = [part for number in range(256) for part in colours.get(number, (0, 0, 0))]
        picture.putpalette(table)
    with replacing(path) as beside:
        picture.save(beside, format="PNG")
    return path
