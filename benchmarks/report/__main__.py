"""Renders every result file to Markdown, figures and the tables of README and site; nothing in them is typed by hand.

    hqzoo bench report          # or: python -m benchmarks.report

Tables of training runs (results/*/cells.jsonl), the pages of claims (claims/*.yaml), the quantum simulators, what
hqzoo.accelerate did to a PennyLane model, the step of a hybrid network, and the formats that pairs are read from.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pack import report as pack
from benchmarks.quantum.report import duel
from benchmarks.step import __main__ as step
from hqzoo.compare import write_claims, write_report
from hqzoo.compare.cell_files import has_cells
from hqzoo.compare.report import brief, overview, put_between_marks
from hqzoo.compare.table_file import read_table
from hqzoo.errors import ConfigError, HqzooError

__all__ = ["main"]

HERE = Path(__file__).resolve().parents[1]
RESULTS = HERE / "results"
REPOSITORY = HERE.parent


def main(argv: list[str] | None = None) -> int:
    """Render everything that has results; return the exit code."""
    argparse.ArgumentParser(
        prog="bench report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(argv)
    try:
        parts = {**_tables(), **_quantum(), **_step(), **_pack(), **_accelerate()}
        _claims()
        for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs/pages").glob("*.md"))):
            page.write_text(_rendered(page, parts))
    except HqzooError as error:
        print(f"bench report: error: {error}", file=sys.stderr)
        return 2
    return 0


def _rendered(page: Path, parts: Mapping[str, str]) -> str:
    """Return a page's text with its generated parts anew.

    Args:
        page: README.md, or a page of the site.
        parts: Markdown by name; links start at the top of the repository.

    Raises:
        ConfigError: If the page shows something of which there is no result.
    """
    text = page.read_text()
    up = "../" * (len(page.relative_to(REPOSITORY).parts) - 1)
    for name in re.findall(r"<!-- begin (\w+) -->", text):
        if name not in parts:
            raise ConfigError(f"{page} shows '{name}', of which there is no result.")
        text = put_between_marks(text, name, re.sub(r"\]\((?!\w+:)", f"]({up}", parts[name]))
    return text


def _tables() -> dict[str, str]:
    """Write the report of every table with a finished cell; return what pages may show."""
    parts, summaries = {}, {}
    for path in sorted(RESULTS.glob("*/table.yaml")):
        folder = path.parent
        if not has_cells(folder):
            continue
        summary = write_report(read_table(path), folder)
        picture, report = (str((folder / name).relative_to(REPOSITORY)) for name in ("report.png", "report.md"))
        parts[folder.name] = brief(summary, picture, report)
        summaries[report] = summary
        print(f"{folder.name}: {summary['cells']} cells, {len(summary['missing'])} missing")
    return {**parts, "tables": overview(summaries)}


def _claims() -> None:
    """Write a page per paper."""
    for path in sorted((HERE / "claims").glob("*.yaml")):
        write_claims(path, RESULTS, path.with_suffix(".md"))
        print(path.with_suffix(".md"))


def _quantum() -> dict[str, str]:
    path = RESULTS / "quantum.json"
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    machine = content["machine"]
    grids = [f"**{grid.title}**\n\n{grid.body()}" for grid in duel(content["cells"].values())]
    where = f"{machine['processor']}, {content['settings']['threads']} processors, torch {machine['torch']}"
    return {"quantum": "\n\n".join([*grids, f"Forward and backward, single precision; {where}; `make bench-quantum`."])}


def _step() -> dict[str, str]:
    path = RESULTS / "step.json"
    return {"step": step.markdown(json.loads(path.read_text()))} if path.exists() else {}


def _pack() -> dict[str, str]:
    path = RESULTS / "pack.json"
    return {"pack": pack.markdown(json.loads(path.read_text()))} if path.exists() else {}


def _accelerate() -> dict[str, str]:
    path = RESULTS / "accelerate.json"
    if not path.exists():
        return {}
    layer = json.loads(path.read_text())["layers"][0]
    return {"accelerate": _sentence(layer)}


def _sentence(layer: Mapping[str, Any]) -> str:
    before, after = layer["before"], layer["after"]
    return (
        f"Measured on a [PennyLane bottleneck](benchmarks/pennylane_bottleneck.py) of {layer['qubits']} qubits and "
        f"{layer['gates']} gates, batch {before['batch']}, forward and backward: "
        f"{1e3 * before['seconds']:,.0f} ms before, {1e3 * after['seconds']:,.2f} ms after "
        f"({layer['speed_up']:,.0f}x; fastest of several calls each), {before['bytes'] / 1e6:,.0f} MB kept for the "
        f"backward pass before, {after['bytes'] / 1e6:,.2f} MB after. Outputs agreed within "
        f"{layer['proof']['outputs']:.0e} on {layer['proof']['cases']} random cases, gradients within "
        f"{max(layer['proof']['data_gradient'], layer['proof']['weight_gradient']):.0e}."
    )


if __name__ == "__main__":
    sys.exit(main())
