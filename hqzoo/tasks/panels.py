"""Pictures that show what a model sees, should see, and gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hqzoo._files import replacing
from hqzoo.data.files.band_names import plain_name
from hqzoo.data.labels import IGNORE_INDEX, default_palette
from hqzoo.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["as_picture", "draw_labels", "draw_panel", "red_green_blue"]

UNLABELLED = (255, 255, 255)
RIGHT = (214, 214, 214)
WRONG = (200, 30, 30)
ELSE_WRONG = ((255, 0, 255), (0, 0, 0), (255, 225, 0), (0, 225, 255))  # where a class has a colour like that
APART = 100  # distance in RGB at which two colours are told apart on a small picture (CHOICE)
COLOUR_NAMES = (("red", "green", "blue"), ("b4", "b3", "b2"))
CELL = 2.2  # inches
PERCENTILES = (2, 98)

Pixels = npt.NDArray[np.uint8]
Stack = Tensor | npt.NDArray[Any]


def draw_panel(
    images: Stack,
    truths: Stack,
    predictions: Stack,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None,
    path: str | Path,
    *,
    scale: float | None = None,
    bands: Sequence[int] = (0, 1, 2),
    ignore_index: int = IGNORE_INDEX,
) -> Path:
    """Draw one row per image with the columns image, truth, prediction and difference, and a legend below.

    Args:
        images: ``(N, C, H, W)`` in any unit.
        truths: Class indices or ``ignore_index``, ``(N, H, W)``.
        predictions: Class indices, ``(N, H, W)``.
        classes: Names of the K classes.
        palette: One RGB colour (0 to 255) per class; ``None``: distinct hues.
        path: PNG file to write; it appears when it is whole.
        scale: Value shown as white, such as 255; ``None``: each image from its 2nd to its 98th percentile.
        bands: Indices of the bands shown as red, green and blue; of images with fewer bands the first is
            grey.
        ignore_index: Value of unlabelled pixels in ``truths``; they are white in truth and difference.

    Returns:
        The path.

    Raises:
        ConfigError: If shapes, classes and palette do not agree.
    """
    images, truths, predictions = (_array(stack) for stack in (images, truths, predictions))
    if images.ndim != 4 or not len(images):
        raise ConfigError(f"A panel needs images (N, C, H, W) with N of at least 1, got {images.shape}.")
    expected = (images.shape[0], *images.shape[2:])
    if truths.shape != expected or predictions.shape != expected:
        raise ConfigError(f"Truths {truths.shape} and predictions {predictions.shape} must be {expected}.")
    colours = np.array(default_palette(len(classes)) if palette is None else palette, dtype=np.uint8)
    if colours.shape != (len(classes), 3):
        raise ConfigError(f"A palette needs one RGB colour per class ({len(classes)}), got {palette}.")
    wrong = wrong_colour(colours)
    rows = [
        (
            as_picture(image, scale, bands),
            _colour(truth, colours, ignore_index),
            _colour(prediction, colours, ignore_index),
            _difference(truth, prediction, ignore_index, wrong),
        )
        for image, truth, prediction in zip(images, truths, predictions, strict=True)
    ]
    figure = _figure(rows, classes, colours, wrong, bool((truths == ignore_index).any()))
    with replacing(Path(path)) as beside:
        figure.savefig(beside, format="png", dpi=120)
    return Path(path)


def as_picture(image: npt.NDArray[Any], scale: float | None = None, bands: Sequence[int] = (0, 1, 2)) -> Pixels:
    """Return an image ``(C, H, W)`` as colours ``(H, W, 3)``, see :func:`draw_panel`."""
    chosen = image[list(bands)] if len(image) > max(bands) else image[[0, 0, 0]]
    shown = np.moveaxis(chosen, 0, -1).astype(np.float64)
    low, high = (0.0, scale) if scale else np.nanpercentile(shown, PERCENTILES)
    shown = np.nan_to_num((shown - low) / max(high - low, 1e-12))
    return (255 * shown.clip(0, 1)).round().astype(np.uint8)


def red_green_blue(bands: Sequence[str]) -> tuple[int, int, int]:
    """Return the indices of the bands shown as red, green and blue.

    They are those of that name, or of the numbers that Sentinel-2 and Landsat 8 and 9 give them; else the first three.
    """
    places = {plain_name(name): index for index, name in reversed(list(enumerate(bands)))}
    for red, green, blue in COLOUR_NAMES:
        if {red, green, blue} <= set(places):
            return places[red], places[green], places[blue]
    return 0, 1, 2


def wrong_colour(colours: Pixels) -> tuple[int, int, int]:
    """Return the colour of wrong pixels: red, or where a class is shown in a similar colour, the one furthest away."""
    taken = np.concatenate([colours, [RIGHT, UNLABELLED]]).astype(float)

    def distance(colour: tuple[int, int, int]) -> float:
        return float(np.linalg.norm(taken - colour, axis=1).min())

    return WRONG if distance(WRONG) >= APART else max(ELSE_WRONG, key=distance)


def _array(stack: Stack) -> npt.NDArray[Any]:
    return stack.detach().float().cpu().numpy() if isinstance(stack, Tensor) else np.asarray(stack)


def _colour(labels: npt.NDArray[Any], colours: Pixels, ignore_index: int) -> Pixels:
    known = (labels >= 0) & (labels < len(colours)) & (labels != ignore_index)
    picture = colours[np.where(known, labels, 0).astype(np.int64)]
    picture[~known] = UNLABELLED
    return picture


def _difference(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], ignore_index: int, wrong: tuple[int, int, int]
) -> Pixels:
    picture = np.empty((*truth.shape, 3), dtype=np.uint8)
    picture[:] = RIGHT
    picture[truth != prediction] = wrong
    picture[truth == ignore_index] = UNLABELLED
    return picture


def _figure(
    rows: Sequence[Sequence[Pixels]],
    classes: Sequence[str],
    colours: Pixels,
    wrong: tuple[int, int, int],
    unlabelled: bool,
) -> Figure:
    from matplotlib.figure import Figure  # half a second, and only pictures need it
    from matplotlib.patches import Patch

    titles = ("image", "truth", "prediction", "difference")
    entries = [*zip(classes, colours / 255, strict=True), ("right", np.array(RIGHT) / 255)]
    entries.append(("wrong", np.array(wrong) / 255))
    if unlabelled:
        entries.append(("unlabelled", np.array(UNLABELLED) / 255))
    columns = 4
    legend = 0.35 + 0.25 * -(-len(entries) // columns)
    height, width = rows[0][0].shape[:2]
    size = (CELL * len(titles), CELL * height / width * len(rows) + 0.3 + legend)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for cells, pictures in zip(grid, rows, strict=True):
        for axes, picture in zip(cells, pictures, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color="0.6", linewidth=0.5)  # unlabelled areas are white: show where they end
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=10)
    patches = [Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in entries]
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    return figure


def draw_labels(
    images: Sequence[Tensor],
    truths: Sequence[Tensor],
    probabilities: Sequence[Tensor],
    classes: Sequence[str],
    path: str | Path,
    *,
    scale: float | None = None,
    bands: Sequence[int] = (0, 1, 2),
) -> Path:
    """Draw images in a row, each with its true labels above and the three most probable ones below.

    Args:
        images: ``(C, H, W)`` each, in any unit.
        truths: Class index, or multi-hot ``(K,)``, each.
        probabilities: ``(K,)`` each.
        classes: Names of the K classes.
        path: PNG file to write; it appears when it is whole.
        scale: Value shown as white; ``None``: each image from its 2nd to its 98th percentile.
        bands: Indices of the bands shown as red, green and blue.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure  # half a second, and only pictures need it

    figure = Figure(figsize=(CELL * len(images), CELL + 1.1), layout="constrained")
    grid = figure.subplots(1, len(images), squeeze=False)[0]
    for axes, image, truth, chances in zip(grid, images, truths, probabilities, strict=True):
        wanted = truth.nonzero().flatten().tolist() if truth.ndim else [int(truth)]
        axes.imshow(as_picture(_array(image), scale, bands), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(", ".join(classes[k] for k in wanted) or "none", fontsize=8, wrap=True)
        best = chances.argsort(descending=True)[:3].tolist()
        right = best[0] in wanted
        lines = "\n".join(f"{classes[k]} {float(chances[k]):.0%}" for k in best)
        axes.set_xlabel(lines, fontsize=8, color="black" if right else np.array(WRONG) / 255)
    with replacing(Path(path)) as beside:
        figure.savefig(beside, format="png", dpi=120)
    return Path(path)
