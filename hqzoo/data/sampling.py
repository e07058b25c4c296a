"""Samplers whose samples follow from (seed, epoch, index) alone, so that training resumes exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DistributedSampler

from hqzoo.data.processes import Processes, processes
from hqzoo.errors import ConfigError

__all__ = ["EpochSampler", "GridSampler"]


# Both derive from DistributedSampler only because Lightning replaces every other sampler when it runs on
# several processes, and calls `set_epoch` on these. Its own constructor insists on a process group, so it is
# not called.


class EpochSampler(DistributedSampler[Any]):
    """Yields the keys ``(epoch, index)`` of one epoch, in an order that only seed and epoch decide.

    On several processes each takes every ``world``-th key, so that their batches together are those of one process
    with batches as large as theirs together. All of them get the same number of keys: the last few keys of an epoch
    may be left out. ``len()`` is always that of the whole epoch: Lightning counts the batches done before an
    interruption itself.

    Args:
        length: Number of samples in an epoch, over all processes.
        seed: Seed of the order.
        epoch: Epoch to begin with. It must be right from the start, for workers prefetch before Lightning
            tells it.
        done: Samples that all processes together have done in ``epoch`` already (and only there), however many
            processes these were.
        shuffle: Whether to permute the indices.
        share: This process among all; None: as the process group says.

    Raises:
        ConfigError: If ``length`` is smaller than the number of processes.
    """

    def __init__(
        self,
        length: int,
        seed: int = 0,
        epoch: int = 0,
        done: int = 0,
        shuffle: bool = True,
        share: Processes | None = None,
    ) -> None:
        self.rank, self.num_replicas = share or processes()
        if length < self.num_replicas:
            raise ConfigError(f"An epoch of {length} samples cannot be shared among {self.num_replicas} processes.")
        self.length = length
        self.num_samples = length // self.num_replicas
        self.total_size = self.num_samples * self.num_replicas
        self.seed, self.epoch, self.shuffle, self.drop_last = seed, epoch, shuffle, True
        self._begun_epoch, self._done = epoch, done

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch  # read once: the epoch may change while workers still prefetch
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        left = order[self._done if epoch == self._begun_epoch else 0 :]
        whole = len(left) // self.num_replicas * self.num_replicas
        for index in left[self.rank : whole : self.num_replicas]:
            yield epoch, int(index)

    def __len__(self) -> int:
        return self.num_samples


class GridSampler(DistributedSampler[Any]):
    """Yields the indices of evaluation samples in order, each exactly once over all processes.

    Processes must run the same number of batches. Those that come out short repeat their samples as ``-1 - index``:
    the data set hands these over so that nothing is counted twice.

    Args:
        length: Number of samples, over all processes.
        share: This process among all; None: as the process group says.
    """

    def __init__(self, length: int, share: Processes | None = None) -> None:
        self.rank, self.num_replicas = share or processes()
        self.length = length
        self.num_samples = math.ceil(length / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas
        self.seed, self.epoch, self.shuffle, self.drop_last = 0, 0, False, False

    def __iter__(self) -> Iterator[int]:
        for index in range(self.rank, self.total_size, self.num_replicas):
            yield index if index < self.length else -1 - index % self.length

    def __len__(self) -> int:
        return self.num_samples
