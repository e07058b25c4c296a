"""Score a trained checkpoint under noise and finite shots: a table, noise.json and noise.png.

    hqzoo noise RUN/checkpoints/best.ckpt --channel depolarizing=0.01 --shots 1024
    hqzoo noise CKPT --data CLASS --data.ARG ... --channel amplitude_damping=0.001,0.01 --channel readout=0.02 --zne
    hqzoo noise --weights NAME --data CLASS --data.ARG ... --channel depolarizing=0.01

The checkpoint is tested on the test split as `hqzoo test` does, with its circuits run under each condition: noise from
none to several times what --channel says, exact expectation values and each number of --shots. Channels act after every
gate, on each wire that it touched: depolarizing, amplitude_damping, phase_damping, bit_flip, phase_flip; and readout.
Data come from the checkpoint's own run, from a recipe (-c), or from --data as for `hqzoo test`, and so do trainer
settings (--trainer.KEY VALUE).
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

from hqzoo.cli.checkpoint_option import WEIGHTS_HELP, chosen_checkpoint, results_folder, taken_weights
from hqzoo.cli.own_code import add_own_architecture
from hqzoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from hqzoo.cli.parsing import CommandLine
    from hqzoo.quantum import NoiseModel
    from hqzoo.tasks import Task
    from hqzoo.tasks.noise_study import NoiseStudy, Outcome

__all__ = ["main"]

STRENGTHS = (0.0, 0.5, 1.0, 2.0)
QUIET = ("--trainer.logger=false", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
PASSED_ON = ("-c", "--config", "--data", "--trainer", "--seed_everything", "--model")  # to the parser of `hqzoo test`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hqzoo noise`` itself."""
    parser.add_argument("checkpoint", metavar="CKPT", help="checkpoint of hqzoo fit, or its run folder")
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", metavar="NAME", help=WEIGHTS_HELP)
    parser.add_argument(
        "--channel", action="append", default=[], metavar="NAME=P", help="noise channel and probability; repeatable. "
        "NAME=P1,P2: after gates on one wire, and on more"
    )  # fmt: skip
    parser.add_argument(
        "--shots",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="numbers of shots, beside exact expectation values",
    )
    parser.add_argument(
        "--strengths", type=float, nargs="+", default=list(STRENGTHS), metavar="S",
        help="multiples of the probabilities (default: 0 0.5 1 2)",
    )  # fmt: skip
    parser.add_argument(
        "--zne", nargs="?", const="richardson", choices=("linear", "richardson"),
        help="also with zero-noise extrapolation from 1, 2 and 3 times the noise (default: richardson)",
    )  # fmt: skip
    add_own_architecture(parser)
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="runs with fresh shots (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of shots and trajectories (default: 0)")
    parser.add_argument(
        "--trajectories", type=int, default=100, metavar="N", help="random states per sample where a noisy circuit is "
        "too large to be exact (default: 100)"
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where noise.json and noise.png go (default: the run's folder)"
    )


def main(verb: str, argv: list[str]) -> int:
    """Run ``hqzoo noise``.

    Args:
        verb: ``noise``.
        argv: The arguments behind the verb.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog=f"hqzoo {verb}",
        description=inspect.getdoc(sys.modules[__name__]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    weights, argv = taken_weights(argv)
    if weights is None:
        add_arguments(parser)
    else:
        _add_options(parser)
        parser.set_defaults(checkpoint=None, weights=weights)
    args, rest = parser.parse_known_args(argv)
    if weights is not None and rest and not rest[0].startswith("-"):
        raise ConfigError(f"--weights {weights} and {rest[0]} name two models: give one of them.")
    _check(rest, parser)
    return _run(args, rest, _study(args))


def _check(rest: Sequence[str], parser: argparse.ArgumentParser) -> None:
    own = [option for action in parser._actions for option in action.option_strings]
    for argument in rest:
        name = argument.split("=")[0].split(".")[0]
        if name.startswith("-") and not _is_number(name) and name not in PASSED_ON:
            raise ConfigError(f"Unknown option '{name}'.{did_you_mean(name, [*own, *PASSED_ON])}")


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _study(args: argparse.Namespace) -> NoiseStudy:
    """Return what was asked for, checked before anything is run."""
    from hqzoo.quantum import NoiseModel
    from hqzoo.tasks.noise_study import NoiseStudy

    return NoiseStudy(
        NoiseModel.parse(args.channel),
        tuple(args.strengths),
        tuple(args.shots),
        args.zne,
        args.repeats,
        args.seed,
        args.trajectories,
    )


def _run(args: argparse.Namespace, rest: Sequence[str], study: NoiseStudy) -> int:
    from hqzoo.cli.parsing import CommandLine
    from hqzoo.cli.recipes import with_recipe_paths
    from hqzoo.cli.run_folder import RunFolder
    from hqzoo.cli.scored_data import choose_data
    from hqzoo.tasks.noise_study import draw_outcomes
    from hqzoo.weights.checkpoint import load

    args.checkpoint = chosen_checkpoint(args.checkpoint, args.weights)
    task = load(args.checkpoint, own_architecture=args.own_architecture)
    home = RunFolder.of_checkpoint(args.checkpoint)
    config = home.config if home is not None and home.config.is_file() else None
    recipe = ["-c", str(config)] if config and not _names_data(rest) else []
    command = CommandLine(
        "test", [*recipe, *with_recipe_paths(list(rest)), *QUIET, "--ckpt_path", str(args.checkpoint)]
    )
    chosen = choose_data(command, args.checkpoint)
    folder = RunFolder(args.output or results_folder(args.checkpoint))
    outcomes = _outcomes(study, task, command)
    report = {
        "checkpoint": str(args.checkpoint),
        "split": chosen.part,
        "noise": study.noise.to_dict(),
        "seed": study.seed,
        "repeats": study.repeats,
        **task.description(),
        "rows": [outcome.to_dict() for outcome in outcomes],
    }
    heading = task.metrics[0].heading
    _print(outcomes, study.noise, heading)
    name = chosen.file("noise", command.datamodule)
    written = folder.write_json(f"{name}.json", report)
    draw_outcomes(outcomes, study.noise, f"test {heading}", folder.root / f"{name}.png")
    sys.stdout.write(f"Written: {written} and {name}.png\n")
    return 0


def _names_data(rest: Sequence[str]) -> bool:
    return any(argument.split("=")[0] in ("-c", "--config", "--data") for argument in rest)


def _outcomes(study: NoiseStudy, task: Task, command: CommandLine) -> list[Outcome]:
    """Test the task under every condition of the study."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = study.outcomes(task, lambda: _test(task, command))
        return list(progress.track(found, total=len(study.conditions), description="conditions"))


def _test(task: Task, command: CommandLine) -> Mapping[str, Any]:
    """Return the scores on the test split."""
    import logging
    import warnings

    from hqzoo._lightning import pl

    log = logging.getLogger(f"{pl.__name__}.utilities.rank_zero")
    level = log.level
    log.setLevel(logging.ERROR)  # the same lines about devices, once a row
    try:
        with warnings.catch_warnings():
            for message in (".*does not have many workers.*", ".*`isinstance.treespec, LeafSpec.` is deprecated.*"):
                warnings.filterwarnings("ignore", message)
            trainer = command.build_trainer([], [])
            trainer.test(task, datamodule=command.datamodule, verbose=False)
    finally:
        log.setLevel(level)
    return task.report().scores


def _print(outcomes: Sequence[Outcome], noise: NoiseModel, metric: str) -> None:
    """Print the table: a row for each strength, a column for each kind of measurement."""
    from rich.console import Console
    from rich.table import Table

    cells = {(outcome.condition.strength, outcome.condition.measured): outcome for outcome in outcomes}
    kinds = dict.fromkeys(kind for _, kind in cells)
    table = Table(title=f"Test {metric} under {noise}")
    table.add_column("noise", justify="right")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for strength in dict.fromkeys(strength for strength, _ in cells):
        table.add_row(f"x {strength:g}", *(_cell(cells.get((strength, kind))) for kind in kinds))
    Console().print(table)


def _cell(outcome: Outcome | None) -> str:
    if outcome is None or outcome.score is None:
        return ""
    known = [score for score in outcome.repeats if score is not None]
    return f"{outcome.score:.4f}" + (f" ± {stdev(known):.4f}" if len(known) > 1 else "")
