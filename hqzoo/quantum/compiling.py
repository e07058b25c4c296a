"""From a circuit to a function: choosing and building an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.cone.engine import ConeEngine
from hqzoo.quantum.engines.cone.plan import ConeProgram, TooLarge, plan_cone
from hqzoo.quantum.engines.density.engine import DensityEngine, plan_density
from hqzoo.quantum.engines.pennylane import PennyLaneEngine
from hqzoo.quantum.engines.size import SizeError
from hqzoo.quantum.engines.statevector.engine import MAX_WIRES, StatevectorEngine, refuse_too_wide
from hqzoo.quantum.engines.statevector.plan import connected_wires, estimate, plan_state
from hqzoo.quantum.engines.torchquantum import TorchQuantumEngine
from hqzoo.quantum.engines.transforms import full_precision, in_transform
from hqzoo.quantum.noise import IDEAL
from hqzoo.quantum.observables import Probabilities
from hqzoo.quantum.swap_tests import fold_swap_tests

__all__ = ["ENGINES", "Build", "CompiledCircuit", "Plan", "compile_circuit", "plan"]

Build = Callable[[Circuit, torch.dtype], Engine]
"""Makes the engine of a circuit in a precision."""

ENGINES: dict[str, Build] = {
    "cone": ConeEngine,
    "statevector": StatevectorEngine,
    "density": DensityEngine,
    "pennylane": PennyLaneEngine,
    "torchquantum": TorchQuantumEngine,
}
"""Engines by name; ``auto`` chooses between the first two."""


MEND = "Use a circuit of fewer gates, or one whose gates connect fewer wires."
MAX_CONE_TERMS = 200_000
QUICK_CONE_TERMS = 20_000  # where a state vector is at hand, a larger network costs seconds to find and gains nothing
# Measured on CPUs: the cone's few matrix products spend a FLOP in a tenth of the time that a state vector's many small
# operations do, and below this size both only wait for Python.
CONE_FLOP_RATIO = 8
CONE_FREE_FLOPS = 100_000
# Where probabilities are read the cone needs double precision, which takes its lead, on many GPUs more than that.
CONE_FREE_FLOPS_IN_DOUBLE = 2_000


@dataclass(frozen=True)
class Plan:
    """How a circuit will be run, and what that costs.

    Args:
        engine: The engine that runs it.
        largest_piece: Most qubits that are held together.
        flops: Floating-point operations per sample, forward.
        bytes: Bytes per sample kept for the backward pass, where single precision is asked for.
        reason: Why this engine, in one sentence.
    """

    engine: str
    largest_piece: int
    flops: int
    bytes: int
    reason: str


@lru_cache(maxsize=256)
def plan(circuit: Circuit, engine: str = "auto") -> Plan:
    """Return which engine runs the circuit, why, and what it costs.

    ``auto`` looks at what SWAP tests measure instead of simulating their ancillas, see :func:`fold_swap_tests`. For
    probabilities it takes ``statevector``, which squares amplitudes, unless ``cone`` is much smaller: there they are
    sums that nearly cancel, and need double precision.

    Raises:
        CircuitError: If the engine is unknown, or cannot run the circuit. Where that is for its size: a SizeError, and
            from ``auto`` only if no state vector can hold the circuit either.
    """
    if engine not in ("auto", *ENGINES):
        raise CircuitError(unknown_name("engine", engine, ("auto", *ENGINES)))
    circuit = _as_run(circuit, engine)
    if engine == "density":
        exact = plan_density(circuit, IDEAL)
        return Plan(engine, exact.largest_piece, exact.flops, 0, f"asked for; {exact.reason}")
    if engine == "cone":
        return _cone_asked_for(circuit)
    if engine == "auto" and _widest(circuit) > MAX_WIRES:
        return _cone_alone(circuit)
    if engine == "statevector":
        refuse_too_wide(circuit)
    component = max(len(part.wires) for part in plan_state(circuit))
    state = Plan(engine, component, *estimate(circuit), "asked for")
    return _cheaper(circuit, replace(state, engine="statevector")) if engine == "auto" else state


def _widest(circuit: Circuit) -> int:
    """Return the most wires that gates connect."""
    return max(map(len, connected_wires(circuit)))


def _cone_asked_for(circuit: Circuit) -> Plan:
    try:
        return _cone_plan(circuit, plan_cone(circuit))
    except TooLarge as size:
        widest = _widest(circuit)
        state = f"A state vector holds no {widest} connected wires, but {MAX_WIRES} at most. {MEND}"
        raise SizeError(
            f"engine='cone' was asked for, but the observables see too much of this circuit ({size}).",
            "Use engine='auto'." if widest <= MAX_WIRES else state,
        ) from None


def _cone_alone(circuit: Circuit) -> Plan:
    """Return the plan of a circuit that no state vector can hold."""
    try:
        return _cone_plan(circuit, plan_cone(circuit))
    except TooLarge as size:
        raise SizeError(
            f"Neither engine of 'auto' can run this circuit: its gates connect {_widest(circuit)} wires, where "
            f"'statevector' holds at most {MAX_WIRES}, and for 'cone' its observables see too much ({size}).",
            MEND,
        ) from None


def _cheaper(circuit: Circuit, state: Plan) -> Plan:
    """Return the plan of the state vector, or of the cone where that is worth it."""
    # Looking for pieces pays only as long as they cost less than the state vector that they spare.
    worth = max(CONE_FREE_FLOPS, CONE_FLOP_RATIO * state.flops)
    if _in_double(circuit):
        worth = max(CONE_FREE_FLOPS_IN_DOUBLE, state.flops)
    strings = sum(o.n_strings for o in circuit.observables if isinstance(o, Probabilities))
    if 2 * strings > worth:  # known before they are written down
        return replace(state, reason=f"the probabilities that are read are sums of {strings:,} terms")
    limit = MAX_CONE_TERMS if circuit.n_wires > MAX_WIRES else QUICK_CONE_TERMS
    try:
        cone = _cone_plan(circuit, plan_cone(circuit, limit))
    except TooLarge as size:
        return replace(state, reason=f"the pieces that the observables see need {size}")
    if cone.flops <= worth:
        return cone
    reason = f"{state.flops:,} FLOP per sample, where the pieces that the observables see need {cone.flops:,}"
    return replace(state, reason=reason)


def _as_run(circuit: Circuit, engine: str) -> Circuit:
    """Return what an engine is given: the circuit as it was written, where it was asked for by name."""
    return fold_swap_tests(circuit) if engine == "auto" else circuit


def _in_double(circuit: Circuit) -> bool:
    """Return whether ``cone`` needs double precision."""
    return any(isinstance(observable, Probabilities) for observable in circuit.observables)


def _cone_plan(circuit: Circuit, program: ConeProgram) -> Plan:
    reason = f"the observables see pieces of at most {program.largest_piece} correlated qubit(s)"
    return Plan("cone", program.largest_piece, program.flops, (8 if _in_double(circuit) else 4) * program.rows, reason)


class CompiledCircuit(nn.Module):
    """A circuit as a differentiable function of data and weights.

    It has no parameters, nothing in ``state_dict``, and computes in ``dtype`` whatever the surrounding precision. For
    gradients in ``dtype`` call ``backward()`` outside of ``torch.autocast``, as torch advises: inside, it runs the
    backward of its own matrix products in the lower precision, and gradients are off by up to a percent.

    The exact engines ``cone``, ``statevector`` and ``density`` can be differentiated any number of times, backward,
    forward (``torch.func.jvp``, ``jacfwd``, ``hessian``) and in any mixture. Forward mode keeps the states of all
    steps, where the backward pass of the last two needs few.
    """

    def __init__(self, circuit: Circuit, engine: str = "auto", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if dtype not in (torch.float32, torch.float64):
            raise CircuitError(f"dtype={dtype}: circuits run in torch.float32 or torch.float64.")
        self.circuit, self.dtype = circuit, dtype
        self.plan = plan(circuit, engine)
        self.asked = engine
        self._build: Build = _Named(engine)
        self.engine = self._build(circuit, dtype)

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values in [-1, 1].

        Args:
            data: ``(..., n_data)``, radians before the circuit's own factors.
            weights: ``(n_weights,)``, radians; or ``(..., n_weights)``, weights of their own for every sample, with
                leading sizes that broadcast with those of ``data``. The first call with these plans a circuit of its
                own: make one before ``torch.compile`` with ``fullgraph=True``.

        Returns:
            ``(..., n_observables)`` in the engine's dtype.

        Raises:
            CircuitError: If sizes do not fit the circuit or each other, or an angle is NaN or infinite. Values are
                looked at on CPUs alone, as an accelerator would have to be waited for, and not inside
                ``torch.compile``, ``torch.export`` and ``torch.func`` transforms; elsewhere NaN goes through to the
                outputs.
        """
        circuit = self.circuit
        if data.shape[-1:] != (circuit.n_data,) or weights.shape[-1:] != (circuit.n_weights,):
            raise CircuitError(
                f"The circuit takes data (..., {circuit.n_data}) and weights ({circuit.n_weights},) or "
                f"(..., {circuit.n_weights}); got {tuple(data.shape)} and {tuple(weights.shape)}."
            )
        _refuse_infinite("data", data)
        _refuse_infinite("weights", weights)
        engine = self.engine
        if weights.dim() > 1:
            data = self._with_weights(data, weights)
            engine, weights = self._of_data_alone.to(data.device), data.new_empty(0)
        with full_precision(data):
            flat = data.reshape(-1, data.shape[-1]) if data.shape[-1] else data.reshape(data.shape[:-1].numel(), 0)
            out = engine(flat.to(self.dtype), weights.to(self.dtype))
        result: Tensor = out.reshape(*data.shape[:-1], circuit.n_observables)
        return result

    def _with_weights(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return data and weights side by side, ``(..., n_data + n_weights)``."""
        try:
            batch = torch.broadcast_shapes(data.shape[:-1], weights.shape[:-1])  # type: ignore[no-untyped-call]
        except RuntimeError:
            raise CircuitError(
                f"Data {tuple(data.shape)} and weights {tuple(weights.shape)} do not broadcast in front of their last "
                "sizes."
            ) from None
        return torch.cat([data.expand(*batch, -1).to(self.dtype), weights.expand(*batch, -1).to(self.dtype)], -1)

    @cached_property
    def _of_data_alone(self) -> Engine:
        """The engine of the circuit in which every weight is a datum of its sample."""
        return self._build(_weights_as_data(self.circuit), self.dtype)

    @contextmanager
    def run_by(self, build: Build, device: torch.device) -> Iterator[None]:
        """Run the circuit by other engines for a while.

        Args:
            build: Makes an engine for this circuit, and for the one whose weights are data.
            device: Where the engine goes.
        """
        engine = build(self.circuit, self.dtype).to(device)
        former = self.engine, self._build, self.__dict__.pop("_of_data_alone", None)
        self.engine, self._build = engine, build
        try:
            yield
        finally:
            self.engine, self._build, of_data_alone = former
            self.__dict__.pop("_of_data_alone", None)
            if of_data_alone is not None:
                self.__dict__["_of_data_alone"] = of_data_alone


@dataclass(frozen=True)
class _Named:
    """Makes the engine of a name, ``auto`` included."""

    name: str

    def __call__(self, circuit: Circuit, dtype: torch.dtype) -> Engine:
        return ENGINES[plan(circuit, self.name).engine](_as_run(circuit, self.name), dtype)


def _weights_as_data(circuit: Circuit) -> Circuit:
    """Return the circuit that takes its weights as further data, behind the others."""

    def moved(angle: Angle) -> Angle:
        return Angle(angle.data + tuple((circuit.n_data + j, c) for j, c in angle.weight), (), angle.constant)

    gates = (replace(gate, angles=tuple(moved(angle) for angle in gate.angles)) for gate in circuit.gates)
    return Circuit(circuit.n_wires, gates, circuit.observables)


def _refuse_infinite(name: str, angles: Tensor) -> None:
    """Raise if an angle is NaN or infinite, wherever values can be looked at without waiting for them."""
    if angles.device.type != "cpu" or torch.compiler.is_compiling() or type(angles) not in (Tensor, nn.Parameter):
        return
    if in_transform():
        return
    total = angles.detach().sum()
    if not total.isfinite() and not (finite := angles.isfinite()).all():  # a sum of finite values can overflow
        where = tuple(finite.logical_not().nonzero()[0].tolist())
        raise CircuitError(
            f"{name}[{', '.join(map(str, where))}] is {angles[where].item()} and not an angle "
            f"({int((~finite).sum())} of {angles.numel()} values are NaN or infinite). Look at what produces them."
        )


def compile_circuit(circuit: Circuit, engine: str = "auto", dtype: torch.dtype = torch.float32) -> CompiledCircuit:
    """Return the circuit as a function ``(data, weights) -> expectation values``.

    Args:
        circuit: What to run.
        engine: ``auto`` or one of :data:`ENGINES`.
        dtype: ``torch.float32`` or ``torch.float64``.

    Raises:
        CircuitError: If the engine is unknown or cannot run the circuit.
    """
    return CompiledCircuit(circuit, engine, dtype)
