"""The command line ``hqzoo``: a dispatcher that imports nothing until it knows which verb is meant.

Every verb lives in a module of its own. A small verb's module defines two functions::

    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(args: argparse.Namespace) -> int: ...  # the exit code

its docstring becomes the verb's ``--help``, and one line in :data:`VERBS` makes it known. Heavy imports
(torch, Lightning, rasterio) belong inside ``run``, so that ``hqzoo VERB --help`` stays instant. The verbs
that LightningCLI parses itself (``fit``, ``validate``, ``test``, ``predict``) define
``main(verb, argv) -> int`` instead.

Exit codes: 0 done; 1 an unexpected error (with traceback); 2 a mistake in what the user gave, told in one
message (:class:`hqzoo.errors.HqzooError`); 130 interrupted by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from hqzoo.errors import HqzooError, did_you_mean

__all__ = ["EXIT_INTERRUPTED", "EXIT_MISTAKE", "VERBS", "Verb", "main"]

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130  # what shells report for a process ended by SIGINT


@dataclass(frozen=True)
class Verb:
    """One verb of the command line.

    Args:
        summary: One line for ``hqzoo --help``.
        module: Module below ``hqzoo.cli`` that implements it.
        lightning: Whether LightningCLI parses the rest of the command line.
    """

    summary: str
    module: str
    lightning: bool = False


VERBS: dict[str, Verb] = {
    "fit": Verb("train a model: hqzoo fit -c recipe.yaml", "fit", lightning=True),
    "validate": Verb("score a checkpoint on the validation split", "fit", lightning=True),
    "test": Verb("score a checkpoint on the test split", "fit", lightning=True),
    "predict": Verb("write class maps of a whole data set", "fit", lightning=True),
    "models": Verb("list the architectures and their sizes", "models"),
    "quickstart": Verb("train HQ-UNet and its control in minutes, compare, map a scene", "quickstart"),
    "circuit": Verb("draw, plan, diagnose and export a named circuit", "circuit"),
    "accelerate": Verb("replace PennyLane, TorchQuantum, Qiskit layers by proven equal, faster ones", "accelerate"),
    "compare": Verb("does the quantum block help on my data? paired runs of a recipe and its controls", "compare"),
    "report": Verb("one page that compares runs: scores, curves, pictures, circuits, verdict", "report_page"),
    "data": Verb("check a data folder, compute its statistics, or pack it for training", "data"),
    "noise": Verb("score a checkpoint under noise and finite shots", "noise", lightning=True),
    "bench": Verb("run a benchmark of the source tree: hqzoo bench quantum", "bench"),
    "weights": Verb("list, verify, install, pack and push published weights", "weights"),
    "export": Verb("write a trained model for other programs: ONNX, torch.export, safetensors", "export"),
    "map": Verb("turn a georeferenced scene into a class map", "map"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: Arguments without the program's name; default: those of the process.

    Returns:
        The exit code, see the module's docstring.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _find_modules_here()
    show_traceback = "--traceback" in arguments
    arguments = [argument for argument in arguments if argument != "--traceback"]
    try:
        return _dispatch(arguments)
    except HqzooError as error:
        if show_traceback:
            raise
        sys.stderr.write(f"hqzoo: error: {error}\n")
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        if show_traceback:
            raise
        sys.stderr.write("\nhqzoo: interrupted\n")
        return EXIT_INTERRUPTED
    except SystemExit as exit_:  # argparse's way out of --help and of wrong arguments
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)


def _find_modules_here() -> None:
    """Find modules in the working folder, as ``python SCRIPT`` and ``python -m hqzoo`` do."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_usage())
        return 0 if arguments else EXIT_MISTAKE
    name, rest = arguments[0], arguments[1:]
    if name == "--version":
        from hqzoo import __version__

        sys.stdout.write(f"hqzoo {__version__}\n")
        return 0
    if name not in VERBS:
        sys.stderr.write(f"hqzoo: error: Unknown verb '{name}'.{did_you_mean(name, VERBS)}\n\n{_usage()}")
        return EXIT_MISTAKE
    module = import_module(f"hqzoo.cli.{VERBS[name].module}")
    if VERBS[name].lightning:
        return int(module.main(name, rest))
    parser = argparse.ArgumentParser(
        prog=f"hqzoo {name}",
        description=inspect.getdoc(module),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(rest)))


def _usage() -> str:
    width = max(len(name) for name in VERBS)  # not map: once imported, that is the verb's module here
    verbs = "\n".join(f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items())
    return (
        "usage: hqzoo VERB [arguments]   (hqzoo VERB --help tells more)\n\n"
        "Hybrid quantum-classical networks for remote sensing.\n\n"
        f"{verbs}\n\n"
        "  --traceback  show where an error came from\n"
        "  --version    show the version\n"
    )
