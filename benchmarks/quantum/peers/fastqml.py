"""fastQML in its two ways of working: layers fused into one matrix product, and kernels gate by gate.

The fused way schedules gates into the widest layers that their order allows, as its README asks its users to write
them; such a layer is a matrix of 2^n x 2^n, so it stops at 12 wires. Constant gates and plans are built once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

MAX_FUSED = 12
Planes = tuple[Any, Any]  # real and imaginary parts (B, 2, ..., 2)
Step = Callable[[Planes, Any, Any], Planes]
_ROTATIONS = {"RX": "rx", "RY": "ry", "RZ": "rz"}
_KERNELS = {"RX": "apply_rx", "RY": "apply_ry", "RZ": "apply_rz", "IsingZZ": "apply_izz", "H": "apply_h",
            "CNOT": "apply_cnot", "CZ": "apply_cz", "CSWAP": "apply_cswap"}  # fmt: skip


def _kernel(gate: Gate, n_wires: int) -> Step:
    """Return the step of one gate by its own kernel."""
    from fastqml import torch_sim_real

    apply = getattr(torch_sim_real, _KERNELS[gate.label])

    def step(planes: Planes, data: Any, weights: Any) -> Planes:  # noqa: ANN401
        angles = [evaluate(angle, data, weights) for angle in gate.angles]
        result: Planes = apply(*planes, *angles, *gate.support, n_wires)
        return result

    return step


def _chain(steps: list[Step]) -> Step:
    def run(planes: Planes, data: Any, weights: Any) -> Planes:  # noqa: ANN401
        for step in steps:
            planes = step(planes, data, weights)
        return planes

    return run


@dataclass
class _Layer:
    """Gates of one name on wires of their own, either all batched or none."""

    name: str
    batched: bool
    gates: list[Gate] = field(default_factory=list)

    @property
    def wires(self) -> list[int]:
        return [wire for gate in self.gates for wire in gate.support]


def _schedule(gates: tuple[Gate, ...] | list[Gate]) -> list[_Layer]:
    """Put every gate into the first layer of its kind that comes after all gates it must follow."""
    layers: list[_Layer] = []
    last: dict[int, int] = {}
    for gate in gates:
        batched = any(angle.data for angle in gate.angles)
        first = 1 + max((last.get(wire, -1) for wire in gate.support), default=-1)
        for place in range(first, len(layers)):
            if (layers[place].name, layers[place].batched) == (gate.label, batched):
                break
        else:
            place = len(layers)
            layers.append(_Layer(gate.label, batched))
        layers[place].gates.append(gate)
        last.update(dict.fromkeys(gate.support, place))
    return layers


def _fused(layer: _Layer, n_wires: int, device: str) -> Step:
    """Return the step of a layer: one product with a matrix, or a chain where the angles differ by sample."""
    import torch
    from fastqml import gate_fusion as gf

    order = sorted(layer.gates, key=lambda gate: gate.support[0])
    angles = [gate.angles[0] for gate in order if gate.angles]
    constant = (torch.device(device), torch.float32)
    if layer.name in _ROTATIONS and layer.batched:
        if len(order) < n_wires:
            return _chain([_kernel(gate, n_wires) for gate in order])
        build = getattr(gf, f"build_{_ROTATIONS[layer.name]}_per_batch")
        return lambda planes, data, weights: gf.apply_per_batch_su2_chain(
            *planes, *build(torch.stack([evaluate(angle, data, weights) for angle in angles], dim=1))
        )
    if len(order[0].support) == 1:
        wires = [gate.wires[0] for gate in order]
        if layer.name == "H":
            build, fixed = None, gf.build_h_gates(len(order), *constant)
        else:
            build, fixed = getattr(gf, f"build_{_ROTATIONS[layer.name]}_gates"), None

        def single(planes: Planes, data: Any, weights: Any) -> Planes:  # noqa: ANN401
            matrices = fixed or build(torch.stack([evaluate(angle, data, weights) for angle in angles]))
            if len(wires) < n_wires:
                matrices = gf.identity_pad_gates(*matrices, wires, n_wires)
            result: Planes = gf.apply_su2_layer(*planes, *matrices)
            return result

        return single
    support = [gate.support for gate in order]
    if layer.name == "CSWAP":
        (plan,) = gf.compute_three_qubit_plans(support, n_wires, *constant, gf.cswap_commute)
        matrices = gf.build_cswap_8x8(len(support), *constant)
        return lambda planes, data, weights: gf.apply_disjoint_three_qubit_layer(*planes, plan, *matrices)
    (plan,) = gf.compute_two_qubit_plans(support, n_wires, *constant, gf.symmetric_commute)
    if layer.name == "IsingZZ":
        return lambda planes, data, weights: gf.apply_disjoint_two_qubit_layer(
            *planes, plan, *gf.build_ising_zz_4x4(torch.stack([evaluate(a, data, weights) for a in angles]))
        )
    matrices = getattr(gf, f"build_{layer.name.lower()}_4x4")(len(support), *constant)
    return lambda planes, data, weights: gf.apply_disjoint_two_qubit_layer(*planes, plan, *matrices)


def _runner(fused: bool, n_wires: int, gates: tuple[Gate, ...] | list[Gate], device: str) -> Callable[..., Planes]:
    """Return a function ``(data, weights) -> planes``."""
    import torch

    if unknown := {gate.label for gate in gates} - set(_KERNELS):
        raise Unsupported(f"not written out here: {', '.join(sorted(unknown))}")
    if fused and n_wires > MAX_FUSED:
        raise Unsupported(f"a fused layer of {n_wires} wires is a matrix of 2^{n_wires} x 2^{n_wires}")
    if fused:
        circuit = _chain([_fused(layer, n_wires, device) for layer in _schedule(gates)])
    else:
        circuit = _chain([_kernel(gate, n_wires) for gate in gates])

    def run(data: Any, weights: Any) -> Planes:  # noqa: ANN401
        re = torch.zeros(data.shape[0], 2**n_wires, device=device)
        re[:, 0] = 1.0
        re = re.reshape(-1, *[2] * n_wires)
        return circuit((re, torch.zeros_like(re)), data, weights)

    return run


def _build(fused: bool, circuit: Circuit, device: str) -> Program:
    import torch

    if pair := registers(circuit):
        n_wires, halves = pair
        student, teacher = (_runner(fused, n_wires, gates, device) for gates in halves)

        def fidelity(data: Any, weights: Any) -> Any:  # noqa: ANN401
            (a, b), (c, d) = student(data, weights), teacher(data, weights)
            real, imaginary = (a * c + b * d).flatten(1).sum(1), (a * d - b * c).flatten(1).sum(1)
            return (real**2 + imaginary**2).unsqueeze(1)

        return TorchProgram(fidelity, device)
    run, wanted = _runner(fused, circuit.n_wires, circuit.gates, device), paulis(circuit)
    if {letter for letter, _ in wanted} - {"X", "Z"}:
        raise Unsupported("written for X and Z")

    def expectations(data: Any, weights: Any) -> Any:  # noqa: ANN401
        re, im = run(data, weights)
        probabilities, columns = re**2 + im**2, []
        for letter, wire in wanted:
            if letter == "Z":
                down, up = probabilities.unbind(wire + 1)
                columns.append((down - up).flatten(1).sum(1))
            else:
                (a, b), (c, d) = re.unbind(wire + 1), im.unbind(wire + 1)
                columns.append(2 * (a * b + c * d).flatten(1).sum(1))
        return torch.stack(columns, dim=1)

    return TorchProgram(expectations, device)


PEERS = tuple(
    Peer(
        name, "state vector", partial(_build, fused), ("fastqml.gate_fusion", "fastqml.torch_sim_real", "torch"),
        ("fastqml", "torch"), "fastqml", how,
    )
    for name, fused, how in (
        ("fastqml", True, "gate_fusion: widest layers that the order allows, one matrix product each; eager"),
        ("fastqml-gates", False, "torch_sim_real: one kernel a gate on real and imaginary planes; eager"),
    )
)  # fmt: skip
