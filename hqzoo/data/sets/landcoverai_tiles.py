"""Cuts the orthophotos of LandCover.ai into lossless 512 x 512 tiles with the official numbering, once."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqzoo._files import replacing, write_text
from hqzoo.data._progress import progress
from hqzoo.data.files.raw_masks import read_mask
from hqzoo.data.files.readers import check_pair, read_header, read_image
from hqzoo.data.labels import Colour
from hqzoo.data.records import Window
from hqzoo.errors import DataError

__all__ = ["TILE_SIZE", "cut_tiles", "find_orthophotos", "read_index", "tile_paths"]

TILE_SIZE = 512

_OBTAIN = (
    "Get `landcover.ai.v1.zip` (about 1.5 GB, 41 orthophotos, licence CC BY-NC-SA 4.0: not commercial) "
    "from https://landcover.ai.linuxpolska.com/download/landcover.ai.v1.zip and put it into the root, or "
    "set `download: true`. The tiles need about 5 GB more. TorchGeo's `output.zip` (JPEG tiles) will not do."
)


def tile_paths(folder: Path, tile: str) -> tuple[Path, Path]:
    """Return the image and the mask file of a tile."""
    return folder / f"{tile}.png", folder / f"{tile}_m.png"


def read_index(folder: Path) -> dict[str, int]:
    """Return how many tiles each orthophoto gave that is completely cut already."""
    try:
        index = json.loads((folder / "tiles.json").read_text(encoding="utf-8"))
        return {str(name): int(count) for name, count in index.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{folder / 'tiles.json'} is damaged ({error}). Remove it to cut anew.") from error


def find_orthophotos(root: Path, download: bool) -> dict[str, tuple[Path, Path]]:
    """Find, unpack or download the archive through TorchGeo.

    Returns:
        Name of each orthophoto to its image and mask.

    Raises:
        DataError: If the archive is absent, damaged or incomplete, or cannot be downloaded.
    """
    from torchgeo.datasets import DatasetNotFoundError, LandCoverAIGeo

    try:
        LandCoverAIGeo(str(root), download=download)
    except DatasetNotFoundError as error:
        raise DataError(
            f"LandCover.ai was not found. Looked in {root} for images/*.tif with as many masks/*.tif, "
            f"and for {LandCoverAIGeo.filename}. {_OBTAIN}"
        ) from error
    except (OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise DataError(f"LandCover.ai in {root} cannot be unpacked or downloaded: {error}. {_OBTAIN}") from error
    images = {path.stem: path for path in sorted((root / "images").glob("*.tif"))}
    masks = {path.stem: path for path in (root / "masks").glob("*.tif")}
    if set(images) != set(masks):
        odd = sorted(set(images) ^ set(masks))
        raise DataError(f"In {root}, images and masks do not match: {', '.join(odd[:5])} lack one. {_OBTAIN}")
    return {name: (path, masks[name]) for name, path in images.items()}


def cut_tiles(orthophotos: Mapping[str, tuple[Path, Path]], folder: Path, palette: tuple[Colour, ...]) -> None:
    """Cut all orthophotos that are not cut yet.

    Tiles are numbered row by row, as the data set's own ``split.py`` does: incomplete tiles at the right and
    lower border are dropped and get no number. An orthophoto enters ``tiles.json`` when all its tiles are
    written, so that an interrupted cut goes on where it stopped.

    Args:
        orthophotos: Name to image and mask.
        folder: Folder of the tiles, ``<name>_<number>.png`` and ``<name>_<number>_m.png``.
        palette: Colours of the masks, for the eye.

    Raises:
        DataError: If an orthophoto is damaged or does not fit its mask.
        WriteError: If a tile cannot be written.
    """
    index = read_index(folder)
    missing = [name for name in orthophotos if name not in index]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow compresses without holding the interpreter
        for name in progress(missing, "cutting LandCover.ai into tiles"):
            image, mask = orthophotos[name]
            check_pair(image, read_header(image), mask)
            written = list(pool.map(partial(_write_tile, folder, palette), _tiles(name, image, mask)))
            index[name] = len(written)
            write_text(folder / "tiles.json", json.dumps(index, indent=2))


class _Tile(NamedTuple):
    name: str
    image: npt.NDArray[np.uint8]  # (3, 512, 512)
    mask: npt.NDArray[np.uint8]  # (512, 512)


def _tiles(name: str, image: Path, mask: Path) -> Iterator[_Tile]:
    """Yield every complete tile of an orthophoto, row by row."""
    height, width = read_header(image)[:2]
    number = 0
    for row in range(0, height - TILE_SIZE + 1, TILE_SIZE):
        strip = Window(row, 0, TILE_SIZE, width)
        pixels, labels = read_image(image, (1, 2, 3), strip), read_mask(mask, strip).values
        if pixels.dtype != np.uint8 or labels.dtype != np.uint8 or labels.ndim != 2:
            raise DataError(
                f"{image} is of type {pixels.dtype} and {mask} of type {labels.dtype}, shape {labels.shape}; "
                "expected 8-bit values and one band in the mask."
            )
        for col in range(0, width - TILE_SIZE + 1, TILE_SIZE):
            tile = Window(0, col, TILE_SIZE, TILE_SIZE)
            yield _Tile(f"{name}_{number}", tile.of(pixels), tile.of(labels))
            number += 1


def _write_tile(folder: Path, palette: tuple[Colour, ...], tile: _Tile) -> None:
    image = Pillow.fromarray(np.ascontiguousarray(tile.image.transpose(1, 2, 0)))
    mask = Pillow.fromarray(tile.mask)
    mask.putpalette([part for colour in palette for part in colour])
    for picture, path in zip((image, mask), tile_paths(folder, tile.name), strict=True):
        with replacing(path) as beside:
            # Level 1 is several times faster than the default, for files about a tenth larger.
            picture.save(beside, format="PNG", compress_level=1)
