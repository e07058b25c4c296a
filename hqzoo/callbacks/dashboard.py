"""One callback that shows how a training goes: scores, panels, speed, gradients, and the health of its circuits."""
# ruff: noqa: ANN401, D102 - the hooks are Lightning's, and documented there

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hqzoo._lightning import pl
from hqzoo.callbacks.board import Board
from hqzoo.callbacks.circuit_watch import CircuitWatch, circuit_layers, circuit_plans
from hqzoo.callbacks.kept_files import best_files, write_masks
from hqzoo.callbacks.pace import Pace
from hqzoo.callbacks.panel import PredictionPanel
from hqzoo.errors import ConfigError
from hqzoo.models import as_model
from hqzoo.models.protocol import Watch
from hqzoo.tasks.base import Found, Task

__all__ = ["Dashboard"]

RECIPE_FILES = ("config.yaml", "provenance.json")
BINS = 40  # of histograms of expectation values
SHOWINGS = 50  # of a training, where nothing is said; a showing takes about a second


class Dashboard(pl.Callback):
    """Shows a training in files of the run folder, and in every logger that takes such things.

    ``dashboard/`` in the run folder receives tables (CSV, a row per epoch) and pictures (PNG, of the last epoch);
    Weights & Biases gets both, interactive class maps, histograms and artifacts; TensorBoard pictures, tables and
    histograms. It shows, where the task has it:

    * panels of validation samples and their masks as files, as a :class:`PredictionPanel` draws them: that of the
      trainer if it has one;
    * scores by class as table and curves, confusion matrix, reliability diagram;
    * speed, peak of memory, norm of gradients (all, and of quantum weights);
    * of each circuit its plan, and every epoch weight angles, variance of gradients, share of encoded angles that wrap
      around, expectation values, from a few steps of the first process;
    * what the model's own watch sees in validation, such as the shares of experts;
    * at the end the best checkpoint with its description.

    Modules that are no tasks of hqzoo get speed, gradients and circuits.

    Args:
        every_n_epochs: Epochs from one showing to the next; None: so many that there are at most 50, each of an epoch
            with a validation.
        samples: Samples of a panel.
        looks: Training steps of an epoch in which circuits are looked at; nothing waits for the accelerator in them.

    Raises:
        ConfigError: If a number makes no sense.
    """

    def __init__(self, every_n_epochs: int | None = None, samples: int = 4, looks: int = 4) -> None:
        if looks < 0:
            raise ConfigError(f"looks={looks}: the number of steps is not negative.")
        self.looks = looks
        self.every_n_epochs = every_n_epochs
        self.panel = PredictionPanel(1 if every_n_epochs is None else every_n_epochs, samples)
        self._draws_panels = True  # itself
        self._pace = Pace()
        self._circuits = CircuitWatch({})
        self._inside: Watch | None = None
        self._looked = 0

    # Setting up ---------------------------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._every = _interval(trainer) if self.every_n_epochs is None else self.every_n_epochs
        self.folder = Path(trainer.default_root_dir) / "dashboard"
        self._board = Board(trainer, self.folder)
        own = [each for each in trainer.callbacks if isinstance(each, PredictionPanel)]  # type: ignore[attr-defined]
        if own:
            self.panel, self._draws_panels = own[0], False
        else:
            self.panel.every_n_epochs = self._every
            self.panel.setup(trainer, pl_module, stage)
            self.panel.board = self._board

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if not sum(trainer.num_val_batches):
            warnings.warn(
                "Nothing is validated, so that the dashboard has neither panels nor scores. Set validation images "
                "apart, such as by `data.init_args.val_fold: next`.",
                stacklevel=2,
            )
        self._circuits = CircuitWatch(circuit_layers(pl_module))
        if plans := circuit_plans(self._circuits.layers):
            self._board.table("circuits/plan", plans, history=False)
        root = Path(trainer.default_root_dir)
        if recipe := {name: root / name for name in RECIPE_FILES if (root / name).is_file()}:
            self._board.artifact("recipe", recipe, {})

    def _is_due(self, trainer: pl.Trainer) -> bool:
        return not trainer.sanity_checking and (trainer.current_epoch + 1) % self._every == 0

    # Training -----------------------------------------------------------------------------------------------

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._looked = 0
        self._pace.begin()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._circuits.layers and self._is_due(trainer) and self._is_looked_at(trainer, batch_idx):
            self._looked += 1
            self._circuits.look()

    def _is_looked_at(self, trainer: pl.Trainer, batch_idx: int) -> bool:
        """Say whether a batch ends an optimizer step that is one of those spread over the epoch."""
        step, left = divmod(batch_idx + 1, trainer.accumulate_grad_batches)
        steps = trainer.num_training_batches / trainer.accumulate_grad_batches
        every = 1 if steps == float("inf") or not self.looks else max(1, int(steps // self.looks))
        return not left and (step - 1) % every == 0 and self._looked < self.looks

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if self._circuits.looking:
            self._circuits.keep_gradients()
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by a connector of the trainer
        if every > 0 and (trainer.global_step + 1) % every == 0:
            pl_module.log_dict(_gradient_norms(pl_module))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._circuits.rest()
        self._pace.count(pl_module.size_of(batch) if isinstance(pl_module, Task) else 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        found = self._pace.report(pl_module.device, trainer.world_size)
        if self._looked:
            found |= self._show_circuits()
        pl_module.log_dict(found, rank_zero_only=True)

    def _show_circuits(self) -> dict[str, float]:
        """Show the state of the circuits, and return what of it is a number."""
        from hqzoo.callbacks.dashboard_pictures import draw_circuits

        state = self._circuits.report()
        self._board.table("circuits/health", [{"circuit": name, **each.scores} for name, each in state.items()])
        self._board.table(
            "circuits/weight_angles",
            [{"circuit": name, "weight": k, "angle": angle} for name, each in state.items()
             for k, angle in enumerate(each.weights.tolist())],
        )  # fmt: skip
        self._board.table(
            "circuits/expectation_values",
            [{"circuit": name, **row} for name, each in state.items() for row in _histogram(each.outputs)],
        )
        for name, each in state.items():
            for kind, values in (("weight_angles", each.weights), ("expectation_values", each.outputs)):
                if len(known := values[np.isfinite(values)]):
                    self._board.histogram(f"circuits/{name}/{kind}", known)
        self._board.picture("circuits/state", draw_circuits(state, self.folder / "circuits" / "state.png"))
        return {
            f"circuits/{name}/{score}": value for name, each in state.items() for score, value in each.scores.items()
        }

    # Validation ---------------------------------------------------------------------------------------------

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(pl_module, Task) and self._is_due(trainer):
            self._inside = as_model(pl_module.model).watch()

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._draws_panels:
            self.panel.on_validation_epoch_start(trainer, pl_module)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        if self._draws_panels:
            self.panel.on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._draws_panels:
            self.panel.on_validation_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        watched = self._inside.report() if self._inside is not None else {}  # on every process
        self._inside = None
        if isinstance(pl_module, Task) and self._is_due(trainer) and trainer.is_global_zero:
            self._show_watched(dict(_numbers(watched)))
            if pl_module.found is not None:
                self._show_scores(trainer, pl_module, pl_module.found)
            if self.panel.overlays is not None:
                write_masks(self.panel.overlays, self.folder / "masks")
        self._pace.go_on()

    def _show_watched(self, numbers: Mapping[str, float]) -> None:
        if numbers:
            self._board.numbers({f"watched/{name}": value for name, value in numbers.items()})
            self._board.table("watched", [{"what": name, "value": value} for name, value in numbers.items()])

    def _show_scores(self, trainer: pl.Trainer, task: Task, found: Found) -> None:
        from hqzoo.callbacks.dashboard_pictures import draw_confusion, draw_curves, draw_reliability

        board, folder = self._board, self.folder / "val"
        if found.classes:
            metric = next(name for name in found.classes[0] if name in {each.name for each in task.metrics})
            curves = {f"val/{metric}/{row['name']}": row[metric] for row in found.classes if row[metric] is not None}
            board.numbers({name: value for name, value in curves.items() if name not in trainer.callback_metrics})
            rows = board.table("val/classes", found.classes)
            board.picture("val/class_curves", draw_curves(rows, metric, folder / "class_curves.png"))
        if matrix := found.details.get("confusion"):
            names = [row["name"] for row in found.classes]
            rows = [
                {"truth": name, **dict(zip(names, row, strict=True))} for name, row in zip(names, matrix, strict=True)
            ]
            board.table("val/confusion", rows)
            board.picture("val/confusion_matrix", draw_confusion(matrix, names, folder / "confusion.png"))
        if bins := found.details.get("reliability"):
            board.table("val/calibration", bins)
            board.picture("val/reliability", draw_reliability(bins, folder / "reliability.png"))

    # The end ------------------------------------------------------------------------------------------------

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if self.panel.overlays is not None:
            self._board.artifact("masks", write_masks(self.panel.overlays, self.folder / "masks"), {})
        files, metadata = best_files(trainer, pl_module, self.folder)
        if files:
            self._board.artifact("model", files, metadata)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._circuits.rest()


def _interval(trainer: pl.Trainer) -> int:
    """Return after how many epochs to show, so that it is not too often."""
    validation = trainer.check_val_every_n_epoch or 1
    return validation * max(1, math.ceil((trainer.max_epochs or 0) / (SHOWINGS * validation)))


def _gradient_norms(module: pl.LightningModule) -> dict[str, Tensor]:
    """Return the norm of all gradients, and of those of quantum weights if there are any."""
    circuits = {id(layer.weights) for layer in circuit_layers(module).values()}
    found = {id(weight): weight.grad for weight in module.parameters() if weight.grad is not None}
    quantum = [gradient for name, gradient in found.items() if name in circuits]
    parts = {"train/gradient_norm": list(found.values()), "train/gradient_norm_quantum": quantum}
    return {name: torch.nn.utils.get_total_norm(gradients) for name, gradients in parts.items() if gradients}


def _histogram(values: Any) -> list[dict[str, float]]:
    counts, edges = np.histogram(np.clip(values, -1, 1), BINS, (-1.0, 1.0))  # rounding leaves some a little outside
    columns = zip(edges[:-1].round(6).tolist(), edges[1:].round(6).tolist(), counts.tolist(), strict=True)
    return [{"low": low, "high": high, "count": count} for low, high, count in columns]


def _numbers(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a tree with their places."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{above}{name}/")
        elif isinstance(value, (int, float)):
            yield f"{above}{name}", value
