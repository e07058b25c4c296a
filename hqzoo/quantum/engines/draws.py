"""Random numbers that are new at every call and the same in every run."""

from __future__ import annotations

import numpy as np
import torch

from hqzoo.errors import CircuitError

__all__ = ["Draws", "branch"]


def branch(seed: int, *path: int) -> int:
    """Return a seed for one of the many streams that a seed stands for.

    Streams of other paths, and of other seeds, neighbours included, are independent of it.

    Args:
        seed: From 0 to ``2^31 - 1``.
        path: Which stream, such as the numbers of a layer and of a strength of noise.

    Raises:
        CircuitError: If the seed is none.
    """
    _check(seed)
    return _mixed(seed, *path) >> 1


def _mixed(seed: int, *path: int) -> int:
    """Return 32 bits that no other path shares, but by chance."""
    return int(np.random.SeedSequence(seed, spawn_key=path).generate_state(1)[0])


def _check(seed: int) -> None:
    if not 0 <= seed < 2**31:
        raise CircuitError(f"seed={seed}: a seed is an integer from 0 to 2^31 - 1.")


class Draws:
    """A sequence of random generators.

    It holds plain numbers, so that whatever holds it can be copied, pickled and moved to another device.

    Args:
        seed: From 0 to ``2^31 - 1``.

    Raises:
        CircuitError: If the seed is none.
    """

    def __init__(self, seed: int) -> None:
        _check(seed)
        self.seed, self.calls = seed, 0

    def next(self, device: torch.device) -> torch.Generator:
        """Return a fresh generator on a device."""
        self.calls += 1
        # torch's generator looks at 32 bits of its seed alone, so that both numbers have to be mixed into them.
        return torch.Generator(device).manual_seed(_mixed(self.seed, self.calls))
