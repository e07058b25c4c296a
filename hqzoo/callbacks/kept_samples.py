"""A few samples of a validation split with what became of them, gathered from all processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from hqzoo._lightning import pl
from hqzoo.nn import several_processes

__all__ = ["KeptSamples"]

Kept = tuple[Mapping[str, Any], Tensor]


class KeptSamples:
    """Keeps the first sample of batches that are spread over the split: the same ones in every epoch.

    Args:
        number: Most samples, of all processes together.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._kept: list[Kept] = []

    def forget(self) -> None:
        """Forget all samples."""
        self._kept = []

    def add(self, trainer: pl.Trainer, batch: Mapping[str, Any], outputs: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Keep the first sample of a batch if it is one of those that are chosen."""
        here = -(-self.number // trainer.world_size)
        if len(self._kept) >= here:
            return
        batches = trainer.num_val_batches[0]
        every = max(1, int(batches // here)) if batches != float("inf") else 1
        if batch_idx % every == 0:
            self._kept.append(({name: _first(values) for name, values in batch.items()}, _first(outputs)))

    def gather(self) -> list[Kept]:
        """Return the samples of all processes, and forget them; every process must call it.

        Processes may share the sample that fills their last batch: it counts once.
        """
        own, self._kept = self._kept, []
        if not several_processes():
            return own
        parts: list[list[Kept]] = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(parts, own)
        found = {_identity(sample): (sample, prediction) for part in parts for sample, prediction in part}
        return [found[key] for key in sorted(found)][: self.number]


def _identity(sample: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(_plain(sample.get(key, ""))) for key in ("scene", "name", "row", "col"))


def _plain(value: Any) -> Any:  # noqa: ANN401 - an entry of a sample
    return value.tolist() if isinstance(value, torch.Tensor) else value


def _first(values: Any) -> Any:  # noqa: ANN401 - a column of a batch
    return values[0].detach().cpu() if isinstance(values, torch.Tensor) else values[0]
