"""Do an image and its mask lie on the same ground? Georeferenced files of equal size need not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hqzoo.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["Grid", "check_grids", "read_grid"]

_TOLERANCE = 0.1  # pixels, at the corners (CHOICE): coordinates are rounded when files are written
_SUFFIXES = {".png": (".pgw", ".pngw", ".wld"), ".jpg": (".jgw", ".jpgw", ".wld"), ".jpeg": (".jgw", ".jpegw", ".wld")}


class Grid(NamedTuple):
    """Where the pixels of a file lie on the ground."""

    transform: Any  # affine.Affine, from column and row to coordinates
    crs: Any  # rasterio.crs.CRS, or None where the file does not say


def read_grid(file: DatasetReader | Path) -> Grid | None:
    """Return the grid of a raster, or of a picture with a world file beside it; None without georeference."""
    if not isinstance(file, Path):
        return None if file.transform.is_identity else Grid(file.transform, file.crs)
    found = [file.with_suffix(suffix) for suffix in _SUFFIXES.get(file.suffix.lower(), ())]
    world = next((path for path in found if path.is_file()), None)
    if world is None:
        return None
    from affine import Affine, loadsw  # here: pictures without world file need no rasterio

    try:
        transform: Affine = loadsw(world.read_text())
    except ValueError as error:
        raise DataError(f"{world} is no world file of six numbers: {error}. Mend or remove it.") from error
    return Grid(transform, None)


def check_grids(image: Path, grid: Grid | None, mask: Path, mask_grid: Grid | None, size: tuple[int, int]) -> None:
    """Refuse a mask that lies on other ground than its image, where both say where they lie.

    Args:
        image: Image file.
        grid: Its grid.
        mask: Mask file.
        mask_grid: Its grid.
        size: Height and width of both.

    Raises:
        DataError: If their corners differ by more than 0.1 pixels (CHOICE), or cannot be compared.
    """
    if grid is None or mask_grid is None:
        return
    flipped = grid.transform.determinant * mask_grid.transform.determinant < 0
    moved = _distance(grid, mask_grid, size)
    if moved is not None and moved <= _TOLERANCE and not flipped:
        return
    if moved is None:
        what = f"their coordinate systems ({_name(grid.crs)} and {_name(mask_grid.crs)}) cannot be compared"
    elif flipped:
        what = "the rows of one run from north to south, those of the other from south to north"
    else:
        what = f"their corners lie up to {moved:.4g} pixels apart ({_name(grid.crs)} and {_name(mask_grid.crs)})"
    raise DataError(
        f"The mask {mask} lies on another grid than its image {image}, by their own georeference: {what}. Warp the "
        "mask to the image's grid (gdalwarp -r near with its -t_srs, -te and -ts). If pixel belongs to pixel "
        f"all the same, remove the wrong georeference: gdal_edit.py -unsetgt -a_srs '' {mask}."
    )


def _distance(grid: Grid, other: Grid, size: tuple[int, int]) -> float | None:
    """Return how many pixels of ``grid`` the corners are apart at most; None if that cannot be told."""
    height, width = size
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    places = [_apply(other.transform, corner) for corner in corners]
    if grid.crs and other.crs and grid.crs != other.crs:
        from rasterio._err import CPLE_BaseError  # what PROJ says reaches Python as this class
        from rasterio.errors import RasterioError
        from rasterio.warp import transform

        try:
            columns, rows = transform(other.crs, grid.crs, *zip(*places, strict=True))
        except (RasterioError, CPLE_BaseError, ValueError):
            return None
        places = list(zip(columns, rows, strict=True))
    if grid.transform.is_degenerate:
        return None
    back = [_apply(~grid.transform, place) for place in places]
    return max(max(abs(x - c), abs(y - r)) for (x, y), (c, r) in zip(back, corners, strict=True))


def _apply(transform: Any, place: tuple[float, float]) -> tuple[float, float]:  # noqa: ANN401 - affine.Affine
    a, b, c, d, e, f = transform[:6]
    return a * place[0] + b * place[1] + c, d * place[0] + e * place[1] + f


def _name(crs: Any) -> str:  # noqa: ANN401 - rasterio's CRS, or None
    return crs.to_string()[:60] if crs else "no CRS"
