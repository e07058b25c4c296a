"""TensorCircuit-NG: vmap over the batch, on PyTorch and on JAX, with and without its light-cone option.

Without the option the state is contracted once and kept for all observables (``reuse=True``, the default); with it
every observable has a contraction of its own, simplified to its causal cone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers
from benchmarks.quantum.peers.jax_program import JaxProgram

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

_NAMES = {"RX": "rx", "RY": "ry", "RZ": "rz", "IsingZZ": "rzz", "H": "h", "CNOT": "cnot", "CZ": "cz",
          "CSWAP": "cswap"}  # fmt: skip


def _build(backend: str, lightcone: bool, circuit: Circuit, device: str) -> Program:
    import tensorcircuit as tc

    if device != "cpu":
        raise Unsupported("written for the CPU")
    tc.set_backend(backend)
    tc.set_dtype("complex64")
    one = _fidelity(circuit, lightcone) if registers(circuit) else _expectations(circuit, lightcone)
    batched = tc.backend.vmap(one, vectorized_argnums=0)

    def function(data: Any, weights: Any) -> Any:  # noqa: ANN401
        return batched(data, weights)

    return TorchProgram(function) if backend == "pytorch" else JaxProgram(function)


def _runner(n_wires: int, gates: tuple[Gate, ...] | list[Gate]) -> Callable[[Any, Any], Any]:
    import tensorcircuit as tc

    if unknown := {gate.label for gate in gates} - set(_NAMES):
        raise Unsupported(f"not written out here: {', '.join(sorted(unknown))}")

    def run(data: Any, weights: Any) -> Any:  # noqa: ANN401
        c = tc.Circuit(n_wires)
        for gate in gates:
            arguments = {"theta": evaluate(gate.angles[0], data, weights)} if gate.angles else {}
            getattr(c, _NAMES[gate.label])(*gate.support, **arguments)
        return c

    return run


def _expectations(circuit: Circuit, lightcone: bool) -> Callable[[Any, Any], Any]:
    import tensorcircuit as tc

    run, observables = _runner(circuit.n_wires, circuit.gates), paulis(circuit)
    options = {"enable_lightcone": True, "reuse": False} if lightcone else {}

    def one(data: Any, weights: Any) -> Any:  # noqa: ANN401
        c = run(data, weights)
        values = [c.expectation_ps(**{letter.lower(): [wire]}, **options) for letter, wire in observables]
        return tc.backend.real(tc.backend.stack(values))

    return one


def _fidelity(circuit: Circuit, lightcone: bool) -> Callable[[Any, Any], Any]:
    import tensorcircuit as tc

    if lightcone:
        raise Unsupported("the light-cone option is one of expectation values, not of overlaps of two registers")
    n_wires, halves = registers(circuit) or (0, [])
    student, teacher = (_runner(n_wires, gates) for gates in halves)

    def one(data: Any, weights: Any) -> Any:  # noqa: ANN401
        a, b = student(data, weights).state(), teacher(data, weights).state()
        overlap = tc.backend.sum(tc.backend.conj(a) * b)
        return tc.backend.reshape(tc.backend.real(tc.backend.conj(overlap) * overlap), [1])

    return one


def _peer(backend: str, lightcone: bool) -> Peer:
    jax = backend == "jax"
    name = "tensorcircuit" + ("-jax" if jax else "") + ("-lightcone" if lightcone else "")
    how = f"{backend} backend, complex64, vmap over the batch" + (", jit" if jax else "")
    return Peer(
        name,
        "exact" if lightcone else "state vector",
        partial(_build, backend, lightcone),
        ("tensorcircuit", "jax" if jax else "torch"),
        ("tensorcircuit-ng", *(("jax", "jaxlib") if jax else ("torch",))),
        "tensorcircuit-ng jax" if jax else "tensorcircuit-ng",
        how + (", expectation_ps(enable_lightcone=True)" if lightcone else ", state kept for all observables"),
    )


PEERS = tuple(_peer(backend, lightcone) for backend in ("pytorch", "jax") for lightcone in (False, True))
