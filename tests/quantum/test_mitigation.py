"""Zero-noise extrapolation, and models run under other conditions."""

import pickle

import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Pauli, QuantumLayer, circuits, compile_circuit, feature, weight
from hqzoo.quantum.engines.density import engine as density
from hqzoo.quantum.engines.draws import Draws, branch
from hqzoo.quantum.execution import Execution, executed
from hqzoo.quantum.gates import CNOT, RY
from hqzoo.quantum.mitigation import ZeroNoiseEngine, zne, zne_coefficients
from hqzoo.quantum.noise import NoiseModel


def test_coefficients_of_the_textbook():
    assert zne_coefficients((1, 2, 3)) == pytest.approx((3, -3, 1))
    assert zne_coefficients((1, 3), "linear") == pytest.approx((1.5, -0.5))


def test_lines_and_polynomials_are_followed_exactly():
    scales = torch.tensor([1.0, 1.5, 2.0, 3.0], dtype=torch.float64)
    line, cubic = 0.7 - 0.2 * scales, 0.7 - 0.2 * scales + 0.1 * scales**2 - 0.05 * scales**3
    values = torch.stack([line, cubic], 1)
    torch.testing.assert_close(zne(values, scales.tolist()), torch.full((2,), 0.7, dtype=torch.float64))
    assert zne(values, scales.tolist(), "linear")[0].item() == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("scales", "kind"), [((1,), "linear"), ((1, 1), "linear"), ((0, 1), "linear"), ((1, 2), "exp")]
)
def test_senseless_settings_are_refused(scales, kind):
    with pytest.raises(CircuitError, match=r"zero-noise|not one of linear"):
        zne_coefficients(scales, kind)


def test_values_must_fit_the_strengths():
    with pytest.raises(CircuitError, match="2 values were given for 3"):
        zne(torch.zeros(2), (1, 2, 3))


@pytest.mark.parametrize("kind", ["linear", "richardson"])
def test_extrapolation_comes_closer_to_the_ideal_values(kind):
    circuit = circuits.hq_unet(2, 2)
    inputs = torch.rand(5, circuit.n_data, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.linspace(0.2, 3, circuit.n_weights, dtype=torch.float64, requires_grad=True)
    noise = NoiseModel.of(depolarizing=0.005, readout=0.01)
    ideal = compile_circuit(circuit, dtype=torch.float64)(inputs, weights)
    noisy = Execution(noise).engine(circuit, torch.float64)(inputs, weights)
    engine = Execution(noise, zne=kind).engine(circuit, torch.float64)
    assert isinstance(engine, ZeroNoiseEngine)
    mended = engine(inputs, weights)
    gain = (noisy - ideal).abs().mean() / (mended - ideal).abs().mean()
    assert gain > (20 if kind == "richardson" else 4)
    assert torch.autograd.grad(mended.sum(), weights)[0].abs().max() > 0


def test_conditions_hold_for_a_while_only():
    circuit = circuits.hq_unet(2, 2)
    model = nn.Sequential(
        QuantumLayer(circuit, seed=0), nn.Linear(8, 2), nn.Tanh(), nn.Linear(2, 12), QuantumLayer(circuit)
    )
    inputs = torch.rand(3, circuit.n_data)
    before, keys = model(inputs), list(model.state_dict())
    with executed(model, Execution(NoiseModel.of(depolarizing=0.75))) as count:
        assert count == 2
        assert model(inputs).abs().max() < 1e-6
        assert list(model.state_dict()) == keys
    assert torch.equal(model(inputs), before)
    with pytest.raises(ZeroDivisionError), executed(model, Execution(shots=5)):
        raise ZeroDivisionError
    assert torch.equal(model(inputs), before)
    with pytest.raises(CircuitError, match="needs noise"), executed(model, Execution(zne="linear")):
        pass


ONE_WIRE = Circuit(1, [RY(feature(0), 0)], [Pauli("Z", 0)])
ANGLE, NOTHING = torch.full((1, 1), 1.2), torch.zeros(0)


def test_equal_layers_scatter_independently():
    model = nn.ModuleList([QuantumLayer(ONE_WIRE), QuantumLayer(ONE_WIRE)])
    with executed(model, Execution(shots=100)):
        found = torch.stack([torch.cat([layer(ANGLE).flatten() for layer in model]) for _ in range(600)])
    assert torch.corrcoef(found.T)[0, 1].abs() < 4 / 600**0.5


def test_strengths_and_neighbouring_seeds_scatter_independently():
    """Sharing streams, the coefficients 3, -3, 1 of Richardson made neighbours correlated by -2/3."""
    noise, shots, runs = NoiseModel.of(depolarizing=0.001), 100, 800
    engines = [Execution(noise, shots, "richardson", seed=seed).engine(ONE_WIRE) for seed in range(runs)]
    found = torch.stack([engine(ANGLE, NOTHING).flatten() for engine in engines]).flatten()
    scatter = found - found.mean()
    assert (scatter[1:] * scatter[:-1]).sum().abs() / scatter.square().sum() < 4 / runs**0.5
    one = ((1 - ANGLE.cos().square()) / shots).sqrt().item()
    assert found.std().item() == pytest.approx(one * (3**2 + 3**2 + 1) ** 0.5, rel=0.1)


def test_every_random_engine_of_a_layer_has_a_stream_of_its_own(monkeypatch):
    monkeypatch.setattr(density, "AUTO_EXACT_WIRES", 0)
    monkeypatch.setattr(density, "MAX_TERMS", 0)
    circuit = Circuit(2, [RY(feature(0), 0), CNOT(0, 1)], [Pauli("ZZ", (0, 1)), Pauli("X", 0)])
    engine = Execution(NoiseModel.of(amplitude_damping=0.1), shots=10, zne="linear").engine(circuit)
    draws = {id(d): d.seed for part in engine.modules() if isinstance(d := getattr(part, "_draws", None), Draws)}
    assert len(draws) == 3 * 3  # shots, and trajectories of two groups, at each strength
    assert len(set(draws.values())) == len(draws)


def test_streams_of_neighbouring_seeds_and_paths_differ():
    paths = [(), (0,), (0, 0), (1,), (1, 0), (0, 1)]
    assert len({branch(seed, *path) for seed in range(100) for path in paths}) == 600
    assert branch(3, 1, 2) == branch(3, 1, 2)
    with pytest.raises(CircuitError, match="seed=-1"):
        branch(-1, 0)


def test_conditions_hold_for_weights_of_every_sample_too():
    gates = [RY(feature(0), 0), RY(weight(0), 1), CNOT(0, 1)]
    layer = QuantumLayer(Circuit(2, gates, [Pauli("Z", 0), Pauli("Z", 1)]), seed=0)
    inputs = torch.tensor([[0.4], [0.9]])
    own = {"weights": layer.weights.expand(2, 1)}
    ideal = torch.func.functional_call(layer, own, (inputs,))
    for noise in (NoiseModel.of(depolarizing=0.3), NoiseModel.of(amplitude_damping=0.5)):
        with executed(layer, Execution(noise)):
            found = torch.func.functional_call(layer, own, (inputs,))
            torch.testing.assert_close(found, layer(inputs))
            assert (found - ideal).abs().max() > 0.1
        assert torch.equal(torch.func.functional_call(layer, own, (inputs,)), ideal)


def test_models_under_conditions_can_be_pickled():
    layer = QuantumLayer(ONE_WIRE)
    with executed(layer, Execution(shots=50)):
        twin = pickle.loads(pickle.dumps(layer))
        assert torch.equal(twin(ANGLE), layer(ANGLE))
