"""Small tables with made-up cells, in the form that the runner writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hqzoo.compare.cell_files import cell_path, write_json
from hqzoo.compare.result import Identity, Result
from hqzoo.compare.table import Cell, Row, Table
from hqzoo.tasks.metric import BOUNDARY_IOU, ECE, IOU, LOSS, MIOU, OA, SOFT_IOU, Metric
from hqzoo.tasks.report import Report

RECIPE = "hq_unet/landscapes"
METRICS = (MIOU, OA, BOUNDARY_IOU, ECE, LOSS, IOU, SOFT_IOU)
SCORES = {  # by row, fold and seed
    "hybrid": {0: (0.50, 0.54), 1: (0.61, 0.59), 2: (0.42, 0.44), 3: (0.55, 0.53), 4: (0.48, 0.50)},
    "mlp": {0: (0.49, 0.51), 1: (0.58, 0.60), 2: (0.43, 0.41), 3: (0.52, 0.54), 4: (0.47, 0.47)},
    "unet": {0: (0.40,), 1: (0.52,), 2: (0.30,), 3: (0.44,), 4: (0.39,)},
}


def report(cell: Cell, miou: float, **changes: Any) -> Report:
    """Return the report of a segmentation."""
    lesion = {"name": "lesion", "iou": miou - 0.1, "soft_iou": miou - 0.2}
    parts = {
        "scores": {"miou": miou, "oa": 0.9, "boundary_iou": miou / 2, "ece": 0.05, "loss": 1 - miou},
        "metrics": METRICS,
        "classes": ({"name": "skin", "iou": miou + 0.1}, lesion, {"name": "hair", "iou": None}),
        "model": model_of(cell),
        "costs": {"circuit_evaluations": 48, "flops": 2_500_000, "step_ms": 12.5, "training_seconds": 10.0 + cell.fold},
        "run": {"step": 20},
    }
    return Report(**{**parts, **changes})


def plain_report(cell: Cell, value: float, metric: Metric) -> Report:
    """Return the report of a task without classes, which knows one score."""
    return Report(scores={metric.name: value}, metrics=(metric,), model=model_of(cell), run={"step": 20})


def model_of(cell: Cell) -> dict[str, Any]:
    """Return the sizes of a model."""
    return {
        "parameters": 85_889, "trainable_parameters": 85_889, "quantum_parameters": 8 if cell.row == "hybrid" else 0,
        "replaced": {"core": 8, "bottleneck": 1000},
    }  # fmt: skip


def result(own: Report, cell: Cell, **changes: Any) -> Result:
    """Return the cell of a report."""
    identity = {key: changes.pop(key) for key in ("recipe", "recipe_digest", "settings", "seed_rule") if key in changes}
    machine = {"processor": "made up", "gpu": "none", "torch": "2.0"}
    parts = {"losses": (1.0, 0.5), "machine": machine, **changes}
    return Result(identity=Identity(cell, **{"recipe": RECIPE, **identity}), report=own, **parts)


def put(out: Path, own: Result) -> None:
    """Write a cell without samples, over whatever is there."""
    write_json(cell_path(out, own.cell), own.to_dict())


def table(**changes: Any) -> Table:
    """Return the table of :data:`SCORES`."""
    rows = (
        Row("unet", repeats=1, published={0: 0.41, 1: 0.50, 2: 0.33, 3: 0.45, 4: 0.38}, label="U-Net"),
        Row("hybrid", against=("unet",), published={0: 0.52, 1: 0.60, 2: 0.40, 3: 0.57, 4: 0.49}),
        Row("mlp", control_of="hybrid"),
    )
    arguments = {"rows": rows, "folds": (0, 1, 2, 3, 4), "seeds": (0, 1), "grade": "replicated", **changes}
    return Table("made_up", RECIPE, **arguments)


def write_cells(
    out: Path,
    scores: Mapping[str, Mapping[int, Sequence[float]]] = SCORES,
    metric: Metric | None = None,
    **changes: Any,
) -> None:
    """Write the cells of a table: of segmentations or, with a metric, of a task that knows it alone."""
    for row, folds in scores.items():
        for fold, values in folds.items():
            for seed, value in enumerate(values):
                cell = Cell(row, fold, seed)
                own = report(cell, value) if metric is None else plain_report(cell, value, metric)
                put(out, result(own, cell, **changes))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with the cells of the table."""
    write_cells(tmp_path / "made_up")
    return tmp_path / "made_up"
