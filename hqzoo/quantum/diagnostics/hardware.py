"""What a circuit costs on quantum hardware: gates and depth as Qiskit transpiles it, measurement bases, executions."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.diagnostics.topology import coupling_map
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.export import to_qiskit
from hqzoo.quantum.observables import Overlap, Pauli

__all__ = ["HardwareCost", "hardware_cost", "measurement_bases"]

BASIS = ("cx", "rz", "sx", "x")
LAND_COVER_SCENE = (9500, 9000)  # an orthophoto of LandCover.ai, pixels


@dataclass(frozen=True)
class HardwareCost:
    """What a circuit costs.

    Args:
        hardware: Kind of device.
        qubits: Qubits of the smallest device of that kind.
        cnots: CNOTs after routing; other two-qubit gates are made of them.
        unrouted_cnots: CNOTs where every pair of qubits interacts; what is more comes from routing.
        two_qubit_depth: Layers of CNOTs after routing.
        bases: Settings in which all observables can be measured.
        shots: Repetitions of each setting.
        circuits_per_patch: Circuits that a patch of an image needs.
        patches_per_scene: Patches of a scene.
    """

    hardware: str
    qubits: int
    cnots: int
    unrouted_cnots: int
    two_qubit_depth: int
    bases: int
    shots: int
    circuits_per_patch: int
    patches_per_scene: int

    @property
    def executions_per_patch(self) -> int:
        """Runs of the device for one patch."""
        return self.bases * self.shots * self.circuits_per_patch

    @property
    def executions_per_scene(self) -> int:
        """Runs of the device for a whole scene, without overlap of patches."""
        return self.executions_per_patch * self.patches_per_scene

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        executions = {k: getattr(self, k) for k in ("executions_per_patch", "executions_per_scene")}
        return {**asdict(self), **executions}

    def __str__(self) -> str:
        bases = "1 measurement basis" if self.bases == 1 else f"{self.bases} measurement bases"
        return (
            f"{self.hardware}, {self.qubits} qubits: {self.cnots} CNOTs ({self.unrouted_cnots} before routing), "
            f"two-qubit depth {self.two_qubit_depth}, {bases}; "
            f"{self.executions_per_patch:,} executions per patch, {self.executions_per_scene:,} per scene of "
            f"{self.patches_per_scene:,} patches"
        )


def hardware_cost(
    circuit: Circuit,
    hardware: str = "grid",
    epsilon: float = 0.02,
    scene: tuple[int, int] = LAND_COVER_SCENE,
    patch: int = 128,
    circuits_per_patch: int = 1,
) -> HardwareCost:
    """Return what a circuit costs on a device.

    Qiskit's transpiler lays the circuit out, routes it and merges its gates, at its highest level and with a fixed
    seed; other seeds and versions find slightly other numbers. Data and weights stay open, so the result holds for
    all their values. Every gate of the circuit counts, also those that no observable sees. An overlap of registers is
    measured by the destructive SWAP test (arXiv 1303.6814): a CNOT between each pair of their wires, which count as
    well.

    Args:
        circuit: The circuit.
        hardware: ``grid``, ``heavy-hex``, ``line``, ``ring`` or ``all``, see :func:`.topology.coupling_map`.
        epsilon: Largest standard error of an expectation value; ``ceil(1 / epsilon^2)`` shots give it, whatever the
            state. CHOICE 0.02, 2,500 shots.
        scene: Height and width of a scene in pixels.
        patch: Side of a patch in pixels.
        circuits_per_patch: Circuits that a patch needs; 1 for HQ-UNet.

    Raises:
        CircuitError: If the hardware is unknown, a number makes no sense, Qiskit is not installed, or it cannot
            transpile the circuit.
    """
    if not 0 < epsilon < 1 or min(*scene, patch, circuits_per_patch) < 1:
        raise CircuitError(
            f"epsilon={epsilon}, scene={scene}, patch={patch}, circuits_per_patch={circuits_per_patch}: the error lies "
            "between 0 and 1, sizes are at least 1."
        )
    device = coupling_map(hardware, circuit.n_wires)
    overlaps = [o for o in circuit.observables if isinstance(o, Overlap)]
    measured = to_qiskit(circuit)
    largest = max(overlaps, key=lambda overlap: len(overlap.wires), default=None)
    if largest is not None:
        measured.cx(largest.wires_a, largest.wires_b)
    routed, unrouted = (_transpiled(measured, couplings) for couplings in (device, None))
    return HardwareCost(
        hardware,
        device.size(),
        _cnots(routed),
        _cnots(unrouted),
        routed.depth(lambda item: item.operation.num_qubits > 1),
        len(measurement_bases(circuit)) + len(overlaps),
        math.ceil(1 / epsilon**2 - 1e-9),
        circuits_per_patch,
        math.ceil(scene[0] / patch) * math.ceil(scene[1] / patch),
    )


def _transpiled(circuit: Any, couplings: Any) -> Any:  # noqa: ANN401 - Qiskit is an extra
    library = need("qiskit", "qiskit", "The cost on hardware")
    try:
        return library.transpile(
            circuit, coupling_map=couplings, basis_gates=list(BASIS), optimization_level=3, seed_transpiler=0
        )
    except library.QiskitError as error:
        raise CircuitError(f"Qiskit cannot transpile the circuit to {', '.join(BASIS)}: {error}") from error


def _cnots(circuit: Any) -> int:  # noqa: ANN401
    return int(circuit.count_ops().get("cx", 0))


def measurement_bases(circuit: Circuit) -> tuple[dict[int, str], ...]:
    """Return settings, a letter for some of the wires, that measure all Pauli strings and probabilities.

    Each observable joins the first setting that it agrees with wire by wire, an upper bound on the smallest number.
    """
    bases: list[dict[int, str]] = []
    for observable in circuit.observables:
        if isinstance(observable, Overlap):
            continue
        letters = observable.letters if isinstance(observable, Pauli) else "Z" * len(observable.wires)
        wanted = dict(zip(observable.wires, letters, strict=True))
        fitting = (basis for basis in bases if all(basis.get(wire, let) == let for wire, let in wanted.items()))
        basis = next(fitting, None)
        if basis is None:
            bases.append(wanted)
        else:
            basis.update(wanted)
    return tuple(bases)
