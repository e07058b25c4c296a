"""Claims of papers beside what we ran: one page per paper, written from a claims file and the tables' cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hqzoo._files import write_text
from hqzoo.compare.cells import read_cells
from hqzoo.compare.differences import ALPHA, BARELY_TRAINED, NOT_RUN, UNFINISHED
from hqzoo.compare.grids import INTERVAL, Grid, deciding_p, families_text, interval_text, mean_text, p_text
from hqzoo.compare.quoted import parse_quoted
from hqzoo.compare.sensitivity import blind_rows
from hqzoo.compare.table import GRADES
from hqzoo.compare.table_file import read_table, read_yaml
from hqzoo.compare.unit_verdicts import summarize_table
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["Claim", "read_claims", "write_claims"]

KEYS = ("claim", "published", "table", "row", "against", "metric", "grade", "about", "source", "note")
NEEDED = ("claim", "published")

About = Literal["score", "spread", "cost"]
Source = Literal["ours", "published"]
ABOUT, SOURCES = get_args(About), get_args(Source)
RECOMPUTED = "recomputed"  # in place of a grade: the paper's own scores through our statistics
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
        metric: The score; empty: the table's. Of a cost: one of a row's costs, such as ``parameters``.
        grade: One of ``GRADES``; empty: the table's.
        about: ``score``: is it higher? ``spread``: do its runs vary less, within a fold or,
            with one run each, from fold to fold? ``cost``: is it less?
        source: ``ours``: what we ran; ``published``: the scores that the paper published fold by fold.
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
    source: Source = "ours"
    note: str = ""

    def __post_init__(self) -> None:
        if self.table and not (self.row and self.against):
            raise ConfigError(f"Claim '{self.claim}' names table '{self.table}': it also needs 'row' and 'against'.")
        if self.about not in ABOUT:
            raise ConfigError(f"Claim '{self.claim}': " + unknown_name("about", self.about, ABOUT))
        if self.source not in SOURCES:
            raise ConfigError(f"Claim '{self.claim}': " + unknown_name("source", self.source, SOURCES))
        if self.about == "cost" and not (self.table and self.metric and self.source == "ours"):
            raise ConfigError(f"Claim '{self.claim}' is about a cost: it needs a 'table' of ours, and a 'metric'.")
        if self.grade and self.grade not in GRADES:
            raise ConfigError(f"Claim '{self.claim}': " + unknown_name("grade", self.grade, GRADES))


def write_claims(path: Path, results: Path, out: Path) -> str:
    """Write the page of a claims file, and return it.

    Args:
        path: Claims file: ``title``, ``paper`` and ``claims``, a list with the arguments of :class:`Claim`; ``quoted``
            is a list of tables of published numbers, see :class:`hqzoo.compare.quoted.Quoted`.
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
    tables = map(parse_quoted, content.get("quoted", ()))
    quoted = [table.markdown(lambda folder: _summary("", results / folder)) for table in tables]
    text = "\n\n".join([f"# {content['title']}\n\n{paper}{grid.markdown()}", _notes(summaries), *quoted]) + "\n"
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
        return [claim.claim + note, claim.published, "", "", "", "", claim.grade or "not tested", "**not run**"]
    metric = "" if claim.about == "cost" else claim.metric
    if (claim.table, metric) not in summaries:
        summaries[claim.table, metric] = _summary(metric, results / claim.table)
    summary = summaries[claim.table, metric]
    known = {row["name"]: row for row in summary["rows"]}
    rows = [_row(claim, known, name) for name in (claim.row, claim.against)]
    if claim.about == "cost":
        return [claim.claim + note, claim.published, *_cost(claim, summary, rows)]
    comparison = _comparison(claim, summary)
    ran, control = (_score(row, summary["metric"], claim.source) for row in rows)
    difference, p, word = _spread(comparison) if claim.about == "spread" else _score_difference(comparison)
    if word.startswith("equivalent") and comparison["row"] in blind_rows(summary):
        word += " (the table cannot tell: nothing in the circuit's place scores as well)"
    grade = (claim.grade or summary["grade"] or "not graded") if comparison["interval"] else "implemented"
    grade = RECOMPUTED if claim.source == "published" else grade
    return [claim.claim + note, claim.published, ran, control, difference, p, grade, f"**{word}**"]


