"""Qiskit's ``TorchConnector``: from the circuit of its quantum neural network to a recording."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, as_angle, feature
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.importers.qiskit import GateReader, qubits_of, strings_of
from hqzoo.quantum.importers.recording import Foreign, Readout, RecordedGate, Recording, without_phases
from hqzoo.quantum.observables import Probabilities

__all__ = ["QiskitSource"]

Values = Mapping[str, Tensor]
Formula = Callable[[Values], Foreign]
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {  # SymPy's names of what a ParameterExpression can be made of
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan,
    "exp": torch.exp, "log": torch.log, "Abs": torch.abs, "sign": torch.sign, "conjugate": lambda value: value,
}  # fmt: skip


class QiskitSource:
    """A ``TorchConnector`` around an ``EstimatorQNN`` or ``SamplerQNN`` with exact primitives.

    A network that was built without ``input_gradients`` hands no gradient to its inputs. It is compared with that
    switched on, on a copy, and its replacement gives the true gradient.

    Args:
        connector: The connector.

    Raises:
        CircuitError: If the network's primitive is not exact, or its circuit, angles or outputs cannot be read.
    """

    kind = "Qiskit TorchConnector"
    dtype, tolerance = torch.float64, 1e-4  # it simulates in double precision, and hands over single

    def __init__(self, connector: Foreign) -> None:
        from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

        network = connector.neural_network
        sampled = isinstance(network, SamplerQNN)
        if not sampled and not isinstance(network, EstimatorQNN):
            raise CircuitError(f"Its network is a {type(network).__name__}; EstimatorQNN and SamplerQNN can be read.")
        if connector.sparse:
            raise CircuitError("Its outputs are sparse; build the TorchConnector with sparse=False.")
        _refuse_inexact(network.sampler if sampled else network.estimator)
        names = [[p.name for p in listed or ()] for listed in (network.input_params, network.weight_params)]
        self._inputs, self._weights = names
        self.connector = connector
        self._running = copy.copy(connector)
        self._running._neural_network = _differentiable(network)
        circuit = network.circuit
        self._n_wires = circuit.num_qubits
        items = list(circuit.data)
        if sampled:
            items, wires = _measured(circuit)
            self._readout = _outcomes(network, wires)
        else:
            self._readout = Readout.collect(strings_of(observable) for observable in network.observables)
        reader = _Formulas({*self._inputs, *self._weights})
        self._gates = [gate for item in items for gate in reader.read(item.operation, qubits_of(circuit, item))]
        self._formulas = reader.formulas

    @staticmethod
    def matches(module: nn.Module) -> bool:
        """Whether this is Qiskit's connector, without importing Qiskit."""
        place = "qiskit_machine_learning.connectors.torch_connector"
        return any(c.__module__ == place and c.__name__ == "TorchConnector" for c in type(module).__mro__)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the connector's one parameter, ``weight``."""
        return dict(self.connector.named_parameters())

    def run(self, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Run the connector itself with other weights."""
        from qiskit_machine_learning.exceptions import QiskitMachineLearningError

        try:
            out: Tensor = functional_call(self._running, dict(weights), (inputs,))
        except QiskitMachineLearningError as error:
            if isinstance(error.__cause__, ArithmeticError):
                raise ArithmeticError(f"An angle has no value there: {error.__cause__}") from error
            raise
        return out

    def record(self, features: Tensor, weights: Mapping[str, Tensor]) -> Recording:
        """Record one sample ``(n_features,)``: the same gates each time, with the numbers of their angles."""
        values = dict(zip(self._inputs, features.unbind(), strict=True))
        values.update(zip(self._weights, weights["weight"].unbind(), strict=True))
        angles = [formula(values) for formula in self._formulas]
        gates = [_recorded(gate, angles) for gate in self._gates]
        return Recording(self._n_wires, without_phases(gates), self._readout)


def _refuse_inexact(primitive: Foreign) -> None:
    """Refuse shots, and simulators and machines whose outputs are random or whose jobs cost money."""
    kind = type(primitive)
    shots = primitive.options.get("shots") if kind.__name__ in ("Estimator", "Sampler") else None
    if shots:
        raise CircuitError(
            f"Its {kind.__name__} measures with {shots} shots, so its outputs are random and no exact circuit equals "
            "them. Build it without the option 'shots' to accelerate it."
        )
    if kind.__name__ not in ("Estimator", "Sampler") or not kind.__module__.startswith("qiskit.primitives."):
        raise CircuitError(
            f"It runs on {kind.__module__}.{kind.__name__}; equality can be proven with the exact Estimator and "
            "Sampler of qiskit.primitives only. Build the network with one of them to accelerate it."
        )


def _differentiable(network: Foreign) -> Foreign:
    """Return a copy of a network that gives gradients of its inputs, and says whose failure it is if it cannot."""
    from qiskit_machine_learning.exceptions import QiskitMachineLearningError

    network = copy.copy(network)
    network.input_gradients = True
    original = network.backward

    def backward(inputs: Foreign, weights: Foreign) -> Foreign:
        try:
            return original(inputs, weights)
        except QiskitMachineLearningError as error:
            reason = error.__cause__ or error
            raise CircuitError(f"Qiskit itself cannot differentiate it, so nothing can be proven: {reason}") from error

    network.backward = backward
    return network


class _Formulas(GateReader):
    """Reads instructions; where an angle has parameters, it stands for the ``k``-th of ``formulas`` as ``data[k]``."""

    def __init__(self, names: set[str]) -> None:
        super().__init__({})
        self.names = names
        self.formulas: list[Formula] = []

    def _angle(self, value: Foreign, name: str) -> Angle:
        if not getattr(value, "parameters", ()):
            return as_angle(float(value))
        import sympy

        self.formulas.append(_formula(sympy.sympify(value.sympify()), self.names, name))
        return feature(len(self.formulas) - 1)


def _formula(node: Foreign, names: set[str], gate: str) -> Formula:
    """Return a SymPy expression as a torch function of the parameters' values.

    Raises:
        CircuitError: If it holds anything but real numbers, parameters, sums, products, powers and known functions.
    """
    kind = node.func.__name__
    if node.is_number and node.is_real:
        number = int(node) if node.is_Integer else float(node)
        return lambda values: number
    if node.is_Symbol and node.name in names:
        return lambda values: values[node.name]
    parts = [_formula(part, names, gate) for part in node.args] if node.args else []
    if kind == "Add":
        return lambda values: sum(part(values) for part in parts)
    if kind == "Mul":
        return lambda values: _product(part(values) for part in parts)
    if kind == "Pow":
        return lambda values: parts[0](values) ** parts[1](values)
    if kind in _FUNCTIONS and len(parts) == 1:
        return lambda values: _FUNCTIONS[kind](parts[0](values))
    raise CircuitError(f"The angle of Qiskit's '{gate}' holds {kind} ({node}), which cannot be followed.")


def _product(factors: Iterable[Foreign]) -> Foreign:
    product: Foreign = 1
    for factor in factors:
        product = product * factor
    return product


def _recorded(gate: Gate, angles: list[Foreign]) -> RecordedGate:
    values = tuple(angle.constant + sum(c * angles[k] for k, c in angle.data) for angle in gate.angles)
    return RecordedGate(gate.name, gate.wires, values, gate.controls, gate.matrix)


def _measured(circuit: Foreign) -> tuple[list[Foreign], tuple[int, ...]]:
    """Return the instructions before the final measurements, and the wires of outcomes, most significant first."""
    if not circuit.num_clbits:  # the network measures all qubits itself
        return list(circuit.data), tuple(reversed(range(circuit.num_qubits)))
    items: list[Foreign] = []
    wires: dict[int, int] = {}
    for item in circuit.data:
        qubits, name = qubits_of(circuit, item), item.operation.name
        if set(qubits) & set(wires.values()) and name != "barrier":
            raise CircuitError(f"Qiskit's '{name}' on qubits {qubits} comes after a measurement of one of them.")
        if name == "measure" and getattr(item.operation, "condition", None) is None:
            wires[circuit.find_bit(item.clbits[0]).index] = qubits[0]
        else:
            items.append(item)
    if sorted(wires) != list(range(circuit.num_clbits)):
        raise CircuitError(f"Of its {circuit.num_clbits} classical bits only {sorted(wires)} are measured into.")
    return items, tuple(wires[bit] for bit in reversed(range(circuit.num_clbits)))


def _outcomes(network: Foreign, wires: tuple[int, ...]) -> Readout:
    """Return the outputs as the sums of probabilities that ``interpret`` puts together."""
    if len(network.output_shape) != 1:
        raise CircuitError(f"Its output_shape is {network.output_shape}; TorchConnector differentiates one dimension.")
    rows: list[list[tuple[int, float]]] = [[] for _ in range(network.output_shape[0])]
    for outcome in range(2 ** len(wires)):
        rows[_position(network.interpret(outcome), len(rows), outcome)].append((outcome, 1.0))
    return Readout((Probabilities(wires),), tuple((0.0, tuple(row)) for row in rows))


def _position(key: Foreign, size: int, outcome: int) -> int:
    numbers: Iterator[Foreign] = iter(key if hasattr(key, "__iter__") else (key,))
    position = int(next(numbers))
    if not 0 <= position < size or next(numbers, None) is not None:
        raise CircuitError(f"interpret({outcome}) is {key}, but its output_shape is ({size},).")
    return position
