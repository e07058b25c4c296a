"""QuFeX: patches of mixed feature maps through one small circuit (arXiv 2501.13165; data flow as in authors' code)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.qufex_sizes import divisors, fits_circuit, fitting_patches, listed, patches_in_words, sizes_in_words
from hqzoo.quantum import QuantumLayer, circuits
from hqzoo.quantum.engines.statevector.engine import MAX_WIRES

__all__ = ["QuFeX"]

KINDS: tuple[Literal[1, 2], ...] = (1, 2)  # the authors' filters


class QuFeX(nn.Module):
    """Quantum filters with a residual: ``(B, C, H, W) -> (B, n_filters C, H, W)``.

    Channels fall into groups of ``maps`` neighbours, whose maps a circuit mixes; each group is cut into patches. The
    values of a patch (row, column, channel; channel fastest) go to as many qubits, and the expectation values come back
    to where they were taken. All patches of all groups share the weights of a filter ``Q_f``. The output is
    ``residual_weight x + Q_f(x)`` of each filter, one behind the other.

    Circuit weights start as PennyLane's KerasLayer draws them, in the authors' runs: U(-1.22, 1.22).

    Args:
        channels: Channels of the map.
        patch: Height and width of a patch.
        maps: Neighbouring channels that a circuit mixes.
        n_filters: 1, or 2 for the authors' second circuit beside the first.
        n_layers: Repetitions of the circuit's layers, see :func:`hqzoo.quantum.circuits.qufex`.
        residual_weight: Factor on the input in the sum (published: 1).
        squash: ``tanh`` of what is encoded keeps angles within half a turn; published ``none``, where values beyond 1
            wrap around (see :meth:`wrapped_share`).
        engine: Engine of circuits.
        layer: What makes a layer of each circuit; :class:`hqzoo.nn.Slot` leaves its place free for controls.

    Raises:
        ConfigError: If an option is unknown, channels do not fall into groups, or a patch does not make an even number
            of at least 4 values.
        CircuitError: If there is no layer, or the engine cannot run the circuit. Where that is for its size: a
            SizeError that says which arguments make how many qubits, and which ones fit.
    """

    def __init__(
        self,
        channels: int,
        patch: tuple[int, int] = (2, 2),
        maps: int = 1,
        n_filters: int = 1,
        n_layers: int = 1,
        residual_weight: float = 1.0,
        squash: Literal["none", "tanh"] = "none",
        engine: str = "auto",
        layer: Callable[..., nn.Module] = QuantumLayer,
    ) -> None:
        super().__init__()
        if squash not in ("none", "tanh"):
            raise ConfigError(f"squash='{squash}' is not one of none, tanh.")
        if n_filters not in KINDS:
            raise ConfigError(f"n_filters={n_filters}: QuFeX has one or two filters.")
        self.n_qubits = _patch_values(channels, patch, maps)
        self.channels, self.maps = channels, maps
        self.patch_height, self.patch_width = patch
        self.residual_weight, self.squash = residual_weight, squash
        self._most_qubits = MAX_WIRES if n_layers > 1 else None
        filters = [circuits.qufex(self.n_qubits, kind, n_layers) for kind in KINDS[:n_filters]]
        with sizes_in_words(channels, patch, maps, n_filters, n_layers, engine):
            self.cores = nn.ModuleList(layer(each, engine, "keras") for each in filters)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, n_filters C, H, W)``.

        Raises:
            ConfigError: If the map has other channels, or is not made of whole patches.
        """
        self._check(features.shape[-3], features.shape[-2], features.shape[-1])
        patches = self._cut(self._encoded(features))
        filtered = [self._join(core(patches)).to(features.dtype) for core in self.cores]
        return torch.cat([self.residual_weight * features + each for each in filtered], dim=1)

    def evaluations(self, height: int, width: int) -> int:
        """Return how often circuits run for a map of this size: ``H W C / n`` per filter, 0 if a control stands there.

        Raises:
            ConfigError: If the map is not made of whole patches.
        """
        self._check(self.channels, height, width)
        runs = height * width * self.channels // self.n_qubits
        return runs * sum(isinstance(core, QuantumLayer) for core in self.cores)

    def wrapped_share(self, features: Tensor) -> Tensor:
        """Return the share of values whose angle lies beyond half a turn, in [0, 1].

        Their encoding ``RY(π x)`` cannot be told from that of ``x - 2`` or ``x + 2``, whichever is nearer to 0.
        """
        return (self._encoded(features).abs() > 1).float().mean()

    def extra_repr(self) -> str:
        """Say what is cut, and what becomes of it."""
        patch = f"{self.patch_height}x{self.patch_width}"
        return f"channels={self.channels}, patch={patch}, maps={self.maps}, qubits={self.n_qubits}"

    def _encoded(self, features: Tensor) -> Tensor:
        return torch.tanh(features) if self.squash == "tanh" else features

    def _cut(self, features: Tensor) -> Tensor:
        """Return patches ``(B, groups, H / p_h, W / p_w, n)``."""
        batch, channels, height, width = features.shape
        (rows, columns), maps = (self.patch_height, self.patch_width), self.maps
        parts = features.reshape(batch, channels // maps, maps, height // rows, rows, width // columns, columns)
        return parts.permute(0, 1, 3, 5, 4, 6, 2).flatten(4)

    def _join(self, patches: Tensor) -> Tensor:
        """Invert :meth:`_cut`."""
        parts = patches.reshape(*patches.shape[:4], self.patch_height, self.patch_width, self.maps)
        return parts.permute(0, 1, 6, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4).flatten(1, 2)

    def patches_for(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return patches that divide a map of this size, and that QuFeX has a circuit for: at most six, near its own.

        Where circuits have several layers, patches of more qubits than a state vector holds are not among them.
        """
        return fitting_patches((height, width), self.maps, self.patch_height * self.patch_width, self._most_qubits)

    def _check(self, channels: int, height: int, width: int) -> None:
        rows, columns = self.patch_height, self.patch_width
        if channels != self.channels:
            raise ConfigError(f"This QuFeX takes maps of {self.channels} channels, got {channels}.")
        if height % rows or width % columns:
            next_height, next_width = -(-height // rows) * rows, -(-width // columns) * columns
            raise ConfigError(
                f"patch=({rows}, {columns}) does not divide a map of {height}x{width}. Heights that work are multiples "
                f"of {rows}, widths multiples of {columns}: {next_height}x{next_width} is the next larger."
                f"{patches_in_words(self.patches_for(height, width))}"
            )


def _patch_values(channels: int, patch: tuple[int, int], maps: int) -> int:
    """Return ``n``, the values of a patch, which is the number of qubits.

    Raises:
        ConfigError: If ``maps`` does not divide the channels, or QuFeX has no circuit for so many qubits.
    """
    if not isinstance(patch, Sequence) or len(patch) != 2 or min(patch) < 1:
        raise ConfigError(f"patch={patch}: give its height and width, each at least 1, such as (2, 2).")
    if maps not in divisors(channels):
        raise ConfigError(
            f"maps={maps} does not divide {channels} channels. Choose one of {listed(divisors(channels))}."
        )
    area = patch[0] * patch[1]
    n = area * maps
    if not fits_circuit(n):
        fitting = [k for k in divisors(channels) if fits_circuit(area * k)]
        mend = f"maps={listed(fitting)}, or another patch" if fitting else "another patch"
        raise ConfigError(
            f"patch=({patch[0]}, {patch[1]}) and maps={maps} make {n} qubits; QuFeX takes an even number of at least "
            f"4. Choose {mend}: (2, 2), (3, 2) and (3, 4) are published."
        )
    return n
