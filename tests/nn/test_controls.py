"""What controls promise each other: nothing at all, shared budgets, initial weights."""

import itertools
import math

import pytest
import torch
from scipy import stats

from hqzoo.errors import CircuitError, ConfigError
from hqzoo.nn import CONTROLS, build_core
from hqzoo.quantum import QuantumLayer, circuits


def test_zero_is_nothing_at_all():
    core = build_core("zero", circuits.hq_unet(2, 2), rest=0)
    data = torch.full((3, 5, 12), math.nan, dtype=torch.bfloat16)
    assert torch.equal(core(data), torch.zeros(3, 5, 8, dtype=torch.bfloat16))
    assert list(core.parameters()) == []


def test_every_control_is_built_and_nothing_else():
    circuit = circuits.qufex(4)
    for name in CONTROLS:
        core = build_core(name, circuit, rest=5000, hidden=3 if name == "mlp_time" else None)
        assert core(torch.rand(2, 3, 4)).shape == (2, 3, 4)
    with pytest.raises(ConfigError, match=r"Unknown control 'zeros'\. Did you mean 'zero'"):
        build_core("zeros", circuit, rest=0)


@pytest.mark.parametrize(("rest", "copies"), itertools.product((9_999, 20_011, 84_145), (1, 2, 4)))
def test_copies_of_an_mlp_share_one_percent(rest, copies):
    circuit = circuits.qufex(8)
    core = build_core("mlp", circuit, rest=rest, copies=copies)
    quantum = rest + copies * circuit.n_weights
    size = sum(p.numel() for p in core.parameters())
    assert rest + copies * size <= 1.01 * quantum
    assert rest + copies * (size + 8 + 1 + 8) > 1.01 * quantum  # one more hidden unit in each would not fit


def test_copies_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="between 8 inputs and 8 outputs, 4 times"):
        build_core("mlp", circuits.qufex(8), rest=1500, copies=4)


@pytest.mark.parametrize(("init", "low", "high"), [("uniform", 0, 2 * math.pi), ("keras", -math.sqrt(1.5), 1.5**0.5)])
def test_initial_weights_are_drawn_evenly_between_bounds(init, low, high):
    torch.manual_seed(0)
    cores = [build_core("quantum", circuits.qufex(4, n_layers=4), rest=0, init=init) for _ in range(30)]
    values = torch.cat([core.weights.detach() for core in cores])
    assert stats.kstest(values.numpy(), stats.uniform(low, high - low).cdf).pvalue > 0.01
    assert low <= values.min() < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < values.max() <= high


def test_frozen_and_separable_circuits_start_alike():
    for control in ("quantum", "frozen", "separable"):
        torch.manual_seed(1)
        core = build_core(control, circuits.qufex(4), rest=0, init="keras")
        torch.manual_seed(1)
        assert torch.equal(core.weights, QuantumLayer(circuits.qufex(4), init="keras").weights)
    with pytest.raises(CircuitError, match="init='glorot' is not one of uniform, zeros, keras"):
        build_core("quantum", circuits.qufex(4), rest=0, init="glorot")
