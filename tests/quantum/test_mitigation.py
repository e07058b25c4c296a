"""Zero-noise extrapolation, and models run under other conditions."""

import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum import QuantumLayer, circuits, compile
from hqzoo.quantum.execution import Execution, executed
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
    ideal = compile(circuit, dtype=torch.float64)(inputs, weights)
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
