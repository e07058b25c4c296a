"""Training that starts from published weights."""
# ruff: noqa: D102 - the hooks are documented by Lightning

from __future__ import annotations

from typing import Any

from hqzoo._lightning import pl
from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.tasks.base import Task
from hqzoo.weights.published import find_published
from hqzoo.weights.starting import start_from

__all__ = ["StartFromWeights"]


class StartFromWeights(pl.Callback):
    """Copy published weights into the model before the first step of a fit.

    Other bands and other numbers of classes go by the rule of :func:`hqzoo.create_model`; statistics are those of the
    data that are trained on. A run that goes on from a checkpoint keeps the checkpoint's weights. Checkpoints remember
    where they started, and so do weights that are packed of them.

    Args:
        weights: Name of published weights, a folder that holds some, or ``hf:OWNER/REPOSITORY@COMMIT``.

    Raises:
        CheckpointError: If there are no such weights, or they do not fit the task's model.
    """

    def __init__(self, weights: str) -> None:
        self.found = find_published(weights)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(pl_module, Task):
            raise ConfigError(f"Published weights are those of hqzoo's tasks; {type(pl_module).__name__} is none.")
        if trainer.ckpt_path is None:
            inputs = Inputs(pl_module.sensors or {}, pl_module.statistics or {})
            start_from(pl_module.model, self.found, inputs, pl_module.num_outputs())

    def state_dict(self) -> dict[str, Any]:
        spec = self.found.spec
        source = f"{spec.distribution} {spec.version}"
        return {"started_from": {"source": source, "sha256": spec.sha256, "licence": spec.licence}}
