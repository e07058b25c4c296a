"""List the architectures: parameters, quantum parameters, qubits, and the scores their papers published.

Parameters are those of the default arguments with 3 bands and 5 classes; nothing published was measured here.
"""

from __future__ import annotations

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a filter."""
    parser.add_argument("name", nargs="?", default="", help="list only architectures with this in their name")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    from hqzoo.errors import ConfigError, unknown_name
    from hqzoo.models import list_models, model_info

    names = [name for name in list_models() if args.name in name]
    if not names:
        raise ConfigError(unknown_name("architecture", args.name, list_models()))
    table = Table("architecture", caption="3 bands, 5 classes, default arguments; scores as their papers report")
    for heading in ("parameters", "quantum parameters", "qubits"):
        table.add_column(heading, justify="right")
    table.add_column("published score")
    for name in names:
        info = model_info(name)
        published = "; ".join(f"{data}: {score}" for data, score in info.published.items())
        table.add_row(
            name, *(f"{size:,}" for size in (info.parameters, info.quantum_parameters, info.qubits)), published
        )
    Console().print(table)
    return 0
