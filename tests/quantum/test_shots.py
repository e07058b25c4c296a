"""Finite shots: their distribution against theory, their gradients against exact ones."""

import copy
import math

import pytest
import torch
from scipy import stats

from hqzoo.errors import CircuitError
from hqzoo.quantum import (
    Circuit,
    Overlap,
    Pauli,
    Probabilities,
    QuantumLayer,
    circuits,
    compile_circuit,
    feature,
    gates,
    weight,
)
from hqzoo.quantum.engines.density.engine import DensityEngine
from hqzoo.quantum.execution import Execution, executed
from hqzoo.quantum.gates import CNOT, RX, RY, RZ, SWAP, U3, CPhase, Gate, H, IsingXX, PhaseShift, T, controlled
from hqzoo.quantum.noise import NoiseModel
from hqzoo.quantum.shift import GateAngles
from hqzoo.quantum.shots import ShotEngine, sample_counts, settings_of

NOISE = NoiseModel.of(depolarizing=(0.01, 0.05), amplitude_damping=0.1, readout=0.03)
MIXED = Circuit(
    3,
    [
        RY(feature(0), 0),
        U3(feature(1), weight(0), 0.3, 1),
        controlled(U3(feature(0), weight(0) + feature(1), 2 * weight(1), 2), 0),
        controlled(RX(weight(1), 2), 0, 1),
        IsingXX(feature(0) + 0.3, 1, 2),
        CPhase(weight(0), 2, 0),
        T(0),
        H(0),
    ],
    [Pauli("XZ", (0, 2)), Pauli("Y", 1), Probabilities((2, 0)), Overlap((1,), (2,)), Pauli("Z", 2)],
)


def sample(circuit, batch=2, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=dtype) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=dtype) * 6
    return inputs.requires_grad_(), weights.requires_grad_()


def noisy(circuit, dtype, ideal_tail):
    return DensityEngine(circuit, dtype, NOISE, ideal_tail=ideal_tail)


def test_groups_share_what_can_be_measured_together():
    assert [setting.observables for setting in settings_of(circuits.hq_unet(2, 2))] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    settings = settings_of(MIXED)
    assert [setting.observables for setting in settings] == [[0, 1, 4], [2], [3]]
    assert settings[0].basis == {0: "X", 1: "Y", 2: "Z"}


