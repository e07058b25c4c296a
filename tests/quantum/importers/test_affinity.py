"""Which results of a traced function are affine, against what every operation is by its definition."""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from hqzoo.quantum.importers.affinity import affine_results


def affine(function) -> bool:
    point = torch.linspace(0.1, 0.9, 4, dtype=torch.float64).requires_grad_()
    (result,) = affine_results(make_fx(lambda x: [function(x)])(point))
    return result


def written(value: Tensor) -> Tensor:
    """Fill a row of a table in place, through a view."""
    table = torch.zeros(2, 4, dtype=torch.float64)
    table[1].copy_(value)
    return table[1, 2]


def filled(x: Tensor) -> Tensor:
    ones = torch.zeros(4, dtype=torch.float64)
    ones[1] = 1.0
    return (ones * x).sum()


STRAIGHT = {
    "a number": lambda x: torch.tensor(0.3),
    "an entry": lambda x: x[2],
    "a sum": lambda x: 2 * x[0] - x[1] / 3 + 1.0,
    "a matrix": lambda x: torch.nn.functional.linear(x, torch.eye(4, dtype=x.dtype), x.new_ones(4))[3],
    "pooling": lambda x: torch.nn.functional.avg_pool1d(x[None, None], 2)[0, 0, 1],
    "shapes": lambda x: torch.stack([x.reshape(2, 2).T[0], x[1:3]]).flatten().flip(0).unsqueeze(0)[0, 1],
    "a mask": lambda x: torch.where(torch.arange(4) > 1, x, 3.0).mean(),
    "a table of constants": filled,
}
CURVED = {
    "clamp": lambda x: torch.clamp(x, -1e6, 1e6)[0],
    "remainder": lambda x: x[0] % 6.28,
    "a product": lambda x: x[0] * x[1],
    "a quotient": lambda x: 1 / (x[0] + 100),
    "a product of matrices": lambda x: (x[None] @ x[:, None])[0, 0],
    "bias and product": lambda x: torch.addmm(x.view(2, 2), x.view(2, 2), x.view(2, 2))[0, 0],
    "rounding": lambda x: torch.div(x[0], 1.0, rounding_mode="floor"),
    "whole numbers": lambda x: x[0].long().double(),
    "a mask of values": lambda x: torch.where(x < 50, x, 0.0)[0],
    "clamp, seen later": lambda x: torch.clamp(x, -9, 9)[0] * 2 + x[1],
    "clamp, written in place": lambda x: written(torch.clamp(x, -9, 9)),
    "in place": lambda x: (x * 2).clamp_(-9, 9)[0],
    "sine": lambda x: torch.sin(x[0]),
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_linear_operations_are_affine(name):
    assert affine(STRAIGHT[name])


@pytest.mark.parametrize("name", CURVED)
def test_everything_else_is_curved_however_far_away_it_bends(name):
    assert not affine(CURVED[name])


def test_results_are_told_apart():
    def function(x, w):
        return [x[0] + w[1], x[0] * w[1], w[0]]

    point = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    assert affine_results(make_fx(function)(*point)) == [True, False, True]
