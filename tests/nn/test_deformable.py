"""Deformable attention: against loops over every sample, and what it promises of coordinates."""

import math

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.nn import deformable
from hqzoo.nn.deformable import DeformableAttention, pixel_centres

SIZES = {
    "non-square": [(5, 9), (3, 4), (2, 7), (1, 1)],
    "square": [(8, 8), (4, 4), (2, 2), (1, 1)],
    "tall": [(11, 2), (6, 1), (3, 5), (2, 2)],
}
DIM, HEADS, POINTS = 12, 3, 2


def bilinear(values, x, y):
    """Return channels ``(D,)`` of a map ``(D, H, W)`` at pixel coordinates, centres at whole numbers, zeros outside."""
    height, width = values.shape[1:]
    column, row = math.floor(x.detach()), math.floor(y.detach())
    total = torch.zeros_like(values[:, 0, 0])
    for r, along in ((row, 1 - (y - row)), (row + 1, y - row)):
        for c, across in ((column, 1 - (x - column)), (column + 1, x - column)):
            if 0 <= r < height and 0 <= c < width:
                total = total + along * across * values[:, r, c]
    return total


def by_loops(attention, queries, centres, maps):
    """Equation 3 of Deformable DETR as it stands there: a sum over heads, maps and places for every query."""
    M, L, K = attention.heads, attention.levels, attention.points
    D = queries.shape[-1] // M
    found = []
    for b, batch in enumerate(queries):
        for n, q in enumerate(batch):
            offsets = attention.offsets(q).view(M, L, K, 2)
            shares = attention.weights(q).view(M, L * K).softmax(-1).view(M, L, K)
            total = attention.out.bias.clone()
            for m in range(M):
                head = slice(m * D, (m + 1) * D)
                inner = 0
                for level, each in enumerate(maps):
                    height, width = each.shape[-2:]
                    values = torch.einsum("dc,chw->dhw", attention.value.weight[head], each[b])
                    values = values + attention.value.bias[head][:, None, None]
                    for k in range(K):
                        place = centres[n] + offsets[m, level, k] / torch.tensor([width, height])
                        x, y = place[0] * width - 0.5, place[1] * height - 0.5
                        inner = inner + shares[m, level, k] * bilinear(values, x, y)
                total = total + attention.out.weight[:, head] @ inner
            found.append(total)
    return torch.stack(found).view_as(queries)


def example(sizes, seed=0):
    torch.manual_seed(seed)
    attention = DeformableAttention(DIM, HEADS, len(sizes), POINTS)
    for layer in (attention.offsets, attention.weights):
        nn.init.normal_(layer.weight, std=0.5)
    nn.init.normal_(attention.value.bias)
    centres = pixel_centres(3, 4, torch.device("cpu"))
    queries = torch.randn(2, 12, DIM, requires_grad=True)
    maps = [torch.randn(2, DIM, *size, requires_grad=True) for size in sizes]
    return attention, queries, centres, maps


@pytest.mark.parametrize("sizes", SIZES)
def test_outputs_and_gradients_equal_those_of_loops(sizes):
    attention, queries, centres, maps = example(SIZES[sizes])
    ours, loops = attention(queries, centres, maps), by_loops(attention, queries, centres, maps)
    torch.testing.assert_close(ours, loops, atol=1e-5, rtol=1e-4)
    leaves = [queries, *maps, *attention.parameters()]
    cotangent = torch.randn(ours.shape)
    gradients = [torch.autograd.grad(out, leaves, cotangent) for out in (ours, loops)]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def identity(sizes, points=1):
    """One head that returns what it samples, with offsets from its bias alone."""
    attention = DeformableAttention(4, 1, len(sizes), points)
    for layer in (attention.value, attention.out):
        nn.init.eye_(layer.weight)
    nn.init.zeros_(attention.offsets.bias)
    return attention


def test_offsets_are_pixels_of_the_map_x_before_y():
    attention, image = identity([(3, 7)]), torch.randn(1, 4, 3, 7)
    centres = pixel_centres(3, 7, torch.device("cpu"))
    queries = torch.zeros(1, 21, 4)
    torch.testing.assert_close(attention(queries, centres, [image]).mT.view(1, 4, 3, 7), image)
    for step, shift in (((1.0, 0.0), (0, 1)), ((0.0, 1.0), (1, 0)), ((2.0, -1.0), (-1, 2))):
        with torch.no_grad():
            attention.offsets.bias.copy_(torch.tensor(step))
        expected = torch.zeros_like(image)
        for r in range(3):
            for c in range(7):
                if 0 <= r + shift[0] < 3 and 0 <= c + shift[1] < 7:
                    expected[..., r, c] = image[..., r + shift[0], c + shift[1]]
        found = attention(queries, centres, [image]).mT.view(1, 4, 3, 7)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_it_starts_as_published():
    attention = DeformableAttention(256, 8, 4, 4)
    assert sum(p.numel() for p in attention.parameters()) == 230_272
    sizes = {name: sum(p.numel() for p in layer.parameters()) for name, layer in attention.named_children()}
    assert sizes == {"offsets": 65_792, "weights": 32_896, "value": 65_792, "out": 65_792}
    bias = attention.offsets.bias.view(8, 4, 4, 2)
    for level in range(4):
        for k in range(4):
            torch.testing.assert_close(bias[:, level, k].abs().amax(-1), torch.full((8,), k + 1.0))
    torch.testing.assert_close(bias[1, 0, 0], torch.ones(2))  # an eighth of a turn
    assert not attention.offsets.weight.any()
    assert not attention.weights.weight.any()


def test_coordinates_stay_float32_under_autocast(monkeypatch):
    seen, real = [], deformable.sample_maps

    def watched(maps, places, weights):
        seen.extend((*places, *weights))
        return real(maps, places, weights)

    monkeypatch.setattr(deformable, "sample_maps", watched)
    attention, queries, centres, maps = example(SIZES["non-square"])
    attention(queries, centres, maps)
    with torch.autocast("cpu", torch.bfloat16):
        out = attention(queries.bfloat16().float(), centres, maps)
    assert out.isfinite().all()
    assert {each.dtype for each in seen} == {torch.float32}
    half = len(seen) // 2
    places = range(len(maps))
    # Queries that went through bfloat16 move a place by their own rounding, 2^-8 of an offset, and by nothing else.
    attention(queries.bfloat16().float(), centres, maps)
    for k in places:
        assert torch.equal(seen[half + k], seen[2 * half + k])


def test_numbers_that_do_not_fit_are_named():
    with pytest.raises(ConfigError, match="dim=10, heads=3"):
        DeformableAttention(10, 3, 4, 4)
    attention, queries, centres, maps = example(SIZES["square"])
    with pytest.raises(ConfigError, match="built for 4 maps, got 3"):
        attention(queries, centres, maps[:3])
