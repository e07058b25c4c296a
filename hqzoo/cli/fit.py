"""The verbs that run a trainer: fit, validate, test and predict."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hqzoo._files import write_text
from hqzoo._lightning import pl
from hqzoo.callbacks.best import BestCheckpoint
from hqzoo.callbacks.clock import StepClock
from hqzoo.callbacks.dashboard import Dashboard
from hqzoo.callbacks.monitors import MonitorCheck
from hqzoo.callbacks.progress import progress_callback
from hqzoo.callbacks.resume import Resumable, TrainingInterrupted, workers_survive_ctrl_c
from hqzoo.callbacks.wrapping import WrappedShare
from hqzoo.cli import EXIT_INTERRUPTED
from hqzoo.cli.checkpoint_option import chosen_checkpoint, results_folder
from hqzoo.cli.own_module import own_report
from hqzoo.cli.parsing import DEFAULT_ROOT, CommandLine
from hqzoo.cli.recipes import with_recipe_paths
from hqzoo.cli.report import Source, completed_report, images_scored, print_report
from hqzoo.cli.run_folder import MetricsFile, RunFolder
from hqzoo.cli.run_loggers import RunLoggers, with_logger_options
from hqzoo.cli.scored_data import choose_data
from hqzoo.cli.trainer_settings import told_by_key
from hqzoo.errors import CheckpointError, ConfigError, HqzooError
from hqzoo.weights.checkpoint import find_checkpoint, read_header

if TYPE_CHECKING:
    from hqzoo.tasks import Task

__all__ = ["main"]


def main(verb: str, argv: list[str]) -> int:
    """Run one verb.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        argv: The arguments behind the verb.

    Returns:
        The exit code.
    """
    _quieten()
    if verb == "fit" and any(argument.partition("=")[0] == "--weights" for argument in argv):
        raise ConfigError(
            "hqzoo fit goes on from checkpoints, and published weights hold no optimizer. To start from them: "
            "--trainer.callbacks+ StartFromWeights --trainer.callbacks.weights NAME."
        )
    argv = with_logger_options(argv)
    argv = with_recipe_paths(argv if verb == "fit" else _with_config_of_run(argv))
    command = CommandLine(verb, argv)
    return {"fit": fit, "predict": predict}.get(verb, score)(command)


def fit(command: CommandLine) -> int:
    """Train, from the start or from a checkpoint, into the run folder."""
    folder, given = command.folder, command.config["ckpt_path"]
    checkpoint = folder.checkpoint(given) if given else None
    resumable = Resumable(folder.last, notify=_notify)
    metrics = MetricsFile(folder.metrics)
    clock = StepClock()
    trainer = command.build_trainer([clock, *_fit_callbacks(command, resumable)], [metrics])
    if checkpoint is None and not command.config["trainer"]["fast_dev_run"]:
        folder.refuse_second_run()  # on every process: the others would wait for one that ends alone
    made = folder.missing_folders()
    if not command.config["trainer"]["fast_dev_run"] and trainer.is_global_zero:
        if checkpoint is None:
            folder.start()
        else:
            metrics.forget_after(_steps_done(checkpoint))
        write_text(folder.config, command.dump())
    try:
        with told_by_key(command.config["trainer"].as_dict(), lambda: trainer.global_step > 0), _interruptible():
            trainer.fit(command.model, datamodule=command.datamodule, ckpt_path=checkpoint, weights_only=True)
    except HqzooError:
        # A refused run leaves nothing behind; the scores of one that had begun are worth keeping.
        if trainer.is_global_zero and checkpoint is None and not trainer.global_step:
            folder.remove(made)
        raise
    except (
        TrainingInterrupted,
        KeyboardInterrupt,
    ) as stop:  # the latter: a second signal, or one before training began
        _say_how_to_go_on(trainer, folder)
        # The first process speaks for all that stopped together: launchers kill the others as soon as one fails.
        speaks = trainer.is_global_zero or isinstance(stop, KeyboardInterrupt)
        return EXIT_INTERRUPTED if speaks else 0
    if not command.config["trainer"]["fast_dev_run"] and trainer.is_global_zero:
        timing = clock.report()
        folder.write_json("timing.json", timing)
        speed = ""
        if timing["steps"]:
            speed = f", {timing['step_ms']:.0f} ms a step, {timing['waiting_share']:.0%} waiting for data"
        _say(f"Done: {trainer.global_step} steps{speed}. Run folder: {folder.root}")
    return 0


def score(command: CommandLine) -> int:
    """Validate or test a checkpoint: a table, and a JSON file in the run folder."""
    checkpoint, folder = _checkpoint_and_folder(command)
    task = None if command.own else _load(checkpoint, command)
    chosen = choose_data(command, checkpoint)
    trainer = command.build_trainer(_plain_callbacks(command), [], _precision(task))
    run = trainer.validate if command.verb == "validate" else trainer.test
    began = time.perf_counter()
    with told_by_key(command.config["trainer"].as_dict(), lambda: False), _interruptible():
        if task is None:
            run(command.model, datamodule=command.datamodule, verbose=False, ckpt_path=checkpoint, weights_only=True)
        else:
            run(task, datamodule=command.datamodule, verbose=False)
    if not trainer.is_global_zero:
        return 0
    seconds, step = time.perf_counter() - began, _steps_done(checkpoint)
    if task is None:
        found = own_report(command.model, trainer.callback_metrics)
    else:
        found = task.report("val" if command.verb == "validate" else "test")
    samples = {} if task is None else task.samples()
    source = Source(command.datamodule, command.config, chosen.part, checkpoint, step, images_scored(trainer, samples))
    report = completed_report(found, source, seconds)
    print_report(report)
    if not command.config["trainer"]["fast_dev_run"]:
        name = chosen.file(command.verb, command.datamodule)
        folder.write_arrays(f"{name}.npz", samples)
        _say(f"Written: {folder.write_json(f'{name}.json', report.to_dict())}")
    return 0


def predict(command: CommandLine) -> int:
    """Write the class maps of the prediction images."""
    if command.own:
        raise ConfigError(
            "hqzoo predict writes the predictions of hqzoo's tasks. A LightningModule of your own predicts by "
            "trainer.predict in Python."
        )
    checkpoint, folder = _checkpoint_and_folder(command)
    task = _load(checkpoint, command)
    chosen = choose_data(command, checkpoint)
    # Maps of other data must not replace those of the run.
    elsewhere = chosen.usual or folder != RunFolder.of_checkpoint(checkpoint)
    output = folder.root / ("predictions" if elsewhere else chosen.file("predictions", command.datamodule))
    own = any(isinstance(callback, pl.callbacks.BasePredictionWriter) for callback in command.callbacks)
    writers = [] if own else [task.prediction_writer(output)]
    trainer = command.build_trainer([*_plain_callbacks(command), *writers], [], _precision(task))
    with told_by_key(command.config["trainer"].as_dict(), lambda: False), _interruptible():
        trainer.predict(task, datamodule=command.datamodule, return_predictions=False)
    if not own and trainer.is_global_zero:
        _say(f"Written: {output}")
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C arrive as KeyboardInterrupt: Lightning makes an exit of it, and hears no other one afterwards."""
    try:
        with workers_survive_ctrl_c():
            yield
    except SystemExit as leaving:
        if isinstance(leaving.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from leaving
        raise


def _fit_callbacks(command: CommandLine, resumable: Resumable) -> list[pl.Callback]:
    settings = command.config["trainer"]
    callbacks = [*_plain_callbacks(command), MonitorCheck()]
    own = {type(each) for each in command.callbacks}
    logs = settings["logger"] is not False and not settings["fast_dev_run"]
    if logs and pl.callbacks.LearningRateMonitor not in own:
        callbacks.append(pl.callbacks.LearningRateMonitor(logging_interval="step"))
    if (command.loggers or Dashboard in own) and not settings["fast_dev_run"]:
        callbacks.append(RunLoggers(command.folder, command.config.as_dict()))
        if Dashboard not in own:
            callbacks.append(Dashboard())
    if WrappedShare not in own:
        callbacks.append(WrappedShare())
    if settings["enable_checkpointing"] is False:
        return callbacks
    if pl.callbacks.ModelCheckpoint not in own:
        callbacks.append(BestCheckpoint(command.folder.best))
    return [*callbacks, resumable]  # last: its checkpoint holds the state of the others


def _plain_callbacks(command: CommandLine) -> list[pl.Callback]:
    shown = command.config["trainer"]["enable_progress_bar"] is not False
    own = any(isinstance(each, pl.callbacks.ProgressBar) for each in command.callbacks)
    return [progress_callback()] if shown and not own else []


def _with_config_of_run(argv: list[str]) -> list[str]:
    """Put the configuration of a checkpoint's own run first, when the command line names no configuration."""
    tree_keys = [argument.partition("=")[0] for argument in argv]
    if "-c" in tree_keys or "--config" in tree_keys or "--ckpt_path" not in tree_keys:
        return argv
    position = tree_keys.index("--ckpt_path")
    value = argv[position].partition("=")[2] or (argv[position + 1 : position + 2] or [""])[0]
    meant = Path(value).exists() or not (value in ("", "last", "best") or "--model" in tree_keys)
    folder = RunFolder.of_checkpoint(find_checkpoint(value)) if meant else None  # tells what is near a wrong path
    if folder is None or not folder.config.is_file():
        return argv
    return ["-c", str(folder.config), "--trainer.default_root_dir", str(folder.root), *argv]


def _checkpoint_and_folder(command: CommandLine) -> tuple[Path, RunFolder]:
    """Return the checkpoint to use and the folder to write into."""
    folder, given, weights = command.folder, command.config["ckpt_path"], command.config["weights"]
    usual = str(folder.root) == DEFAULT_ROOT
    if weights is not None:
        if given is not None:
            raise ConfigError(f"--weights {weights} and --ckpt_path {given} name two models: give one of them.")
        if command.own:
            raise ConfigError("--weights are those of hqzoo's tasks; the recipe names a LightningModule of your own.")
        checkpoint = chosen_checkpoint(None, weights)
        return checkpoint, RunFolder(results_folder(checkpoint)) if usual else folder
    if given is None:
        given = "best" if folder.best.is_file() else "last"
    checkpoint = folder.checkpoint(given)
    return checkpoint, (RunFolder.of_checkpoint(checkpoint) or folder) if usual else folder


def _load(checkpoint: Path, command: CommandLine) -> Task:
    """Rebuild the task from its checkpoint; refuse one that a recipe contradicts."""
    from hqzoo.models import model_info
    from hqzoo.weights import load

    settings = command.model_settings
    task = load(checkpoint, own_architecture=settings.get("architecture"))
    _say(f"Checkpoint: {checkpoint}")
    wanted = {"architecture": settings.get("architecture"), **(settings.get("architecture_args") or {})}
    defaults = {name: each.default for name, each in model_info(task.architecture).arguments.items()}
    stored = {"architecture": task.architecture, **defaults, **task.architecture_args}
    for key, value in wanted.items() if settings else ():
        if stored.get(key, value) != value:
            raise ConfigError(
                f"The recipe says {key} = {value!r}, but {checkpoint} holds a model with "
                f"{key} = {stored[key]!r}. Give the checkpoint of the run you mean (--ckpt_path, "
                "--trainer.default_root_dir)."
            )
    return task


def _precision(task: Task | None) -> str | None:
    """Return the precision that a task was trained in, if it says so."""
    return task.trained.precision if task is not None and task.trained is not None else None


def _steps_done(checkpoint: Path) -> int:
    """Return the number of optimizer steps done in a checkpoint."""
    try:
        return int(read_header(checkpoint)["global_step"])
    except (CheckpointError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint} is no checkpoint to go on from: it is damaged, or nothing that Lightning wrote ({error})."
        ) from error


