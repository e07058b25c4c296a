"""The fidelity of context and targets: closed forms, the SWAP test, controls, and which projections collapse."""

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.nn import fill
from hqzoo.nn.fidelity import FidelityAgreement, shuffled

WIDTH, QUERY = 12, 8


def agreement(control: str = "quantum", **arguments) -> FidelityAgreement:
    torch.manual_seed(0)
    module = FidelityAgreement(WIDTH, QUERY, **arguments)
    fill(module, control)
    return module


def summaries(batch: int = 6, blocks: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(*shape, generator=generator) for shape in
                 ((batch, WIDTH), (batch, blocks, WIDTH), (batch, blocks, QUERY)))  # fmt: skip


def test_the_swap_test_measures_it() -> None:
    overlap, swap = agreement(), agreement(mode="swap_test")
    swap.load_state_dict(overlap.state_dict())
    found = overlap(*summaries())
    assert found.shape == (6, 4)
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()
    torch.testing.assert_close(swap(*summaries()), found, atol=1e-6, rtol=0)


def test_equal_summaries_without_predictor_agree() -> None:
    module = agreement()
    context, _, queries = summaries()
    nn.init.zeros_(module.query[-1].weight)
    nn.init.zeros_(module.query[-1].bias)
    module.core.weights.data[-5:] = 0  # couplings of the predictor's ring
    found = module(context, context[:, None].expand(-1, 4, -1), queries)
    torch.testing.assert_close(found, torch.ones(6, 4), atol=1e-6, rtol=0)
    assert module.loss(context, context[:, None].expand(-1, 4, -1), queries).item() == pytest.approx(0, abs=1e-6)


def test_no_gradient_flows_into_targets() -> None:
    module, (context, targets, queries) = agreement(), summaries()
    context.requires_grad_()
    targets.requires_grad_()
    module.loss(context, targets, queries).backward()
    assert context.grad.abs().sum() > 0
    assert targets.grad is None  # they are the teacher's


@pytest.mark.parametrize("control", ["product", "cosine", "mse", "shuffled", "none", "separable", "frozen", "zero"])
def test_controls_have_its_interface(control: str) -> None:
    found = agreement(control)(*summaries())
    assert found.shape == (6, 4)
    assert ((found >= -1.1) & (found <= 1 + 1e-6)).all()
    assert not torch.allclose(found, agreement()(*summaries())) or control in ("frozen",)


def test_product_is_a_product_of_cosines() -> None:
    """Without rings every qubit is on its own: F is the product of the fidelities of single qubits."""
    module = agreement("product", layers=1, predictor_layers=0)
    context, targets, queries = summaries()
    data = module.encode(context, targets, queries)
    own, other = data[..., :10].unflatten(-1, (5, 2)), data[..., 10:20].unflatten(-1, (5, 2))

    def bloch(angles: torch.Tensor) -> torch.Tensor:
        theta, phi = angles.unbind(-1)
        return torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], -1)

    expected = ((1 + (bloch(own) * bloch(other)).sum(-1)) / 2).prod(-1)
    torch.testing.assert_close(module(context, targets, queries), expected, atol=1e-6, rtol=0)


def test_shuffled_compares_with_the_next_image() -> None:
    module, (context, targets, queries) = agreement(), summaries()
    data = module.encode(context, targets, queries)
    moved = module.encode(context, targets.roll(-1, 0), queries)
    torch.testing.assert_close(shuffled(data, module.angles), moved)
    torch.testing.assert_close(
        agreement("shuffled")(context, targets, queries), module(context, targets.roll(-1, 0), queries)
    )


@pytest.mark.parametrize(("projection", "collapses"), [("shared", True), ("ema", True), ("frozen_orthogonal", False)])
def test_trained_projections_collapse(projection: str, collapses: bool) -> None:
    """Fixed features that correlate: whatever is learned, is learned by the projection alone."""
    module = agreement(projection=projection, momentum=0.9)
    generator = torch.Generator().manual_seed(2)
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=0.02)
    for _ in range(150):
        context = torch.randn(32, WIDTH, generator=generator)
        targets = (0.7 * context + 0.51**0.5 * torch.randn(32, WIDTH, generator=generator))[:, None]
        queries = torch.zeros(32, 1, QUERY)
        optimizer.zero_grad()
        module.loss(context, targets, queries).backward()
        optimizer.step()
        module.update()
    with torch.no_grad():
        own, other = (module(context, each, queries).mean() for each in (targets, targets.roll(1, 0)))
    assert (other > 0.9) == collapses
    assert (own - other > 0.1) != collapses


def test_slow_projections_follow() -> None:
    module = agreement(projection="ema", momentum=0.75)
    before = module.slow.weight.clone()
    module.project.weight.data += 1
    module.update()
    torch.testing.assert_close(module.slow.weight, before + 0.25)
    assert not module.slow.weight.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"projection": "learned"}, "projection='learned'"),
        ({"mode": "swap"}, "mode='swap'"),
        ({"scale": 3.0}, "scale=3"),
    ],
)
def test_what_makes_no_sense_is_named(arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        agreement(**arguments)
    with pytest.raises(ConfigError, match="may learn to say yes"):
        agreement("mlp")
