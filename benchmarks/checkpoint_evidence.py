"""What a card says of a score on images: its interval, what a trivial answer reaches, and its control, paired by image.

    python -m benchmarks.checkpoint_evidence RUN/test.npz CONTROL/test.npz --data data/aerial --only dubai_

Prints the entries of an about-YAML, in which the data and the control's name are left to say. Both files are what
``hqzoo test`` wrote of the same images. Intervals are those of the pigeonhole bootstrap over images, or over scenes
with ``--by scene``. The trivial answer is that of the one class that scores best, which nobody could know beforehand.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hqzoo.compare.statistics import Interval, verdict
from hqzoo.compare.unit_runs import UnitRun
from hqzoo.compare.unit_statistics import statistic_of
from hqzoo.compare.units import UnitDifference, compare_units, interval_of_units

__all__ = ["constant_answer", "control_result", "evidence", "main"]

LEVEL = 0.05


def main(argv: list[str] | None = None) -> int:
    """Print the entry; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="test.npz of the checkpoint")
    parser.add_argument("control", type=Path, help="test.npz of its control")
    parser.add_argument("--data", type=Path, required=True, help="folder with classes.json and folds.csv")
    parser.add_argument("--only", default="", metavar="PREFIX", help="images whose names begin so (default: all)")
    parser.add_argument("--by", choices=("name", "scene"), default="name", help="what is drawn in the bootstrap")
    parser.add_argument("--metric", default="miou")
    args = parser.parse_args(argv)
    classes = tuple(json.loads((args.data / "classes.json").read_text())["classes"].values())
    with (args.data / "folds.csv").open(newline="") as lines:
        scenes = {line["name"]: line["scene"] for line in csv.DictReader(lines)}
    ours, control = (read(path, args.only, scenes, classes) for path in (args.run, args.control))
    by = "group" if args.by == "scene" else "name"
    found = {
        "scores": [evidence(ours, control, args.metric, by)],
        "control": control_result(ours, control, args.metric, by),
    }
    sys.stdout.write(yaml.safe_dump(found, sort_keys=False, width=200, default_flow_style=None))
    return 0


def read(path: Path, prefix: str, scenes: dict[str, str], classes: tuple[str, ...]) -> UnitRun:
    """Return what a run found of the images whose names begin with a prefix, in their scenes."""
    with np.load(path, allow_pickle=False) as arrays:
        kept = np.char.startswith(arrays["name"], prefix)
        columns = {name: arrays[name][kept] for name in arrays.files}
    columns["group"] = np.array([scenes[name] for name in columns["name"].tolist()])
    return UnitRun(columns, classes=classes)


def evidence(ours: UnitRun, control: UnitRun, metric: str = "miou", by: str = "name") -> dict[str, Any]:
    """Return score and interval, the highest trivial answer, and the control with the interval of the difference.

    Args:
        ours: What the checkpoint found, see :class:`hqzoo.compare.unit_runs.UnitRun`.
        control: What its control found of the same images.
        metric: Name of a score of counts, see :func:`hqzoo.compare.unit_statistics.statistic_of`.
        by: ``"name"``: images are drawn; ``"group"``: scenes.
    """
    low, high = interval_of_units([ours], metric, by)
    against = compare_units([ours], [control], metric, clusters=by)
    floors = {name: score_of(constant_answer(ours, k), metric) for k, name in enumerate(ours.classes)}
    best = max(floors, key=lambda name: floors[name])
    return {
        "metric": metric,
        "value": round(score_of(ours, metric), 4),
        "interval": [round(low, 4), round(high, 4)],
        "floor": round(floors[best], 4),
        "floor_name": f"{best} everywhere",
        "control": round(score_of(control, metric), 4),
        "control_interval": _rounded(against),
        "images": against.units,
    }


def control_result(ours: UnitRun, control: UnitRun, metric: str = "miou", by: str = "name") -> dict[str, Any]:
    """Return the difference to the control, and what it tells at 5 %, as the spec's control has it.

    Equivalent means: within the metric's margin by two one-sided tests. Arguments are those of :func:`evidence`.
    """
    found = compare_units([ours], [control], metric, clusters=by)
    interval = Interval(found.mean, found.low, found.high, None, found.units, found.p)
    higher = statistic_of(metric, ours).metric.higher_is_better
    word = verdict(interval, found.p, found.p_equivalence, LEVEL, higher)
    difference = round(found.mean, 4)
    value = round(score_of(control, metric), 4)
    return {"metric": metric, "value": value, "difference": difference, "interval": _rounded(found), "verdict": word}


def score_of(run: UnitRun, metric: str) -> float:
    """Return the score of all images of a run."""
    statistic = statistic_of(metric, run)
    return float(statistic.score(statistic.counts(run).sum(0, keepdims=True))[0])  # type: ignore[union-attr]


def constant_answer(run: UnitRun, number: int) -> UnitRun:
    """Return what the answer "class ``number``" everywhere finds of a run's images."""
    truth = np.asarray(run.columns["tp"] + run.columns["fn"])
    right = np.arange(truth.shape[1]) == number
    tp, pixels = truth * right, truth.sum(1, keepdims=True)
    named = {name: run.columns[name] for name in ("name", "group")}
    return UnitRun({**named, "tp": tp, "fp": (pixels - truth) * right, "fn": truth - tp}, classes=run.classes)


def _rounded(found: UnitDifference) -> list[float] | None:
    return None if found.low is None or found.high is None else [round(found.low, 4), round(found.high, 4)]


if __name__ == "__main__":
    sys.exit(main())
