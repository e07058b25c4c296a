"""How well an image's context agrees with its targets, as the fidelity of two quantum states (HQ-JEPA, section 3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.controls import Zero
from hqzoo.nn.processes import several_processes
from hqzoo.nn.slots import Slot
from hqzoo.quantum import Circuit, QuantumLayer, circuits

__all__ = ["FidelityAgreement", "Projection"]

Projection = Literal["frozen_orthogonal", "ema", "shared", "contrastive"]
PROJECTIONS = ("frozen_orthogonal", "ema", "shared", "contrastive")
LEARNED = "a learned similarity of two registers may learn to say yes to all"


class FidelityAgreement(nn.Module):
    r"""The fidelity :math:`F = |\langle \psi_s | \psi_t \rangle|^2` of states that encode context and targets.

    Summaries become angles, :math:`\alpha = s \tanh(W c + b)`; those of the context are encoded and passed through
    predictor layers whose angles follow from where the target is, those of the target are encoded alone. Trained to
    F = 1, such a loss has a trivial solution: projections W that give the same angles for everything. How W is chosen
    decides whether it is found:

    * ``frozen_orthogonal`` (CHOICE): one random matrix with orthonormal rows for both, not trained. The encoder alone
      can make both agree.
    * ``shared``: one trained matrix for both; collapses at once.
    * ``ema``: a trained one, and its slow average for the targets; collapses later.
    * ``contrastive``: one trained matrix for both, against the fidelity of targets of other images.

    Args:
        width: Channels D of the summaries.
        query: Channels Q of the codes of target positions.
        qubits: Qubits of a register. CHOICE 5 (the paper draws 11 qubits, one of them the ancilla).
        layers: Encoding layers. CHOICE 2.
        predictor_layers: Layers on the context's register alone. CHOICE 1.
        scale: Factor s. CHOICE 1: at pi almost all states are far from each other, and gradients vanish.
        projection: See above.
        mode: ``"overlap"``: the fidelity itself; ``"swap_test"``: the published 11-qubit circuit, whose output it is.
        momentum: Share of the old matrix that the slow average keeps in a step.
        engine: Engine of the circuit.

    Raises:
        ConfigError: If an option is unknown or the scale lies outside [0.5, 1].
        CircuitError: If a size of the circuit makes no sense.

    Attributes:
        core: The circuit, or its control: ``product`` (rings off), ``cosine``, ``mse`` (of the same angles),
            ``shuffled`` (targets of other images), ``none`` (0 for all); or the ladder's ``separable`` and ``frozen``.
    """

    def __init__(
        self,
        width: int,
        query: int,
        qubits: int = 5,
        layers: int = 2,
        predictor_layers: int = 1,
        scale: float = 1.0,
        projection: Projection = "frozen_orthogonal",
        mode: Literal["overlap", "swap_test"] = "overlap",
        momentum: float = 0.996,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        if projection not in PROJECTIONS:
            raise ConfigError(f"projection='{projection}' is none of {', '.join(PROJECTIONS)}.")
        if mode not in ("overlap", "swap_test"):
            raise ConfigError(f"mode='{mode}' is neither 'overlap' nor 'swap_test'.")
        if not 0.5 <= scale <= 1:
            raise ConfigError(f"scale={scale}: angles outside of 0.5 to 1 leave states alike, or far from each other.")
        build = circuits.fidelity if mode == "overlap" else circuits.swap_test
        circuit = build(qubits, layers, predictor_layers)
        self.angles = 2 * layers * qubits
        self.scale, self.projection, self.momentum = scale, projection, momentum
        self.project = nn.Linear(width, self.angles)
        self.query = nn.Sequential(
            nn.Linear(query, query), nn.GELU(), nn.Linear(query, circuit.n_data - 2 * self.angles)
        )
        if projection == "frozen_orthogonal":
            nn.init.orthogonal_(self.project.weight)
            nn.init.zeros_(self.project.bias)
            self.project.requires_grad_(False)
        self.slow = _copy(self.project) if projection == "ema" else None
        self.core = Slot(circuit, engine, own=_controls(circuit, self.angles, engine), refused=_refused())

    def forward(self, context: Tensor, targets: Tensor, queries: Tensor) -> Tensor:
        """Return the fidelity of every target block.

        Args:
            context: Mean of the context's tokens, ``(B, D)``.
            targets: Mean of each block's teacher tokens, ``(B, M, D)``; no gradient flows into them.
            queries: Codes of the blocks' positions, ``(B, M, Q)``.

        Returns:
            ``(B, M)`` float32, from 0 to 1.
        """
        fidelity: Tensor = self.core(self.encode(context, targets, queries))[..., 0]
        return fidelity

    def encode(self, context: Tensor, targets: Tensor, queries: Tensor) -> Tensor:
        """Return the circuit's data ``(B, M, n_data)``: angles of context, targets and predictor layers, in radians."""
        with torch.autocast(context.device.type, enabled=False):
            context, targets, queries = (each.to(self.project.weight.dtype) for each in (context, targets, queries))
            slow = self.project if self.slow is None else self.slow
            own = self.project(context)[:, None].expand(-1, targets.shape[1], -1)
            return self.scale * torch.tanh(torch.cat([own, slow(targets.detach()), self.query(queries)], -1))

    def loss(self, context: Tensor, targets: Tensor, queries: Tensor) -> Tensor:
        """Return the mean of ``1 - F`` (eq. 17); with ``contrastive`` the mean F with other images is added."""
        data = self.encode(context, targets, queries)
        loss: Tensor = 1 - self.core(data)[..., 0].mean()
        if self.projection == "contrastive":
            loss = loss + self.core(shuffled(data, self.angles))[..., 0].mean()
        return loss

    @torch.no_grad()
    def update(self) -> None:
        """Move the slow average of ``ema`` one step."""
        if self.slow is not None:
            for slow, fast in zip(self.slow.parameters(), self.project.parameters(), strict=True):
                slow.lerp_(fast, 1 - self.momentum)


