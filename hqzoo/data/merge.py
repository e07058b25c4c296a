"""Makes one folder of images and masks of several sources: one legend, one ground sampling distance, one list of folds.

Sources of land cover name their classes differently, and their pixels differ in size. What is trained on them together
is written once as a plain folder, which every tool reads and ``hqzoo data check`` looks through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image as Pillow

from hqzoo._files import replacing, write_text
from hqzoo.data._progress import progress
from hqzoo.data.files.raw_masks import encode_mask, read_mask
from hqzoo.data.files.readers import read_image
from hqzoo.data.labels import IGNORE_INDEX, ClassMap, default_palette
from hqzoo.data.records import Image, Mask
from hqzoo.data.resized import resize_image, resize_mask
from hqzoo.data.splits import read_folds
from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["Legend", "Source", "divided", "merge", "read_legend"]

IGNORED = "ignore"
NAMES = ("gsd", "classes", "palette", "sources")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Images and masks of one origin.

    Args:
        images: Where its images lie, below the folder of all data; the one ``*`` in the file's name is the image's
            name.
        masks: Likewise the masks of these names.
        legend: Class of the common legend to the mask values that become this class; ``ignore`` to those that are not
            counted.
        gsd: Ground sampling distance in metres; None: the images keep their size.
        bands: Numbers of the red, green and blue band, from 1.
        folds: CSV file ``name,scene,fold`` below the folder of all data, or image name to scene and fold. Images that
            it does not name are left out.
    """

    images: str
    masks: str
    legend: Mapping[str, list[int]]
    folds: str | Mapping[str, tuple[str, int]]
    gsd: float | None = None
    bands: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        for pattern in (self.images, self.masks):
            if Path(pattern).name.count("*") != 1:
                raise ConfigError(f"A source's files have one `*` for the name in theirs, got '{pattern}'.")
        if self.gsd is not None and not self.gsd > 0:
            raise ConfigError(f"`gsd` is a positive number of metres, got {self.gsd}.")


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What several sources have in common.

    Args:
        classes: Names of the classes, in their order.
        sources: Name to source.
        gsd: Ground sampling distance in metres that all images are brought to.
        palette: Class to colour ``[red, green, blue]``; empty: distinct hues.
    """

    classes: tuple[str, ...]
    sources: Mapping[str, Source]
    gsd: float | None = None
    palette: Mapping[str, list[int]]

    def __post_init__(self) -> None:
        for name, source in self.sources.items():
            for known in source.legend:
                if known not in (*self.classes, IGNORED):
                    raise ConfigError(f"The source '{name}': {unknown_name('class', known, (*self.classes, IGNORED))}")
        if self.gsd is None and any(source.gsd for source in self.sources.values()):
            raise ConfigError("Sources state their `gsd`, but no `gsd` says what all are to be brought to.")


def read_legend(path: Path) -> Legend:
    """Read a YAML file with the keys of :class:`Legend`, and those of :class:`Source` for each source.

    Raises:
        ConfigError: If the file is missing or malformed.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key in values:
            if key not in NAMES:
                raise ConfigError(f"{path}: {unknown_name('key', str(key), NAMES)}")
        sources = {str(name): Source(**source) for name, source in values["sources"].items()}
        classes = tuple(map(str, values["classes"]))
        return Legend(classes=classes, sources=sources, gsd=values.get("gsd"), palette=values.get("palette") or {})
    except ConfigError:
        raise
    except (OSError, yaml.YAMLError, TypeError, AttributeError, LookupError) as error:
        raise ConfigError(f"{path} describes no sources to merge: {error}. Expected the keys {NAMES}.") from error


