"""List the architectures, or show one: what it is, its arguments, its controls and its limits.

    hqzoo models            # all: parameters, quantum parameters, qubits, the scores their papers published
    hqzoo models qu_net     # one

Parameters are those of the default arguments with 3 bands and 5 classes; nothing published was measured here.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hqzoo.models import ModelInfo

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name."""
    parser.add_argument("name", nargs="?", default="", help="an architecture, or a part of the names to list")


def run(args: argparse.Namespace) -> int:
    """Print the table, or the card of one architecture."""
    from rich.console import Console

    from hqzoo.errors import ConfigError, unknown_name
    from hqzoo.models import list_models, model_info

    names = [name for name in list_models() if args.name in name]
    if not names:
        raise ConfigError(unknown_name("architecture", args.name, list_models()))
    if args.name in names:
        _print_card(model_info(args.name), Console())
    else:
        _print_table([model_info(name) for name in names], Console())
    return 0


def _print_table(infos: Sequence[ModelInfo], console: Console) -> None:
    from rich.table import Table

    table = Table("architecture", caption="3 bands, 5 classes, default arguments; scores as their papers report")
    for heading in ("parameters", "quantum parameters", "qubits"):
        table.add_column(heading, justify="right")
    table.add_column("published score")
    for info in infos:
        sizes = (f"{size:,}" for size in (info.parameters, info.quantum_parameters, info.qubits))
        table.add_row(info.name, *sizes, _published(info))
    console.print(table)


def _print_card(info: ModelInfo, console: Console) -> None:
    import inspect

    console.print(f"[bold]{info.name}[/]: {info.summary}", highlight=False, soft_wrap=True)
    facts = {
        "paper": info.paper,
        "published": _published(info),
        "size": f"{info.parameters:,} parameters, {info.quantum_parameters} of them quantum, {info.qubits} qubits "
        "(3 bands, 5 classes, default arguments)",
        "controls": ", ".join(info.controls),
        "limits": "; ".join(f"{name}: {reason}" for name, reason in info.limits.items()),
    }
    for name, text in facts.items():
        if text:
            console.print(f"  {name}: {text}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{inspect.getdoc(info.build)}", markup=False, highlight=False, soft_wrap=True)


def _published(info: ModelInfo) -> str:
    return "; ".join(f"{data}: {score}" for data, score in info.published.items())
