"""Random numbers that are new at every call and the same in every run."""

from __future__ import annotations

import numpy as np
import torch

from hqzoo.errors import CircuitError

__all__ = ["Draws"]


class Draws:
    """A sequence of random generators.

    It holds plain numbers, so that whatever holds it can be copied, pickled and moved to another device.

    Args:
        seed: From 0 to ``2^31 - 1``.

    Raises:
        CircuitError: If the seed is none.
    """

    def __init__(self, seed: int) -> None:
        if not 0 <= seed < 2**31:
            raise CircuitError(f"seed={seed}: a seed is an integer from 0 to 2^31 - 1.")
        self.seed, self.calls = seed, 0

    def next(self, device: torch.device) -> torch.Generator:
        """Return a fresh generator on a device."""
        self.calls += 1
        # torch's generator looks at 32 bits of its seed alone, so that both numbers have to be mixed into them.
        mixed = np.random.SeedSequence([self.seed, self.calls]).generate_state(1)[0]
        return torch.Generator(device).manual_seed(int(mixed))
