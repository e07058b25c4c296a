"""Costs against what can be counted by hand."""

import gc

import pytest
import torch
from torch import nn

from hqzoo.models import create_model
from hqzoo.tasks.costs import model_costs


def test_flops_and_kept_bytes_of_a_convolution_and_a_relu():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU())
    costs = model_costs(model, torch.randn(5, 3, 8, 10))
    assert costs["flops"] == 2 * 3 * 9 * 4 * 8 * 10
    image, activated = 5 * 3 * 8 * 10 * 4, 5 * 4 * 8 * 10 * 4
    assert costs["kept_mb"] == pytest.approx((image + activated) / 1e6, abs=1e-3)
    assert costs["circuit_evaluations"] == 0


def test_it_leaves_no_trace_and_works_in_inference_mode():
    model = create_model("hq_unet", in_channels=2, num_classes=3, width=4, input_size=32).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        costs = model_costs(model, torch.randn(2, 2, 32, 32))
    assert costs["circuit_evaluations"] == 1
    assert costs["flops"] > 0
    assert costs["kept_mb"] > 0
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_graph_goes_with_it():
    """A ReLU keeps its output: handed on as it is, it would keep itself, out of the garbage collector's sight."""
    model = nn.Sequential(nn.Conv2d(1, 7, 3), nn.ReLU(), nn.Sigmoid())
    assert model_costs(model, torch.rand(2, 1, 13, 31))["kept_mb"] > 0
    gc.collect()
    shape = (2, 7, 11, 29)  # of every map of this model, and of nothing else
    assert not [each for each in gc.get_objects() if isinstance(each, torch.Tensor) and tuple(each.shape) == shape]