class _OfOthers(nn.Module):
    """The fidelity of a context with the targets of the next image."""

    def __init__(self, layer: nn.Module, angles: int) -> None:
        super().__init__()
        self.layer, self.angles = layer, angles

    def forward(self, data: Tensor) -> Tensor:
        out: Tensor = self.layer(shuffled(data, self.angles))
        return out


class _Cosine(nn.Module):
    """The cosine of both registers' angles as a number from 0 to 1; the predictor's are added to the context's last."""

    def __init__(self, angles: int) -> None:
        super().__init__()
        self.angles = angles

    def forward(self, data: Tensor) -> Tensor:
        own, targets = _both(data, self.angles)
        return (1 + F.cosine_similarity(own, targets, dim=-1)[..., None]) / 2


class _Mse(_Cosine):
    """One minus the mean squared difference of both registers' angles."""

    def forward(self, data: Tensor) -> Tensor:
        own, targets = _both(data, self.angles)
        return 1 - ((own - targets) ** 2).mean(-1, keepdim=True)


def shuffled(data: Tensor, angles: int) -> Tensor:
    """Return the data ``(B, M, n)`` with the targets' angles of the next image, of all processes, in a circle."""
    targets = data[..., angles : 2 * angles].detach()
    following = targets[:1]
    if several_processes():
        first = [torch.empty_like(following) for _ in range(dist.get_world_size())]
        dist.all_gather(first, following.contiguous())
        following = first[(dist.get_rank() + 1) % len(first)]
    return torch.cat([data[..., :angles], torch.cat([targets[1:], following]), data[..., 2 * angles :]], -1)


def _both(data: Tensor, angles: int) -> tuple[Tensor, Tensor]:
    own, targets, predictor = torch.split(data, [angles, angles, data.shape[-1] - 2 * angles], -1)
    return own + F.pad(predictor[..., :angles], (max(0, angles - predictor.shape[-1]), 0)), targets


def _controls(circuit: Circuit, angles: int, engine: str) -> dict[str, Callable[[], nn.Module]]:
    return {
        "product": lambda: QuantumLayer(_without_rings(circuit), engine),
        "cosine": lambda: _Cosine(angles),
        "mse": lambda: _Mse(angles),
        "shuffled": lambda: _OfOthers(QuantumLayer(circuit, engine), angles),
        "none": lambda: Zero(circuit.n_observables),
    }


def _without_rings(circuit: Circuit) -> Circuit:
    gates = [gate for gate in circuit.gates if gate.name != "IsingZZ"]
    return Circuit(circuit.n_wires, gates, circuit.observables)


def _refused() -> dict[str, str]:
    return dict.fromkeys(("constant", "linear", "mlp", "mlp_time", "identity"), LEARNED)


def _copy(layer: nn.Linear) -> nn.Linear:
    copy = nn.Linear(layer.in_features, layer.out_features)
    copy.load_state_dict(layer.state_dict())
    return copy.requires_grad_(False)
