"""What a circuit adds to a training step: the whole step beside its controls', its memory, and the circuit inside it.

    hqzoo bench step            # or: python -m benchmarks.step; writes results/step.json and results/step.md

As the recipes train: batch, image size and optimizer, bfloat16 convolutions. All rows of a case take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hqzoo.compare.grids import markdown_table
from hqzoo.compare.machine import describe_machine
from hqzoo.data import Sensor, Statistics, Targets
from hqzoo.tasks import SegmentationTask
from hqzoo.tasks.step_time import median_step_seconds, peak_step_megabytes

__all__ = ["CASES", "Case", "main", "markdown"]

RESULT = Path(__file__).parents[1] / "results" / "step.json"
WARM_UP, PEAKS = 3, 5
REFERENCE = "quantum"


@dataclass(frozen=True)
class Case:
    """A training step of one architecture.

    Args:
        label: What a reader calls it.
        architecture: Name in the registry.
        controls: What stands in the circuit's place, the quantum block itself first.
        batch: Images a step.
        size: Height and width.
        classes: Number of classes; two are told by one logit.
        arguments: The architecture's own arguments.
    """

    label: str
    architecture: str
    controls: tuple[str, ...]
    batch: int
    size: tuple[int, int]
    classes: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def task(self, control: str) -> SegmentationTask:
        """Return the task with fresh weights."""
        return SegmentationTask(
            self.architecture, {**self.arguments, "control": control},
            sensors={"image": Sensor(("red", "green", "blue"))},
            statistics={"image": Statistics((128.0,) * 3, (74.0,) * 3)},
            targets=Targets("mask", tuple(f"class {k}" for k in range(self.classes))),
            head="sigmoid" if self.classes == 2 else "softmax",
        )  # fmt: skip

    def images(self) -> dict[str, torch.Tensor]:
        """Return one batch of noise."""
        shape = (self.batch, *self.size)
        image = 255 * torch.rand(self.batch, 3, *self.size)
        return {"image": image, "mask": torch.randint(0, self.classes, shape)}


CASES = {
    "hq_unet": Case(
        "HQ-UNet, width 16", "hq_unet", (REFERENCE, "mlp", "double_conv"), 16, (128, 128), 5, {"width": 16}
    ),
    "hqf_net": Case(
        "HQF-Net, width 16, DINOv3 ViT-S",
        "hqf_net",
        (REFERENCE, "mlp", "separable"),
        16,
        (128, 128),
        5,
        {"width": 16, "backbone": "vit_small_patch16_dinov3"},
    ),
    "qu_net_4_1_1": Case("Qu-Net 4-1-1", "qu_net", (REFERENCE, "zero", "conv"), 18, (192, 256), 2, {"patch": (2, 2)}),
    "qu_net_12_2_1": Case(
        "Qu-Net 12-2-1", "qu_net", (REFERENCE, "zero", "conv"), 18, (192, 256), 2, {"patch": (3, 4), "n_filters": 2}
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Measure, write, print; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench step", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--turns", type=int, default=25, help="timed steps of every row (default: 25)")
    args = parser.parse_args(argv)
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in args.cases:
        found[name] = measure(CASES[name], args.turns)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name}: {found[name]['step_ms']}", flush=True)
    RESULT.with_suffix(".md").write_text(f"# What a circuit adds to a training step\n\n{markdown(found)}\n")
    return 0


def measure(case: Case, turns: int) -> dict[str, Any]:
    """Return the medians of a case, on the GPU if there is one."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tasks = {control: case.task(control).to(device) for control in case.controls}
    batch = case.images()
    seconds, peaks = median_step_seconds(tasks, batch, turns), peak_step_megabytes(tasks, batch, PEAKS)
    return {
        "turns": turns,
        "step_ms": {control: round(1e3 * value, 3) for control, value in seconds.items()},
        "peak_mb": {control: None if value is None else round(value, 1) for control, value in peaks.items()},
        "circuit_ms": round(1e3 * _inside(tasks[REFERENCE], batch, turns), 4),
        "machine": describe_machine(),
    }


def _inside(task: SegmentationTask, batch: Mapping[str, torch.Tensor], turns: int) -> float:
    """Return the median seconds that forward and backward of the circuits take inside training steps."""
    spent: list[float] = []
    began = [0.0]

    def now() -> float:
        if task.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def start(*_: object) -> None:
        began[0] = now()

    def stop(*_: object) -> None:
        spent[-1] += now() - began[0]

    for circuit in _circuits(task.model):
        circuit.register_forward_pre_hook(start)
        circuit.register_forward_hook(stop)
        circuit.register_full_backward_pre_hook(start)
        circuit.register_full_backward_hook(stop)
    image, mask = batch["image"].to(task.device), batch["mask"].to(task.device)
    for _ in range(turns + WARM_UP):
        spent.append(0.0)
        with torch.autocast(task.device.type, torch.bfloat16):
            loss = task.loss(task(image), mask)
        loss.backward()
    return statistics.median(spent[WARM_UP:])


def _circuits(model: nn.Module) -> Iterator[nn.Module]:
    """Yield what the controls replace."""
    parts: Callable[[], dict[str, nn.Module]] = model.compared_parts  # type: ignore[assignment]
    core = parts()["core"]
    yield from core if isinstance(core, nn.ModuleList) else [core]


def markdown(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    head = [
        "model",
        "batch",
        "step, ms",
        "of it in the circuits, ms",
        "peak memory, MB",
        "in the circuit's place",
        "its step, ms",
        "ratio",
        "its peak, MB",
    ]
    rows = []
    for name, result in found.items():
        case, steps, peaks = CASES[name], result["step_ms"], result.get("peak_mb", {})
        batch = f"{case.batch} × {case.size[0]}×{case.size[1]}"
        for number, (control, step) in enumerate(item for item in steps.items() if item[0] != REFERENCE):
            first = [
                *(case.label, batch, f"{steps[REFERENCE]:.1f}", f"{result['circuit_ms']:.2f}"),
                _whole(peaks.get(REFERENCE)),
            ]
            ratio = steps[REFERENCE] / step
            own = [f"`{control}`", f"{step:.1f}", f"{ratio:.3f}x", _whole(peaks.get(control))]
            rows.append([*(first if number == 0 else [""] * len(first)), *own])
    machines = sorted({f"{each['machine']['processor']}, {where(each['machine'])}" for each in found.values()})
    loads = ", ".join(f"{each['machine']['load']:.1f}" for each in found.values())
    return (
        f"{markdown_table(head, rows)}\n\nMedians of turns side by side; {'; '.join(machines)}; load of the machine, "
        f"model by model: {loads}. Peaks are what a step takes beyond weights, gradients and the optimizer's state."
    )


def _whole(megabytes: float | None) -> str:
    return "" if megabytes is None else f"{megabytes:.0f}"


def where(machine: Mapping[str, Any]) -> str:
    """Return what ran the steps."""
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] != 1)}"
    return f"{threads if machine['gpu'] == 'none' else machine['gpu']}, torch {machine['torch']}"


if __name__ == "__main__":
    sys.exit(main())
