"""Samplers whose samples follow from (seed, epoch, index) alone, so that training resumes exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch.distributed as dist
from torch.utils.data import DistributedSampler

from hqzoo.errors import ConfigError

__all__ = ["EpochSampler", "GridSampler"]


def _rank_and_world() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


# Both derive from DistributedSampler only because Lightning replaces every other sampler when it runs on
# several processes, and calls `set_epoch` on these. Its own constructor insists on a process group, so it is
# not called.


class EpochSampler(DistributedSampler[Any]):
    """Yields the keys ``(epoch, index)`` of one epoch, in an order that only seed and epoch decide.

    On several processes each takes every ``world``-th key; all of them get the same number of keys, so the
    last few keys of an epoch may be left out. ``len()`` is always that of the whole epoch: Lightning counts
    the batches done before an interruption itself.

    Args:
        length: Number of samples in an epoch, over all processes.
        seed: Seed of the order.
        epoch: Epoch to begin with. It must be right from the start, for workers prefetch before Lightning
            tells it.
        skip: Samples of this process that are already done in ``epoch`` (and only there).
        shuffle: Whether to permute the indices.

    Raises:
        ConfigError: If ``length`` is smaller than the number of processes.
    """

    def __init__(self, length: int, seed: int = 0, epoch: int = 0, skip: int = 0, shuffle: bool = True) -> None:
        self.rank, self.num_replicas = _rank_and_world()
        if length < self.num_replicas:
            raise ConfigError(f"An epoch of {length} samples cannot be shared among {self.num_replicas} processes.")
        self.length = length
        self.num_samples = length // self.num_replicas
        self.total_size = self.num_samples * self.num_replicas
        self.seed, self.epoch, self.shuffle, self.drop_last = seed, epoch, shuffle, True
        self._skipped_epoch, self._skip = epoch, skip

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch  # read once: the epoch may change while workers still prefetch
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        mine = order[self.rank : self.total_size : self.num_replicas]
        for index in mine[self._skip if epoch == self._skipped_epoch else 0 :]:
            yield epoch, int(index)

    def __len__(self) -> int:
        return self.num_samples


class GridSampler(DistributedSampler[Any]):
    """Yields the indices of evaluation windows in order, each exactly once over all processes.

    Processes must run the same number of batches. Those that come out short repeat their windows as ``-1 -
    index``: the data set hands these over with every pixel ignored, so that nothing is counted twice.

    Args:
        length: Number of windows, over all processes.
    """

    def __init__(self, length: int) -> None:
        self.rank, self.num_replicas = _rank_and_world()
        self.length = length
        self.num_samples = math.ceil(length / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas
        self.seed, self.epoch, self.shuffle, self.drop_last = 0, 0, False, False

    def __iter__(self) -> Iterator[int]:
        for index in range(self.rank, self.total_size, self.num_replicas):
            yield index if index < self.length else -1 - index % self.length

    def __len__(self) -> int:
        return self.num_samples
