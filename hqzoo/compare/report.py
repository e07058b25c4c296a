"""A table's summary for people: Markdown and a picture; nothing in either is typed by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hqzoo._files import write_text
from hqzoo.compare.cell_files import write_json
from hqzoo.compare.cells import read_cells
from hqzoo.compare.differences import NOT_RUN
from hqzoo.compare.grids import (
    Grid,
    comparison_grid,
    deciding_p,
    families_text,
    fold_grid,
    interval_text,
    markdown_table,
    pair_name,
    result_grid,
    row_grid,
)
from hqzoo.compare.picture import draw
from hqzoo.compare.sensitivity import is_blind, sensitivity_sentences
from hqzoo.compare.table import REPEATED, Table
from hqzoo.compare.unit_report import compare_rows_by_unit, unit_section
from hqzoo.compare.unit_verdicts import UNITS, summarize_table
from hqzoo.errors import ConfigError

__all__ = [
    "body", "brief", "data_text", "overview", "put_between_marks", "sentence", "short_training", "write_report",
]  # fmt: skip

BLIND = " (it cannot tell: nothing in the circuit's place scores as well)"

GRADE_TEXTS = {
    "replicated": "Replicated: the authors' data, protocol and settings, whatever came out",
    REPEATED: "The paper's protocol repeated, with deviations",
    "tested in kind": "Tested in kind: the paper's comparison on other data, folds or settings",
    "implemented": "Implemented: not run here",
}

ONE_SPLIT = (
    "* One split was run, so that the pairs are seeds: intervals and verdicts hold for its training and test images "
    "alone, and say nothing about other scenes. They also ask for a number of seeds that was chosen beforehand."
)
SCOPE = (
    "* Verdicts hold for what stands under *holds for*. What is not named there was not drawn: other training images "
    "and, with one run a row, other trainings may give other differences."
)
PLAIN_NOTE = " `p, plain t-test` takes folds for independent, and so calls too many differences real."
COVERAGE = "95 % in name; it covers 84 % with 5 independent folds, 90 % with 10, less where folds share training images"
ONE_SEED = " What one seed shows holds for that seed."

Summary = Mapping[str, Any]


def write_report(table: Table, out: Path, units: str | None = None) -> dict[str, Any]:
    """Write ``summary.json``, ``report.md`` and ``report.png`` from the cells in a folder; return the summary.

    Args:
        table: The table.
        out: Its folder, with its cells.
        units: Score to compare unit by unit as well, see :func:`hqzoo.compare.unit_statistics.statistic_of`; empty: the
            table's own; None: what the table itself says.

    Raises:
        ConfigError: If there is no finished cell, or one does not belong to the table; if units are asked for, and a
            cell has none.
    """
    results = read_cells(table, out)
    if not any(results.values()):
        raise ConfigError(f"There is nothing to report: no finished cell of table '{table.name}' in {out}.")
    summary = summarize_table(table, out, results)
    if units is not None and not (summary["rule"] == UNITS and units in ("", summary["metric"])):
        margin = summary["margin"] if units in ("", summary["metric"]) else None
        summary["units"] = compare_rows_by_unit(table, out, units or summary["metric"], margin)
    draw(summary, out / "report.png")
    text = f"# {summary['title']}\n\n{body(summary, 'report.png')}\n"
    write_json(out / "summary.json", summary)
    write_text(out / "report.md", text)
    return summary


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
    parts = [_what(summary), *_deviations(summary), *_grid(row_grid(summary)), *_domains(summary)]
    parts += [*short_training(summary), *sensitivity_sentences(summary), *_without_score(summary)]
    if summary["unit"] == "fold" and any(row["score"] for row in summary["rows"]):
        parts += [_by_fold(summary), fold_grid(summary).markdown()]
    if _compared(summary):
        parts += [comparison_grid(summary["comparisons"]).markdown(), "\n".join(_notes(summary))]
    if summary["published_comparisons"]:
        grid = comparison_grid(summary["published_comparisons"])
        parts += ["The paper's own published scores, fold by fold, through the same statistics:", grid.markdown()]
    return "\n\n".join([*parts, *unit_section(summary), _picture(summary, picture), _footer(summary)])


def brief(summary: Summary, picture: str, report: str) -> str:
    """Return the report in short, for a document that shows several.

    Args:
        summary: See :func:`hqzoo.compare.summary.summarize`.
        picture: Path of the picture as the document shall name it.
        report: Path of the whole report as the document shall name it.
    """
    grid = _grid(result_grid(summary))
    parts = [_what(summary), *_deviations(summary), *grid, *_domains(summary), *short_training(summary)]
    parts += [*sensitivity_sentences(summary), *_without_score(summary), *_verdicts(summary)]
    return "\n\n".join([*parts, _picture(summary, picture), f"{_footer(summary)} [The whole report]({report})."])


def overview(summaries: Mapping[str, Summary]) -> str:
    """Return one line per table: how its differences ended.

    Args:
        summaries: Tables' summaries by the paths of their reports.
    """
    head = ["table", "grade", "cells", "pairs", "circuit − control in its place", "other differences"]
    lines = []
    for path, summary in summaries.items():
        cells = summary["cells"], summary["cells"] + len(summary["missing"])
        compared = _compared(summary)
        lines.append([
            f"[{summary['title']}]({path})",
            summary["grade"],
            f"{cells[0]}" if cells[0] == cells[1] else f"{cells[0]} of {cells[1]}",
            _pairs(summary),
            _counted(each for each in compared if each["of_control"]) + BLIND * is_blind(summary),
            _counted(each for each in compared if not each["of_control"]),
        ])  # fmt: skip
    return markdown_table(head, lines)


def _pairs(summary: Summary) -> str:
    """Return how many of what is paired in the differences of a table."""
    if summary["rule"] == UNITS:
        return f"{max((each['interval']['n'] for each in _compared(summary)), default=0):,} images"
    return f"{len(summary[summary['unit'] + 's'])} {summary['unit']}s"


def sentence(comparison: Mapping[str, Any], metric: str, unit: str) -> str:
    """Return the sentence that a comparison supports.

    Args:
        comparison: One of a summary's ``comparisons``.
        metric: The summary's ``metric``.
        unit: Its ``unit``: what the pairs are.
    """
    interval = comparison["interval"]
    what = f"{comparison['row']} − {comparison['against']}"
    if interval is None:
        return f"{what}: not run."
    if interval["n"] == 1:
        return f"{what}: {interval['mean']:+.4f} {metric} in one {unit}; one pair proves nothing."
    pairs = f"paired over {interval['n']} {'image' if comparison.get('holds_for') else unit}s"
    return (
        f"{what}, {pairs}: {interval_text(interval)} {metric}, "
        f"p {deciding_p(comparison)} (Holm, {families_text([comparison])}): {comparison['verdict']}."
    )


def short_training(summary: Summary) -> list[str]:
    """Return which rows were barely trained, and what shows it; nothing where none was."""
    found = {row["name"]: row["barely_trained"] for row in summary["rows"] if row["barely_trained"]}
    if not found:
        return []
    rows = "; ".join(f"{name} ({', '.join(reasons)})" for name, reasons in found.items())
    return [f"No verdict, as rows are barely trained: {rows}. Train longer, in all rows alike."]


def _what(summary: Summary) -> str:
    grade = f"*{GRADE_TEXTS[summary['grade']]}.* " if summary["grade"] else ""
    missing = f"; {len(summary['missing'])} cells are still missing" if summary["missing"] else ""
    if summary["unit"] == "fold":
        what = f"of the fold left out, {len(summary['folds'])} folds, seeds averaged within each fold"
    else:
        what = "of the one split's test images"
    meaning = summary["meaning"]
    unit = f" ({meaning['unit']})" if meaning["unit"] else ""
    lower = ", lower is better" if meaning["direction"] == "min" else ""
    return (
        f"{grade}Score: {summary['metric']}{unit} {what}{lower}; mean ± standard deviation over {summary['unit']}s (n)"
        f"{missing}."
    )


def _deviations(summary: Summary) -> list[str]:
    """Return what differs from the published experiment; nothing where nothing is said to."""
    return [f"Other than published: {'; '.join(summary['deviations'])}."] if summary["deviations"] else []


def _domains(summary: Summary) -> list[str]:
    """Return what it means that rows are in-domain; nothing where none is."""
    if not any(row["in_domain"] for row in summary["rows"]):
        return []
    return [
        "In-domain: pretrained on images of the sensor that took the images tested here, which other pretrained rows "
        "were not; what that is worth is part of their score."
    ]


def _gains(summary: Summary) -> list[str]:
    """Return how many published gains agree with what was found here, and what that means."""
    found = [gain for each in summary["comparisons"] if (gain := each["published_gain"]) and gain["low"] is not None]
    if not found:
        return []
    outside = sum(not gain["inside"] for gain in found)
    return [
        f"Published differences: {outside} of {len(found)} lie outside the interval in which the published experiment "
        "would find them if it measured what we did (95 %, with the variances of both)."
    ]


def _by_fold(summary: Summary) -> str:
    published = any(row["published"] and row["published"]["units"] for row in summary["rows"])
    return f"Fold by fold, seeds averaged{', the published score of the fold in brackets' * published}:"


def _grid(grid: Grid) -> list[str]:
    return [grid.markdown()] if grid.rows else []


def _without_score(summary: Summary) -> list[str]:
    """Return which rows, and which differences of rows that were run, have no score."""
    rows = [row for row in summary["rows"] if not row["score"]]
    pairs = [each for each in summary["comparisons"] if not each["interval"] and each["verdict"] != NOT_RUN]
    found = {
        "Not run yet": [f"`{row['name']}`" for row in rows if not row["cells"]],
        f"Run, but without a score ({summary['metric']} does not exist there)": [
            f"`{row['name']}`" for row in rows if row["cells"]
        ],
        "Without a fold and seed in common": [
            pair_name(each) for each in pairs if not {each["row"], each["against"]} & {row["name"] for row in rows}
        ],
    }
    sentences = [f"{what}: {', '.join(names)}." for what, names in found.items() if names]
    return [" ".join(sentences)] if sentences else []


def _compared(summary: Summary) -> list[Mapping[str, Any]]:
    return [each for each in summary["comparisons"] if each["interval"]]


def _verdicts(summary: Summary) -> list[str]:
    """Return how many differences ended how, and what they could have seen."""
    counted = _counted(_compared(summary))
    if not counted:
        return []
    text = f"Differences: {counted}; `p` is corrected (Holm) within families: {families_text(summary['comparisons'])}."
    return [" ".join([text, _rule(summary), *_power(summary), *_marked(summary), *_gains(summary)])]


def _rule(summary: Summary) -> str:
    """Return by which rule the errors of differences are made, and for how many of them from which runs."""
    used = Counter(each["error_from"] for each in _compared(summary) if each["error_from"])
    counted = f" ({', '.join(f'{count} from the {basis}' for basis, count in used.items())})" if used else ""
    both = sum(each["components"]["confounded"] for each in _compared(summary) if each["components"])
    untold = f" In {both} of them no fold has several runs: both parts then count as that of folds, which is cautious."
    return f"Rule of errors: {summary['rule']}: {summary['rule_text']}{counted}.{untold if both else ''}"


def _marked(summary: Summary) -> list[str]:
    """Explain the marks of differences between rows that are not alike in seeds or in steps."""
    notes = {
        "all_runs": "† over the runs that both rows have, while their means are over all of their own.",
        "equal_steps": "‡ between rows that were trained for different numbers of steps.",
    }
    return [note for key, note in notes.items() if not all(each[key] for each in _compared(summary))]


def _counted(comparisons: Iterable[Mapping[str, Any]]) -> str:
    """Return how many comparisons ended how."""
    words = Counter(each["verdict"].partition(":")[0] for each in comparisons)
    return ", ".join(f"{count} {word}" for word, count in words.most_common())


def _power(summary: Summary) -> list[str]:
    """Return what the lines could have seen."""
    found = [each["smallest_detectable"] for each in summary["comparisons"] if each["smallest_detectable"] is not None]
    if not found:
        return []
    ends = " to ".join(dict.fromkeys(f"{value:.4f}" for value in (min(found), max(found))))
    return [f"Smallest difference that would be found in four tables of five: {ends}, by line."]


def _picture(summary: Summary, path: str) -> str:
    return f"![{summary['title']}: scores by {summary['unit']}, and differences]({path})"


def _notes(summary: Summary) -> list[str]:
    by_units = summary["rule"] == UNITS
    notes = [
        f"* Differences are paired by {'image' if by_units else 'fold and seed'}. p-values are corrected (Holm) within "
        f"families of comparisons, run or not: {families_text(summary['comparisons'])}; those of spread "
        f"(Pitman-Morgan, over {_spread(summary)}) are not.",
        "* Intervals are those of one comparison alone; verdicts rest on the corrected `p` and `p, equivalence`.",
        f"* {_rule(summary)}{PLAIN_NOTE * (summary['unit'] == 'fold' and not by_units)}"
        f"{ONE_SEED * (summary['rule'] == 'two_way')}",
        *([SCOPE] if by_units else [ONE_SPLIT] if summary["unit"] == "seed" else []),
        f"* better, worse: told from 0 at 5 %. {_equivalence(summary)} undecided: neither, which does not mean equal.",
    ]
    notes += [f"* {line}" for line in (*_power(summary), *_marked(summary), *_gains(summary))]
    resampled = [
        f"{each['row']} − {each['against']} [{each['bootstrap']['low']:+.4f}, {each['bootstrap']['high']:+.4f}]"
        for each in summary["comparisons"] if each["bootstrap"]
    ]  # fmt: skip
    if resampled:
        notes.append(f"* Bootstrap over folds, then seeds ({COVERAGE}): {'; '.join(resampled)}.")
    return notes


def _spread(summary: Summary) -> str:
    return " or ".join(dict.fromkeys(each["spread_over"] for each in _compared(summary)))


def _equivalence(summary: Summary) -> str:
    """Return what equivalent means here, or why nothing is called so."""
    if summary["margin"] is None:
        return f"Nothing is called equivalent: no difference in {summary['metric']} is known that nobody would mind."
    return f"equivalent: told from ±{summary['margin']:g} (two one-sided t-tests)."


def data_text(summary: Summary) -> str:
    """Return which data a table is of, and what must be known of them; empty where its cells do not know."""
    data = summary["data"]
    if not data:
        return ""
    return " ".join([f"Data: {data['module']} with fingerprint {data['fingerprint']}.", *data.get("notes", ())])


def _footer(summary: Summary) -> str:
    steps = ", ".join(f"{step:,}" for step in summary["steps"])
    seeds = sorted({each["seed"] for row in summary["rows"] for each in row["scores"]})
    best = ", with the best one on images kept apart from training beside" * any(row["best"] for row in summary["rows"])
    chosen = f"nothing was chosen on what is scored: the last epoch counts{best}"
    return (
        f"{summary['cells']} cells of {steps} steps, recipe `{summary['recipe']}`, seed{'s' * (len(seeds) != 1)} "
        f"{', '.join(map(str, seeds)) or 'none'}; {chosen}. Measured on "
        f"{'; '.join(summary['machines'])}. {data_text(summary)}".rstrip()
    )
