"""HQF-Net's quantum blocks: what stands around the circuits."""

import math

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.nn.experts import QMoE, Router
from hqzoo.nn.qskip import QSkip
from hqzoo.quantum import circuits


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


EXPERTS = {name: circuits.qmoe(name) for name in ("local", "global", "diagonal")}


def fixed(outputs):
    """What makes stand-ins for experts whose outputs are known."""
    made = iter(range(9))

    class Fixed(nn.Module):
        def __init__(self, circuit, engine):
            super().__init__()
            self.value = outputs[next(made)]

        def forward(self, data):
            return data.new_full((*data.shape[:-1], 32), self.value)

    return Fixed


def test_a_skip_corrects_each_cell_by_its_own_circuit():
    torch.manual_seed(0)
    skip = QSkip(6, circuits.qskip(), cells=2, gamma=0.5)
    features = torch.randn(3, 6, 8, 12)
    cell = features[1, :, 4:, 6:].mean((1, 2))
    angles = math.pi * torch.tanh(skip.pre.weight[:, :, 0, 0] @ cell + skip.pre.bias)
    delta = skip.post.weight[:, :, 0, 0] @ skip.core(angles[None])[0] + skip.post.bias
    torch.testing.assert_close(skip(features)[1, :, -1, -1], features[1, :, -1, -1] + 0.5 * delta)
    assert parameters(skip) == (8 * 6 + 8) + 16 + (6 * 8 + 6) + 6


def test_a_skip_with_no_weight_is_passed_on_and_small_ones_have_small_grids():
    skip = QSkip(6, circuits.qskip(), gamma=0.0)
    features = torch.randn(1, 6, 4, 16)
    assert torch.equal(skip(features), features)
    assert (skip.grid(4, 16), skip.grid(32, 3)) == ((4, 8), (8, 3))
    gate = QSkip(6, circuits.qskip(), mode="gate")
    nn.init.zeros_(gate.post.weight)
    nn.init.constant_(gate.post.bias, 0.3)
    torch.testing.assert_close(gate(features), features * (1 + math.tanh(0.3)))
    assert parameters(gate) == parameters(skip) - 6


def test_the_mixture_is_the_sum_by_shares():
    block = QMoE(8, EXPERTS, router="uniform", gamma=1.0, layer=fixed([0.2, 0.5, -0.1]))
    features = torch.randn(2, 8, 4, 4)
    mixed = block.post(torch.full((2, 32), 0.2)).view(2, 8, 4, 4)
    torch.testing.assert_close(block(features), features + block.out(mixed))
    adaptive = QMoE(8, EXPERTS, gamma=1.0, temperature=0.5, layer=fixed([0.2, 0.5, -0.1]))
    shares = (adaptive.router.outer(torch.relu(adaptive.router.inner(features.mean((2, 3))))) / 0.5).softmax(-1)
    values = (shares @ torch.tensor([0.2, 0.5, -0.1]))[:, None].expand(2, 32)
    expected = features + adaptive.out(adaptive.post(values).view(2, 8, 4, 4))
    torch.testing.assert_close(adaptive(features), expected)


def test_totals_by_hand():
    """Angles 3 C + 3, circuits 24, router 64 C + 64 + 195, linear 32 * 16 C + 16 C, convolution C² + C, gamma C."""
    C = 1024
    total = (3 * C + 3) + 24 + (64 * C + 64 + 195) + (33 * 16 * C) + (C * C + C) + C
    assert parameters(QMoE(C, EXPERTS)) == total == 1_660_190


def test_a_permuted_router_gives_each_image_the_shares_of_another():
    torch.manual_seed(0)
    router = Router(8, 3)
    permuted = Router(8, 3, permuted=True)
    permuted.load_state_dict(router.state_dict())
    features = torch.randn(4, 8, 2, 2)
    torch.testing.assert_close(permuted(features), router(features)[[3, 0, 1, 2]])
    torch.testing.assert_close(permuted(features).sum(1), torch.ones(4))


def test_one_expert_needs_no_router():
    block = QMoE(8, {"diagonal": EXPERTS["diagonal"]})
    assert parameters(block.router) == 0
    assert list(block.experts) == ["diagonal"]
    assert block(torch.randn(1, 8, 6, 10)).shape == (1, 8, 6, 10)


def test_wrong_options_are_named():
    with pytest.raises(ConfigError, match="router='adaptiv' is not one of"):
        QMoE(8, EXPERTS, router="adaptiv")
    with pytest.raises(ConfigError, match="at least one expert"):
        QMoE(8, {})
    with pytest.raises(ConfigError, match=r"temperature=0\.0"):
        QMoE(8, EXPERTS, temperature=0.0)
    with pytest.raises(ConfigError, match="qskip_mode='mul'"):
        QSkip(6, circuits.qskip(), mode="mul")
    with pytest.raises(ConfigError, match="qskip_cells=0"):
        QSkip(6, circuits.qskip(), cells=0)
