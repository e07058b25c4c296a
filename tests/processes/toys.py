"""A network without batch normalisation, whose circuit runs in float64: small enough to compare to the last digits."""

import os
import signal
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo._lightning import pl
from hqzoo.quantum import QuantumLayer, circuits
from hqzoo.tasks import SegmentationTask


class ToyNet(nn.Module):
    """Logits ``(B, K, H, W)`` of a convolution, and of a circuit on its means over 8 x 8 pixels."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        circuit = circuits.qufex()
        self.before = nn.Conv2d(in_channels, circuit.n_data, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.layer = QuantumLayer(circuit, dtype=torch.float64)
        self.unused = nn.Linear(3, 3)  # as what stands before a control that ignores its input
        self.after = nn.Conv2d(circuit.n_data + circuit.n_observables, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.dropout(torch.tanh(self.before(images)))
        coarse = F.avg_pool2d(features, 8).movedim(1, -1)
        measured = self.layer(coarse.double()).to(features.dtype).movedim(-1, 1)
        return self.after(torch.cat([features, F.interpolate(measured, scale_factor=8.0)], 1))


class ToyTask(SegmentationTask):
    """Trains it in the place of the architecture that its recipe names: the registry is no place for toys."""

    dropout = 0.0

    def build_model(self) -> nn.Module:
        return ToyNet(len(self._inputs().single), self.num_outputs(), self.dropout)


class DropoutTask(ToyTask):
    dropout = 0.3


class Seen(pl.Callback):
    """Writes down what every process saw: a line of step, number of samples and sum of their values per batch."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, index: int) -> None:
        sums = " ".join(f"{each.double().sum().item():.6f}" for each in batch["image"])
        with (self.folder / f"seen{trainer.global_rank}.txt").open("a") as file:
            file.write(f"{trainer.current_epoch} {index} {sums}\n")


class Interrupt(pl.Callback):
    """Presses Ctrl-C on one process, before a step."""

    def __init__(self, step: int, rank: int = 1, times: int = 1) -> None:
        self.step, self.rank, self.times = step, rank, times

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and trainer.global_rank == self.rank:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