def merge(legend: Legend, root: Path, out: Path) -> dict[str, int]:
    """Write one folder: ``images``, ``masks`` (index PNG, 0 is ignored), ``classes.json`` and ``folds.csv``.

    Images are named ``SOURCE_NAME`` and scenes ``SOURCE/SCENE``. Files that are there already are written again.

    Args:
        legend: What to write.
        root: Folder of all data, which the sources' paths start from.
        out: The folder to write.

    Returns:
        Source to number of images.

    Raises:
        DataError: If a file is missing or damaged, or a mask holds a value that the legend does not name.
        WriteError: If the folder cannot be written.
    """
    lines, counts = ["name,scene,fold"], dict[str, int]()
    for origin, source in legend.sources.items():
        scenes, folds = divided(origin, source, root)
        for name in progress(sorted(folds), origin):
            image, mask = _read(source, legend, root, name)
            _write_png(out / "images" / f"{origin}_{name}.png", image.transpose(1, 2, 0), None)
            _write_png(out / "masks" / f"{origin}_{name}.png", mask, _colours(legend))
            lines.append(f"{origin}_{name},{origin}/{scenes[name]},{folds[name]}")
        counts[origin] = len(folds)
    write_text(out / "folds.csv", "\n".join(lines) + "\n")
    write_text(out / "classes.json", json.dumps(_classes(legend), indent=2) + "\n")
    return counts


def divided(origin: str, source: Source, root: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Return scene and fold of each of a source's images.

    Args:
        origin: Name of the source.
        source: The source.
        root: Folder of all data.

    Raises:
        DataError: If its list is missing or damaged, or has no folds.
    """
    if isinstance(source.folds, str):
        scenes, folds = read_folds(root / source.folds)
        if folds is None:
            raise DataError(f"{root / source.folds} has no column 'fold', which the source '{origin}' needs.")
        return scenes, folds
    given = {str(name): (str(scene), int(fold)) for name, (scene, fold) in source.folds.items()}
    return {name: scene for name, (scene, _) in given.items()}, {name: fold for name, (_, fold) in given.items()}


def _read(source: Source, legend: Legend, root: Path, name: str) -> tuple[Image, Mask]:
    """Return image ``(3, H, W)`` uint8 and mask ``(H, W)`` of 0 (ignored) and 1 to K."""
    image_file, mask_file = (root / pattern.replace("*", name) for pattern in (source.images, source.masks))
    image, raw = read_image(image_file, source.bands), read_mask(mask_file)
    if image.dtype != np.uint8:
        raise DataError(f"The image {image_file} holds {image.dtype}; images of 8 bits are merged.")
    values = sorted({value for group in source.legend.values() for value in group})
    places = encode_mask(raw, ClassMap(tuple(map(str, values)), tuple(values)), mask_file)
    table = np.zeros(IGNORE_INDEX + 1, np.uint8)
    for known, group in source.legend.items():
        if known != IGNORED:
            table[[values.index(value) for value in group]] = legend.classes.index(known) + 1
    mask: Mask = table[places]
    if mask.shape != image.shape[1:]:
        raise DataError(f"The image {image_file} is {image.shape[1:]} pixels large, its mask {mask_file} {mask.shape}.")
    if source.gsd is None or legend.gsd is None:
        return image, mask
    height, width = (max(1, round(side * source.gsd / legend.gsd)) for side in mask.shape)
    return resize_image(image, (height, width)), resize_mask(mask, (height, width))


def _colours(legend: Legend) -> list[tuple[int, int, int]]:
    hues = default_palette(len(legend.classes))
    chosen = [legend.palette.get(name, hue) for name, hue in zip(legend.classes, hues, strict=True)]
    return [(0, 0, 0), *((int(r), int(g), int(b)) for r, g, b in chosen)]


def _classes(legend: Legend) -> dict[str, Any]:
    colours = _colours(legend)
    return {
        "classes": {str(number): name for number, name in enumerate(legend.classes, 1)},
        "palette": {str(number): list(colours[number]) for number in range(1, len(colours))},
        "ignore": [0],
    }


def _write_png(path: Path, pixels: npt.NDArray[np.uint8], colours: list[tuple[int, int, int]] | None) -> None:
    picture = Pillow.fromarray(np.ascontiguousarray(pixels))
    if colours is not None:
        picture.putpalette([part for colour in colours for part in colour])
    with replacing(path) as beside, beside.open("wb") as file:
        picture.save(file, format="PNG")
