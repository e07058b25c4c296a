"""The selective scan against its definition, and against mambapy where it is installed."""

from importlib.util import find_spec

import pytest
import torch

from hqzoo.nn.mamba import MambaMixer
from hqzoo.nn.selective_scan import selective_scan


def problem(length: int, batch: int = 2, width: int = 3, states: int = 4) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(length)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values, steps = normal(batch, length, width), torch.rand(batch, length, width, generator=generator).double()
    rates, write, read = (
        -5 * torch.rand(width, states, generator=generator).double(),
        *(normal(batch, length, states) for _ in range(2)),
    )
    return [values, steps, rates, write, read]


def step_by_step(values, steps, rates, write, read):
    state, out = torch.zeros(len(values), *rates.shape, dtype=values.dtype), []
    for t in range(values.shape[1]):
        state = torch.exp(steps[:, t, :, None] * rates) * state
        state = state + (steps[:, t] * values[:, t])[..., None] * write[:, t, None]
        out.append((state * read[:, t, None]).sum(-1))
    return torch.stack(out, 1)


@pytest.mark.parametrize("chunk", [1, 4, 8, 100])
@pytest.mark.parametrize("length", [1, 8, 13])
def test_it_is_the_recurrence_and_its_gradient(length: int, chunk: int) -> None:
    ours, theirs = ([each.clone().requires_grad_() for each in problem(length)] for _ in range(2))
    found, expected = selective_scan(*ours, chunk), step_by_step(*theirs)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for each in (found, expected):
        (each * weights).sum().backward()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=1e-11, rtol=1e-11)


def test_gradients_by_differences() -> None:
    inputs = [each.requires_grad_() for each in problem(7)]
    assert torch.autograd.gradcheck(lambda *given: selective_scan(*given, 3), inputs)


def test_long_sequences_stay_finite_in_float32() -> None:
    """Products of decays underflow to zero, and nothing is divided by them."""
    values, steps, rates, write, read = (each.float() for each in problem(144))
    found = selective_scan(values, 50 * steps, 20 * rates, write, read)
    assert found.isfinite().all()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(selective_scan(values, 50 * steps, 20 * rates, write, read), found)


@pytest.mark.skipif(find_spec("mambapy") is None, reason="mambapy is not installed")
def test_it_is_mambapys() -> None:
    from mambapy.mamba import MambaBlock, MambaConfig

    block = MambaBlock(MambaConfig(d_model=6, n_layers=1, d_state=4))
    values, steps, rates, write, read = (each.float() for each in problem(16, width=12))
    expected = block.selective_scan_seq(values, steps, rates, write, read, torch.zeros(12))
    torch.testing.assert_close(selective_scan(values, steps, rates, write, read), expected, atol=1e-5, rtol=1e-5)


def test_the_mixer_looks_both_ways() -> None:
    torch.manual_seed(0)
    mixer, tokens = MambaMixer(16), torch.randn(1, 9, 16, requires_grad=True)
    mixer(tokens)[0, 4].sum().backward()
    assert (tokens.grad.abs().sum(-1) > 0).all()
    reversed_tokens = mixer(tokens.flip(1)).flip(1)
    scanned = MambaMixer(16)
    scanned.load_state_dict(mixer.state_dict())
    # With a symmetric convolution, the order of the tokens means nothing.
    for each in (mixer, scanned):
        each.convolve.weight.data[..., 2] = each.convolve.weight.data[..., 0]
    torch.testing.assert_close(mixer(tokens), scanned(tokens.flip(1)).flip(1), atol=1e-5, rtol=1e-5)
    assert reversed_tokens.shape == tokens.shape
