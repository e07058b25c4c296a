"""TorchQuantum modules: their gates and measurements, recorded while they run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hqzoo.errors import CircuitError
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.importers.failures import failures
from hqzoo.quantum.importers.imported import Imported, entries, imported
from hqzoo.quantum.importers.looking import looking_at
from hqzoo.quantum.importers.recording import (
    Foreign,
    Readout,
    RecordedGate,
    Recording,
    controlled,
    inverse,
    without_phases,
)
from hqzoo.quantum.importers.recover import recover
from hqzoo.quantum.observables import Pauli

__all__ = ["TorchQuantumSource", "from_torchquantum", "is_simulator"]

_GATES = {
    "i": "I", "paulix": "X", "pauliy": "Y", "pauliz": "Z", "hadamard": "H", "s": "S", "t": "T", "rx": "RX", "ry": "RY",
    "rz": "RZ", "phaseshift": "PhaseShift", "u3": "U3", "swap": "SWAP", "rxx": "IsingXX", "ryy": "IsingYY",
    "rzz": "IsingZZ",
}  # fmt: skip
_CONTROLLED = {
    "cnot": "X", "cy": "Y", "cz": "Z", "crx": "RX", "cry": "RY", "crz": "RZ", "cswap": "SWAP", "cu3": "U3",
}  # fmt: skip
_LETTERS = {"PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "I": "I"}


def from_torchquantum(module: nn.Module, sample: Tensor) -> Imported:
    """Return a TorchQuantum module as a circuit.

    Its inputs ``(B, *features)`` become data, entry by entry, and its parameters weights. What it takes from elsewhere
    counts as constant. The circuit's outputs are compared with the module's on the sample.

    Args:
        module: A module that makes or holds its own device, turns one tensor into angles, and returns what it
            measures.
        sample: Inputs ``(B, *features)``.

    Raises:
        CircuitError: If TorchQuantum is not installed, a gate or measurement has no counterpart, an angle is not
            affine in data and weights, or the circuit computes something else.
    """
    need("torchquantum", "torchquantum", "Import from TorchQuantum", below_python=(3, 13))
    if not isinstance(module, nn.Module) or not TorchQuantumSource.matches(module):
        raise CircuitError(f"A {type(module).__name__} was given; give a module derived from TorchQuantum's.")
    if sample.dim() < 2 or not sample.is_floating_point() or not sample.numel():
        raise CircuitError(f"The sample {tuple(sample.shape)} is no batch (B, *features) of real numbers.")
    features = tuple(sample.shape[1:])
    with looking_at(module, training=False):
        source = TorchQuantumSource(module, features)
        recovered = recover(source, torch.Size(features).numel())
        parameters = source.parameters()
        weights = [entry for name, value in parameters.items() for entry in entries(name, value.shape)]
        found = imported(recovered, entries("inputs", features), weights)
        try:
            with torch.no_grad():
                theirs = source.run(sample, parameters)
        except failures() as error:
            raise CircuitError(f"It does not run on the sample: {error}") from error
    inputs = sample.detach().reshape(len(sample), -1)[:, list(recovered.data_index)]
    flat = torch.cat([sample.new_zeros(0), *(value.detach().flatten() for value in parameters.values())])
    ours = compile_circuit(found.circuit)(inputs.cpu(), flat[list(recovered.weight_index)].cpu())
    difference = (ours.flatten() - theirs.detach().cpu().flatten()).abs().max().item()
    if not difference <= source.tolerance:
        raise CircuitError(
            f"The circuit's outputs differ from the module's by {difference:.2g} on the sample: the module does "
            "something that is neither a gate nor a measurement of TorchQuantum."
        )
    return found


class TorchQuantumSource:
    """A TorchQuantum module that turns one tensor ``(B, *features)`` into what it measures.

    Args:
        module: The module; it makes or holds its own device.
        features: Shape of one sample.
    """

    kind = "TorchQuantum module"
    dtype, tolerance = torch.float32, 1e-4  # all that TorchQuantum offers

    def __init__(self, module: nn.Module, features: tuple[int, ...]) -> None:
        self.module, self.features = module, features
        self._looked = False

    @staticmethod
    def matches(module: nn.Module) -> bool:
        """Whether this is a module derived from TorchQuantum's, but none of the library's own parts."""
        own = type(module).__module__.startswith("torchquantum.")
        return not own and any(c.__module__ == "torchquantum.module.modules" for c in type(module).__mro__)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the module's parameters by name."""
        return dict(self.module.named_parameters())

    def run(self, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Run the module itself with other weights."""
        out: Tensor = functional_call(self.module, _as_parameters(weights), (inputs,))
        return out

    def record(self, features: Tensor, weights: Mapping[str, Tensor]) -> Recording:
        """Record one sample ``(n_features,)``.

        Raises:
            CircuitError: If a gate is unknown, or the output is not what was measured.
        """
        recorder = _Recorder(compares=not self._looked)
        with recorder.listening():
            out = functional_call(self.module, _as_parameters(weights), (features.reshape(1, *self.features),))
        if not self._looked:  # once is enough, and a trace cannot compare numbers
            recorder.check(out)
            self._looked = True
        return Recording(recorder.n_wires, without_phases(recorder.gates), Readout.collect(recorder.readings))


def is_simulator(module: nn.Module) -> bool:
    """Whether this is a device of TorchQuantum, whose buffers are what it computes and not what it knows."""
    return type(module).__module__.startswith(("torchquantum.device", "torchquantum.density"))


def _as_parameters(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mark tensors as parameters: TorchQuantum's operators assign their own ``params`` anew at every call."""
    for value in weights.values():
        value._is_param = True  # type: ignore[attr-defined]
    return dict(weights)


class _Recorder:
    """Stands between TorchQuantum's functions and its simulator while a module runs.

    Args:
        compares: Whether states are numbers that can be compared, as they are not in a trace.
    """

    def __init__(self, compares: bool) -> None:
        self.compares = compares
        self.gates: list[RecordedGate] = []
        self.readings: list[list[tuple[float, Pauli | None]]] = []
        self.values: list[Tensor] = []
        self.n_wires = 0
        self.devices: set[int] = set()
        self.kept: list[Foreign] = []  # keeps devices alive, so that their ids stay theirs
        self.left: Foreign = None  # the state that the last gate left behind
        self.rotated = False
        self.paused = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Put the recorder in the place of three functions, in every module that imported them."""
        from torchquantum.functional import gate_wrapper
        from torchquantum.measurement import measurements

        spies: dict[Foreign, Callable[..., Foreign]] = {
            gate_wrapper: self._gate(gate_wrapper),
            measurements.expval: self._expval(measurements.expval),
            measurements.expval_joint_analytical: self._joint(measurements.expval_joint_analytical),
        }
        places = [
            (module, name, value)
            for module in list(sys.modules.values())
            for name, value in list(getattr(module, "__dict__", {}).items())
            if type(value) is FunctionType and value in spies
        ]
        try:
            for module, name, value in places:
                setattr(module, name, spies[value])
            yield
        finally:
            for module, name, value in places:
                setattr(module, name, value)

    def _gate(self, original: Callable[..., Foreign]) -> Callable[..., Foreign]:
        def gate(
            name: str,
            mat: Foreign,
            method: str,
            q_device: Foreign,
            wires: Foreign,
            params: Foreign = None,
            *rest: Foreign,
            **named: Foreign,
        ) -> Foreign:
            if not self.paused:
                self._see(q_device)
                if named.get("static") or self.values:
                    raise CircuitError(
                        f"Gate {name} comes in static mode or after a measurement; that is not followed."
                    )
                numbers = np.atleast_1d(np.asarray(wires)).tolist()
                self.gates += _gates(name, mat, tuple(numbers), params, bool(named.get("inverse", False)))
            result = original(name, mat, method, q_device, wires, params, *rest, **named)
            self.left = q_device.states
            return result

        return gate

    def _see(self, device: Foreign) -> None:
        self.n_wires = max(self.n_wires, device.n_wires)
        if id(device) not in self.devices:
            self.devices.add(id(device))
            self.kept.append(device)
        if len(self.devices) > 1:
            raise CircuitError("It uses more than one quantum device; wrap each circuit in a module of its own.")
        state = device.states
        if self.left is None:
            self.left = state
            changed = self.compares and not _is_ground(state)
        else:
            changed = state is not self.left
        if changed:
            raise CircuitError(
                "It prepares a state without gates, as AmplitudeEncoder, StateEncoder, set_states and reset do: "
                "amplitudes are no angles, and only a device that starts in |0...0> and meets nothing but gates can be "
                "read as a circuit."
            )

    def _expval(self, original: Callable[..., Foreign]) -> Callable[..., Foreign]:
        def expval(qdev: Foreign, wires: Foreign, observables: Foreign) -> Tensor:
            self._see(qdev)
            numbers = [wires] if isinstance(wires, int) else list(wires)
            listed = [observables] if isinstance(wires, int) else list(observables)
            letters = [_LETTERS.get(type(observable).__name__, "?") for observable in listed]
            if "?" in letters or self.rotated or len(set(numbers)) != len(numbers):
                raise CircuitError(
                    "It reads a device again after an observable other than Z, or a wire twice: TorchQuantum's expval "
                    "rotates the device in place, so the second reading is not what it says. Rebuild the device "
                    "before each such reading."
                )
            self.rotated = bool(set(letters) & {"X", "Y"})
            pairs = zip(letters, numbers, strict=True)
            self.readings += [[(1.0, None if letter == "I" else Pauli(letter, wire))] for letter, wire in pairs]
            return self._measured(original, qdev, numbers, listed)

        return expval

    def _joint(self, original: Callable[..., Foreign]) -> Callable[..., Foreign]:
        def joint(qdev: Foreign, observable: str) -> Tensor:
            self._see(qdev)
            if self.rotated:
                raise CircuitError("It reads a device again after expval has rotated it in place; rebuild the device.")
            wires = [wire for wire, letter in enumerate(observable.upper()) if letter != "I"]
            letters = observable.upper().replace("I", "")
            self.readings.append([(1.0, Pauli(letters, wires) if wires else None)])
            return self._measured(original, qdev, observable)

        return joint

    def _measured(self, original: Callable[..., Foreign], *arguments: Foreign) -> Tensor:
        self.paused = True
        try:
            value: Tensor = original(*arguments)
        finally:
            self.paused = False
        self.values.append(value)
        return value

    def check(self, out: Foreign) -> None:
        """Refuse an output that is not what was measured."""
        if not self.values:
            raise CircuitError("It measured nothing with expval, MeasureAll or expval_joint_analytical.")
        measured = torch.cat([value.reshape(-1) for value in self.values])
        if not isinstance(out, Tensor) or out.numel() != measured.numel() or not _equal(out, measured):
            raise CircuitError(
                "Its output is not what it measured. Classical operations behind the measurement belong into a module "
                "around it."
            )


def _is_ground(state: Tensor) -> bool:
    amplitudes = state.detach().reshape(state.shape[0], -1)
    return bool((amplitudes[:, 0] - 1).abs().max() < 1e-6) and not amplitudes[:, 1:].any()


def _equal(out: Tensor, measured: Tensor) -> bool:
    return bool(torch.allclose(out.detach().reshape(-1), measured.detach().to(out.dtype), atol=1e-7))


def _gates(name: str, matrix: Foreign, wires: tuple[int, ...], params: Foreign, inverted: bool) -> list[RecordedGate]:
    values = _values(params)
    if name in _GATES:
        gates = [RecordedGate(_GATES[name], wires, values)]
    elif name in _CONTROLLED:
        gates = [controlled(RecordedGate(_CONTROLLED[name], wires[1:], values), wires[:1])]
    elif name in ("rot", "crot"):
        turns = zip(("RZ", "RY", "RZ"), values, strict=True)
        gates = [RecordedGate(turn, wires[-1:], (angle,)) for turn, angle in turns]
        gates = [controlled(gate, wires[:1]) for gate in gates] if name == "crot" else gates
    elif name in _PRODUCTS:
        gates = _PRODUCTS[name](wires, *values)
    elif isinstance(matrix, Tensor) and params is None:
        rows = matrix.detach().cpu().to(torch.complex128).numpy()
        gates = [RecordedGate("Unitary", wires, matrix=tuple(tuple(complex(z) for z in row) for row in rows))]
    else:
        raise CircuitError(f"TorchQuantum's gate '{name}' cannot be read.")
    return [inverse(gate) for gate in reversed(gates)] if inverted else gates


def _turned(name: str, axis: Foreign, wires: tuple[int, ...], *values: Foreign) -> list[RecordedGate]:
    """Return gates between a phase of the first wire and its inverse."""
    back, there = (RecordedGate("PhaseShift", wires[:1], (sign * axis,)) for sign in (-1, 1))
    turns = zip(name.split(), values, strict=True)
    return [back, *(RecordedGate(part, wires, (value,)) for part, value in turns), there]


def _zx(wires: tuple[int, ...], angle: Foreign) -> list[RecordedGate]:
    hadamard = RecordedGate("H", wires[1:])
    return [hadamard, RecordedGate("IsingZZ", wires, (angle,)), hadamard]


def _cu(wires: tuple[int, ...], theta: Foreign, phi: Foreign, lam: Foreign, gamma: Foreign) -> list[RecordedGate]:
    phase = RecordedGate("PhaseShift", wires[:1], (gamma,))
    return [phase, RecordedGate("U3", wires[1:], (theta, phi, lam), wires[:1])]


# Products of gates, as TorchQuantum's matrices define them; what its release cannot run itself is left out.
_PRODUCTS: dict[str, Callable[..., list[RecordedGate]]] = {
    "r": lambda wires, theta, phi: _turned("RX", phi, wires, theta),
    "cu": _cu,
    "rzx": _zx,
    "xxplusyy": lambda wires, theta, beta: _turned("IsingXX IsingYY", -beta, wires, theta / 2, theta / 2),
    "xxminyy": lambda wires, theta, beta: _turned("IsingXX IsingYY", beta, wires, theta / 2, -theta / 2),
}


def _values(params: Foreign) -> tuple[Foreign, ...]:
    if params is None:
        return ()
    return tuple(params.reshape(-1).unbind()) if isinstance(params, Tensor) else tuple(np.atleast_1d(params).tolist())
