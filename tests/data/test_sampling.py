"""Samplers: permutations, shares of processes, skipping."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DistributedSampler

from hqzoo.data import EpochSampler, GridSampler
from hqzoo.data.processes import Processes
from hqzoo.errors import ConfigError


@given(length=st.integers(1, 60), seed=st.integers(0, 99), epoch=st.integers(0, 9))
def test_an_epoch_is_a_permutation_of_its_own(length: int, seed: int, epoch: int) -> None:
    sampler = EpochSampler(length, seed)
    sampler.set_epoch(epoch)
    keys = list(sampler)
    assert {e for e, _ in keys} == {epoch}
    assert sorted(index for _, index in keys) == list(range(length))
    assert keys == list(EpochSampler(length, seed, epoch))  # nothing depends on how it got there


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(index for _, index in EpochSampler(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@given(done=st.integers(0, 20))
def test_what_is_done_is_left_out_in_one_epoch_only(done: int) -> None:
    sampler = EpochSampler(20, 1, epoch=2, done=done)
    assert list(sampler) == list(EpochSampler(20, 1, epoch=2))[done:]
    assert len(sampler) == 20
    sampler.set_epoch(3)
    assert list(sampler) == list(EpochSampler(20, 1, epoch=3))


@given(length=st.integers(4, 40), world=st.integers(1, 4))
def test_processes_share_an_epoch(length: int, world: int) -> None:
    shares = [list(EpochSampler(length, 5, share=Processes(rank, world))) for rank in range(world)]
    assert {len(share) for share in shares} == {length // world}
    assert len({key for share in shares for key in share}) == length // world * world


@given(
    length=st.integers(8, 60),
    worlds=st.lists(st.sampled_from([1, 2, 4]), min_size=2, max_size=4),
    stops=st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
def test_whole_batches_are_the_same_on_any_number_of_processes(
    length: int, worlds: list[int], stops: list[int]
) -> None:
    """One epoch, interrupted again and again, and each time resumed on another number of processes."""
    whole, order = 4, list(EpochSampler(length, 3, epoch=1))
    done = 0
    for world, batches in zip(worlds, [*stops[: len(worlds) - 1], length], strict=False):
        shares = [list(EpochSampler(length, 3, 1, done, share=Processes(rank, world))) for rank in range(world)]
        each = whole // world
        for batch in range(min(batches, (length - done) // whole)):
            together = [key for share in shares for key in share[batch * each : (batch + 1) * each]]
            assert sorted(together) == sorted(order[done : done + whole])
            done += whole
    assert length - done < whole


@given(length=st.integers(1, 40), world=st.integers(1, 5))
def test_every_window_counts_once_over_all_processes(length: int, world: int) -> None:
    shares = [list(GridSampler(length, Processes(rank, world))) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1  # else processes would wait for each other for ever
    keys = [key for share in shares for key in share]
    assert sorted(key for key in keys if key >= 0) == list(range(length))
    assert all(0 <= -1 - key < length for key in keys if key < 0)


def test_lightning_leaves_them_alone() -> None:
    for sampler in (EpochSampler(8), GridSampler(8)):
        assert isinstance(sampler, DistributedSampler)
        assert list(pickle.loads(pickle.dumps(sampler))) == list(sampler)


def test_more_processes_than_samples() -> None:
    with pytest.raises(ConfigError, match="2 samples cannot be shared among 4"):
        EpochSampler(2, share=Processes(0, 4))
