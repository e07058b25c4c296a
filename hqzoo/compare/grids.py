"""Text tables of a summary: what every row scored and costs, and what every comparison supports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

__all__ = [
    "INTERVAL",
    "Grid",
    "comparison_grid",
    "deciding_p",
    "families_text",
    "fold_grid",
    "interval_text",
    "markdown_table",
    "mean_text",
    "p_text",
    "result_grid",
    "row_grid",
]

INTERVAL = "mean, 95 % interval"
PRETRAINED, OF_IMAGES = "pretrained on", "95 % interval over images"
DIGITS = 12  # of a digest
STEP = ("step_ms", "step_ms_least", "step_ms_most")

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


def result_grid(summary: Summary) -> Grid:
    """Return the result in short: one line per row that was run, its score and the difference that is told at it."""
    head = ["row", PRETRAINED, "published", summary["metric"], OF_IMAGES, _shared_heading(summary), "difference",
            "published difference", INTERVAL, "p", "verdict"]  # fmt: skip
    lines = []
    for row in summary["rows"]:
        if row["score"]:
            name = [_row_name(row), _pretrained(row), mean_text(row["published"]), mean_text(row["score"]),
                    _ends(row, summary["metric"]), mean_text(row["score_of_shared_seeds"])]  # fmt: skip
            own = [each for each in summary["comparisons"] if each["interval"] and _told_at(each) == row["name"]]
            found = [
                [pair_name(each), _published(each), _difference(each), deciding_p(each), _verdict(each)] for each in own
            ]
            lines += [(left or [""] * 6) + (right or [""] * 5) for left, right in zip_longest([name], found)]
    return Grid(head, lines).without_empty_columns()


def _told_at(comparison: Mapping[str, Any]) -> str:
    """Return the row that a comparison is told at: a control of the row, or the row itself."""
    return str(comparison["against"] if comparison["of_control"] else comparison["row"])


def row_grid(summary: Summary) -> Grid:
    """Return one line per row that was run: what was published, what we found, what it costs."""
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "row": _row_name,
        PRETRAINED: _pretrained,
        "weights, SHA-256": lambda row: ", ".join(each["sha256"][:DIGITS] for each in row["weights"]),
        "published": lambda row: mean_text(row["published"]),
        f"{summary['metric']}, last epoch": lambda row: mean_text(row["score"]),
        OF_IMAGES: lambda row: _ends(row, summary["metric"]),
        _shared_heading(summary): lambda row: mean_text(row["score_of_shared_seeds"]),
        "best epoch": lambda row: mean_text(row["best"]),
        "published median / IQR": lambda row: _median_text(row["published"]),
        "median / IQR": lambda row: _median_text(row["score"]),
        "sd over seeds": lambda row: _number(row["seed_sd"]),
        **{heading: _beside(name) for name, heading in summary["beside"].items()},
        "steps": lambda row: ", ".join(f"{step:,}" for step in row["steps"]) if len(summary["steps"]) > 1 else "",
        "parameters": _cost("parameters"),
        "quantum": _cost("quantum_parameters"),
        "trained in place of the circuit": _replaced("core"),
        **{name: _replaced(name) for name in _replaced_names(summary) if name != "core"},
        "circuit runs / image": _cost("circuit_evaluations"),
        "MFLOPs / image": lambda row: _scaled(row["costs"].get("flops"), 1e-6),
        "training as run, s": _cost("training_seconds"),
        "step as run, ms": lambda row: _step(row["costs"]),
        "peak memory, MB": _cost("peak_mb"),
    }
    rows = [[column(row) for column in columns.values()] for row in summary["rows"] if row["score"]]
    return Grid(list(columns), rows).without_empty_columns()


def _shared_heading(summary: Summary) -> str:
    """Return the heading of the scores that all rows can be compared by."""
    seeds = summary["shared_seeds"]
    return f"at seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} alone"


def fold_grid(summary: Summary) -> Grid:
    """Return the score of every row in every fold, what was published for that fold in brackets."""
    lines = []
    for row in summary["rows"]:
        if row["score"]:
            ours, published = row["score"]["units"], (row["published"] or {}).get("units", {})
            lines.append([_row_name(row), *(_ours_published(ours, published, fold) for fold in summary["folds"])])
    return Grid(["row", *(f"fold {fold}" for fold in summary["folds"])], lines)


def _ours_published(ours: Mapping[int, float], published: Mapping[int, float], fold: int) -> str:
    brackets = f"({_number(published[fold])})" if fold in published else ""
    return f"{_number(ours.get(fold))} {brackets}".strip()


def comparison_grid(comparisons: Sequence[Mapping[str, Any]]) -> Grid:
    """Return one line per comparison that was run: the difference and what it supports."""
    head = ["difference", "published difference", INTERVAL, "pairs", "p", "p, plain t-test", "p, equivalence",
            "smallest detectable", "p, spread", "verdict", "holds for"]  # fmt: skip
    rows = [
        [
            pair_name(each),
            _published(each) if each.get("published_gain") else "",
            _difference(each),
            str(each["interval"]["n"]),
            p_text(each["p"]),
            p_text(each["p_plain"]),
            p_text(each["p_equivalence"]),
            _number(each["smallest_detectable"]),
            p_text(each["pitman_morgan"]),
            _verdict(each),
            each.get("holds_for", ""),
        ]
        for each in comparisons
        if each["interval"]
    ]
    return Grid(head, rows).without_empty_columns()


def _published(comparison: Mapping[str, Any]) -> str:
    """Return a published difference and, where that can be told, whether it lies where ours predicts it."""
    text, gain = _signed(comparison["published"]), comparison.get("published_gain")
    if not gain or gain["low"] is None:
        return text
    return f"{text}, {'inside' if gain['inside'] else 'outside'} [{gain['low']:+.2f}, {gain['high']:+.2f}]"


def interval_text(interval: Mapping[str, Any] | None) -> str:
    """Return a difference with its interval, or nothing."""
    if interval is None:
        return ""
    ends = "" if interval["low"] is None else f" [{interval['low']:+.4f}, {interval['high']:+.4f}]"
    return f"{interval['mean']:+.4f}{ends}"


def _difference(comparison: Mapping[str, Any]) -> str:
    """Return a difference with its interval, marked where the rows are not alike in seeds or in steps."""
    marks = "" if comparison["all_runs"] else " †", "" if comparison.get("equal_steps", True) else " ‡"
    return interval_text(comparison["interval"]) + "".join(marks)


def _step(costs: Mapping[str, Any]) -> str:
    """Return the median time of a step, and the range over runs, which says how busy the machine was."""
    middle, least, most = (_scaled(costs.get(name), 1.0) for name in STEP)
    return middle if least == most else f"{middle} ({least} to {most})"


def _row_name(row: Mapping[str, Any]) -> str:
    label = f" {row['label']}" if row["label"] != row["name"] else ""
    return f"`{row['name']}`{label}{' (barely trained)' if row['barely_trained'] else ''}"


def _pretrained(row: Mapping[str, Any]) -> str:
    return f"{row['pretrained_on']}{' (**in-domain**)' if row['in_domain'] else ''}"


def _ends(row: Mapping[str, Any], score: str) -> str:
    """Return the interval of a row's score over the images that it was tested on, where there is one."""
    ends = row.get("intervals", {}).get(score)
    return "" if ends is None else f"[{ends[0]:.4f}, {ends[1]:.4f}]"


