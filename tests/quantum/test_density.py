"""The density engine against PennyLane's ``default.mixed``, and its three ways against each other."""

import copy

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, compile_circuit, feature, weight
from hqzoo.quantum.engines.density import trajectories
from hqzoo.quantum.engines.density.engine import DensityEngine, plan_density
from hqzoo.quantum.engines.density.exact import ExactPiece
from hqzoo.quantum.engines.density.pieces import pieces_of
from hqzoo.quantum.gates import CNOT, CRY, RX, RY, RZ, U3, H, IsingXX, X, Z, controlled
from hqzoo.quantum.noise import NoiseModel
from tests.quantum.oracle import _apply, random_circuits

NOISE = NoiseModel.of(
    depolarizing=(0.02, 0.05), amplitude_damping=0.1, phase_damping=0.07, bit_flip=0.03, phase_flip=0.04, readout=0.06
)
THEIRS = {
    "depolarizing": qml.DepolarizingChannel,
    "bit_flip": qml.BitFlip,
    "phase_flip": qml.PhaseFlip,
    "amplitude_damping": qml.AmplitudeDamping,
    "phase_damping": qml.PhaseDamping,
}
MIXED = Circuit(
    3,
    [
        RY(feature(0), 0),
        U3(feature(1), weight(0), 0.3, 1),
        controlled(U3(feature(0), weight(0) + feature(1), 0.3, 2), 0, 1),
        CRY(weight(1), 2, 0),
        IsingXX(feature(2) + 0.3, 1, 2),
    ],
    [Pauli("XZ", (0, 2)), Pauli("Y", 1), Probabilities((2, 0)), Overlap((1,), (2,))],
)


def pauli_matrix(letters):
    """A Pauli string as a dense matrix."""
    return qml.matrix(
        qml.prod(*(getattr(qml, letter)(wire) for wire, letter in enumerate(letters))), range(len(letters))
    )


def default_mixed(circuit, inputs, weights, noise, rest=()):
    """Expectation values ``(B, n)`` by PennyLane, without readout errors; ``rest``: further operations at the end."""

    @qml.qnode(qml.device("default.mixed", wires=circuit.n_wires), interface="torch", diff_method="backprop")
    def run(x):
        for gate in circuit.gates:
            with qml.queuing.AnnotatedQueue() as queue:
                _apply(gate, x, weights)
            # As matrices: the device's own way with controlled gates is off by 4e-9 from default.qubit.
            for operation in qml.tape.QuantumScript.from_queue(queue).operations:
                qml.QubitUnitary(qml.matrix(operation), wires=operation.wires)
            for wire in gate.support:
                for channel in noise.after(gate):
                    THEIRS[channel.name](channel.probability, wires=wire)
        for operation in rest:
            qml.apply(operation)
        return [_measure(observable) for observable in circuit.observables]

    return torch.stack([torch.cat([value.reshape(-1) for value in run(x)]) for x in inputs])


def _measure(observable):
    if isinstance(observable, Probabilities):
        return qml.probs(wires=observable.wires)
    if isinstance(observable, Overlap):  # read as the sum of Pauli strings that it is
        pairs = zip(observable.wires_a, observable.wires_b, strict=True)
        one = [0.5 * (qml.I(a) + qml.X(a) @ qml.X(b) + qml.Y(a) @ qml.Y(b) + qml.Z(a) @ qml.Z(b)) for a, b in pairs]
        return qml.expval(qml.prod(*one) if len(one) > 1 else one[0])
    letters = zip(observable.letters, observable.wires, strict=True)
    return qml.expval(qml.prod(*(getattr(qml, letter)(wire) for letter, wire in letters)))


def sample(circuit, batch=2, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=dtype) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=dtype) * 6
    return inputs.requires_grad_(), weights.requires_grad_()


