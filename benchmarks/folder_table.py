"""Trains the rows of a table fold by fold through the public command line; every finished cell is a JSON file.

    python -m benchmarks.folder_table recipes/hq_unet/aerial_dubai.yaml --root FOLDER --folds 0 1 2 3 4 5 6

A cell that has its file is skipped, a run that was interrupted goes on from its last checkpoint, so the command can be
repeated until the table is full. Nothing is chosen on the fold that is tested: the last epoch's score counts.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from benchmarks.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
ARGS = "--model.init_args.architecture_args"
CONTROLS = ("quantum", "mlp", "constant", "separable", "linear", "frozen", "double_conv")
ROWS = {name: [f"{ARGS}.control={name}"] for name in CONTROLS} | {
    "smp_unet": ["--model.init_args.architecture=smp_unet", f"{ARGS}=" + '{"encoder": "resnet18"}'],
}


def main() -> None:
    """Fill the missing cells of a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--root", required=True, help="folder of the imagery")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["quantum", "mlp"])
    parser.add_argument("--folds", nargs="+", type=int, default=[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    args = parser.parse_args()
    for seed in args.seeds:
        for fold in args.folds:
            for row in args.rows:
                cell = RESULTS / args.recipe.stem / f"{row}-fold{fold}-seed{seed}.json"
                if not cell.exists():
                    print(f"== {args.recipe.stem}: row {row}, fold {fold}, seed {seed}", flush=True)
                    _run(args.recipe, args.root, row, fold, seed, cell)


def _run(recipe: Path, root: str, row: str, fold: int, seed: int, cell: Path) -> None:
    folder = Path("runs") / "bench" / recipe.stem / f"{row}-fold{fold}-seed{seed}"
    # Initial weights and crops follow the same seed in every row: the comparison is paired.
    common = ["-c", str(recipe), f"--seed_everything={seed}", f"--data.init_args.seed={seed}",
              f"--data.init_args.fold={fold}", f"--trainer.default_root_dir={folder}", *ROWS[row]]  # fmt: skip
    started = (folder / "checkpoints" / "last.ckpt").exists()
    resume = ["--ckpt_path=last"] if started else []
    where = [f"--data.init_args.root={root}"]
    _hqzoo("fit", *common, *where, *resume)
    _hqzoo("test", *common, *where, "--ckpt_path=last")
    report = json.loads((folder / "test.json").read_text())
    report |= {
        "recipe": str(recipe), "row": row, "fold": fold, "seed": seed, "command": " ".join(["hqzoo fit", *common]),
        "loss_curve": _loss_curve(folder / "metrics.csv"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"), "machine": describe_machine(),
    }  # fmt: skip
    report["data"]["init_args"].pop("root", None)  # a path of this machine
    report["checkpoint"] = "last"
    cell.parent.mkdir(parents=True, exist_ok=True)
    partial = cell.with_suffix(".partial")
    partial.write_text(json.dumps(report, indent=1) + "\n")
    partial.rename(cell)


def _hqzoo(verb: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    subprocess.run([sys.executable, "-m", "hqzoo", verb, *arguments], check=True, env=environment)


def _loss_curve(metrics: Path) -> list[float]:
    """Mean training loss of every epoch."""
    losses = defaultdict(list)
    with metrics.open(newline="") as file:
        for row in csv.DictReader(file):
            if row.get("train/loss"):
                losses[int(row["epoch"])].append(float(row["train/loss"]))
    return [round(fmean(losses[epoch]), 4) for epoch in sorted(losses)]


if __name__ == "__main__":
    main()