def pair_name(comparison: Mapping[str, Any]) -> str:
    """Return a comparison's name in Markdown."""
    return f"`{comparison['row']}` − `{comparison['against']}`"


def _verdict(comparison: Mapping[str, Any]) -> str:
    return f"**{comparison['verdict']}**"


def _beside(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: f"{_number(row['beside'].get(name))} {_ends(row, name)}".strip()


def _cost(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: _scaled(row["costs"].get(name), 1.0, ",.0f")


def _replaced_names(summary: Summary) -> list[str]:
    return list(dict.fromkeys(name for row in summary["rows"] for name in row["costs"].get("replaced", {})))


def _replaced(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: _scaled(row["costs"].get("replaced", {}).get(name), 1.0, ",.0f")


def mean_text(score: Mapping[str, Any] | None) -> str:
    """Return a mean with its spread over folds and their number, or nothing."""
    if score is None:
        return ""
    spread = "" if score["sd"] is None else f" ± {score['sd']:.4f}"
    return f"{score['mean']:.4f}{spread}{_count(score)}"


def _count(score: Mapping[str, Any]) -> str:
    """Return the number of folds, and of runs where folds have several."""
    n, runs = score["n"], score.get("runs")
    if n is None:
        return ""
    return f" (n={n})" if runs in (None, n) else f" (n={n}, {runs} runs)"


def _median_text(score: Mapping[str, Any] | None) -> str:
    return "" if score is None or (score["n"] or 0) < 2 else f"{score['median']:.4f} / {score['iqr']:.4f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _scaled(value: float | None, factor: float, style: str = ",.1f") -> str:
    return "" if value is None else format(value * factor, style)


def deciding_p(comparison: Mapping[str, Any]) -> str:
    """Return the p-value that a verdict rests on: of no difference, or of one beyond the margin."""
    if comparison["verdict"].startswith("equivalent"):
        return f"{p_text(comparison['p_equivalence'])} (equivalence)"
    return p_text(comparison["p"])


def families_text(comparisons: Iterable[Mapping[str, Any]]) -> str:
    """Return the families within which p-values are corrected, with their sizes: ``controls (4), baselines (11)``."""
    sizes = {each["family"]: each["family_size"] for each in comparisons}
    return ", ".join(f"{family} ({size})" for family, size in sizes.items())


def p_text(value: float | None) -> str:
    """Return a p-value as papers write it, or nothing."""
    return "" if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
