"""Scores of runs side by side, with their differences to the first one marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hqzoo.compare.page.folders import Run
from hqzoo.compare.page.markup import Markup, join, table, tag
from hqzoo.tasks.metric import Metric
from hqzoo.tasks.report import Report

__all__ = ["score_section"]

Scored = tuple[str, Report]
DIGITS = 4  # of a score that are shown
EXPLANATION = (
    "The best score of a line is bold. Below each stands its difference to {first}: better, worse, or ≈ where it is "
    "within the margin that nobody would mind. These are differences of single runs; whether they would be found "
    "again, only verdicts say."
)


def score_section(runs: Sequence[Run]) -> Markup:
    """Return the tables of scores: of all classes together, and of each class."""
    scored = [(run.name, run.report) for run in runs if run.report is not None]
    untested = [run.name for run in runs if run.report is None]
    parts = []
    if scored:
        parts.append(tag("p", EXPLANATION.format(first=scored[0][0]), class_="soft"))
        parts.append(_table("Scores", scored, _metrics(scored), ""))
        parts += _classes(scored)
    if untested:
        command = tag("code", "hqzoo test --ckpt_path RUN/checkpoints/last.ckpt")
        parts.append(tag("p", f"Without scores: {', '.join(untested)}. ", command, " scores a run."))
    return join(parts)


def _metrics(scored: Sequence[Scored]) -> list[Metric]:
    """Return the metrics that scores of whole splits have, in the order of the first report that has them."""
    found = {each.name: each for _, report in scored for each in report.metrics if each.name in report.scores}
    return list(found.values())


def _classes(scored: Sequence[Scored]) -> list[Markup]:
    names = list(dict.fromkeys(str(row["name"]) for _, report in scored for row in report.classes))
    metrics = {
        each.name: each
        for _, report in scored
        for each in report.metrics
        if any(each.name in row for row in report.classes)
    }
    tables = [
        _table(f"{metric.heading} of each class", scored, [metric] * len(names), "/", names)
        for metric in metrics.values()
    ]
    if not tables:
        return []
    return [tag("details", tag("summary", "Scores of each class"), *tables)]


def _table(
    caption: str, scored: Sequence[Scored], metrics: Sequence[Metric], between: str, classes: Sequence[str] = ()
) -> Markup:
    """Return a line for each metric, or for each class of one metric."""
    split = " and ".join(dict.fromkeys(str(report.run.get("split", "test")) for _, report in scored))
    rows = []
    for number, metric in enumerate(metrics):
        name = f"{metric.name}{between}{classes[number]}" if classes else metric.name
        heading = classes[number] if classes else _heading(metric)
        rows.append([heading, *_cells(scored, metric, [_score(report, name) for _, report in scored])])
    return table(f"{caption}, {split} split", ["class" if classes else "score", *(name for name, _ in scored)], rows)


def _heading(metric: Metric) -> str:
    lower = "" if metric.higher_is_better else ", lower is better"
    return f"{metric.heading}{f' ({metric.unit})' if metric.unit else ''}{lower}"


def _score(report: Report, name: str) -> float | None:
    metric, _, of_class = name.partition("/")
    place = next((row for row in report.classes if row["name"] == of_class), {}) if of_class else report.scores
    value = place.get(metric)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _cells(scored: Sequence[Scored], metric: Metric, values: Sequence[float | None]) -> list[Markup]:
    known = [round(value, DIGITS) for value in values if value is not None]
    best = (max if metric.higher_is_better else min)(known) if len(known) > 1 else None
    first = scored[0][1]
    cells = []
    for number, ((_, report), value) in enumerate(zip(scored, values, strict=True)):
        if value is None:
            cells.append(tag("span", "absent", class_="soft"))
            continue
        number_text = tag("span", f"{value:.4f}", class_="best" if round(value, DIGITS) == best else "plain")
        same = report.data.get("images") == first.data.get("images")
        cells.append(join([number_text, _difference(metric, value, values[0], same) if number else ""]))
    return cells


def _difference(metric: Metric, value: float, reference: float | None, same_images: bool) -> Markup:
    """Return how a score lies to that of the first run, in a word as well as in colour."""
    if reference is None:
        return Markup()
    if not same_images:
        return tag("small", "other images", class_="soft")
    difference = round(value - reference, DIGITS)
    if difference == 0:
        return tag("small", "same", class_="soft")
    if metric.margin is not None and abs(difference) < metric.margin:
        return tag("small", f"≈ {difference:+.4f}", class_="soft")
    better = metric.improves(value, reference)
    return tag("small", f"{difference:+.4f} {'better' if better else 'worse'}", class_="good" if better else "bad")
