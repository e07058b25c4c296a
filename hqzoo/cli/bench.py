"""Run a benchmark of the source tree; what follows its name goes to the benchmark.

    hqzoo bench quantum                     # quantum simulators side by side, resumes where it stopped
    hqzoo bench quantum --quick             # does every simulator run? (small circuits)
    hqzoo bench quantum --help              # everything it takes
    hqzoo bench step                        # what a circuit adds to a training step
    hqzoo bench map                         # how fast scenes are mapped, beside the bare model
    hqzoo bench pack                        # how fast pairs are read for training, by their format
    hqzoo bench report                      # all results to Markdown, figures, README and site

Benchmarks lie beside the package in the repository and are not part of an installed wheel.
"""

from __future__ import annotations

import argparse
from types import ModuleType

__all__ = ["add_arguments", "run"]

BENCHMARKS = ("map", "pack", "quantum", "report", "step")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's name and its own arguments."""
    parser.add_argument("name", choices=BENCHMARKS, help="which benchmark")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the benchmark")


def run(args: argparse.Namespace) -> int:
    """Hand over to the benchmark."""
    return int(_load(args.name).main(args.arguments))


def _load(name: str) -> ModuleType:
    """Import a benchmark of the repository that this package lies in.

    Raises:
        ConfigError: If there is none, as in an installed wheel.
    """
    import sys
    from importlib import import_module
    from pathlib import Path

    import hqzoo
    from hqzoo.errors import ConfigError

    root = Path(hqzoo.__file__).resolve().parents[1]
    if not (root / "benchmarks" / name / "__main__.py").is_file():
        raise ConfigError(
            f"The benchmark '{name}' comes with the source, not with an installed package: there is no "
            f"{root / 'benchmarks' / name}. Clone the repository and run `hqzoo bench {name}` in it."
        )
    sys.path.insert(0, str(root))  # `benchmarks` is no installed package
    try:
        return import_module(f"benchmarks.{name}.__main__")
    finally:
        sys.path.remove(str(root))
