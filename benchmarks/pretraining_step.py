"""What the parts of HQ-JEPA cost in a pretraining step: its losses, its Mamba blocks, its quantum loss's controls.

    python -m benchmarks.pretraining_step [--batch 16] [--turns 9]     # writes results/pretraining_step.json

Whole steps of the published size (depth 8; 12 and 2 bands of 120 pixels) take turns: forward, backward, AdamW, teacher,
in bfloat16 where autocast has it, on noise. The fidelity loss and SIGReg are also timed alone, forward and backward, on
inputs of the step's sizes: differences of whole steps are smaller than their noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hqzoo.compare.grids import markdown_table
from hqzoo.compare.machine import describe_machine
from hqzoo.data import Sensor, Statistics
from hqzoo.tasks import HQJEPATask
from hqzoo.tasks.step_time import median_seconds

__all__ = ["main", "measure"]

RESULT = Path(__file__).parent / "results" / "pretraining_step.json"
SENSORS = {"s2": Sensor(tuple(f"band {number}" for number in range(1, 13))), "s1": Sensor(("VV", "VH"), "dB", 30)}
STATISTICS = {name: Statistics((0.0,) * len(each), (1.0,) * len(each)) for name, each in SENSORS.items()}
ROWS: dict[str, dict[str, Any]] = {
    "HQ-JEPA": {},
    "without fidelity loss": {"weights": {"fidelity": 0}},
    "without SIGReg": {"weights": {"sigreg": 0}},
    "token loss alone": {"weights": {"cross_modal": 0, "sigreg": 0, "fidelity": 0}},
    "fidelity by the 11-qubit SWAP test": {"architecture_args": {"fidelity": {"mode": "swap_test"}}},
    "cosine in place of the fidelity": {"architecture_args": {"control": "cosine"}},
    "attention in place of Mamba": {"architecture_args": {"pattern": "A" * 8, "other_pattern": "A" * 4}},
}


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args(argv)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = {
        "machine": describe_machine(),
        "batch": args.batch,
        "turns": args.turns,
        **measure(args.batch, args.turns, device),
    }
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    first = found["steps"]["HQ-JEPA"]
    rows = [[name, f"{1e3 * value:.0f}", f"{value / first:.3f}"] for name, value in found["steps"].items()]
    rows += [[f"{name}, alone", f"{1e3 * value:.1f}", f"{value / first:.4f}"] for name, value in found["parts"].items()]
    print(markdown_table(["part", "ms", "of a step"], rows))
    return 0


def measure(batch: int, turns: int, device: torch.device, rows: Mapping[str, dict[str, Any]] = ROWS) -> dict[str, Any]:
    """Return the median seconds of whole ``steps`` and of ``parts``, and the context's tokens."""
    tasks = {name: _task(arguments).to(device) for name, arguments in rows.items()}
    given = _batch(batch, device)
    runs = {name: _step(task, given) for name, task in tasks.items()}
    first = next(iter(tasks.values()))
    parts = _parts(first, given)
    return {
        "context_tokens": first.masks.draw(torch.arange(2), 0, 0).context.shape[1],
        "steps": median_seconds(runs, turns),
        "parts": median_seconds(parts, turns),
    }


def _task(arguments: dict[str, Any]) -> HQJEPATask:
    torch.manual_seed(0)
    return HQJEPATask(sensors=SENSORS, statistics=STATISTICS, **arguments)


def _batch(size: int, device: torch.device) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    images = {name: torch.randn(size, len(each), 120, 120, generator=generator) for name, each in SENSORS.items()}
    return {name: each.to(device) for name, each in images.items()} | {"name": [str(number) for number in range(size)]}


def _step(task: HQJEPATask, given: dict[str, Any]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW([each for each in task.parameters() if each.requires_grad], lr=1e-4)

    def run() -> None:
        with torch.autocast(given["s2"].device.type, torch.bfloat16):
            terms = task.losses(given, 0, 0)
            loss = torch.stack([task.loss_weights[name] * value for name, value in terms.items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        task.model.update_teacher(0.996)

    return run


def _parts(task: HQJEPATask, given: dict[str, Any]) -> dict[str, Callable[[], None]]:
    with torch.autocast(given["s2"].device.type, torch.bfloat16):
        embedded = task.embed(given, 0, 0)
    if embedded.compared is None or embedded.fused is None or task.model.fidelity is None or task.sigreg is None:
        raise ValueError("The first row has all losses.")
    fidelity, sigreg = task.model.fidelity, task.sigreg
    compared = tuple(each.detach().requires_grad_() for each in embedded.compared)
    fused = embedded.fused.detach().requires_grad_()
    return {
        "fidelity loss": lambda: _backward(fidelity.loss(*compared)),
        "SIGReg": lambda: _backward(sigreg(fused, 0)),
    }


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main())
