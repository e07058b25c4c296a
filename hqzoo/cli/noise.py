"""Score a trained checkpoint under noise and finite shots: a table, noise.json and noise.png.

    hqzoo noise RUN/checkpoints/best.ckpt --channel depolarizing=0.01 --shots 1024
    hqzoo noise CKPT --data CLASS --data.ARG ... --channel amplitude_damping=0.001,0.01 --channel readout=0.02 --zne

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

from hqzoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from hqzoo.cli.parsing import CommandLine
    from hqzoo.quantum.noise import NoiseModel
    from hqzoo.tasks import Task

__all__ = ["main"]

STRENGTHS = (0.0, 0.5, 1.0, 2.0)
QUIET = ("--trainer.logger=false", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
PASSED_ON = ("-c", "--config", "--data", "--trainer", "--seed_everything", "--model")  # to the parser of `hqzoo test`

LEAST_RANGE = 0.05  # of mIoU in the figure

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hqzoo noise`` itself."""
    parser.add_argument("checkpoint", metavar="CKPT", type=Path, help="checkpoint of hqzoo fit, or its run folder")
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
    add_arguments(parser)
    args, rest = parser.parse_known_args(argv)
    _check(args, rest, parser)
    from hqzoo.quantum.noise import NoiseModel

    noise = NoiseModel.parse(args.channel)
    strengths = sorted(set(args.strengths)) if not noise.is_ideal else [0.0]
    _check_strongest(noise, strengths, args.zne)
    return _run(args, rest, noise, strengths)


