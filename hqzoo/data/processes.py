"""What several processes of one training share: who is who, and what one of them finds out for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch.distributed as dist

from hqzoo.errors import HqzooError

__all__ = ["Processes", "found_by_all", "found_once", "processes"]

T = TypeVar("T")


class Processes(NamedTuple):
    """The number of this process, from 0, and how many there are."""

    rank: int = 0
    world: int = 1


def processes() -> Processes:
    """Return this process's place in the process group; alone where there is none."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


def found_by_all(found: bool) -> bool:
    """Return whether all processes of the group found something; each must call it at the same point."""
    _, world = processes()
    if world == 1:
        return found
    answers: list[Any] = [None] * world
    dist.all_gather_object(answers, found)
    return all(answers)


def found_once(find: Callable[[], T]) -> T:
    """Let the first process find something out, and tell the others.

    Every process of a group must call it at the same point, as they do in Lightning's ``setup``.

    Raises:
        HqzooError: What the first process raised, in all of them: else the others would wait for ever.
    """
    rank, world = processes()
    if world == 1:
        return find()
    answer: list[Any] = [None, None]
    if rank == 0:
        try:
            answer[0] = find()
        except HqzooError as fault:
            answer[1] = fault
    dist.broadcast_object_list(answer, src=0)
    if answer[1] is not None:
        raise answer[1]
    found: T = answer[0]
    return found