def _row(claim: Claim, rows: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if name not in rows:
        raise ConfigError(f"Claim '{claim.claim}': " + unknown_name("row", name, rows))
    return rows[name]


def _comparison(claim: Claim, summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the comparison that a claim names."""
    found = summary["published_comparisons" if claim.source == "published" else "comparisons"]
    pairs: dict[tuple[str, str], Mapping[str, Any]] = {(each["row"], each["against"]): each for each in found}
    if (claim.row, claim.against) not in pairs:
        known = ", ".join(f"{row} against {against}" for row, against in pairs)
        raise ConfigError(
            f"Claim '{claim.claim}': table '{claim.table}' does not compare {claim.row} against {claim.against}. It "
            f"compares: {known or 'nothing'}."
        )
    return pairs[claim.row, claim.against]


def _notes(summaries: Summaries) -> str:
    """Return what a reader of verdicts must know; nothing where no table was run."""
    if not summaries:
        return "None of these comparisons was run here."
    known = sorted({each["margin"] for each in summaries.values() if each["margin"] is not None})
    margins = f"equivalent: told from {', '.join(f'±{margin:g}' for margin in known)} of the score. " if known else ""
    families = dict.fromkeys(f"{table}: {families_text(each['comparisons'])}" for (table, _), each in summaries.items())
    rules = dict.fromkeys(f"{each['rule']}: {each['rule_text']}" for each in summaries.values())
    return (
        f"Verdicts rest on `p`, which is corrected (Holm) within families of comparisons ({'; '.join(families)}); "
        "intervals are those of one comparison alone, and a score beside the table's own is tested as if it were the "
        f"only one. Rule of errors: {'; '.join(rules)}. "
        f"{margins}undecided does not mean equal. The tables say more."
    )


def _summary(metric: str, folder: Path) -> dict[str, Any]:
    table = read_table(folder / "table.yaml")
    if metric:
        table = table.scored_by(metric)
    return summarize_table(table, folder, read_cells(table, folder))


def _score(row: Mapping[str, Any], metric: str, source: Source) -> str:
    if source == "published":
        return f"{row['label']}, its authors' folds: {metric} {mean_text(row['published'])}"
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


def _cost(claim: Claim, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the cells behind the published numbers for two rows' costs, which are counted, not tested."""
    grade = claim.grade or summary["grade"] or "not graded"
    known = {name for row in rows for name, value in row["costs"].items() if isinstance(value, (int, float))}
    if all(row["costs"] for row in rows) and claim.metric not in known:
        raise ConfigError(f"Claim '{claim.claim}': " + unknown_name("cost", claim.metric, known))
    values = [row["costs"].get(claim.metric) for row in rows]
    what = claim.metric.replace("_", " ")
    shown = [
        f"{row['label']}: " + ("not run" if value is None else f"{value:,.0f} {what}")
        for row, value in zip(rows, values, strict=True)
    ]
    if None in values:
        return [*shown, "", "", "implemented", "**not run**"]
    own, other = values
    word = "equal" if own == other else "less" if own < other else "more"
    times = f"{own / other:.2f} times as many" if other else ""
    return [*shown, times, "", grade, f"**{word}**"]


def _spread(comparison: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return both spreads, and whether the row's is smaller (Pitman and Morgan; p is not corrected)."""
    own, other, p = (comparison[key] for key in ("sd_row", "sd_against", "pitman_morgan"))
    if comparison["verdict"].startswith((NOT_RUN, UNFINISHED, BARELY_TRAINED)):
        return "", "", comparison["verdict"]
    if p is None:
        return "", "", "undecided: too few pairs"
    word = "undecided" if p >= ALPHA else "steadier" if comparison["steadier"] else "less steady"
    over = comparison["spread_over"]
    return f"sd over {over} {own:.4f} against {other:.4f}", f"{p_text(p)} (Pitman-Morgan)", word