def gradients(outputs, inputs, weights):
    if not outputs.requires_grad:
        return torch.zeros_like(inputs), torch.zeros_like(weights)
    cotangent = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view(outputs.shape)
    return torch.autograd.grad(outputs, (inputs, weights), cotangent, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("method", ["network", "exact"])
def test_exact_ways_match_pennylane_with_gradients(method):
    inputs, weights = sample(MIXED)
    expected = default_mixed(MIXED, inputs, weights, NoiseModel(NOISE.one_qubit, NOISE.two_qubit))
    noise = NoiseModel(NOISE.one_qubit, NOISE.two_qubit)
    outputs = DensityEngine(MIXED, torch.float64, noise, method)(inputs, weights)
    torch.testing.assert_close(outputs, expected, atol=1e-10, rtol=0)
    for ours, theirs in zip(gradients(outputs, inputs, weights), gradients(expected, inputs, weights), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


@pytest.mark.parametrize("method", ["network", "exact"])
def test_readout_errors_flip_measured_bits(method):
    """The oracle turns each measured basis into that of Z, and flips there."""
    observables = [Pauli("Z", 0), Pauli("YX", (0, 1)), Probabilities((1, 0))]
    circuit = Circuit(2, [*MIXED.gates[:2], CNOT(0, 1)], observables)
    inputs, weights = sample(circuit)
    turns = ([], [RX(np.pi / 2, 0), H(1)], [])
    expected = []
    for observable, added in zip(observables, turns, strict=True):
        z = (
            observable
            if isinstance(observable, Probabilities)
            else Pauli("Z" * len(observable.wires), observable.wires)
        )
        flips = {"rest": [qml.BitFlip(0.06, wires=wire) for wire in observable.wires]}
        turned = Circuit(2, [*circuit.gates, *added], [z])
        expected.append(default_mixed(turned, inputs, weights, NoiseModel(), **flips))
    outputs = DensityEngine(circuit, torch.float64, NoiseModel.of(readout=0.06), method)(inputs, weights)
    torch.testing.assert_close(outputs, torch.cat(expected, 1), atol=1e-10, rtol=0)


@settings(max_examples=40, deadline=None)
@given(random_circuits(max_wires=4, max_gates=8))
def test_random_circuits_match_pennylane(circuit):
    inputs, weights = sample(circuit)
    noise = NoiseModel(NOISE.one_qubit, NOISE.two_qubit)
    expected = default_mixed(circuit, inputs, weights, noise)
    reference = gradients(expected, inputs, weights)
    for method in ("auto", "exact"):
        outputs = DensityEngine(circuit, torch.float64, noise, method)(inputs, weights)
        torch.testing.assert_close(outputs, expected, atol=1e-10, rtol=0)
        for ours, theirs in zip(gradients(outputs, inputs, weights), reference, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


def test_derivatives_pass_torchs_own_check():
    inputs, weights = sample(MIXED)
    assert torch.autograd.gradcheck(DensityEngine(MIXED, torch.float64, NOISE, "exact"), (inputs, weights))


@pytest.mark.parametrize("noise", [NOISE, NoiseModel.of(amplitude_damping=1.0), NoiseModel.of(depolarizing=0.75)])
def test_density_matrices_have_trace_one_and_no_negative_eigenvalue(noise):
    circuit = circuits.hq_unet(2, 2, n_layers=2)
    inputs, weights = sample(circuit, batch=3)
    (piece,) = pieces_of(circuit, noise)
    coefficients = ExactPiece(piece, circuit, torch.float64).coefficients(inputs, weights).detach().numpy()
    n = len(piece.wires)
    letters = np.array(["I", "X", "Y", "Z"])
    for one in coefficients:
        rho = sum(
            one[index] * pauli_matrix("".join(letters[list(index)])) for index in np.ndindex(*one.shape)
        ) / 2**n  # fmt: skip
        assert np.trace(rho).real == pytest.approx(1.0, abs=1e-12)
        assert np.linalg.eigvalsh(rho).min() > -1e-12


def test_complete_damping_and_complete_depolarization():
    circuit = Circuit(1, [H(0)], [Pauli("Z", 0), Pauli("X", 0)])
    nothing = torch.zeros(1, 0), torch.zeros(0)
    assert DensityEngine(circuit, noise=NoiseModel.of(amplitude_damping=1.0))(*nothing).tolist() == [[1.0, 0.0]]
    torch.testing.assert_close(
        DensityEngine(circuit, noise=NoiseModel.of(depolarizing=0.75))(*nothing), torch.zeros(1, 2)
    )


def test_published_circuit_is_exact_at_its_full_size():
    circuit = circuits.hq_unet()
    inputs, weights = sample(circuit)
    found = plan_density(circuit, NOISE)
    assert found.method == "network"
    assert found.largest_piece <= 2
    ideal = compile_circuit(circuit, dtype=torch.float64)(inputs, weights)
    none = DensityEngine(circuit, torch.float64)(inputs, weights)
    torch.testing.assert_close(none, ideal, atol=1e-12, rtol=0)
    # Pauli letters only shrink under unital noise, so every value does at p = 3/4, to nothing.
    noisy = DensityEngine(circuit, torch.float64, NoiseModel.of(depolarizing=0.75))(inputs, weights)
    assert noisy.abs().max() < 1e-12


def test_light_cones_spare_what_nobody_sees():
    wires = 30
    gates = [RY(feature(0), 0), *(CNOT(wire, wire + 1) for wire in range(wires - 1)), X(0)]
    circuit = Circuit(wires, gates, [Pauli("Z", 0), Pauli("Z", 1)])
    pieces = pieces_of(circuit, NOISE)
    assert [piece.wires for piece in pieces] == [(0, 1, 2)]
    inputs, weights = sample(circuit)
    exact = DensityEngine(circuit, torch.float64, NOISE, "exact")(inputs, weights)
    torch.testing.assert_close(exact, DensityEngine(circuit, torch.float64, NOISE, "network")(inputs, weights))


@pytest.mark.parametrize("name", ["depolarizing", "amplitude_damping", "phase_damping"])
def test_trajectories_are_unbiased_in_values_and_gradients(name):
    noise = NoiseModel.of(**{name: 0.2, "readout": 0.05})
    inputs, weights = sample(MIXED, batch=1)
    exact = DensityEngine(MIXED, torch.float64, noise, "exact")(inputs, weights)
    reference = torch.cat([exact.flatten(), *(g.flatten() for g in gradients(exact, inputs, weights))]).detach()
    engine = DensityEngine(MIXED, torch.float64, noise, "trajectories", n_trajectories=200, seed=5)
    runs = []
    for _ in range(40):
        outputs = engine(inputs, weights)
        runs.append(torch.cat([outputs.flatten(), *(g.flatten() for g in gradients(outputs, inputs, weights))]))
    runs = torch.stack(runs).detach()
    error = runs.std(0) / len(runs) ** 0.5
    deviation = (runs.mean(0) - reference).abs()
    assert (deviation < 4.5 * error + 1e-9).all(), deviation / error
    assert error.max() < 0.1


def test_trajectories_are_seeded_and_new_at_every_call():
    inputs, weights = sample(MIXED)

    def build(seed):
        return DensityEngine(MIXED, torch.float64, NOISE, "trajectories", n_trajectories=7, seed=seed)

    first = build(3)
    one, two = first(inputs, weights), first(inputs, weights)
    assert torch.equal(one, build(3)(inputs, weights))
    assert not torch.equal(one, two)
    assert not torch.equal(one, build(4)(inputs, weights))
    assert torch.equal(copy.deepcopy(first)(inputs, weights), first(inputs, weights))


def test_trajectories_of_wide_strings_without_noise_are_exact():
    wires = 15
    gates = [gate for wire in range(wires) for gate in (RX(0.1 * wire, wire), RZ(0.3 + wire, wire))]
    letters = "ZYXZYXZYXZYXZYY"
    circuit = Circuit(wires, gates, [Pauli(letters, range(wires)), Pauli("YZ", (1, 3))])
    nothing = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    expected = compile_circuit(circuit, "cone", torch.float64)(*nothing)
    found = DensityEngine(circuit, torch.float64, method="trajectories", n_trajectories=1)(*nothing)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert expected.abs().min() > 1e-9


def test_trajectories_in_chunks(monkeypatch):
    inputs, weights = sample(MIXED)
    exact = DensityEngine(MIXED, torch.float64, NOISE, "exact")(inputs, weights)
    monkeypatch.setattr(trajectories, "CHUNK_BYTES", 2**15)
    many = DensityEngine(MIXED, torch.float64, NOISE, "trajectories", n_trajectories=3000)(inputs, weights)
    assert (many - exact).abs().max() < 0.1


def test_ideal_tail_is_free_of_noise():
    gates = [RX(0.7, 0), H(0)]
    noise = NoiseModel.of(phase_flip=0.2)
    nothing = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    for method in ("network", "exact"):
        turned = DensityEngine(Circuit(1, gates, [Pauli("Z", 0)]), torch.float64, noise, method, ideal_tail=1)
        straight = DensityEngine(Circuit(1, gates[:1], [Pauli("X", 0)]), torch.float64, noise, method)
        torch.testing.assert_close(turned(*nothing), straight(*nothing))


def test_empty_batches_and_precision():
    inputs, weights = sample(MIXED, dtype=torch.float32)
    for method in ("network", "exact", "trajectories"):
        engine = DensityEngine(MIXED, noise=NOISE, method=method, n_trajectories=2)
        assert engine(inputs[:0], weights).shape == (0, MIXED.n_observables)
        assert engine(inputs, weights).dtype == torch.float32
        assert not engine.state_dict()


def test_what_cannot_be_held_is_refused_with_the_limit():
    deep = [
        gate for _ in range(22) for wire in range(21) for gate in (RY(0.3, wire), RZ(0.2, wire), CNOT(wire, wire + 1))
    ]
    circuit = Circuit(22, deep, [Pauli("Z", 21)])
    with pytest.raises(CircuitError, match=r"22 wires.*at most 20"):
        plan_density(circuit, NOISE, "trajectories")
    with pytest.raises(CircuitError, match=r"22 wires.*at most 12"):
        plan_density(circuit, NOISE, "exact")
    with pytest.raises(CircuitError, match="not one of auto"):
        plan_density(circuit, NOISE, "exakt")
    with pytest.raises(CircuitError, match="n_trajectories=0"):
        DensityEngine(MIXED, n_trajectories=0)
    wide = Circuit(7, [controlled(Z(6), *range(6))], [Pauli("X", 6)])
    with pytest.raises(CircuitError, match=r"7 wires.*can have 5"):
        DensityEngine(wide, noise=NOISE, method="exact")