def _check(args: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> None:
    if not args.channel and not args.shots:
        raise ConfigError("Nothing to try: give --channel depolarizing=0.01, --shots 1024, or both.")
    if args.zne and not args.channel:
        raise ConfigError("--zne extrapolates noise away, and there is none: give a --channel.")
    if args.repeats < 1 or min([1, *args.shots]) < 1 or min([0.0, *args.strengths]) < 0:
        raise ConfigError("--repeats and --shots are at least 1, and --strengths at least 0.")
    own = [option for action in parser._actions for option in action.option_strings]
    for argument in rest:
        name = argument.split("=")[0].split(".")[0]
        if name.startswith("-") and not _is_number(name) and name not in PASSED_ON:
            raise ConfigError(f"Unknown option '{name}'.{did_you_mean(name, [*own, *PASSED_ON])}")


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _check_strongest(noise: NoiseModel, strengths: Sequence[float], zne: str | None) -> None:
    """Refuse noise that cannot be scaled, before anything is run."""
    from hqzoo.quantum.mitigation import SCALES

    noise.scaled(max(strengths) * (max(SCALES) if zne else 1.0))


def _run(args: argparse.Namespace, rest: Sequence[str], noise: NoiseModel, strengths: Sequence[float]) -> int:
    from hqzoo.cli.parsing import CommandLine
    from hqzoo.cli.recipes import with_recipe_paths
    from hqzoo.cli.run_folder import RunFolder
    from hqzoo.cli.scored_data import choose_data
    from hqzoo.quantum import QuantumLayer
    from hqzoo.weights.checkpoint import find_checkpoint, load

    args.checkpoint = find_checkpoint(args.checkpoint)
    task = load(args.checkpoint)
    if not any(isinstance(module, QuantumLayer) for module in task.modules()):
        raise ConfigError(
            f"{args.checkpoint} holds '{task.architecture}' with {task.architecture_args}, which has no quantum layer: "
            "noise has nothing to act on. Give the checkpoint of a hybrid model."
        )
    home = RunFolder.of_checkpoint(args.checkpoint)
    config = home.config if home is not None and home.config.is_file() else None
    recipe = ["-c", str(config)] if config and not _names_data(rest) else []
    command = CommandLine(
        "test", [*recipe, *with_recipe_paths(list(rest)), *QUIET, "--ckpt_path", str(args.checkpoint)]
    )
    chosen = choose_data(command, args.checkpoint)
    folder = RunFolder(args.output or (home.root if home is not None else args.checkpoint.parent))
    rows = _rows(args, noise, strengths)
    _score(rows, task, command, noise, args)
    report = {
        "checkpoint": str(args.checkpoint),
        "split": chosen.part,
        "noise": noise.to_dict(),
        "seed": args.seed,
        "repeats": args.repeats,
        **task.description(),
        "rows": rows,
    }
    _print(rows, noise, task.metrics[0].heading)
    name = chosen.file("noise", command.datamodule)
    written = folder.write_json(f"{name}.json", report)
    _draw(rows, noise, task.metrics[0].heading, folder.root / f"{name}.png")
    sys.stdout.write(f"Written: {written} and {name}.png\n")
    return 0


def _names_data(rest: Sequence[str]) -> bool:
    return any(argument.split("=")[0] in ("-c", "--config", "--data") for argument in rest)


def _rows(args: argparse.Namespace, noise: NoiseModel, strengths: Sequence[float]) -> list[Row]:
    """Return every condition as a row without scores."""
    return [
        {"strength": strength, "shots": shots, "zne": zne}
        for strength in strengths
        for shots in (None, *sorted(set(args.shots)))
        for zne in (None, *([args.zne] if args.zne and strength and not noise.is_ideal else []))
    ]


def _score(rows: Sequence[Row], task: Task, command: CommandLine, noise: NoiseModel, args: argparse.Namespace) -> None:
    """Test the task under each row's conditions, and write the scores into it."""
    from rich.console import Console
    from rich.progress import Progress

    from hqzoo.quantum.execution import Execution, executed

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("conditions", total=len(rows))
        for row in rows:
            found = []
            for repeat in range(args.repeats if row["shots"] else 1):
                execution = Execution(
                    noise.scaled(row["strength"]),
                    row["shots"],
                    row["zne"],
                    seed=args.seed + 1000 * repeat,
                    n_trajectories=args.trajectories,
                )
                with executed(task.model, execution):
                    found.append(_test(task, command))
            row["score"] = _mean([scores[task.metrics[0].name] for scores in found])
            row["scores"] = {name: _mean([scores[name] for scores in found]) for name in found[0]}
            row["repeats"] = [scores[task.metrics[0].name] for scores in found]
            progress.advance(bar)


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


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _print(rows: Sequence[Row], noise: NoiseModel, metric: str) -> None:
    """Print the table: a row for each strength, a column for each kind of measurement."""
    from rich.console import Console
    from rich.table import Table

    kinds = list(dict.fromkeys((row["shots"], row["zne"]) for row in rows))
    table = Table(title=f"Test {metric} under {noise}")
    table.add_column("noise", justify="right")
    for kind in kinds:
        table.add_column(_kind(*kind), justify="right")
    for strength in dict.fromkeys(row["strength"] for row in rows):
        cells = {(row["shots"], row["zne"]): row for row in rows if row["strength"] == strength}
        table.add_row(f"x {strength:g}", *(_cell(cells.get(kind)) for kind in kinds))
    Console().print(table)


def _kind(shots: int | None, zne: str | None) -> str:
    return ("exact" if shots is None else f"{shots:,} shots") + (f", {zne} ZNE" if zne else "")


def _cell(row: Row | None) -> str:
    if row is None or row["score"] is None:
        return ""
    repeats = row["repeats"]
    return f"{row['score']:.4f}" + (f" ± {stdev(repeats):.4f}" if len(repeats) > 1 else "")


def _draw(rows: Sequence[Row], noise: NoiseModel, metric: str, path: Path) -> None:
    """Draw the score against the strength of the noise, a line per kind of measurement; without noise: shots."""
    from matplotlib.figure import Figure

    from hqzoo._files import replacing

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    if noise.is_ideal:
        sampled = [row for row in rows if row["shots"]]
        axes.plot([row["shots"] for row in sampled], [row["score"] for row in sampled], "o-", label="shots")
        axes.axhline(rows[0]["miou"], color="0.4", linestyle=":", label="exact")
        axes.set(xscale="log", xlabel="shots")
    else:
        for kind in dict.fromkeys((row["shots"], row["zne"]) for row in rows):
            own = [row for row in rows if (row["shots"], row["zne"]) == kind]
            line = "s--" if kind[1] else "o-"
            axes.plot([row["strength"] for row in own], [row["score"] for row in own], line, label=_kind(*kind))
        axes.set(xlabel="multiple of the noise")
        axes.set_title(str(noise), fontsize=9, wrap=True)
    low, high = axes.get_ylim()
    if high - low < LEAST_RANGE:  # differences that mean nothing should not look like much
        axes.set_ylim((low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2)
    axes.set(ylabel=f"test {metric}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=150)
