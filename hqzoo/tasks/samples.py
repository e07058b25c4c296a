"""What was found of every sample, gathered over batches and processes: for scores of whole splits and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from hqzoo.errors import DataError

__all__ = ["Samples"]

Columns = dict[str, npt.NDArray[Any]]


class Samples:
    """Rows by sample name.

    Several processes get equally many batches, so that the last ones may hold samples that another process has, too.
    Rows are told apart by name: with ``windows=False`` a name that comes again is the same sample and counts once; with
    ``windows=True`` it is another window of the same scene, and its columns, which are counts, are added up (windows
    that only fill a batch count nothing).

    Args:
        windows: Whether a name stands for a scene that comes in windows.
    """

    def __init__(self, windows: bool = False) -> None:
        self.windows = windows
        self._names: list[str] = []
        self._groups: list[str] = []
        self._columns: dict[str, list[npt.NDArray[Any]]] = {}

    def add(self, names: Sequence[str], groups: Sequence[str] | None = None, **columns: Tensor) -> None:
        """Add a batch: a name and one row of every column ``(B, ...)`` per sample.

        Args:
            names: Name of every sample.
            groups: What it belongs to, such as its scene, location or patient; None: to itself.
            **columns: One row per sample.

        Raises:
            DataError: If the columns differ from those of earlier batches, or in length from the names.
        """
        if self._columns and set(columns) != set(self._columns):
            raise DataError(f"Samples so far have the columns {sorted(self._columns)}, these have {sorted(columns)}.")
        for name, values in columns.items():
            if len(values) != len(names):
                raise DataError(f"The column '{name}' has {len(values)} rows for {len(names)} samples.")
            kept = values.detach()
            kept = kept.float() if kept.dtype in (torch.bfloat16, torch.float16) else kept
            self._columns.setdefault(name, []).append(kept.cpu().numpy())
        self._names += map(str, names)
        self._groups += map(str, names if groups is None else groups)

    def gather(self) -> Columns:
        """Return all columns ``(N, ...)`` of all processes, and forget them here.

        Beside those that were added there are ``name`` ``(N,)``, sorted, and ``group`` ``(N,)``.

        Every process must call it.
        """
        rows = np.array([self._names, self._groups], dtype=np.str_)
        columns = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        self.reset()
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            parts: list[tuple[npt.NDArray[Any], Columns]] = [(rows, columns)] * dist.get_world_size()
            dist.all_gather_object(parts, (rows, columns))
            parts = [part for part in parts if part[0].size]
            rows = np.concatenate([part[0] for part in parts], 1) if parts else rows
            columns = {each: np.concatenate([part[1][each] for part in parts]) for each in parts[0][1]} if parts else {}
        unique, first, place = np.unique(rows[0], return_index=True, return_inverse=True)
        named = {"name": unique, "group": rows[1][first]}
        if not self.windows:
            return {**named, **{name: values[first] for name, values in columns.items()}}
        return {**named, **{name: _totals(values, place, len(unique)) for name, values in columns.items()}}

    def reset(self) -> None:
        """Forget all rows."""
        self._names, self._groups, self._columns = [], [], {}


def _totals(values: npt.NDArray[Any], place: npt.NDArray[np.intp], count: int) -> npt.NDArray[Any]:
    totals = np.zeros((count, *values.shape[1:]), values.dtype)
    np.add.at(totals, place, values)
    return totals
