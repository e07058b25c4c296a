"""Random numbers as a function of keys: the same on every device, in every batch and on every number of processes."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["keyed_uniform"]

GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # as signed 64-bit integers, which wrap around like unsigned ones
MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))


def keyed_uniform(keys: Tensor, count: int, *streams: int) -> Tensor:
    """Return uniform numbers in [0, 1) with 24 random bits.

    Every number is the hash of its key, its place and the streams (SplitMix64, Steele, Lea and Flood 2014): no state,
    so that drawing for one sample never changes what another one gets, and nothing waits for an accelerator.

    Args:
        keys: One per sample, ``(B,)`` int64.
        count: Numbers per sample.
        *streams: Further keys that all samples share, such as seed and epoch.

    Returns:
        ``(B, count)`` float32 on the device of ``keys``.
    """
    state = _mixed(keys)
    for stream in streams:
        state = _mixed(state ^ _mixed(torch.full_like(state, stream)))
    places = torch.arange(1, count + 1, device=keys.device, dtype=torch.int64) * GOLDEN
    return _shifted(_mixed(state[:, None] + places), 40).to(torch.float32) * 2.0**-24


def _mixed(values: Tensor) -> Tensor:
    for bits, factor in MIX:
        values = (values ^ _shifted(values, bits)) * factor
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros; torch's own shift of signed integers repeats the sign."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)
