"""A table's summary for people: Markdown and a picture; nothing in either is typed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hqzoo.compare.cells import read_cells, write_json, write_text
from hqzoo.compare.picture import draw
from hqzoo.compare.summary import BESIDE, summarize
from hqzoo.compare.table import Table, read_table
from hqzoo.errors import ConfigError

__all__ = ["Grid", "body", "comparison_grid", "interval_text", "markdown_table", "put_between_marks", "render_all",
           "row_grid", "sentence", "write_report"]  # fmt: skip

HEADINGS = {
    "miou": "mIoU", "oa": "OA", "boundary_iou": "boundary IoU", "small_object_recall": "small-object recall",
    "ece": "ECE",
}  # fmt: skip

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Args:
        head: Names of the columns.
        rows: Cells.
    """

    head: list[str]
    rows: list[list[str]]

    def without_empty_columns(self) -> Grid:
        """Return it without the columns that no row fills."""
        full = [i for i in range(len(self.head)) if any(row[i] for row in self.rows)]
        return Grid([self.head[i] for i in full], [[row[i] for i in full] for row in self.rows])

    def markdown(self) -> str:
        """Return it as Markdown."""
        return markdown_table(self.head, self.rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return cells as a Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def write_report(table: Table, out: Path) -> dict[str, Any]:
    """Write ``summary.json``, ``report.md`` and ``report.png`` from the cells in a folder; return the summary.

    Args:
        table: The table.
        out: Its folder, with ``cells``.

    Raises:
        ConfigError: If there is no finished cell, or one does not belong to the table.
    """
    reports = read_cells(table, out)
    if not any(reports.values()):
        raise ConfigError(f"There is nothing to report: no finished cell of table '{table.name}' in {out / 'cells'}.")
    summary = summarize(table, reports)
    draw(summary, out / "report.png")
    text = f"# {summary['title']}\n\n{body(summary, 'report.png')}\n"
    write_json(out / "summary.json", summary)
    write_text(out / "report.md", text)
    return summary


def render_all(results: Path) -> dict[str, dict[str, Any]]:
    """Write the report of every table below a folder; return the summaries by the name of their folders.

    Raises:
        ConfigError: If there is none.
    """
    tables = sorted(results.glob("*/table.yaml"))
    if not tables:
        raise ConfigError(f"There is no table below {results}: no file {results}/*/table.yaml.")
    return {path.parent.name: write_report(read_table(path), path.parent) for path in tables}


def put_between_marks(text: str, name: str, content: str) -> str:
    """Return a document with the part between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` replaced.

    Raises:
        ConfigError: If the document has no such part.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in text or end not in text:
        raise ConfigError(f"The document has no place for '{name}': put {begin} and {end} where it shall stand.")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)


def body(summary: Summary, picture: str) -> str:
    """Return the report without its heading.

    Args:
        summary: See :func:`hqzoo.compare.summary.summarize`.
        picture: Path of the picture as the document shall name it.
    """
    parts = [_what(summary), row_grid(summary).markdown()]
    if summary["comparisons"]:
        parts += [comparison_grid(summary["comparisons"]).markdown(), "\n".join(_notes(summary))]
    if summary["published_comparisons"]:
        grid = comparison_grid(summary["published_comparisons"])
        parts += ["The paper's own published scores, fold by fold, through the same statistics:", grid.markdown()]
    return "\n\n".join([*parts, f"![{summary['title']}: scores by fold, and differences]({picture})", _footer(summary)])


def row_grid(summary: Summary) -> Grid:
    """Return one line per row: what was published, what we found, what it costs."""
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "row": lambda row: f"`{row['name']}`" + (f" {row['label']}" if row["label"] != row["name"] else ""),
        "published": lambda row: _mean_text(row["published"]),
        f"{summary['metric']}, last epoch": lambda row: _mean_text(row["score"]),
        "best epoch": lambda row: _mean_text(row["best"]),
        "median / IQR": lambda row: _median_text(row["score"]),
        "sd over seeds": lambda row: _number(row["seed_sd"]),
        **{HEADINGS[name]: _beside(name) for name in BESIDE},
        "parameters": _cost("parameters"),
        "quantum": _cost("quantum_parameters"),
        "trained in place of the circuit": _cost("core"),
        "bottleneck": _cost("bottleneck"),
        "circuit runs / image": _cost("circuit_evaluations"),
        "MFLOPs / image": lambda row: _scaled(row["costs"].get("flops"), 1e-6),
        "training, s": _cost("training_seconds"),
        "step, ms": lambda row: _scaled(row["costs"].get("step_ms"), 1.0),
        "GPU peak, MB": _cost("peak_mb"),
    }
    rows = [[column(row) for column in columns.values()] for row in summary["rows"]]
    return Grid(list(columns), rows).without_empty_columns()


def comparison_grid(comparisons: Sequence[Mapping[str, Any]]) -> Grid:
    """Return one line per comparison: the difference and what it supports."""
    head = ["difference", "mean, 95 % t-interval", "folds", "Holm p", "equivalence p", "smallest detectable",
            "spread differs: p", "verdict"]  # fmt: skip
    rows = [
        [
            f"`{each['row']}` − `{each['against']}`",
            interval_text(each["interval"]),
            str(each["interval"]["n"]) if each["interval"] else "",
            _p(each["p_corrected"]),
            _p(each["p_equivalence"]),
            _number(each["smallest_detectable"]),
            _p(each["brown_forsythe"]),
            f"**{each['verdict']}**",
        ]
        for each in comparisons
    ]
    return Grid(head, rows).without_empty_columns()


def sentence(comparison: Mapping[str, Any], metric: str) -> str:
    """Return the sentence that a comparison supports."""
    interval = comparison["interval"]
    what = f"{comparison['row']} − {comparison['against']}"
    if interval is None:
        return f"{what}: not run."
    if interval["n"] == 1:
        return f"{what}: {interval['mean']:+.4f} {metric} in one fold; one pair proves nothing."
    return (
        f"{what}, paired over {interval['n']} folds: {interval_text(interval)} {metric}, "
        f"Holm-corrected p {_p(comparison['p_corrected'])}: {comparison['verdict']}."
    )


def interval_text(interval: Mapping[str, Any] | None) -> str:
    """Return a difference with its interval, or nothing."""
    if interval is None:
        return ""
    ends = "" if interval["low"] is None else f" [{interval['low']:+.4f}, {interval['high']:+.4f}]"
    return f"{interval['mean']:+.4f}{ends}"


def _what(summary: Summary) -> str:
    grade = f"*{summary['grade'].capitalize()}.* " if summary["grade"] else ""
    folds = f"{len(summary['folds'])} folds" if len(summary["folds"]) > 1 else "one fold"
    missing = f"; {len(summary['missing'])} cells are still missing" if summary["missing"] else ""
    return (
        f"{grade}Score: {summary['metric']} of the fold left out, {folds}, seeds averaged within each fold; mean ± "
        f"standard deviation over folds (n){missing}."
    )


def _notes(summary: Summary) -> list[str]:
    margin, smallest = summary["margin"], summary["smallest_detectable"]
    notes = [
        "* Differences are paired by fold and seed; p-values are Holm-corrected over all comparisons that "
        "share a baseline, and over all controls of one row.",
        f"* better, worse: told from 0 at 5 %. equivalent: told from ±{margin:g} (two one-sided t-tests). undecided: "
        "neither, which does not mean equal.",
    ]
    if smallest is not None:
        notes.append(f"* Every line would have found a difference of {smallest:.4f} or more in four tables of five.")
    resampled = [
        f"{each['row']} − {each['against']} [{each['bootstrap']['low']:+.4f}, {each['bootstrap']['high']:+.4f}]"
        for each in summary["comparisons"] if each["bootstrap"]
    ]  # fmt: skip
    return [*notes, *([f"* Bootstrap over folds, then seeds, 95 %: {'; '.join(resampled)}."] if resampled else [])]


def _footer(summary: Summary) -> str:
    steps = ", ".join(f"{step:,}" for step in summary["steps"])
    return (
        f"{summary['cells']} cells of {steps} steps, recipe `{summary['recipe']}`, seeds "
        f"{', '.join(map(str, summary['seeds']))}; nothing was chosen on the fold that is scored. Measured on "
        f"{'; '.join(summary['machines'])}."
    )


def _beside(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: _number(row["beside"].get(name))


def _cost(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: _scaled(row["costs"].get(name), 1.0, ",.0f")


def _mean_text(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    spread = "" if score["sd"] is None else f" ± {score['sd']:.4f}"
    return f"{score['mean']:.4f}{spread}" + ("" if score["n"] is None else f" (n={score['n']})")


def _median_text(score: Mapping[str, Any] | None) -> str:
    return "" if score is None or score["n"] < 2 else f"{score['median']:.4f} / {score['iqr']:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _scaled(value: float | None, factor: float, style: str = ",.1f") -> str:
    return "" if value is None else format(value * factor, style)


def _p(value: float | None) -> str:
    return "" if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
