"""Claims of papers beside what we ran: one page per paper, written from a claims file and the tables' cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hqzoo._files import write_text
from hqzoo.compare.cells import read_cells
from hqzoo.compare.grids import INTERVAL, Grid, deciding_p, interval_text, p_text
from hqzoo.compare.summary import ALPHA, NOT_RUN, UNFINISHED, summarize
from hqzoo.compare.table import GRADES
from hqzoo.compare.table_file import read_table, read_yaml
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["Claim", "read_claims", "write_claims"]

KEYS = ("claim", "published", "table", "row", "against", "metric", "grade", "about", "note")
NEEDED = ("claim", "published")

About = Literal["score", "spread"]
Summaries = dict[tuple[str, str], dict[str, Any]]  # by table and metric


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, and the comparison that tests it.

    Args:
        claim: What the paper says.
        published: The numbers that it gives.
        table: Folder of the table that tests it; empty: nothing of ours does.
        row: The row that the claim is about.
        against: What it is compared with.
        metric: The score; empty: the table's.
        grade: One of ``GRADES``; empty: the table's.
        about: ``score``: is it higher? ``spread``: does it vary less from fold to fold?
        note: What else a reader should know.
    """

    claim: str
    published: str
    table: str = ""
    row: str = ""
    against: str = ""
    metric: str = ""
    grade: str = ""
    about: About = "score"
    note: str = ""

    def __post_init__(self) -> None:
        if self.table and not (self.row and self.against):
            raise ConfigError(f"Claim '{self.claim}' names table '{self.table}': it also needs 'row' and 'against'.")
        if self.about not in ("score", "spread"):
            raise ConfigError(f"Claim '{self.claim}': " + unknown_name("about", self.about, ("score", "spread")))
        if self.grade and self.grade not in GRADES:
            raise ConfigError(f"Claim '{self.claim}': " + unknown_name("grade", self.grade, GRADES))


def write_claims(path: Path, results: Path, out: Path) -> str:
    """Write the page of a claims file, and return it.

    Args:
        path: Claims file: ``title``, ``paper`` and ``claims``, a list with the arguments of :class:`Claim`.
        results: Folder of the tables' folders.
        out: The Markdown file to write.

    Raises:
        ConfigError: If the file makes no sense, or names a table, row or comparison that does not exist.
    """
    content, claims = read_claims(path)
    head = ["claimed", "published", "what we ran", "control", f"difference: {INTERVAL}", "p", "grade", "verdict"]
    summaries: Summaries = {}
    grid = Grid(head, [_line(claim, results, summaries) for claim in claims])
    paper = f"{content['paper']}\n\n" if content.get("paper") else ""
    text = f"# {content['title']}\n\n{paper}{grid.markdown()}\n\n{_notes(summaries)}\n"
    write_text(out, text)
    return text


def read_claims(path: Path) -> tuple[dict[str, Any], list[Claim]]:
    """Return the content of a claims file, and its claims.

    Raises:
        ConfigError: If it does not exist, is no YAML, or a claim makes no sense.
    """
    content = read_yaml(path, "claims file")
    if not isinstance(content, dict) or not content.get("title") or not isinstance(content.get("claims"), list):
        raise ConfigError(f"{path} holds no claims: it needs 'title' and a list 'claims', and may name a 'paper'.")
    try:
        return content, [_parse(each) for each in content["claims"]]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _parse(content: Any) -> Claim:  # noqa: ANN401 - whatever YAML holds
    if not isinstance(content, Mapping):
        raise ConfigError(f"A claim holds keys and values: {', '.join(KEYS)}; got {content!r}.")
    for key in content:
        if key not in KEYS:
            raise ConfigError(unknown_name("key of a claim", str(key), KEYS))
    for key in NEEDED:
        if key not in content:
            raise ConfigError(f"A claim needs '{key}'; got only {', '.join(map(str, content))}.")
    return Claim(**{key: str(value) for key, value in content.items()})  # type: ignore[arg-type]


def _line(claim: Claim, results: Path, summaries: Summaries) -> list[str]:
    """Return the cells of one claim's line; a table's summary is made once for all its claims."""
    note = f" ({claim.note})" if claim.note else ""
    if not claim.table:
        return [claim.claim + note, claim.published, "", "", "", "", "not tested", ""]
    key = claim.table, claim.metric
    if key not in summaries:
        summaries[key] = _summary(claim, results / claim.table)
    summary = summaries[key]
    pairs = {(each["row"], each["against"]): each for each in summary["comparisons"]}
    if (claim.row, claim.against) not in pairs:
        known = ", ".join(f"{row} against {against}" for row, against in pairs)
        raise ConfigError(
            f"Claim '{claim.claim}': table '{claim.table}' does not compare {claim.row} against {claim.against}. It "
            f"compares: {known or 'nothing'}."
        )
    comparison = pairs[claim.row, claim.against]
    rows = {row["name"]: row for row in summary["rows"]}
    ran, control = (_score(rows[name], summary["metric"]) for name in (claim.row, claim.against))
    difference, p, word = _spread(comparison) if claim.about == "spread" else _score_difference(comparison)
    grade = (claim.grade or summary["grade"] or "not graded") if comparison["interval"] else "implemented"
    return [claim.claim + note, claim.published, ran, control, difference, p, grade, f"**{word}**"]


def _notes(summaries: Summaries) -> str:
    """Return what a reader of verdicts must know."""
    margins = ", ".join(sorted({f"±{each['margin']:g}" for each in summaries.values()}))
    return (
        "Verdicts rest on `p`, which is corrected for the number of comparisons in its table (Holm) and, like the "
        "intervals, for training images and seeds that folds share; intervals are those of one comparison alone, and "
        "a score beside the table's own is tested as if it were the only one. "
        f"equivalent: told from {margins} of the score. undecided does not mean equal. The tables say more."
    )


def _summary(claim: Claim, folder: Path) -> dict[str, Any]:
    table = read_table(folder / "table.yaml")
    if claim.metric:
        table = table.scored_by(claim.metric)
    return summarize(table, read_cells(table, folder))


def _score(row: Mapping[str, Any], metric: str) -> str:
    score = row["score"]
    if not score:
        return f"{row['label']}: {'no score' if row['cells'] else 'not run'}"
    spread = "" if score["sd"] is None else f" ± {score['sd']:.4f}"
    return f"{row['label']}: {metric} {score['mean']:.4f}{spread} ({_counted(row)})"


def _counted(row: Mapping[str, Any]) -> str:
    """Return how many folds and seeds stand behind a row's score."""
    numbers = {what: len({each[what] for each in row["scores"]}) for what in ("fold", "seed")}
    return ", ".join(f"{number} {what}{'s' * (number > 1)}" for what, number in numbers.items())


def _score_difference(comparison: Mapping[str, Any]) -> tuple[str, str, str]:
    return interval_text(comparison["interval"]), deciding_p(comparison), comparison["verdict"]


def _spread(comparison: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return both spreads, and whether the row's is smaller (Brown and Forsythe; p is not corrected)."""
    own, other, p = (comparison[key] for key in ("sd_row", "sd_against", "brown_forsythe"))
    if comparison["verdict"].startswith((NOT_RUN, UNFINISHED)):
        return "", "", comparison["verdict"]
    if p is None:
        return "", "", "undecided: too few pairs"
    word = "undecided" if p >= ALPHA else "steadier" if comparison["steadier"] else "less steady"
    return f"sd {own:.4f} against {other:.4f}", f"{p_text(p)} (Brown-Forsythe)", word
