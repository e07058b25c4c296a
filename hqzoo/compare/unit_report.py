"""A table's comparisons paired by unit, image for image, and how a report shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hqzoo.compare.grids import INTERVAL, Grid, interval_text, p_text, pair_name
from hqzoo.compare.statistics import holm
from hqzoo.compare.table import Comparison, Table
from hqzoo.compare.unit_runs import UnitRun, units_of_row
from hqzoo.compare.units import UnitDifference, compare_units

__all__ = ["compare_rows_by_unit", "methods_text", "unit_section", "unit_sentences"]

METHOD_NOTES = {
    "components": "Intervals are Student's, with variance components of clusters x runs and Satterthwaite's degrees of "
    "freedom.",
    "pigeonhole": "Intervals are percentiles of a bootstrap over clusters and runs (Owen 2007).",
    "mcnemar": "`p` is that of McNemar's test (mid-p; of clusters: Durkalski et al. 2003).",
}

Summary = Mapping[str, Any]


def compare_rows_by_unit(table: Table, out: Path, statistic: str, margin: float | None = None) -> dict[str, Any]:
    """Return what a table's comparisons support unit by unit, as plain types.

    Args:
        table: The table.
        out: Its folder, with its cells and their samples.
        statistic: A score of units, see :func:`hqzoo.compare.unit_statistics.statistic_of`.
        margin: The difference that nobody would mind; None: that of the score's metric, which may have none.

    Returns:
        ``statistic``; and ``comparisons`` of rows that have runs in common, each a
        :class:`hqzoo.compare.units.UnitDifference` with ``row``, ``against``, and ``p`` and ``p_equivalence`` corrected
        within its family (Holm).

    Raises:
        ConfigError: If a cell has no units, or they differ between rows.
    """
    runs = {name: units_of_row(table, out, name) for name in table.row_names}
    found: list[tuple[Comparison, UnitDifference]] = []
    comparisons = table.comparisons()
    for comparison in comparisons:
        a, b = _in_common(runs[comparison.row], runs[comparison.against])
        if a:
            found.append((comparison, compare_units(a, b, statistic, margin=margin)))
    families = [each.family for each in comparisons]
    corrected = [_corrected(found, key, families) for key in ("p", "p_equivalence")]
    lines = [
        {"row": comparison.row, "against": comparison.against, **asdict(difference), "p": p, "p_equivalence": equal}
        for (comparison, difference), p, equal in zip(found, *corrected, strict=True)
    ]
    return {"statistic": statistic, "comparisons": lines}


def unit_section(summary: Summary) -> list[str]:
    """Return the paragraphs of a report on comparisons by unit; none where nobody asked for them."""
    found = summary.get("units")
    if not found or not found["comparisons"]:
        return []
    lines = found["comparisons"]
    head = ["difference", INTERVAL, "p", "p, equivalence", "margin", "holds for"]
    grid = Grid(head, [
        [pair_name(each), interval_text(each), _p(each), p_text(each["p_equivalence"]),
         "" if each["margin"] is None else f"±{each['margin']:g}", each["scope"]]
        for each in lines
    ])  # fmt: skip
    return [
        f"Paired unit by unit (image, or whatever was scored one by one): {found['statistic']}",
        grid.without_empty_columns().markdown(),
        " ".join([
            "* `p` and `p, equivalence` are corrected (Holm) as above. What is not named under *holds for* was not "
            "drawn: other training images, and with one run other trainings, may give other differences.",
            methods_text(lines),
        ]),
    ]  # fmt: skip


def methods_text(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return by which methods comparisons were made, in sentences."""
    return " ".join(METHOD_NOTES[name] for name in dict.fromkeys(each["method"] for each in lines))


def unit_sentences(summary: Summary) -> list[str]:
    """Return the same for a terminal, a sentence a comparison."""
    found = summary.get("units") or {"comparisons": ()}
    return [
        f"{each['row']} − {each['against']}, paired by unit: {interval_text(each)} {found['statistic']}, "
        f"Holm-corrected p {_p(each)}; holds for {each['scope']}."
        for each in found["comparisons"]
    ]


def _p(line: Mapping[str, Any]) -> str:
    return p_text(line["p"]) or "none: no spread"


def _in_common(a: Sequence[UnitRun], b: Sequence[UnitRun]) -> tuple[list[UnitRun], list[UnitRun]]:
    """Return the runs that both rows have, of the seeds that they have in all of their common folds."""
    keys = {(run.fold, run.seed) for run in a} & {(run.fold, run.seed) for run in b}
    folds = {fold for fold, _ in keys}
    everywhere = {seed for _, seed in keys if {(fold, seed) for fold in folds} <= keys}
    kept = {key for key in keys if key[1] in everywhere}
    return [run for run in a if (run.fold, run.seed) in kept], [run for run in b if (run.fold, run.seed) in kept]


def _corrected(
    found: Sequence[tuple[Comparison, UnitDifference]], key: str, families: Sequence[str]
) -> list[float | None]:
    """Return p-values corrected within each family, those that were not run counted (Holm)."""
    corrected: list[float | None] = [None] * len(found)
    for family in dict.fromkeys(families):
        known = {
            place: float(getattr(difference, key))
            for place, (comparison, difference) in enumerate(found)
            if comparison.family == family and getattr(difference, key) is not None
        }
        for place, value in zip(known, holm(list(known.values()), families.count(family)), strict=True):
            corrected[place] = value
    return corrected
