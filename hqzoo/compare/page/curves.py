"""What a run logged while it was trained, thinned to what a small chart can show."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

__all__ = ["POINTS", "Curve", "read_curves"]

POINTS = 150
"""Points that a curve keeps at most; more are averaged in groups of neighbours. CHOICE"""

Curve = Sequence[tuple[float, float]]  # step and value


def read_curves(metrics: Path) -> dict[str, Curve]:
    """Return the curves of a run by the name of what was logged; values that are no finite numbers are left out.

    Args:
        metrics: The run's ``metrics.csv``; need not exist.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    if metrics.is_file():
        with metrics.open(newline="", encoding="utf-8", errors="replace") as file:
            for number, row in enumerate(csv.DictReader(file)):
                step = _number(row, "step")
                for name in row:
                    value = _number(row, name) if name not in ("step", "epoch") else None
                    if name is not None and value is not None:
                        found.setdefault(name, []).append((float(number) if step is None else step, value))
    return {name: _thinned(points) for name, points in found.items()}


def _number(row: Mapping[str, object], name: str) -> float | None:
    try:
        value = float(str(row.get(name, "")))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _thinned(points: Curve) -> Curve:
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(fmean(x for x, _ in group), fmean(y for _, y in group)) for group in groups]
