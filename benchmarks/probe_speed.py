"""How long a linear probe takes, and what extracting features costs beside the encoder itself.

    python -m benchmarks.probe_speed [--vectors 20000] [--width 512] [--images 512] [--turns 5]

Writes results/probe_speed.json. The probe is that of :class:`hqzoo.tasks.ProbeTask`: all penalties of its grid by
L-BFGS, on vectors that are there already. Features of random images (RGB, 64 pixels) are extracted by an
EfficientNet-Lite0 as the task does it, in turns with a loop over the same loader that only runs the encoder; the
vectors of both are compared. Seconds are medians, by the clock and of the processor: on a busy machine the latter
count, and the ratio of turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hqzoo.compare.machine import cores, describe_machine
from hqzoo.data import Sensor, Statistics
from hqzoo.data.sensor import Inputs
from hqzoo.models import create_model
from hqzoo.nn.heads import Standardise
from hqzoo.tasks.features import extract_features
from hqzoo.tasks.logistic import logistic_path
from hqzoo.tasks.probe import GRIDS

__all__ = ["extraction", "main", "probe"]

RESULT = Path(__file__).parent / "results" / "probe_speed.json"
CLASSES, SIDE, BATCH = 10, 64, 64


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args(argv)
    torch.set_num_threads(cores())
    machine = describe_machine()
    found = {
        "machine": machine,
        "turns": args.turns,
        "probe": probe(args.vectors, args.width, args.turns),
        "extraction": extraction(args.images, args.turns),
    }
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({name: found[name] for name in ("probe", "extraction")}, indent=1))
    return 0


def probe(number: int, width: int, turns: int) -> dict[str, Any]:
    """Return the median seconds of a linear probe with all its penalties.

    Vectors are noise around the mean of their class, near enough to each other that penalties matter.

    Args:
        number: Vectors.
        width: Their length.
        turns: Timed turns, after one that warms up.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (number,), generator=generator)
    means = torch.randn(CLASSES, width, generator=generator) * 0.1
    vectors = means[labels] + torch.randn(number, width, generator=generator)
    standardise = Standardise(width)

    def run() -> None:
        standardise.fit(vectors)
        logistic_path(standardise(vectors), labels, CLASSES, GRIDS["lbfgs"])

    timed = _in_turns({"probe": run}, turns)["probe"]
    sizes = {"vectors": number, "width": width, "classes": CLASSES, "penalties": len(GRIDS["lbfgs"])}
    return {**sizes, **timed}


def extraction(images: int, turns: int) -> dict[str, Any]:
    """Return the median seconds of extraction and of the bare encoder, and how far their vectors differ.

    Args:
        images: Their number.
        turns: Timed turns, after one that warms up.
    """
    sensor, statistics = Sensor(("red", "green", "blue")), Statistics((0.0,) * 3, (1.0,) * 3)
    encoder = create_model("timm_encoder", inputs=Inputs({"image": sensor}, {"image": statistics})).eval()
    loader = _loader(images)
    bare = _bare(encoder, loader)

    def extract() -> Tensor:
        found = extract_features(lambda batch: encoder(batch["image"]), loader, torch.device("cpu"), "features")
        return torch.from_numpy(found.vectors)

    difference = float((extract() - bare).abs().max())
    timed = _in_turns({"bare": lambda: _bare(encoder, loader), "extract": extract}, turns)
    ratios = {f"ratio_of_{what}": timed["extract"][what] / timed["bare"][what] for what in ("seconds", "cpu_seconds")}
    return {"images": images, **timed, **ratios, "largest_difference": difference}


def _in_turns(runs: Mapping[str, Callable[[], object]], turns: int) -> dict[str, dict[str, float]]:
    """Return the median ``seconds`` and ``cpu_seconds`` of every run after one turn that warms up."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(1 + turns):
        for name, run in runs.items():
            began = time.perf_counter(), time.process_time()
            run()
            found[name].append((time.perf_counter() - began[0], time.process_time() - began[1]))
    medians = {name: [median(each) for each in zip(*values[1:], strict=True)] for name, values in found.items()}
    return {name: dict(zip(("seconds", "cpu_seconds"), each, strict=True)) for name, each in medians.items()}


@torch.no_grad()
def _bare(encoder: nn.Module, loader: DataLoader[Any]) -> Tensor:
    return torch.cat([encoder(batch["image"]) for batch in loader])


def _loader(images: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(images, 3, SIDE, SIDE, generator=generator)
    samples = [
        {
            "image": picture,
            "label": number % CLASSES,
            "name": f"{number:06d}",
        }
        for number, picture in enumerate(pictures)
    ]
    return DataLoader(samples, BATCH)  # type: ignore[arg-type]  # torch takes any sequence


if __name__ == "__main__":
    sys.exit(main())
