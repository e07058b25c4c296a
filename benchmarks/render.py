"""Renders the result files into the README's table and a figure; nothing in either is typed by hand.

python -m benchmarks.render
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy import stats

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
DATASETS = {"aerial_dubai": "Dubai tiles", "aerial_cz": "Czech orthophotos"}
REFERENCE = "mlp"
Cells = dict[str, dict[tuple[int, int], dict[str, Any]]]  # row -> (fold, seed) -> report


def load(name: str) -> Cells:
    """Read the finished cells of a table."""
    cells: Cells = defaultdict(dict)
    for path in sorted((HERE / "results" / name).glob("*.json")):
        report = json.loads(path.read_text())
        cells[report["row"]][report["fold"], report["seed"]] = report
    return dict(cells)


def table(cells: Cells) -> str:
    """Return a Markdown table, one line per row, folds side by side."""
    folds = sorted({key for reports in cells.values() for key in reports})
    several_seeds = len({seed for _, seed in folds}) > 1
    names = [f"fold {fold}" + (f", seed {seed}" if several_seeds else "") for fold, seed in folds]
    head = ["row", "parameters", "trained in place of the circuit", "bottleneck", *names]
    head += ["mIoU, mean ± sd", "OA, mean", "boundary IoU, mean"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in sorted(cells, key=_order):
        reports = cells[row]
        some = next(iter(reports.values()))
        scores = [reports[key]["miou"] for key in folds if key in reports]
        spread = f" ± {stdev(scores):.3f}" if len(scores) > 1 else ""
        replaced = some.get("replaced") or {}
        lines.append(
            "| "
            + " | ".join(
                [
                    f"`{row}`",
                    f"{some['parameters']:,}",
                    f"{replaced['core']:,}" if replaced else "",
                    f"{replaced['bottleneck']:,}" if replaced else "",
                    *(f"{reports[key]['miou']:.3f}" if key in reports else "" for key in folds),
                    f"{fmean(scores):.3f}{spread} (n={len(scores)})",
                    f"{fmean(report['oa'] for report in reports.values()):.3f}",
                    f"{fmean(report['boundary_iou'] for report in reports.values()):.3f}",
                ]
            )
            + " |"
        )
    return "\n".join(lines)


def difference(cells: Cells) -> str:
    """Return the sentence that the table supports: the paired difference between circuit and control."""
    if REFERENCE not in cells or "quantum" not in cells:
        return ""
    shared = sorted(set(cells["quantum"]) & set(cells[REFERENCE]))
    gaps = [cells["quantum"][key]["miou"] - cells[REFERENCE][key]["miou"] for key in shared]
    if len(gaps) < 2:
        gap = f"quantum − {REFERENCE} is {100 * gaps[0]:+.1f} points of mIoU" if gaps else "no pair yet"
        return f"One fold: {gap}; one pair proves nothing."
    mean, error = fmean(gaps), stdev(gaps) / len(gaps) ** 0.5
    half = float(stats.t.ppf(0.975, len(gaps) - 1)) * error
    seen = (float(stats.t.ppf(0.975, len(gaps) - 1)) + float(stats.t.ppf(0.8, len(gaps) - 1))) * error
    verdict = (
        "the circuit is better" if mean - half > 0 else "the circuit is worse" if mean + half < 0
        else "the table does not separate the two"
    )  # fmt: skip
    return (
        f"Quantum − {REFERENCE}, paired over {len(gaps)} folds: {100 * mean:+.1f} points of mIoU, 95 % t-interval "
        f"[{100 * (mean - half):+.1f}, {100 * (mean + half):+.1f}]: {verdict}. "
        f"With this spread, differences below {100 * seen:.1f} points would be missed in one table of five."
    )


def figure(name: str, cells: Cells) -> Path:
    """Draw every fold's mIoU, rows beside each other, lines joining the same fold; and the loss curves."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = sorted(cells, key=_order)
    left_width = 1.6 + 1.1 * len(rows)
    fig, (left, right) = plt.subplots(1, 2, figsize=(left_width + 5, 3.6), width_ratios=[left_width, 5])
    keys = sorted({key for reports in cells.values() for key in reports})
    for number, key in enumerate(keys):
        points = [(rows.index(row), cells[row][key]["miou"]) for row in rows if key in cells[row]]
        left.plot(
            *zip(*points, strict=True),
            "o-",
            color=plt.cm.viridis(number / max(1, len(keys) - 1)),
            label=f"fold {key[0]}",
        )
    left.set_xticks(range(len(rows)), rows)
    left.set_xlim(-0.4, len(rows) - 0.6)
    left.set_ylabel("mIoU of the fold left out")
    left.legend(fontsize=7, frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    for row in rows:
        curves = [report["loss_curve"] for report in cells[row].values()]
        mean = [fmean(values) for values in zip(*curves, strict=False)]
        right.plot(range(1, len(mean) + 1), mean, label=row)
    right.set_xlabel("epoch")
    right.set_ylabel("training loss, mean over folds")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    fig.tight_layout()
    path = HERE / "figures" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)
    return path


def main() -> None:
    """Write figures and the README's generated parts."""
    text = README.read_text()
    for name, title in DATASETS.items():
        cells = load(name)
        if not cells:
            continue
        path = figure(name, cells)
        some = next(iter(next(iter(cells.values())).values()))
        body = "\n\n".join(
            [
                table(cells),
                difference(cells),
                f"![{title}: mIoU per fold, and training loss]({path.relative_to(README.parent)})",
                f"Every cell: {some['step']:,} steps of {some['data']['init_args']['batch_size']} crops, seed 0, last "
                f"epoch; measured on {some['machine']['processor']}, torch {some['machine']['torch']}; "
                f"`python -m benchmarks.folder_table {some['recipe']} --root FOLDER` fills the table.",
            ]
        )
        marks = (f"<!-- begin {name} -->", f"<!-- end {name} -->")
        pattern = re.compile(f"{marks[0]}.*?{marks[1]}", re.DOTALL)
        text = pattern.sub(lambda _: f"{marks[0]}\n{body}\n{marks[1]}", text)  # noqa: B023 - called at once
        print(f"{name}: {sum(map(len, cells.values()))} cells. {difference(cells)}")
    README.write_text(text)


def _order(row: str) -> tuple[int, str]:
    known = ("quantum", "mlp", "constant", "separable", "linear", "frozen", "double_conv", "smp_unet")
    return (known.index(row) if row in known else len(known), row)


if __name__ == "__main__":
    main()
