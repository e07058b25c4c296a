"""quimb: every wire's observables by contracting the tensor network of their reverse light cone, vmapped and jitted.

Paths are searched (quimb's default, ``auto-hq``) while JAX traces, so they cost the first call only. Simplification
before that is off, because it looks at numbers, which a trace does not have; the light cones are cut all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, Unsupported, evaluate, paulis, registers
from benchmarks.quantum.peers.jax_program import JaxProgram

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

SEARCHED = 7  # wires from which the search for a good path pays; it takes seconds for every network
_NAMES = {"RX": "RX", "RY": "RY", "RZ": "RZ", "IsingZZ": "RZZ", "H": "H", "CNOT": "CX", "CZ": "CZ", "CSWAP": "CSWAP"}


def _runner(n_wires: int, gates: tuple[Gate, ...] | list[Gate]) -> Callable[[Any, Any], Any]:
    """Return a function of one sample's data and the weights that gives quimb's circuit."""
    import jax.numpy as jnp
    import quimb.tensor as qtn

    if unknown := {gate.label for gate in gates} - set(_NAMES):
        raise Unsupported(f"not written out here: {', '.join(sorted(unknown))}")

    def run(data: Any, weights: Any) -> Any:  # noqa: ANN401
        c = qtn.Circuit(n_wires, to_backend=lambda array: jnp.asarray(array, jnp.complex64))
        for gate in gates:
            params = [jnp.asarray(evaluate(angle, data, weights)) for angle in gate.angles]
            # Fixed gates on two wires are split as quimb does by default; the SVD cannot cut what JAX traces.
            contract = "split-gate" if len(gate.support) == 2 and not params else False
            c.apply_gate(_NAMES[gate.label], params=params, qubits=list(gate.support), contract=contract)
        return c

    return run


def _build(circuit: Circuit, device: str) -> Program:
    import autoray
    import jax

    if device != "cpu":
        raise Unsupported("written for the CPU")
    # autoray 0.8.4 keeps one namespace for all names of libraries, the first that is asked for: let it be JAX's.
    autoray.get_namespace("jax")
    one = _fidelity(circuit) if registers(circuit) else _expectations(circuit)
    return JaxProgram(jax.vmap(one, in_axes=(0, None)))


def _expectations(circuit: Circuit) -> Callable[[Any, Any], Any]:
    import jax.numpy as jnp
    import quimb as qu

    run, wanted = _runner(circuit.n_wires, circuit.gates), paulis(circuit)
    letters = {wire: [letter for letter, other in wanted if other == wire] for wire in sorted({w for _, w in wanted})}

    unsimplified = {"simplify_sequence": "", "simplify_equalize_norms": False}

    def one(data: Any, weights: Any) -> Any:  # noqa: ANN401
        c, values = run(data, weights), {}
        for wire, observed in letters.items():
            operators = [jnp.asarray(qu.pauli(letter), jnp.complex64) for letter in observed]
            found = c.local_expectation(operators, wire, optimize=_paths(circuit.n_wires), **unsimplified)
            values.update(zip(((letter, wire) for letter in observed), found, strict=True))
        return jnp.stack([values[key] for key in wanted]).real

    return one


def _paths(n_wires: int) -> str:
    return "auto-hq" if n_wires >= SEARCHED else "greedy"


def _fidelity(circuit: Circuit) -> Callable[[Any, Any], Any]:
    import jax.numpy as jnp

    n_wires, halves = registers(circuit) or (0, [])
    student, teacher = (_runner(n_wires, gates) for gates in halves)

    def one(data: Any, weights: Any) -> Any:  # noqa: ANN401
        network = student(data, weights).psi.H | teacher(data, weights).psi
        network.apply_to_arrays(lambda array: jnp.asarray(array, jnp.complex64))
        overlap = network.contract(all, optimize=_paths(n_wires))
        return jnp.reshape(jnp.abs(overlap) ** 2, (1,))

    return one


PEERS = (
    Peer(
        "quimb", "exact", _build, ("quimb.tensor", "jax"), ("quimb", "cotengra", "jax", "jaxlib"), "quimb jax",
        "contraction of every wire's reverse light cone, paths by auto-hq, complex64, JAX vmap and jit",
    ),
)  # fmt: skip
