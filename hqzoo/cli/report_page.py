"""Compare runs on one page: scores, curves, predictions, circuits, costs, data, and quantum against control.

    hqzoo report runs/quantum runs/mlp
    hqzoo report runs/quantum runs/mlp runs/mine -o page.html

A folder is that of a run, as hqzoo fit and hqzoo test leave it, or that of a table of hqzoo compare. The page is one
HTML file with everything in it: it fetches nothing, runs no script, and can be mailed, read on a phone and printed.

Scores stand above their differences to the first run. Runs of one recipe that differ in control, fold and seed alone
get the verdict that hqzoo compare would give. Two single runs get none: one more seed of each may turn their difference
round.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hqzoo.cli.own_code import add_own_architecture

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folders and the file."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="folder of a run, or of a table")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html"
    )
    add_own_architecture(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``hqzoo report``."""
    from hqzoo.compare.page.document import write_page
    from hqzoo.errors import ConfigError

    if args.output.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"-o {args.output} is no HTML file: give a name such as {args.output.with_suffix('.html')}.")
    write_page(args.folders, args.output, args.own_architecture)
    sys.stdout.write(f"Written: {args.output} ({args.output.stat().st_size / 1e6:.2f} MB)\n")
    return 0
