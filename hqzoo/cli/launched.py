"""A trainer that uses the processes that a launcher started."""

from __future__ import annotations

import os
from typing import Any

from hqzoo._lightning import pl
from hqzoo.cli.trainer_settings import built_trainer
from hqzoo.errors import ConfigError

__all__ = ["build_trainer"]


def build_trainer(arguments: dict[str, Any]) -> pl.Trainer:
    """Return a trainer; where torchrun or srun started several processes, it must use all of them.

    With ``devices: auto`` it uses those that torchrun started on this machine.

    Args:
        arguments: Those of Lightning's Trainer.

    Raises:
        ConfigError: If devices and nodes do not make up the processes that were started. Lightning lets each of them
            train for itself then, all into the same folder.
    """
    launcher, started, here = _started()
    if launcher == "torchrun" and arguments.get("devices", "auto") == "auto":
        nodes = arguments.get("num_nodes", 1)
        arguments = {**arguments, "devices": here, "num_nodes": started // here if nodes == 1 else nodes}
    trainer = built_trainer(arguments)
    if started > 1 and trainer.num_devices * trainer.num_nodes != started:
        raise ConfigError(
            f"{launcher} started {started} processes, but trainer.devices={trainer.num_devices} and "
            f"trainer.num_nodes={trainer.num_nodes} ask for {trainer.num_devices * trainer.num_nodes}. "
            f"Set --trainer.devices {here}" + (f" --trainer.num_nodes {started // here}." if started > here else ".")
        )
    if isinstance(trainer.strategy, pl.strategies.DDPStrategy):
        # What stands before a control that ignores its input has no part in the loss: unless it is told of, DDP stops.
        # `ddp_find_unused_parameters_false` keeps its word.
        trainer.strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
    return trainer


def _started() -> tuple[str, int, int]:
    """Return which launcher runs this process, and how many processes it started: in all, and on this machine."""
    for launcher, everywhere, here in (
        ("torchrun", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
        ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"),
    ):
        if everywhere in os.environ and here in os.environ:
            return launcher, int(os.environ[everywhere]), int(os.environ[here].partition("(")[0].partition(",")[0])
    return "", 1, 1
