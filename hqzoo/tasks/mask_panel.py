"""Pictures of block masks: what an encoder sees of an image, and what it has to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hqzoo._files import replacing
from hqzoo.data.sensor import Sensor
from hqzoo.nn.block_masks import Masks
from hqzoo.tasks.panels import CELL, as_picture, red_green_blue

__all__ = ["as_map", "draw_masks"]

HIDDEN = 235  # grey of patches that are not part of a cell


def as_map(masks: Masks, grid: tuple[int, int]) -> Tensor:
    """Return masks as numbers per patch, ``(B, R, C)`` int64: 1 of the context, plus 2, 4, 8, ... of each target."""
    rows, columns = grid
    found = torch.zeros((len(masks.context), rows * columns), dtype=torch.int64, device=masks.context.device)
    found.scatter_(1, masks.context, 1)
    for number, patches in enumerate(masks.targets.unbind(1), 1):
        found.scatter_add_(1, patches, torch.full_like(patches, 2**number))
    return found.view(-1, rows, columns)


def draw_masks(
    samples: Sequence[Mapping[str, Any]], maps: Sequence[Tensor], sensors: Mapping[str, Sensor], path: str | Path
) -> Path:
    """Draw a row per image: each sensor, then its first sensor with the context alone, and with each target alone.

    Args:
        samples: Images ``(C, H, W)`` by name of the sensor.
        maps: What becomes of their patches, ``(R, C)``, see :func:`as_map`.
        sensors: Sensors by name.
        path: PNG file to write; it appears when it is whole.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure  # half a second, and only pictures need it

    first = next(iter(sensors))
    targets = max(int(each.max()) for each in maps).bit_length() - 1
    titles = [*sensors, "context", *(f"target {number + 1}" for number in range(targets))]
    figure = Figure(figsize=(CELL * len(titles), CELL * len(samples) + 0.3), layout="constrained")
    grid = figure.subplots(len(samples), len(titles), squeeze=False)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=10)
    for cells, sample, patches in zip(grid, samples, maps, strict=True):
        shown = [_picture(sample[name], sensor) for name, sensor in sensors.items()]
        parts = [_only(_picture(sample[first], sensors[first]), patches, bit) for bit in range(targets + 1)]
        for axes, picture in zip(cells, [*shown, *parts], strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color="0.6", linewidth=0.5)
    with replacing(Path(path)) as beside:
        figure.savefig(beside, format="png", dpi=120)
    return Path(path)


def _picture(image: Tensor, sensor: Sensor) -> npt.NDArray[np.uint8]:
    pixels = image.detach().float().cpu().numpy()
    if len(pixels) == 2:  # radar of two polarisations: their mean in the third colour
        return as_picture(np.concatenate([pixels, pixels.mean(0, keepdims=True)]))
    return as_picture(pixels, bands=red_green_blue(sensor.bands))


def _only(picture: npt.NDArray[np.uint8], patches: Tensor, bit: int) -> npt.NDArray[np.uint8]:
    """Return the picture with all patches blank that do not have this bit."""
    chosen = (patches.cpu().numpy() >> bit) & 1 == 1
    rows, columns = (side // count for side, count in zip(picture.shape[:2], chosen.shape, strict=True))
    visible = chosen.repeat(rows, 0).repeat(columns, 1)[..., None]
    return np.where(visible, picture, np.uint8(HIDDEN))
