"""What ``hqzoo fit``, ``test`` and ``compare`` left in their folders, read for a page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hqzoo.compare.cells import read_cells
from hqzoo.compare.page.curves import Curve, read_curves
from hqzoo.compare.result import Results
from hqzoo.compare.table_file import read_table, read_yaml
from hqzoo.compare.unit_verdicts import summarize_table
from hqzoo.errors import ConfigError
from hqzoo.tasks.report import Report

__all__ = ["Comparison", "Run", "read_folders"]

REPORTS = ("test.json", "validate.json")  # the first that is there speaks for the run
OF_RUN = ("config.yaml", "metrics.csv", *REPORTS)
TABLE, SUMMARY = "table.yaml", "summary.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Args:
        name: What it is called on the page; no two are called alike.
        path: Its folder.
        config: The settings that it was started with.
        report: What a test found, or where there was none a validation; None: neither was run.
        timing: Steps and their costs; empty: not known.
        provenance: Code and machine that trained it; empty: not known.
        curves: What it logged.
        panels: Pictures of predictions, in the order of epochs.
        own_architecture: The factory of a model of someone's own that may be called to see its circuits.
    """

    name: str
    path: Path
    config: Mapping[str, Any]
    report: Report | None
    timing: Mapping[str, Any]
    provenance: Mapping[str, Any]
    curves: Mapping[str, Curve]
    panels: tuple[Path, ...]
    own_architecture: str | None = None

    @property
    def model(self) -> Mapping[str, Any]:
        """Arguments of its task or model."""
        return _part(_part(self.config, "model"), "init_args")

    @property
    def data(self) -> Mapping[str, Any]:
        """Arguments of its data."""
        return _part(_part(self.config, "data"), "init_args")

    @property
    def control(self) -> str:
        """What stands in the circuit's place."""
        own = _part(self.model, "architecture_args").get("control") or self.config.get("control")
        if isinstance(own, Mapping):
            return "+".join(f"{part}.{control}" for part, control in own.items())
        hybrid = self.report is None or self.report.model.get("quantum_parameters")
        return str(own or ("quantum" if hybrid else "no circuit"))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One table of ``hqzoo compare``.

    Args:
        name: What it is called on the page.
        summary: See :func:`hqzoo.compare.summary.summarize`.
        results: Its finished cells.
    """

    name: str
    summary: Mapping[str, Any]
    results: Results


def read_folders(paths: Sequence[Path], own_architecture: str | None = None) -> tuple[list[Run], list[Comparison]]:
    """Return the runs and the tables that lie in folders.

    Args:
        paths: The folders.
        own_architecture: See :class:`Run`.

    Raises:
        ConfigError: If a folder is given twice, holds neither, or a file in it is damaged.
    """
    places = [path.expanduser().resolve() for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise ConfigError(f"{paths[number]} is given twice: a page compares different runs.")
    names = _names(places)
    runs, tables = [], []
    for place, name in zip(places, names, strict=True):
        if (place / TABLE).is_file():
            tables.append(_read_comparison(place, name))
        else:
            runs.append(replace(_read_run(place, name), own_architecture=own_architecture))
    return runs, tables


def _names(places: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that tell them apart."""
    for length in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-length:]) for place in places]
        if len(set(names)) == len(names):
            break
    return [os.fsencode(name).decode("utf-8", "replace") for name in names]


def _read_run(path: Path, name: str) -> Run:
    if not any((path / each).is_file() for each in OF_RUN):
        raise ConfigError(_no_run(path))
    config = read_yaml(path / "config.yaml", "settings") if (path / "config.yaml").is_file() else {}
    reports = [path / each for each in REPORTS if (path / each).is_file()]
    return Run(
        name=name,
        path=path,
        config=config if isinstance(config, Mapping) else {},
        report=_read_report(reports[0]) if reports else None,
        timing=_read_json(path / "timing.json"),
        provenance=_read_json(path / "provenance.json"),
        curves=read_curves(path / "metrics.csv"),
        panels=tuple(sorted((path / "panels").glob("*.png"))),
    )


def _no_run(path: Path) -> str:
    if not path.is_dir():
        return f"There is no folder {path}. Give the folder of a run (of hqzoo fit) or of a table (of hqzoo compare)."
    inside = sorted(each for each in path.iterdir() if any((each / name).is_file() for name in (*OF_RUN, TABLE)))
    below = f" Folders in it do: {' '.join(map(str, inside[:6]))}." if inside else ""
    return (
        f"{path} holds neither a run of hqzoo fit ({', '.join(OF_RUN)}) nor a table of hqzoo compare ({TABLE}).{below}"
    )


def _read_comparison(path: Path, name: str) -> Comparison:
    table = read_table(path / TABLE)
    results = read_cells(table, path)
    if not any(results.values()):
        raise ConfigError(f"The table in {path} has no finished cell yet: hqzoo compare --out {path} goes on with it.")
    summary = summarize_table(table, path, results)
    stored = _read_json(path / SUMMARY)
    if stored.get("cells") == summary["cells"]:  # what was asked for beyond folds, of the same cells
        summary["units"] = stored.get("units")
    return Comparison(name=name, summary=summary, results=results)


def _read_report(path: Path) -> Report:
    content = _read_json(path)
    try:
        return Report.from_dict(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no report of hqzoo test: {error!r}. Test the checkpoint again.") from error


def _read_json(path: Path) -> dict[str, Any]:
    """Return what a file holds; nothing where there is none."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is damaged: {error}. Remove it, or write it again.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, not keys and values. Write it again.")
    return content


def _part(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key)
    return found if isinstance(found, Mapping) else {}
