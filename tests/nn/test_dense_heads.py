"""Heads on maps: what they compute for every pixel, by other means."""

import pytest
import torch
import torch.nn.functional as F

from hqzoo.errors import ConfigError
from hqzoo.nn.dense_heads import ConvHead, DenseHybridHead, TokenHead
from hqzoo.nn.slots import fill
from hqzoo.nn.transformer import sine_cosine_positions
from hqzoo.quantum import circuits, compile_circuit


def maps(seed: int = 0) -> torch.Tensor:
    return 3 + 2 * torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(seed))


def seasoned(head):
    """A head whose normalisation has seen some maps."""
    head.train()
    for seed in range(1, 4):
        head.norm(maps(seed))
    with torch.no_grad():
        head.norm.weight.uniform_(0.5, 2)
        head.norm.bias.normal_()
    return head.eval()


def normalised(head, given: torch.Tensor) -> torch.Tensor:
    norm = head.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (given - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


@pytest.mark.parametrize("size", [(32, 40), (33, 41), (3, 4)])
def test_a_convolution_commutes_with_the_interpolation(size: tuple[int, int]) -> None:
    head = seasoned(ConvHead(6, 3))
    larger = normalised(head, F.interpolate(maps(), size, mode="bilinear"))
    expected = torch.einsum("kd,bdhw->bkhw", head.conv.weight[:, :, 0, 0], larger) + head.conv.bias[:, None, None]
    torch.testing.assert_close(head(maps(), size), expected, atol=1e-5, rtol=1e-5)


def test_a_token_gives_the_pixels_of_its_patch() -> None:
    head = seasoned(TokenHead(6, 3, patch=4))
    found, tokens = head(maps(), (16, 20)), normalised(head, maps())
    linear, bias = head.linear.weight[:, :, 0, 0], head.linear.bias
    for b, row, column in ((0, 0, 0), (1, 3, 2), (0, 2, 4)):
        pixels = (linear @ tokens[b, :, row, column] + bias).reshape(3, 4, 4)
        here = found[b, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        torch.testing.assert_close(here, pixels, atol=1e-5, rtol=1e-5)
    other = head(maps(), (13, 31))
    torch.testing.assert_close(other, F.interpolate(found, (13, 31), mode="bilinear"))
    with pytest.raises(ConfigError, match="patch=0"):
        TokenHead(6, 3, patch=0)


def test_a_hybrid_head_runs_its_circuit_at_each_cell() -> None:
    circuit = circuits.qskip(2)
    head = DenseHybridHead(6, 3, circuit, scale=0.7)
    fill(head)
    seasoned(head)
    found, cells = head(maps(), (4, 5)), normalised(head, maps())
    run = compile_circuit(circuit)
    for b, row, column in ((0, 0, 0), (1, 3, 4)):
        own = head.cells
        angles = 0.7 * torch.tanh(own.reduce.weight @ cells[b, :, row, column] + own.reduce.bias)
        expected = own.expand.weight @ run(angles[None], own.core.weights)[0] + own.expand.bias
        torch.testing.assert_close(found[b, :, row, column], expected, atol=1e-5, rtol=1e-5)


def test_positions_of_another_grid_lie_between_those_of_the_first() -> None:
    width, frequencies = 8, torch.tensor([1.0, 10000.0**-0.5])
    assert torch.equal(sine_cosine_positions(3, 4, width, (3, 4)), sine_cosine_positions(3, 4, width))
    found = sine_cosine_positions(6, 4, width, (3, 2)).reshape(6, 4, width)
    for row in range(6):  # two cells where there was one: their centres lie a quarter before and behind its own
        centre = row // 2 + (0.25 if row % 2 else -0.25)
        expected = torch.cat([(centre * frequencies).sin(), (centre * frequencies).cos()])
        torch.testing.assert_close(found[row, 1, :4], expected)
