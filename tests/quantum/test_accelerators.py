"""On an accelerator a layer waits for no value: the device ``meta`` has none, and raises where one is looked at."""

import pytest
import torch

from hqzoo.quantum import QuantumLayer, circuits


@pytest.mark.parametrize("engine", ["auto", "cone", "statevector", "density"])
@pytest.mark.parametrize("build", [lambda: circuits.hq_unet(2, 3), lambda: circuits.qufex(4, 1, 2)])
def test_forward_and_backward_look_at_no_value(build, engine):
    layer = QuantumLayer(build(), engine, seed=0).to("meta")
    data = torch.empty(5, layer.circuit.n_data, device="meta", requires_grad=True)
    out = layer(data)
    assert out.shape == (5, layer.circuit.n_observables)
    out.sum().backward()
    assert data.grad.shape == data.shape
    assert layer.weights.grad.shape == layer.weights.shape


def test_the_device_of_these_tests_raises_where_a_value_is_looked_at():
    value = torch.empty((), device="meta")
    for look in (bool, float, torch.Tensor.item, torch.Tensor.nonzero, torch.Tensor.cpu):
        with pytest.raises((RuntimeError, NotImplementedError)):
            look(value)
