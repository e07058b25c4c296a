"""What stands on the vector of an image: linear, with a circuit, or its nearest neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.slots import Slot
from hqzoo.quantum import Circuit

__all__ = ["CircuitHead", "HybridHead", "LinearHead", "NeighbourHead", "Standardise"]


class Standardise(nn.Module):
    """``(vector - mean) / deviation`` per channel, of the training images; :meth:`fit` finds both.

    Args:
        width: Channels D.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> None:
        """Take mean and deviation from vectors ``(N, D)``; a channel that does not vary is only centred."""
        self.mean.copy_(vectors.mean(0))
        deviation = vectors.std(0, unbiased=False)
        self.deviation.copy_(torch.where(deviation > 1e-6 * deviation.max(), deviation, 1.0))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return standardised vectors ``(B, D)``."""
        return (vectors - self.mean) / self.deviation


class LinearHead(nn.Module):
    """Logits ``(B, K)`` as a linear function of standardised vectors ``(B, D)``.

    Args:
        width: Channels D.
        classes: Classes K.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.standardise, self.linear = Standardise(width), nn.Linear(width, classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return logits."""
        out: Tensor = self.linear(self.standardise(vectors))
        return out


class CircuitHead(nn.Module):
    r"""Logits :math:`W_2\,\langle O \rangle(s \tanh(W_1 z + b_1)) + b_2` of vectors z through a circuit.

    CHOICE throughout, as no paper of this zoo has one: its controls have the circuit's narrow inputs, too.

    Args:
        width: Channels D of the vectors, ``(..., D)``.
        classes: Classes K.
        circuit: The circuit; its data are the angles.
        scale: Largest angle s, in radians. CHOICE 1: on EuroSAT's validation images a probe of seed 0 reached .89 with
            1, .85 with :math:`\pi / 2`, .73 with :math:`\pi`, where a little more of a feature turns a state around.
        engine: Engine that runs it.
    """

    def __init__(self, width: int, classes: int, circuit: Circuit, scale: float = 1.0, engine: str = "auto") -> None:
        super().__init__()
        self.scale = scale
        self.reduce = nn.Linear(width, circuit.n_data)
        self.core = Slot(circuit, engine)
        self.expand = nn.Linear(circuit.n_observables, classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return logits ``(..., K)`` of vectors ``(..., D)``."""
        angles = self.scale * torch.tanh(self.reduce(vectors))
        out: Tensor = self.expand(self.core(angles).to(angles.dtype))
        return out


class HybridHead(CircuitHead):
    """A circuit between two linear layers, see :class:`CircuitHead`, on standardised vectors ``(B, D)``.

    Args:
        width: As of :class:`CircuitHead`, also for the following.
        classes: See there.
        circuit: See there.
        scale: See there.
        engine: See there.
    """

    def __init__(self, width: int, classes: int, circuit: Circuit, scale: float = 1.0, engine: str = "auto") -> None:
        super().__init__(width, classes, circuit, scale, engine)
        self.standardise = Standardise(width)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return logits ``(B, K)``."""
        return super().forward(self.standardise(vectors))


class NeighbourHead(nn.Module):
    r"""Logarithms of votes of the k nearest training images, by cosine, each weighing :math:`e^{\cos / \tau}`.

    It is not trained: :meth:`fit` keeps the training images' vectors, which a checkpoint holds.

    Args:
        width: Channels D.
        classes: Classes K.
        neighbours: Neighbours k. CHOICE 20, as DINO's evaluation; :meth:`hqzoo.tasks.ProbeTask` chooses among several.
        temperature: :math:`\tau`. CHOICE 0.07, likewise.
    """

    vectors: Tensor
    targets: Tensor
    chosen: Tensor

    def __init__(self, width: int, classes: int, neighbours: int = 20, temperature: float = 0.07) -> None:
        super().__init__()
        if neighbours < 1 or temperature <= 0:
            raise ConfigError(f"neighbours={neighbours} and temperature={temperature} are positive.")
        self.neighbours, self.temperature = neighbours, temperature
        self.register_buffer("vectors", torch.zeros(0, width))
        self.register_buffer("targets", torch.zeros(0, classes))
        self.register_buffer("chosen", torch.tensor(neighbours))

    @torch.no_grad()
    def fit(self, vectors: Tensor, targets: Tensor) -> None:
        """Keep vectors ``(N, D)`` and what they vote for, ``(N, K)`` from 0 to 1."""
        self.vectors, self.targets = F.normalize(vectors, dim=1), targets.to(vectors.dtype)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the logit of the share of votes of each class ``(B, K)``; zeros before there are neighbours."""
        if not len(self.vectors):
            return vectors.new_zeros(len(vectors), self.targets.shape[1])
        cosines = F.normalize(vectors, dim=1) @ self.vectors.T
        nearest = cosines.topk(min(int(self.chosen), len(self.vectors)), dim=1)
        weights = (nearest.values / self.temperature).softmax(1)
        share = (weights[..., None] * self.targets[nearest.indices]).sum(1).clamp(1e-6, 1 - 1e-6)
        return share.log() - torch.log1p(-share)

    def make_room(self, images: int) -> None:
        """Have buffers for so many training images, for a state that is loaded next."""
        self.vectors = self.vectors.new_zeros(images, self.vectors.shape[1])
        self.targets = self.targets.new_zeros(images, self.targets.shape[1])
