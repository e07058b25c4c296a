"""Deformable attention beside one ``grid_sample`` of as many points: forward and backward, on noise, in turns.

    python -m benchmarks.dmcaf [--batch 2] [--size 64] [--turns 15]

The ``grid_sample`` has all points on the largest of the maps, and nothing else: no weights, no projections. Maps are
those of an image of four times the queries' size: 1/4, 1/8, 1/16 and 1/32 of its sides.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from hqzoo.compare.grids import markdown_table
from hqzoo.compare.machine import describe_machine
from hqzoo.nn.deformable import DeformableAttention, pixel_centres, sample_maps
from hqzoo.nn.dmcaf import DMCAF
from hqzoo.tasks.step_time import median_seconds

CHANNELS, HEADS, LEVELS, POINTS = 256, 8, 4, 4


def main(argv: list[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=64, help="height and width of the queries' map (default: 64)")
    parser.add_argument("--turns", type=int, default=15)
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    runs = contestants(args.batch, args.size, device)
    seconds = median_seconds({name: partial(_step, run) for name, run in runs.items()}, args.turns)
    first = next(iter(seconds.values()))
    rows = [[name, f"{1e3 * value:.1f}", f"{value / first:.2f}x"] for name, value in seconds.items()]
    machine = describe_machine()
    print(markdown_table(["forward and backward", "ms", "ratio"], rows))
    print(f"\n{machine['processor']}, {machine['threads']} threads, GPU {machine['gpu']}, torch {machine['torch']}")
    return 0


def contestants(batch: int, size: int, device: torch.device) -> dict[str, Callable[[], Tensor]]:
    """Return what is timed by name; each returns a tensor whose sum is differentiated."""
    queries, width = size * size, CHANNELS // HEADS
    maps = [_noise(batch, CHANNELS, size // 2 >> level, size // 2 >> level, device=device) for level in range(LEVELS)]
    by_head = [each.detach().view(batch, HEADS, width, *each.shape[-2:]).requires_grad_() for each in maps]
    centres = pixel_centres(size, size, device)
    around = (2 * centres - 1) + 0.05 * torch.randn(batch, HEADS, LEVELS * POINTS, queries, 2, device=device)
    largest, grid = by_head[0].detach().flatten(0, 1).requires_grad_(), around.flatten(0, 1).requires_grad_()
    places = [each.clone().requires_grad_() for each in around.detach().split(POINTS, 2)]
    weights = [_noise(batch, HEADS, POINTS, queries, device=device) for _ in range(LEVELS)]
    attention = DeformableAttention(CHANNELS, HEADS, LEVELS, POINTS).to(device)
    asked = _noise(batch, queries, CHANNELS, device=device)
    block, features = DMCAF(32).to(device), _noise(batch, 32, size, size, device=device)
    return {
        "one grid_sample": lambda: F.grid_sample(largest, grid, align_corners=False),
        "samples and their weighted sums": lambda: sample_maps(by_head, places, weights),
        "deformable attention": lambda: attention(asked, centres, maps),
        "DMCAF, 32 channels": lambda: block(features, maps),
    }


def _step(run: Callable[[], Tensor]) -> None:
    run().sum().backward()  # type: ignore[no-untyped-call]


def _noise(*shape: int, device: torch.device) -> Tensor:
    return torch.randn(*shape, device=device).requires_grad_()


if __name__ == "__main__":
    sys.exit(main())
