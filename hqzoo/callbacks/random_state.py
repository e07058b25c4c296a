"""The states of all random generators: what a checkpoint needs of them, on one process or on several."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

__all__ = ["derive_random_state", "gather_random_states", "get_random_state", "set_random_state"]

RandomState = dict[str, Any]


def get_random_state() -> RandomState:
    """Return the states of Python's, NumPy's and torch's generators, as types that are safe to load."""
    version, keys, gauss = random.getstate()
    name, numpy_keys, position, has_gauss, numpy_gauss = np.random.get_state()
    return {
        "python": [version, list(keys), gauss],
        "numpy": [str(name), numpy_keys.tolist(), int(position), int(has_gauss), float(numpy_gauss)],  # type: ignore[union-attr, attr-defined]
        "torch": torch.get_rng_state(),
        # Of this process's own GPU: to ask the others would claim memory on each of them.
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,  # type: ignore[no-untyped-call]
    }


def set_random_state(state: RandomState) -> None:
    """Restore what :func:`get_random_state` returned; the state of a GPU only where there is one."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, numpy_keys, position, has_gauss, numpy_gauss = state["numpy"]
    np.random.set_state((name, np.array(numpy_keys, dtype=np.uint32), position, has_gauss, numpy_gauss))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def gather_random_states(state: RandomState) -> list[RandomState]:
    """Return the states of all processes in the order of their ranks; every process must call it."""
    if not (dist.is_available() and dist.is_initialized()):
        return [state]
    states = [state] * dist.get_world_size()
    dist.all_gather_object(states, state)
    return states


def derive_random_state(seed: int, epoch: int, step: int, rank: int) -> RandomState:
    """Seed all generators by four numbers, and return their states.

    Args:
        seed: Seed of the run.
        epoch: Epochs done.
        step: Optimizer steps done.
        rank: Number of this process.
    """
    draws = np.random.SeedSequence((seed, epoch, step, rank)).generate_state(3)
    random.seed(int(draws[0]))
    np.random.seed(int(draws[1]))
    torch.manual_seed(int(draws[2]))
    return get_random_state()