def test_counts_are_multinomial():
    probabilities = torch.tensor([[0.1, 0.2, 0.0, 0.3, 0.05, 0.05, 0.3, 0.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    shots, rows = 50, 4000
    counts = sample_counts(probabilities.expand(rows, -1), shots, generator)
    assert (counts.sum(1) == shots).all()
    assert (counts[:, probabilities[0] == 0] == 0).all()
    scatter = torch.cov(counts.T)
    p = probabilities[0]
    expected = shots * (torch.diag(p) - torch.outer(p, p))
    torch.testing.assert_close(scatter, expected, atol=0.06 * shots * 0.25, rtol=0)
    kept = p > 0
    assert stats.chisquare(counts.sum(0)[kept], p[kept] * rows * shots).pvalue > 1e-4


def test_one_bit_is_binomial():
    """Compared over its whole distribution, not by mean and variance alone."""
    circuit = Circuit(1, [RY(0.8, 0)], [Pauli("Z", 0)])
    engine = ShotEngine(circuit, torch.float64, shots=8, seed=1)
    averages = engine(torch.zeros(4000, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
    ups = ((averages.flatten() + 1) * 4).round().long()
    torch.testing.assert_close(ups.double() / 4 - 1, averages.flatten())
    expected = 4000 * stats.binom.pmf(range(9), 8, (1 + math.cos(0.8)) / 2)
    observed = torch.bincount(ups, minlength=9).double()
    few = expected < 5
    found = [*observed[~few].tolist(), observed[few].sum().item()]
    assert stats.chisquare(found, [*expected[~few], expected[few].sum()]).pvalue > 1e-4


def test_observables_of_a_group_scatter_together():
    bell = Circuit(2, [H(0), CNOT(0, 1)], [Pauli("Z", 0), Pauli("Z", 1), Pauli("ZZ", (0, 1))])
    averages = ShotEngine(bell, shots=10)(torch.zeros(50, 0), torch.zeros(0))
    assert torch.equal(averages[:, 0], averages[:, 1])
    assert torch.equal(averages[:, 2], torch.ones(50))
    assert averages[:, 0].std() > 0.1


def test_many_measured_wires_are_drawn_one_by_one():
    circuit = circuits.hq_unet()
    inputs, weights = sample(circuit, batch=64, dtype=torch.float32)
    engine = ShotEngine(circuit, shots=400, seed=2)
    assert len(engine.joint) == 0
    with torch.no_grad():
        exact = compile_circuit(circuit)(inputs, weights)
        errors = (engine(inputs, weights) - exact) / ((1 - exact**2).clamp_min(1e-6) / 400).sqrt()
    assert errors.mean().abs() < 0.1
    assert errors.std() == pytest.approx(1.0, abs=0.1)


def test_seeds_repeat_and_calls_differ():
    inputs, weights = sample(MIXED)
    engine = ShotEngine(MIXED, torch.float64, shots=30, seed=3)
    twin = copy.deepcopy(engine)
    first = engine(inputs, weights)
    assert torch.equal(first, twin(inputs, weights))
    assert not torch.equal(first, engine(inputs, weights))
    assert not torch.equal(first, ShotEngine(MIXED, torch.float64, shots=30, seed=4)(inputs, weights))


@pytest.mark.parametrize("name", ["ideal", "noisy"])
def test_values_and_gradients_are_unbiased(name):
    inputs, weights = sample(MIXED)
    exact = compile_circuit(MIXED, dtype=torch.float64) if name == "ideal" else noisy(MIXED, torch.float64, 0)
    options = {} if name == "ideal" else {"build": noisy}
    engine = ShotEngine(MIXED, torch.float64, shots=100, seed=7, **options)
    cotangent = torch.linspace(-1, 1, 2 * MIXED.n_observables, dtype=torch.float64).view(2, -1)

    def run(function):
        outputs = function(inputs, weights)
        slopes = torch.autograd.grad((outputs * cotangent).sum(), (inputs, weights))
        return torch.cat([outputs.detach().flatten(), *(slope.flatten() for slope in slopes)])

    runs, reference = torch.stack([run(engine) for _ in range(60)]), run(exact)
    error = runs.std(0) / len(runs) ** 0.5
    assert ((runs.mean(0) - reference).abs() < 4.5 * error + 1e-9).all()
    assert 0.001 < error.max() < 0.2


PARAMETRIC = [
    RX(weight(0), 0), RZ(0.5 * weight(0), 0), PhaseShift(weight(0), 0), IsingXX(weight(0), 0, 1),
    U3(weight(0), weight(1), weight(2), 0),
]  # fmt: skip


@pytest.mark.parametrize("n_controls", [0, 1, 2])
@pytest.mark.parametrize("gate", PARAMETRIC, ids=str)
def test_shift_rules_are_exact_for_every_gate(gate: Gate, n_controls: int):
    """With exact values in place of shots, the rules give derivatives to rounding."""
    before = [gates.Gate("U3", (wire,), tuple(map(gates.as_angle, (0.3 + wire, 0.5, 1.1)))) for wire in range(4)]
    circuit = Circuit(4, [*before, controlled(gate, *range(2, 2 + n_controls)), SWAP(0, 3), *before],
                      [Pauli("Z", 3), Pauli("XY", (0, 1)), Pauli("X", 2)])  # fmt: skip
    split = GateAngles(circuit, torch.float64)
    inputs, weights = sample(circuit, batch=1)
    angles = split(inputs, weights).detach().requires_grad_()
    function = compile_circuit(split.circuit, dtype=torch.float64)
    nothing = torch.zeros(0, dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(lambda values: function(values, nothing), angles)
    for number, rule in enumerate(split.rules):
        step = torch.zeros_like(angles)
        step[0, number] = 1.0
        found = sum(c * function((angles + s * step).detach(), nothing) for c, s in rule)
        torch.testing.assert_close(found, exact[..., 0, number], atol=1e-12, rtol=0)


def test_only_what_is_asked_for_is_shifted():
    split = GateAngles(MIXED, torch.float64)
    assert split.needed(True, True) == list(range(len(split.rules)))
    of_weights = split.needed(False, True)
    assert 0 < len(of_weights) < len(split.rules)
    inputs, weights = sample(MIXED)
    engine = ShotEngine(MIXED, torch.float64, shots=10)
    (slope,) = torch.autograd.grad(engine(inputs.detach(), weights).sum(), weights)
    assert slope.shape == weights.shape


def test_training_with_shots_descends():
    circuit = Circuit(2, [RY(weight(0), 0), RY(weight(1), 1), CNOT(0, 1)], [Pauli("ZZ", (0, 1)), Pauli("Z", 0)])
    layer = QuantumLayer(circuit, seed=0)
    optimizer = torch.optim.SGD(layer.parameters(), 0.3)
    with executed(layer, Execution(shots=200, seed=1)) as count:
        assert count == 1
        for _ in range(60):
            optimizer.zero_grad()
            layer(torch.zeros(1, 0)).sum().backward()
            optimizer.step()
    assert layer(torch.zeros(1, 0)).sum().item() == pytest.approx(-2.0, abs=0.1)


def test_bad_numbers_and_empty_batches():
    with pytest.raises(CircuitError, match="shots=0"):
        ShotEngine(MIXED, shots=0)
    with pytest.raises(CircuitError, match="seed=-1"):
        ShotEngine(MIXED, seed=-1)
    inputs, weights = sample(MIXED, dtype=torch.float32)
    assert ShotEngine(MIXED)(inputs[:0], weights).shape == (0, MIXED.n_observables)
    assert not ShotEngine(MIXED).state_dict()
