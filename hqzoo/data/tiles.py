"""Overlapping windows of images that are predicted whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from hqzoo.data.cache import RecordCache
from hqzoo.data.records import ImageRecord, Window
from hqzoo.data.tiling import OVERLAP, Grid
from hqzoo.data.windows import Size, read_padded

__all__ = ["TileDataset"]


class TileDataset(Dataset[dict[str, Any]]):
    """The windows of :class:`~hqzoo.data.tiling.Grid` over every image, from top to bottom, one image after another.

    Images smaller than a window are filled by reflection, and ignored there.

    Args:
        records: Images, with or without masks.
        cache: Memory of decoded images.
        size: Height and width of a window in pixels.
    """

    def __init__(self, records: Sequence[ImageRecord], cache: RecordCache, size: Size) -> None:
        self.records, self.cache, self.size = records, cache, size
        cache.make_room(records)
        self._grids = [Grid.over(record.height, record.width, size) for record in records]
        self._starts = np.concatenate([[0], np.cumsum([len(grid) for grid in self._grids])])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return image, mask, ``name``, ``scene``, ``row``, ``col``, ``height`` and ``width`` of a window.

        Also ``overlap``, the grid's; ``valid`` (h, w), False where the image's files declare no measurement; and
        ``file``, the image's, empty where it is none.
        """
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        record, grid = self.records[number], self._grids[number]
        down, right = divmod(index - int(self._starts[number]), len(grid.columns.offsets))
        row, col = grid.rows.offsets[down], grid.columns.offsets[right]
        image, mask = read_padded(self.cache, record, row, col, self.size)
        inside = Window(row, col, min(self.size[0], record.height - row), min(self.size[1], record.width - col))
        missing, valid = record.missing(inside), torch.zeros(self.size, dtype=torch.bool)
        valid[: inside.height, : inside.width] = True if missing is None else torch.from_numpy(~missing)
        return {
            "image": torch.from_numpy(np.array(image, dtype=np.float32, order="C")),
            "mask": torch.from_numpy(mask.astype(np.int64)),
            "valid": valid,
            "name": f"{record.name}@{row},{col}",
            "scene": record.name,
            "file": str(record.file or ""),
            "row": row,
            "col": col,
            "height": record.height,
            "width": record.width,
            "overlap": OVERLAP,
        }