def _say_how_to_go_on(trainer: pl.Trainer, folder: RunFolder) -> None:
    if not trainer.is_global_zero:
        return
    if folder.last.is_file():
        sys.stderr.write(
            f"\nInterrupted. Saved after {_steps_done(folder.last)} steps: {folder.last}\n"
            f"Go on with: hqzoo fit -c {folder.config} --ckpt_path last\n"
        )
    else:
        sys.stderr.write("\nInterrupted before there was anything to save.\n")


def _notify(sentence: str) -> None:
    os.write(2, f"\n{sentence}\n".encode())  # a signal handler must not enter a buffered stream twice


@pl.utilities.rank_zero_only
def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def _quieten() -> None:
    """Keep advertisements and warnings that are no news here out of the log."""

    def is_news(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(("💡", "TPU available", "Loading `train_dataloader`"))

    logging.getLogger(f"{pl.__name__}.utilities.rank_zero").addFilter(is_news)
    for message in (
        ".*does not have many workers.*",
        ".*Total length of `list` across ranks is zero.*",  # no validation: a choice
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
        ".*callbacks used to create the checkpoint need to be provided.*",  # they save, and nothing is saved in a test
        ".*ended before the epoch ended and your dataloader is not resumable.*",  # our samplers are
        ".*find_unused_parameters=True was specified.*",  # costs little, and some control may need it
    ):
        warnings.filterwarnings("ignore", message)
