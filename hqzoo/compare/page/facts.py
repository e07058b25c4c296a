"""What runs cost, how they were set, and on which data they were scored, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hqzoo.compare.page.folders import Comparison, Run
from hqzoo.compare.page.markup import Markup, bullets, join, table, tag

__all__ = ["cost_table", "data_facts", "settings_table"]

LONGEST, MANY = 160, 30  # characters of a setting; settings that are shown unasked
PLACES = ("trainer.default_root_dir",)

COSTS: dict[str, tuple[str, str, str]] = {  # heading: where in report or timing, key, format
    "parameters": ("model", "parameters", ",.0f"),
    "trained": ("model", "trainable_parameters", ",.0f"),
    "quantum": ("model", "quantum_parameters", ",.0f"),
    "frozen": ("model", "frozen_parameters", ",.0f"),
    "circuit runs / image": ("costs", "circuit_evaluations", ",.0f"),
    "FLOPs / image": ("costs", "flops", ",.0f"),
    "kept for backward, MB": ("costs", "kept_mb", ",.1f"),
    "training steps": ("timing", "steps", ",.0f"),
    "step, ms": ("timing", "step_ms", ",.1f"),
    "waiting for data": ("timing", "waiting_share", ".1%"),
    "peak memory, MB": ("timing", "peak_mb", ",.0f"),
    "scoring, s": ("run", "seconds", ",.1f"),
}


def cost_table(runs: Sequence[Run]) -> Markup:
    """Return parameters, step times and memory; lines that no run knows are left out."""
    rows = [[heading, *(_cost(run, *where) for run in runs)] for heading, where in COSTS.items()]
    replaced = dict.fromkeys(name for run in runs for name in _replaced(run))
    rows += [
        [f"trained in place of: {'the circuit' if name == 'core' else name}",
         *(_text(_replaced(run).get(name), ",.0f") for run in runs)]
        for name in replaced
    ]  # fmt: skip
    return table("Costs as run", ["cost", *(run.name for run in runs)], [row for row in rows if any(row[1:])])


def _cost(run: Run, where: str, key: str, style: str) -> str:
    place = run.timing if where == "timing" else getattr(run.report, where, {})
    return _text(place.get(key), style)


def _replaced(run: Run) -> Mapping[str, Any]:
    return (run.report.model.get("replaced") or {}) if run.report else {}


def _text(value: object, style: str) -> str:
    return format(value, style) if isinstance(value, (int, float)) else ""


def settings_table(runs: Sequence[Run]) -> Markup:
    """Return the settings in which runs differ; a sentence where there are none."""
    flat = [dict(_leaves(run.config, "")) for run in runs]
    keys = dict.fromkeys(key for each in flat for key in each if key not in PLACES)
    rows = []
    for key in keys:
        values = [json.dumps(each[key], default=str) if key in each else "" for each in flat]
        if len(set(values)) > 1:
            shown = [value if len(value) <= LONGEST else f"{value[:LONGEST]}…" for value in values]
            rows.append(
                [join(key.split("."), f".{tag('wbr')}"), *(tag("code", value) if value else "" for value in shown)]
            )
    if not rows:
        return tag("p", "All runs have the same settings.")
    found = tag("div", table("Settings that differ", ["setting", *(run.name for run in runs)], rows), class_="texts")
    if len(rows) <= MANY:
        return found
    return tag("details", tag("summary", f"{len(rows)} settings differ: these are other recipes"), found)


def _leaves(content: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        where = path if key == "init_args" else f"{path}.{key}".removeprefix(".")
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, where)
        else:
            yield where, value


def data_facts(runs: Sequence[Run], tables: Sequence[Comparison]) -> Markup:
    """Return which data each run was trained and scored on, and what their modules note about them."""
    facts: dict[str, Callable[[Run], object]] = {
        "data": lambda run: _of(run, "data", "class_path") or _section(run).get("class_path"),
        "scored split": lambda run: _of(run, "run", "split"),
        "fold": lambda run: run.data.get("fold"),
        "images": lambda run: _of(run, "data", "count"),
        "labelled pixels": lambda run: _of(run, "data", "pixels"),
        "fingerprint": lambda run: _of(run, "data", "images"),
        "checkpoint": lambda run: str(_of(run, "run", "checkpoint") or "").rpartition("/")[2],
        "step": lambda run: _of(run, "run", "step"),
        "hqzoo": lambda run: _of(run, "run", "hqzoo"),
        "commit": lambda run: _trained_by(run, "git", "commit"),
        "processor": lambda run: _trained_by(run, "machine", "processor"),
        "GPU": lambda run: _trained_by(run, "machine", "gpu"),
        "torch": lambda run: _trained_by(run, "machine", "torch"),
    }
    rows = [[name, *(_shown(fact(run)) for run in runs)] for name, fact in facts.items()]
    rows = [row for row in rows if any(row[1:])]
    parts = []
    if runs and rows:
        head = ["fact", *(run.name for run in runs)]
        parts.append(tag("div", table("Data of the runs", head, rows), class_="texts"))
    parts.append(bullets(f"{each.name}: {text}" for each in tables if (text := _of_table(each))))
    notes: dict[str, list[str]] = {}
    for run in runs:
        for note in _of(run, "data", "notes") or ():
            notes.setdefault(str(note), []).append(run.name)
    if notes:
        parts.append(tag("h3", "Notes of the data"))
        parts.append(bullets(f"{note} ({', '.join(names)})" for note, names in notes.items()))
    return join(parts)


def _trained_by(run: Run, part: str, key: str) -> object:
    found = run.provenance.get(part)
    return found.get(key) if isinstance(found, Mapping) else None


def _of(run: Run, where: str, key: str) -> Any:  # noqa: ANN401 - whatever a report holds
    return getattr(run.report, where, {}).get(key)


def _section(run: Run) -> Mapping[str, Any]:
    found = run.config.get("data")
    return found if isinstance(found, Mapping) else {}


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return join(str(value).split("."), f".{tag('wbr')}")


def _of_table(table: Comparison) -> str:
    data = table.summary["data"]
    if not data:
        return "fingerprints of its data were not kept."
    return " ".join([f"{data['module']} with fingerprint {data['fingerprint']}.", *data.get("notes", ())])
