"""Could a table have told a part that helps from one that does not? What stands beside nothing at all says so.

Two treatments that do equally well may both work, or neither, or the trial could not have told: assay sensitivity, in
the words of ICH E10 (2000), section 1.5. The control ``zero`` puts nothing in the circuit's place; ``constant``, where
a table has no zero, puts numbers there that ignore the image. Where that scores as well as every other row, the place
does not matter on these data, and that a circuit equals its control there says nothing of either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from hqzoo.compare.scores import Scores
from hqzoo.compare.table import Row, Table
from hqzoo.tasks.metric import Metric

__all__ = ["NOTHING", "assays", "blind_rows", "has_nothing", "is_blind", "sensitivity_sentences"]

NOTHING = ("zero", "constant")
"""Controls whose output does not depend on the image, the plainer one first."""


def assays(
    table: Table,
    scores: Mapping[str, Scores],
    comparisons: Sequence[Mapping[str, Any]],
    metric: Metric,
    margin: float | None,
) -> list[dict[str, Any]]:
    """Return for every row with controls whether its part of the table could tell anything.

    Args:
        table: The table.
        scores: Scores by row and run.
        comparisons: What the summary says of the table's differences.
        metric: What is compared.
        margin: The difference that nobody would mind; None: none is known.

    Returns:
        For each such ``row`` the name of the row with ``nothing`` in its place (None: there is none, or it was not
        run); ``best``, the row that is furthest above that, and ``gain``, by how much, over the runs that both have;
        and ``state``:

        * ``"sensitive"``: the row is better than nothing, told from 0 after correction.
        * ``"blind"``: it is not, and no row is above nothing by the margin.
        * ``"not shown"``: neither.
        * ``"untested"``: no row has nothing in the circuit's place.
    """
    told = {(each["row"], each["against"]) for each in comparisons if str(each["verdict"]).startswith("better")}
    found = []
    for row in table.rows:
        controls = [each.name for each in table.rows if each.control_of == row.name]
        if not controls:
            continue
        nothing = next(
            (name for what in NOTHING for name in controls if _is(what, table.row(name)) and scores[name]), None
        )
        gains = {} if nothing is None else _gains([row.name, *controls], nothing, scores, metric)
        best = max(gains, key=lambda name: gains[name], default=None)
        state = "untested"
        if best is not None:
            small = margin is not None and gains[best] < margin
            state = "sensitive" if (row.name, nothing) in told else "blind" if small else "not shown"
        gain = None if best is None else gains[best]
        found.append({"row": row.name, "nothing": nothing, "best": best, "gain": gain, "state": state})
    return found


def has_nothing(row: Row) -> bool:
    """Return whether a row has nothing, or nothing that sees the image, in the circuit's place."""
    return any(_is(what, row) for what in NOTHING)


def blind_rows(summary: Mapping[str, Any]) -> list[str]:
    """Return the rows of which the table cannot tell whether what stands in the circuit's place matters."""
    return [each["row"] for each in summary["assays"] if each["state"] == "blind"]


def is_blind(summary: Mapping[str, Any]) -> bool:
    """Return whether no part of a table could tell anything."""
    return bool(summary["assays"]) and len(blind_rows(summary)) == len(summary["assays"])


def sensitivity_sentences(summary: Mapping[str, Any]) -> list[str]:
    """Return what readers must know of it, a sentence for each state that is not ``"sensitive"``."""
    by_state: dict[str, list[Mapping[str, Any]]] = {}
    for each in summary["assays"]:
        by_state.setdefault(each["state"], []).append(each)
    found = []
    for each in by_state.get("blind", ()):
        found.append(
            f"This table cannot tell what the circuit of {each['row']} is worth: nothing that sees the image in its "
            f"place ({each['nothing']}) scores as well as every other row, within {summary['margin']:g} (the best, "
            f"{each['best']}: {each['gain']:+.4f}). That rows are equivalent here says nothing about circuits."
        )
    if unshown := by_state.get("not shown"):
        rows = ", ".join(f"{each['best']} {each['gain']:+.4f}" for each in unshown)
        found.append(f"That anything in the circuit's place is better than nothing was not shown: at best {rows}.")
    if without := by_state.get("untested"):
        rows = ", ".join(each["row"] for each in without)
        found.append(
            f"Nothing shows that this table could tell: no row has nothing in the place of the circuit of {rows} "
            "(control zero)."
        )
    return found


def _is(control: str, row: Row) -> bool:
    return any(setting.endswith(f"control={control}") for setting in row.settings)


def _gains(names: Sequence[str], nothing: str, scores: Mapping[str, Scores], metric: Metric) -> dict[str, float]:
    """Return by how much rows are better than nothing, over the runs that both have."""
    sign = 1 if metric.higher_is_better else -1
    gains = {}
    for name in names:
        shared = [key for key in scores[name] if key in scores[nothing]]
        if name != nothing and shared:
            gains[name] = sign * fmean(scores[name][key] - scores[nothing][key] for key in shared)
    return gains
