"""The page: what it shows, in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hqzoo._files import write_text
from hqzoo.compare.grids import comparison_grid
from hqzoo.compare.page.charts import COLOURS, Strip, line_chart, strip_chart, swatch
from hqzoo.compare.page.circuits import drawn_circuits
from hqzoo.compare.page.curves import Curve
from hqzoo.compare.page.facts import cost_table, data_facts, settings_table
from hqzoo.compare.page.folders import Comparison, Run, read_folders
from hqzoo.compare.page.markup import Markup, bullets, figure, from_markdown, join, tag
from hqzoo.compare.page.pictures import picture
from hqzoo.compare.page.scores import score_section
from hqzoo.compare.page.style import STYLE
from hqzoo.compare.page.verdicts import SINGLE_RUNS, Judgement, judge_runs
from hqzoo.compare.report import body, sentence, short_training
from hqzoo.compare.sensitivity import sensitivity_sentences

__all__ = ["page_of", "write_page"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser fetches nothing, whatever is in it
MORE_CHARTS = 24
"""Charts of classes and learning rates at most. CHOICE"""
WITH, WITHOUT, OF_CONTROL = 0, COLOURS + 4, 3  # colours of rows, and of differences to a control in the circuit's place


def write_page(folders: Sequence[Path], out: Path, own_architecture: str | None = None) -> None:
    """Write a page that compares runs and tables.

    Args:
        folders: Folders of ``hqzoo fit`` and of ``hqzoo compare``.
        out: The HTML file.
        own_architecture: The factory of a model of someone's own that may be called to see its circuits.

    Raises:
        ConfigError: If a folder holds neither a run nor a table, or a file in it is damaged.
        WriteError: If the file cannot be written.
    """
    write_text(out, page_of(*read_folders(folders, own_architecture)))


def page_of(runs: Sequence[Run], tables: Sequence[Comparison]) -> str:
    """Return the page of runs and tables as HTML."""
    from hqzoo import __version__

    numbers = {"run": len(runs), "table": len(tables)}
    counted = [f"{number} {word}{'s' * (number > 1)}" for word, number in numbers.items() if number]
    title = f"hqzoo: {' and '.join(counted)}"
    sections = {name: content for name, build in SECTIONS.items() if (content := build(runs, tables))}
    places = {name: name.split()[0].strip(":").lower() for name in sections}
    links = [tag("li", tag("a", name, href=f"#{place}")) for name, place in places.items()]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    main = [
        tag("section", tag("h2", name), content, id=places[name]) for name, content in sections.items()
    ]  # fmt: skip
    top = tag("header", tag("h1", title), _legend(runs), tag("nav", tag("ul", *links), aria_label="Sections"))
    foot = tag("footer", tag("p", f"Made by hqzoo {__version__}; nothing on this page is fetched.", class_="soft"))
    whole = tag("html", head, tag("body", top, tag("main", *main), foot), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


def _legend(runs: Sequence[Run]) -> Markup:
    items = [
        tag("li", swatch(number), run.name, tag("span", f" {_what(run)}", class_="soft"))
        for number, run in enumerate(runs)
    ]
    return tag("ul", *items, class_="legend", aria_label="Runs") if items else Markup()


def _what(run: Run) -> str:
    architecture = (run.report.model.get("architecture") if run.report else None) or run.model.get("architecture")
    return f"{architecture or 'a model of its own'}, {run.control}"


def _verdicts(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    parts = [_judgement(each) for each in judge_runs(runs)]
    for table in tables:
        summary = table.summary
        told = [sentence(each, summary["metric"], summary["unit"]) for each in _of_controls(summary["comparisons"])]
        told += [*short_training(summary), *sensitivity_sentences(summary)]
        if told:
            parts.append(tag("div", tag("h3", summary["title"]), bullets(told), class_="verdict"))
    if not parts and len(runs) > 1:
        text = "No two of these runs are of one recipe with different controls, so nothing is said about circuits."
        parts.append(tag("p", text))
    return join(parts)


def _of_controls(comparisons: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in comparisons if each["of_control"]]


def _judgement(found: Judgement) -> Markup:
    compared = [each for each in found.comparisons if each["interval"]]
    lines, strips = [], []
    for each in found.comparisons:
        interval, pair = each["interval"], f"{each['row']} − {each['against']}"
        if interval and interval["n"] == 1 and each["runs"] == 1:
            lines.append(f"{pair}: {interval['mean']:+.4f} {found.metric}; {SINGLE_RUNS}.")
        else:
            lines.append(sentence(each, found.metric, found.unit))
    parts = [tag("h3", found.title), bullets([*lines, *found.notes])]
    if any(each["interval"]["n"] > 1 for each in compared):
        strips = [_difference_strip(each) for each in compared]
        parts.append(_forest(found.metric, strips, found.margin))
        parts.append(from_markdown(comparison_grid(compared).markdown(), "Differences"))
    return tag("div", *parts, class_="verdict")


def _difference_strip(comparison: Mapping[str, Any]) -> Strip:
    interval, points = comparison["interval"], list(comparison["units"].values())
    pair = f"{comparison['row']} − {comparison['against']}: {comparison['verdict']}"
    return Strip(
        pair, points, interval["mean"], interval["low"], interval["high"], OF_CONTROL * comparison["of_control"]
    )


def _forest(metric: str, strips: Sequence[Strip], margin: float | None) -> Markup:
    shaded = f", ±{margin:g} shaded" if margin else ""
    caption = f"Differences in {metric}: a dot for each pair, their mean and its 95 % interval{shaded}."
    return figure(strip_chart(f"Differences in {metric}", strips, margin, zero=True), caption)


def _scores(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    return score_section(runs) if runs else Markup()


def _tables(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    return join(_table(each) for each in tables)


def _table(found: Comparison) -> Markup:
    summary = found.summary
    rows = [row for row in summary["rows"] if row["score"]]
    scores = [
        Strip(row["label"], [each["score"] for each in row["scores"]], row["score"]["mean"],
              style=WITH if row["costs"]["quantum_parameters"] else WITHOUT)
        for row in rows
    ]  # fmt: skip
    charts = []
    if scores:
        caption = f"{summary['metric']}: a dot for each run, their mean as a bar; rows with a circuit are coloured."
        charts.append(figure(strip_chart(f"{summary['metric']} of each row", scores), caption))
    compared = [each for each in summary["comparisons"] if each["interval"]]
    if compared:
        charts.append(_forest(summary["metric"], list(map(_difference_strip, compared)), summary["margin"]))
    losses = {row["name"]: list(enumerate(row["loss_curve"], 1)) for row in rows if row["loss_curve"]}
    if losses:
        styles = {row["name"]: WITH if row["costs"]["quantum_parameters"] else WITHOUT for row in rows}
        chart = line_chart("mean training loss", losses, styles, "epoch")
        charts.append(figure(chart, "Mean training loss of every epoch; rows without a circuit are grey and dashed."))
    title = tag("h3", f"{summary['title']} ({found.name})")
    return join([title, tag("div", *charts, class_="charts"), from_markdown(body(summary, ""), summary["title"])])


def _curves(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    named: dict[str, dict[str, Curve]] = {}
    for run in runs:
        for name, curve in run.curves.items():
            named.setdefault(name, {})[run.name] = curve
    styles = {run.name: number for number, run in enumerate(runs)}
    first = [name for name in named if name.startswith(("train/", "val/")) and name.count("/") == 1]
    first.sort(key=lambda name: (name != "train/loss", name != "val/loss"))
    others = [name for name in named if name not in first]

    def charts(names: Sequence[str]) -> Markup:
        figures = [figure(line_chart(name, named[name], styles, "step"), name) for name in names]
        return tag("div", *figures, class_="charts")

    if not named:
        return Markup()
    parts = [charts(first)] if first else []
    if others:
        left = f", {len(others) - MORE_CHARTS} left out" if len(others) > MORE_CHARTS else ""
        more = tag("summary", f"{min(len(others), MORE_CHARTS)} more curves{left}")
        parts.append(tag("details", more, charts(others[:MORE_CHARTS])))
    return join([_legend(runs), *parts])


def _panels(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    parts = []
    for run in runs:
        if run.panels:
            last = run.panels[-1]
            words = f"Samples with their truth and what {run.name} predicts, {last.stem}"
            parts.append(picture(last, words, f"{run.name}: {last.stem}, the last of {len(run.panels)} panel(s)."))
    return join(parts)


def _circuits(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    return drawn_circuits(runs, tables)


def _costs(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    return cost_table(runs) if runs else Markup()


def _settings(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    return settings_table(runs) if len(runs) > 1 else Markup()


SECTIONS: dict[str, Callable[[Sequence[Run], Sequence[Comparison]], Markup]] = {
    "Verdict: quantum against control": _verdicts,
    "Scores": _scores,
    "Tables": _tables,
    "Training curves": _curves,
    "Predictions": _panels,
    "Circuits": _circuits,
    "Costs": _costs,
    "Settings": _settings,
    "Data": data_facts,
}
