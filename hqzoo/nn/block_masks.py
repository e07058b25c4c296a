"""Block masks of a grid of patches: one context and several targets per image (I-JEPA, Assran et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from hqzoo.errors import ConfigError
from hqzoo.nn.keyed_random import keyed_uniform
from hqzoo.nn.processes import several_processes

__all__ = ["BlockMasks", "Masks"]

Size = tuple[int, int]

TRIES = 8  # redraws of a sample whose context is too small; one in ten is at first
OFFICIAL_TRIES = 20
LAST = 1e9  # what puts patches behind all others
CALIBRATION = 4000  # draws that find the usual size of a context
SIZES, PLACES, CALIBRATING = 1, 2, 3  # streams of random numbers


@dataclass(frozen=True)
class Masks:
    """Which patches are context and which are to be predicted, as indices into the grid in raster order.

    Args:
        context: ``(B, K)`` int64, ascending; none of them is a target.
        targets: ``(B, M, N)`` int64, ascending: M blocks of N patches.
    """

    context: Tensor
    targets: Tensor


class BlockMasks:
    """Draws the masks of a step: block sizes from (seed, step), places from (seed, epoch, sample).

    All images of a step, on all processes, have blocks of the same size, so that they stack; where the blocks lie is a
    function of the image's own key. A batch that is split over processes, or drawn again after an interruption, has
    the same masks.

    Sizes follow I-JEPA: an area from the scale's range, an aspect ratio from its range with the same random number,
    each side rounded and kept below the grid's. A context is its block without the patches of the targets.

    Args:
        grid: Rows and columns of patches.
        targets: Target blocks M per image; HQ-JEPA has 4.
        target_scale: Range of a target's area, as a share of the grid; HQ-JEPA has 0.15 to 0.2.
        target_aspect: Range of height over width. Not in the text available: CHOICE 0.75 to 1.5, I-JEPA's.
        context_scale: Range of the context block's area; HQ-JEPA has 0.85 to 1.
        context_tokens: ``"fixed"`` (CHOICE): all contexts of a step have as many patches as nine in ten would have; a
            smaller one is redrawn, of a larger one a random part is kept, rarely visible patches first, so that the
            context lies everywhere about equally often (the centre, which targets mostly cover, half as often).
            ``"batch_min"``: the official form, all are cut to the smallest of the batch, the first ones in raster
            order, which leaves lower rows almost unused (ijepa issue 60) and makes a sample's mask depend on its batch.
        inclusive: Whether blocks may touch the last row and column. CHOICE True; False is the official form, whose
            upper bound excludes them.
        min_keep: A context of the official form has more patches than this, or is redrawn.
        seed: Seed of all of it.

    Raises:
        ConfigError: If a range or a number does not make sense.
    """

    def __init__(
        self,
        grid: Size = (12, 12),
        targets: int = 4,
        target_scale: tuple[float, float] = (0.15, 0.2),
        target_aspect: tuple[float, float] = (0.75, 1.5),
        context_scale: tuple[float, float] = (0.85, 1.0),
        context_tokens: Literal["fixed", "batch_min"] = "fixed",
        inclusive: bool = True,
        min_keep: int = 10,
        seed: int = 0,
    ) -> None:
        if min(grid) < 2 or targets < 1:
            raise ConfigError(f"Masks need a grid of at least 2 x 2 patches and a target, got {grid} and {targets}.")
        for name, (low, high) in (("target_scale", target_scale), ("context_scale", context_scale)):
            if not 0 < low <= high <= 1:
                raise ConfigError(f"{name}={(low, high)}: shares of the grid, 0 < low <= high <= 1.")
        if not 0 < target_aspect[0] <= target_aspect[1]:
            raise ConfigError(f"target_aspect={tuple(target_aspect)}: height over width, 0 < low <= high.")
        if context_tokens not in ("fixed", "batch_min"):
            raise ConfigError(f"context_tokens='{context_tokens}' is neither 'fixed' nor 'batch_min'.")
        self.grid, self.number, self.seed = grid, targets, seed
        self.target_scale, self.target_aspect, self.context_scale = target_scale, target_aspect, context_scale
        self.context_tokens, self.inclusive, self.min_keep = context_tokens, inclusive, min_keep

    def sizes(self, step: int) -> tuple[Size, Size]:
        """Return height and width of the context block and of the target blocks in a step."""
        first, second = np.random.default_rng((self.seed, SIZES, step)).random(2)
        context = block_size(self.grid, self.context_scale, (1.0, 1.0), first)
        return context, block_size(self.grid, self.target_scale, self.target_aspect, second)

    def draw(self, keys: Tensor, epoch: int, step: int) -> Masks:
        """Return the masks of a batch.

        Args:
            keys: One number per sample that no other sample has, ``(B,)`` int64.
            epoch: Epoch, from 0.
            step: Step, from 0; the same on all processes.
        """
        context, target = self.sizes(step)
        draw = self._draw_official if self.context_tokens == "batch_min" else self._draw_fixed
        return draw(keys, (self.seed, PLACES, epoch, step), context, target)

    def context_size(self, context: Size, target: Size) -> int:
        """Return the number of context patches that nine in ten draws of these block sizes have at least."""
        return _usual_context(self.grid, self.number, context, target, self.inclusive)[0]

    def _draw_fixed(self, keys: Tensor, streams: tuple[int, ...], context: Size, target: Size) -> Masks:
        keep, rare = _usual_context(self.grid, self.number, context, target, self.inclusive)
        count, patches = 2 * (self.number + 1), math.prod(self.grid)
        numbers = keyed_uniform(keys, TRIES * count + patches, *streams)
        places, order = torch.unflatten(numbers[:, :-patches], 1, (TRIES, count)), numbers[:, -patches:]
        blocks, hidden, visible = _place(places, self.grid, context, target, self.inclusive)
        sizes = visible.flatten(2).sum(2)
        chosen = torch.where(sizes >= keep, sizes + patches * (TRIES - _steps(TRIES, sizes.device)), sizes).argmax(1)
        samples = torch.arange(len(keys), device=keys.device)
        hidden, visible = hidden[samples, chosen].flatten(1), visible[samples, chosen].flatten(1)
        # A weighted sample without replacement (Efraimidis and Spirakis 2006). Where even the best try is too small,
        # patches outside the block follow, and targets after them.
        rank = order.clamp_min(2.0**-25).log() / rare.to(order.device)
        rank = rank - LAST * (~visible).float() - LAST * hidden.float()
        context_patches = rank.topk(keep, dim=1).indices.sort(1).values
        return Masks(context_patches, _indices(blocks[samples, chosen], math.prod(target)))

    def _draw_official(self, keys: Tensor, streams: tuple[int, ...], context: Size, target: Size) -> Masks:
        """Draw as the official collator does: targets once, the context until enough of it is left."""
        tries = OFFICIAL_TRIES * (self.number + 1)
        numbers = keyed_uniform(keys, 2 * (self.number + tries), *streams)
        own, contexts = numbers[:, None, : 2 * self.number], numbers[:, None, 2 * self.number :]
        blocks = _blocks(own, self.grid, target, self.inclusive)[:, 0]
        blocked = _blocks(contexts, self.grid, context, self.inclusive)[:, 0]
        # Every 20 tries, one target less is kept out of the context.
        excluded = [blocks[:, : self.number - drop].any(1) for drop in range(self.number + 1)]
        outside = torch.stack(excluded, 1).repeat_interleave(OFFICIAL_TRIES, 1)
        visible = (blocked & ~outside).flatten(2)
        enough = visible.sum(2) > self.min_keep
        chosen = visible[torch.arange(len(keys), device=keys.device), enough.float().argmax(1)]
        return Masks(_indices(chosen, _smallest(chosen.sum(1))), _indices(blocks, math.prod(target)))


def block_size(grid: Size, scale: tuple[float, float], aspect: tuple[float, float], share: float) -> Size:
    """Return height and width of a block, in patches, at a place ``share`` in [0, 1) of both ranges."""
    area = math.floor(math.prod(grid) * (scale[0] + share * (scale[1] - scale[0])))
    ratio = aspect[0] + share * (aspect[1] - aspect[0])
    sides = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
    return tuple(max(1, min(side, limit - 1)) for side, limit in zip(sides, grid, strict=True))  # type: ignore[return-value]


@lru_cache(maxsize=256)
def _usual_context(grid: Size, number: int, context: Size, target: Size, inclusive: bool) -> tuple[int, Tensor]:
    """Return how many patches contexts have, and how strongly rarely visible patches are preferred, ``(P,)``."""
    keys = torch.arange(CALIBRATION)
    places = keyed_uniform(keys, 2 * (number + 1), CALIBRATING)[:, None]
    seen = _place(places, grid, context, target, inclusive)[2][:, 0]
    keep = max(1, int(seen.flatten(1).sum(1).sort().values[CALIBRATION // 10]))
    often = seen.float().mean(0)
    if inclusive:  # then up is like down, and left like right, which a finite number of draws does not quite show
        often = (often + often.flip(0) + often.flip(1) + often.flip(0, 1)) / 4
    # CHOICE, found by trying: with the inverse square all patches are context about equally often, as far as they can.
    return keep, often.flatten().clamp_min(1 / CALIBRATION) ** -2


def _place(numbers: Tensor, grid: Size, context: Size, target: Size, inclusive: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return target blocks ``(B, T, M, R, C)``, their union and the context without it ``(B, T, R, C)``."""
    blocks = _blocks(numbers[..., 2:], grid, target, inclusive)
    hidden = blocks.any(2)
    return blocks, hidden, _blocks(numbers[..., :2], grid, context, inclusive)[:, :, 0] & ~hidden


def _blocks(numbers: Tensor, grid: Size, size: Size, inclusive: bool) -> Tensor:
    """Return blocks ``(B, T, M, R, C)`` at places given by uniform numbers ``(B, T, 2 M)``."""
    pairs = torch.unflatten(numbers, -1, (-1, 2))
    axes = []
    for axis, (cells, side) in enumerate(zip(grid, size, strict=True)):
        first = (pairs[..., axis] * (cells - side + inclusive)).long()[..., None]
        cell = _steps(cells, numbers.device)
        axes.append((cell >= first) & (cell < first + side))
    return axes[0][..., :, None] & axes[1][..., None, :]


def _indices(chosen: Tensor, count: int) -> Tensor:
    """Return the first ``count`` true places ``(..., count)`` of masks ``(..., P)`` or ``(..., R, C)``."""
    flat = chosen if chosen.ndim == 2 else chosen.flatten(-2)
    order: Tensor = (~flat).to(torch.uint8).sort(dim=-1, stable=True).indices
    return order[..., :count]


def _smallest(sizes: Tensor) -> int:
    smallest = sizes.min()
    if several_processes():
        dist.all_reduce(smallest, dist.ReduceOp.MIN)
    return int(smallest)


def _steps(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device)
