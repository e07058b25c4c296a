"""How long a linear probe takes, and what extracting features costs beside the encoder itself.

    python -m benchmarks.probe_speed [--vectors 20000] [--width 512] [--images 512] [--turns 5]

Writes results/probe_speed.json. The probe is that of :class:`hqzoo.tasks.ProbeTask`: all penalties of its grid by
L-BFGS, on vectors that are there already. Features of random images (RGB, 64 pixels) are extracted by an
EfficientNet-Lite0 as the task does it, in turns with a loop over the same loader that only runs the encoder; the
vectors of both are compared. Seconds are medians by the clock, to be taken on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
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
from hqzoo.tasks.step_time import median_seconds

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
        turns: Timed turns, after two that warm up.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (number,), generator=generator)
    means = torch.randn(CLASSES, width, generator=generator) * 0.1
    vectors = means[labels] + torch.randn(number, width, generator=generator)
    standardise = Standardise(width)

    def run() -> None:
        standardise.fit(vectors)
        logistic_path(standardise(vectors), labels, CLASSES, GRIDS["lbfgs"])

    sizes = {"vectors": number, "width": width, "classes": CLASSES, "penalties": len(GRIDS["lbfgs"])}
    return {**sizes, "seconds": median_seconds({"probe": run}, turns)["probe"]}


def extraction(images: int, turns: int) -> dict[str, Any]:
    """Return the median seconds of extraction and of the bare encoder, and how far their vectors differ.

    Args:
        images: Their number.
        turns: Timed turns, after two that warm up.
    """
    sensor, statistics = Sensor(("red", "green", "blue")), Statistics((0.0,) * 3, (1.0,) * 3)
    encoder = create_model("timm_encoder", inputs=Inputs({"image": sensor}, {"image": statistics})).eval()
    loader = _loader(images)
    bare = _bare(encoder, loader)

    def extract() -> Tensor:
        found = extract_features(lambda batch: encoder(batch["image"]), loader, torch.device("cpu"), "features")
        return torch.from_numpy(found.vectors)

    difference = float((extract() - bare).abs().max())
    seconds = median_seconds({"bare": lambda: _bare(encoder, loader), "extract": extract}, turns)
    ratio = seconds["extract"] / seconds["bare"]
    return {"images": images, "seconds": seconds, "ratio": ratio, "largest_difference": difference}


@torch.no_grad()
def _bare(encoder: nn.Module, loader: DataLoader[Any]) -> Tensor:
    return torch.cat([encoder(batch["image"]) for batch in loader])


def _loader(images: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(images, 3, SIDE, SIDE, generator=generator)
    samples = [{"image": image, "label": k % CLASSES, "name": f"{k:06d}"} for k, image in enumerate(pictures)]
    return DataLoader(samples, BATCH)  # type: ignore[arg-type]  # torch takes any sequence


if __name__ == "__main__":
    sys.exit(main())
