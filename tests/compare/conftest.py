"""Small tables with made-up cells, in the form that the runner writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hqzoo.compare.cells import cell_path, write_json
from hqzoo.compare.table import Cell, Row, Table

SCORES = {  # by row, fold and seed
    "hybrid": {0: (0.50, 0.54), 1: (0.61, 0.59), 2: (0.42, 0.44), 3: (0.55, 0.53), 4: (0.48, 0.50)},
    "mlp": {0: (0.49, 0.51), 1: (0.58, 0.60), 2: (0.43, 0.41), 3: (0.52, 0.54), 4: (0.47, 0.47)},
    "unet": {0: (0.40,), 1: (0.52,), 2: (0.30,), 3: (0.44,), 4: (0.39,)},
}


def report(cell: Cell, miou: float, **changes: Any) -> dict[str, Any]:
    """Return a cell as the runner writes it."""
    lesion = {"name": "lesion", "iou": miou - 0.1, "soft_iou": miou - 0.2}
    return {
        "row": cell.row, "fold": cell.fold, "seed": cell.seed, "recipe": "hq_unet/landscapes", "step": 20,
        "miou": miou, "oa": 0.9, "boundary_iou": miou / 2, "ece": 0.05, "loss": 1 - miou,
        "classes": [{"name": "skin", "iou": miou + 0.1}, lesion, {"name": "hair", "iou": None}],
        "parameters": 85_889, "trainable_parameters": 85_889, "quantum_parameters": 8 if cell.row == "hybrid" else 0,
        "replaced": {"core": 8, "bottleneck": 1000}, "loss_curve": [1.0, 0.5],
        "costs": {"circuit_evaluations": 48, "flops": 2_500_000, "step_ms": 12.5, "training_seconds": 10.0 + cell.fold},
        "machine": {"processor": "made up", "gpu": "none", "torch": "2.0"}, **changes,
    }  # fmt: skip


def table(**changes: Any) -> Table:
    """Return the table of :data:`SCORES`."""
    rows = (
        Row("unet", repeats=1, published={0: 0.41, 1: 0.50, 2: 0.33, 3: 0.45, 4: 0.38}, label="U-Net"),
        Row("hybrid", against=("unet",), published={0: 0.52, 1: 0.60, 2: 0.40, 3: 0.57, 4: 0.49}),
        Row("mlp", control_of="hybrid"),
    )
    arguments = {"rows": rows, "folds": (0, 1, 2, 3, 4), "seeds": (0, 1), "grade": "replicated", **changes}
    return Table("made_up", "hq_unet/landscapes", **arguments)


def write_cells(out: Path, scores: Mapping[str, Mapping[int, tuple[float, ...]]] = SCORES, **changes: Any) -> None:
    """Write the cells of a table."""
    for row, folds in scores.items():
        for fold, values in folds.items():
            for seed, miou in enumerate(values):
                cell = Cell(row, fold, seed)
                write_json(cell_path(out, cell), report(cell, miou, **changes))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with the cells of the table."""
    write_cells(tmp_path / "made_up")
    return tmp_path / "made_up"
