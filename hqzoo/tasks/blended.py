"""Test windows that hold what whole images are predicted as, so that a test scores what a map shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hqzoo.data.tiling import Grid
from hqzoo.errors import ConfigError
from hqzoo.scenes.assembly import Assembly, Tile, tiles_of

__all__ = ["BlendedWindows", "Scored"]


@dataclass(frozen=True)
class Scored:
    """Windows side by side, as a test without blending scores them.

    Args:
        logits: Logarithms of the blended probabilities ``(B, K, h, w)``, on the device of the batch.
        mask: Class indices or the ignored one ``(B, h, w)`` int64; ignored beyond the image's end.
        names: Image of each.
    """

    logits: Tensor
    mask: Tensor
    names: list[str]


class BlendedWindows:
    """Takes batches of overlapping windows and gives back, as soon as they are whole, windows of the plain grid.

    Args:
        num_classes: Number of classes K.
        ignore_index: Mask value of pixels that are not counted.
    """

    def __init__(self, num_classes: int, ignore_index: int) -> None:
        self._classes, self._ignore = num_classes, ignore_index
        self._images: dict[str, _Image] = {}

    def add(self, batch: Mapping[str, Any], probabilities: Tensor, processes: int) -> Scored | None:
        """Blend a batch in; return the windows that became whole, or None.

        Args:
            batch: What :class:`hqzoo.data.tiles.TileDataset` gives.
            probabilities: Class probabilities of its windows ``(B, K, h, w)``.
            processes: How many processes test.

        Raises:
            ConfigError: If several do: windows of one image would end up in different ones.
        """
        if processes > 1:
            raise ConfigError(
                f"A blended test puts images together in one process, but there are {processes}: set trainer.devices "
                "to 1, or data.init_args.blend_test to false."
            )
        found, masks = probabilities.cpu().numpy(), batch["mask"].cpu().numpy()
        done: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], str]] = []
        for tile in tiles_of(batch, found.shape[-2:]):
            if tile.scene not in self._images:
                self._images[tile.scene] = _Image(tile.grid, self._classes, self._ignore)
            image = self._images[tile.scene]
            whole = image.add(tile, found[tile.index], masks[tile.index])
            done += [(*window, tile.scene) for window in image.take()]
            if whole:
                del self._images[tile.scene]
        if not done:
            return None
        blended, truths, names = zip(*done, strict=True)
        logits = torch.from_numpy(np.stack(blended)).clamp_min(torch.finfo(torch.float32).tiny).log()
        mask = torch.from_numpy(np.stack(truths))
        return Scored(logits.to(probabilities.device), mask.to(probabilities.device), list(names))

    def reset(self) -> None:
        """Forget images that never became whole."""
        self._images.clear()


class _Image:
    """One image: its blended rows leave in windows of the plain grid."""

    def __init__(self, grid: Grid, num_classes: int, ignore_index: int) -> None:
        self._window = grid.window
        self._ignore = ignore_index
        self._mask = np.full((grid.rows.size, grid.columns.size), ignore_index, np.int64)
        self._ready: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]] = []
        self._assembly = Assembly(grid, num_classes, grid.window[0], self._cut)

    def add(self, tile: Tile, probabilities: npt.NDArray[np.float32], mask: npt.NDArray[np.int64]) -> bool:
        height, width = tile.valid.shape
        self._mask[tile.row : tile.row + height, tile.col : tile.col + width] = mask[:height, :width]
        return self._assembly.add(tile, probabilities)

    def take(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        ready, self._ready = self._ready, []
        return ready

    def _cut(self, row: int, column: int, blended: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> None:
        classes, rows, columns = blended.shape
        height, width = self._window
        for left in range(0, columns, width):
            here = min(width, columns - left)
            probabilities = np.full((classes, height, width), 1 / classes, np.float32)
            mask = np.full((height, width), self._ignore, np.int64)
            probabilities[:, :rows, :here] = blended[:, :, left : left + here]
            mask[:rows, :here] = self._mask[row : row + rows, left : left + here]
            self._ready.append((probabilities, mask))
