"""Fusion of a U-Net with a backbone: DMCAF and the two rows that it is compared with."""

import copy

import pytest
import torch

from hqzoo.errors import ConfigError
from hqzoo.nn.dmcaf import DMCAF, DMCAFusion, sine_positions
from hqzoo.nn.maps import ChannelNorm
from hqzoo.nn.pointwise_fusion import PointwiseFusion


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("channels", "total"), [(128, 306_016), (1024, 1_287_808)])
def test_totals_by_hand(channels, total):
    """Query 256 C + 256 and its norm 512, level 256, attention 230,272, output 256 C + C, gamma C, norm 2 C,
    feed-forward C h + h, 10 h, h C + C with h = C / 4."""
    hidden = channels // 4
    query, out = 256 * channels + 256 + 512 + 256, 256 * channels + channels
    forward = channels * hidden + hidden + 10 * hidden + hidden * channels + channels
    assert query + 230_272 + out + channels + 2 * channels + forward == total
    assert parameters(DMCAF(channels)) == total


def test_nothing_is_added_where_both_weights_are_zero():
    torch.manual_seed(0)
    block = DMCAF(8, 16, 2, 2, 2, gamma=0.0)
    torch.nn.init.zeros_(block.feed_forward.outer.weight)
    torch.nn.init.zeros_(block.feed_forward.outer.bias)
    features = torch.randn(2, 8, 6, 4)
    maps = [torch.randn(2, 16, 3, 5), torch.randn(2, 16, 2, 2)]
    assert torch.equal(block(features, maps), features)


def test_queries_know_where_they_are_and_maps_matter():
    """On constant features only positions tell queries apart, once offsets depend on them."""
    torch.manual_seed(0)
    block = DMCAF(8, 16, 2, 1, 2, gamma=1.0)
    torch.nn.init.normal_(block.attention.offsets.weight)
    features, maps = torch.ones(1, 8, 4, 4), [torch.randn(1, 16, 9, 5)]
    found = block(features, maps)
    assert (found.flatten(2).std(2) > 1e-3).all()
    assert (block(features, [maps[0] + 1]) - found).abs().max() > 1e-3


def test_positions_are_sines_of_pixel_centres():
    positions = sine_positions(3, 5, 16, torch.device("cpu")).view(3, 5, 16)
    assert positions.shape == (3, 5, 16)
    y, x = (torch.arange(3) + 0.5) / 3, (torch.arange(5) + 0.5) / 5
    torch.testing.assert_close(positions[:, 2, 0], (2 * torch.pi * y).sin())
    torch.testing.assert_close(positions[1, :, 4], (2 * torch.pi * x).sin())
    torch.testing.assert_close(positions[1, :, 12 + 1], (2 * torch.pi * x / 10).cos())
    rows = positions.view(15, 16)
    assert len({tuple(row.tolist()) for row in rows}) == 15


def test_one_pyramid_of_the_given_strides():
    torch.manual_seed(0)
    fusion, seen = DMCAFusion([4, 8], [6, 6, 10], (4, 8, 32), 8, 2, 2), []
    fusion.blocks[0].register_forward_pre_hook(lambda block, given: seen.extend(each.shape for each in given[1]))
    features = [torch.randn(2, 4, 16, 24), torch.randn(2, 8, 8, 12)]
    maps = [torch.randn(2, channels, 2, 3) for channels in (6, 6, 10)]
    fused = fusion(features, maps, (32, 48))
    assert [each.shape for each in fused] == [each.shape for each in features]
    assert seen == [(2, 8, 8, 12), (2, 8, 4, 6), (2, 8, 1, 2)]


def test_a_step_compiles_to_one_graph():
    torch._dynamo.reset()
    torch.manual_seed(0)
    block = DMCAF(8, 16, 2, 2, 2)
    twin = copy.deepcopy(block)
    features, maps = torch.randn(2, 8, 6, 4), [torch.randn(2, 16, 3, 5), torch.randn(2, 16, 2, 2)]
    outputs = [torch.compile(block, backend="aot_eager", fullgraph=True)(features, maps), twin(features, maps)]
    torch.testing.assert_close(*outputs)
    gradients = [
        torch.autograd.grad(out.sum(), each.parameters()) for out, each in zip(outputs, (block, twin), strict=True)
    ]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["add", "multiply"])
def test_addition_and_multiplication(kind):
    torch.manual_seed(0)
    fusion = PointwiseFusion([4, 8], [6, 10], kind)
    assert parameters(fusion) == (6 * 4 + 4 + 8) + (10 * 8 + 8 + 16)
    features = [torch.randn(2, 4, 8, 8), torch.randn(2, 8, 4, 4)]
    maps = [torch.randn(2, 6, 4, 4), torch.randn(2, 10, 4, 4)]
    fused = fusion(features, maps, (16, 16))
    guide = fusion.project[1](maps[1])  # of the size of the features
    torch.testing.assert_close(fused[1], features[1] + guide if kind == "add" else features[1] * guide)
    torch.testing.assert_close(guide.mean(1), torch.zeros(2, 4, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(guide.var(1, unbiased=False), torch.ones(2, 4, 4), atol=1e-2, rtol=0)
    large = torch.nn.functional.interpolate(fusion.project[0](maps[0]), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(fused[0], features[0] + large if kind == "add" else features[0] * large)


def test_channels_are_normalised_at_every_pixel():
    out = ChannelNorm(5)(torch.randn(2, 5, 3, 4) * 7 + 3)
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)


def test_wrong_numbers_are_named():
    with pytest.raises(ConfigError, match="fusion_dim=18"):
        DMCAF(8, 18, 2)
