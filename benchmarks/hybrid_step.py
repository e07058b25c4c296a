"""What the circuit adds to a training step of HQ-UNet: the whole step beside its control's, and the circuit inside it.

    python -m benchmarks.hybrid_step        # writes results/hybrid_step.json

Width 16, 16 crops of 128 x 128, bfloat16 convolutions, as the recipes train. Quantum and control take turns.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hqzoo.compare.machine import describe_machine
from hqzoo.data import Sensor, Statistics
from hqzoo.tasks import SegmentationTask
from hqzoo.tasks.step_time import median_step_seconds

RESULT = Path(__file__).parent / "results" / "hybrid_step.json"
BATCH, SIZE, WIDTH, TURNS = 16, 128, 16, 25


def main() -> None:
    """Measure, write, print."""
    torch.manual_seed(0)
    batch = {"image": 255 * torch.rand(BATCH, 3, SIZE, SIZE), "mask": torch.randint(0, 5, (BATCH, SIZE, SIZE))}
    tasks = {control: _task(control) for control in ("quantum", "mlp")}
    seconds = median_step_seconds(tasks, batch, TURNS)
    circuit = _inside(tasks["quantum"], lambda: tasks["quantum"].model.bottleneck.core, batch)  # type: ignore[union-attr]
    result = {
        "width": WIDTH, "batch": BATCH, "turns": TURNS,
        "step_ms": {control: round(1e3 * value, 3) for control, value in seconds.items()},
        "ratio": round(seconds["quantum"] / seconds["mlp"], 4),
        "circuit_in_step_ms": round(1e3 * circuit, 4),
        "machine": describe_machine(),
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _task(control: str) -> SegmentationTask:
    sensor, statistics_ = Sensor(("red", "green", "blue")), Statistics((128.0,) * 3, (74.0,) * 3)
    arguments: dict[str, Any] = {"width": WIDTH, "control": control}
    return SegmentationTask(
        "hq_unet", arguments, sensor=sensor, statistics=statistics_, classes=[f"class {k}" for k in range(5)]
    )


def _inside(task: SegmentationTask, layer: Callable[[], nn.Module], batch: dict[str, torch.Tensor]) -> float:
    """Return the median seconds that forward and backward of a layer take inside training steps."""
    spent: list[float] = []
    began = [0.0]

    def start(*_: object) -> None:
        began[0] = time.perf_counter()

    def stop(*_: object) -> None:
        spent[-1] += time.perf_counter() - began[0]

    hooks = [
        layer().register_forward_pre_hook(start),
        layer().register_forward_hook(stop),
        layer().register_full_backward_pre_hook(start),
        layer().register_full_backward_hook(stop),
    ]
    for _ in range(TURNS + 3):
        spent.append(0.0)
        with torch.autocast("cpu", torch.bfloat16):
            loss = task.loss(task(batch["image"]), batch["mask"])
        loss.backward()
    for hook in hooks:
        hook.remove()
    return statistics.median(spent[3:])


if __name__ == "__main__":
    main()
