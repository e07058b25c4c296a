"""Random states: saved, restored, derived."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from hqzoo.callbacks.random_state import (
    derive_random_state,
    gather_random_states,
    get_random_state,
    set_random_state,
)
from tests.processes.launch import on_processes


def draw() -> list[float]:
    return [random.random(), *np.random.rand(3).tolist(), *torch.rand(3).tolist()]


def test_round_trip_through_a_safe_file(tmp_path: Path) -> None:
    state = get_random_state()
    drawn = draw()
    torch.save(state, tmp_path / "state.pt")
    set_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draw() == drawn


@pytest.mark.parametrize("changed", range(4))
def test_derived_states_follow_from_each_of_four_numbers(changed: int) -> None:
    given = [7, 3, 20, 1]
    set_random_state(derive_random_state(*given))
    drawn = draw()
    draw()
    set_random_state(derive_random_state(*given))
    assert draw() == drawn
    given[changed] += 1
    set_random_state(derive_random_state(*given))
    assert not set(draw()) & set(drawn)


def gathered() -> tuple[list[float], list[list[float]]]:
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    states = gather_random_states(derive_random_state(0, 0, 0, rank))
    own = draw()
    drawn = []
    for state in states:
        set_random_state(state)
        drawn.append(draw())
    return own, drawn


def test_states_are_gathered_in_the_order_of_processes() -> None:
    (first, all_first), (second, all_second) = on_processes(2, gathered)
    assert all_first == all_second == [first, second]
    assert first != second
