"""Blocks that architectures share."""

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.nn import DoubleConv, Normalizer, QuantumBottleneck, UNetDecoder, UNetEncoder
from hqzoo.quantum import circuits


def test_normalizer_is_state_and_arithmetic():
    normalizer = Normalizer([1.0, 10.0], [2.0, 5.0])
    image = torch.tensor([[[[3.0]], [[0.0]]]])
    assert normalizer(image).flatten().tolist() == [1.0, -2.0]
    assert sorted(normalizer.state_dict()) == ["mean", "std"]
    with pytest.raises(ConfigError, match="positive"):
        Normalizer([0.0], [0.0])
    with pytest.raises(ConfigError, match="one mean and one"):
        Normalizer([0.0], [1.0, 1.0])


def test_double_conv_is_depthwise_then_pointwise():
    block = DoubleConv(6, 8)
    convolutions = [m for m in block if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size, c.groups) for c in convolutions] == [
        ((3, 3), 6),
        ((1, 1), 1),
        ((3, 3), 8),
        ((1, 1), 1),
    ]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in block) == 2
    assert sum(isinstance(m, nn.BatchNorm2d) for m in DoubleConv(6, 8, bn_between=True)) == 4
    assert sum(isinstance(m, nn.Conv2d) for m in DoubleConv(6, 8, conv="standard")) == 2
    with pytest.raises(ConfigError, match="conv='sep'"):
        DoubleConv(6, 8, conv="sep")


def test_encoder_and_decoder_shapes():
    encoder, decoder = UNetEncoder(3, 4), UNetDecoder(4)
    *skips, deepest = encoder(torch.randn(2, 3, 32, 48))
    assert [tuple(s.shape) for s in skips] == [(2, 4, 32, 48), (2, 8, 16, 24), (2, 16, 8, 12), (2, 32, 4, 6)]
    assert deepest.shape == (2, 64, 2, 3)
    assert decoder(deepest, skips).shape == (2, 4, 32, 48)


def test_bottleneck_hands_features_to_qubits_in_raster_order():
    """Feature k of qubit q arrives at data index 16 k + q: seen by replacing the circuit with a recorder."""
    block = QuantumBottleneck(5, 5, 8, (4, 4), circuits.hq_unet())
    seen = {}

    class Recorder(nn.Module):
        def forward(self, angles):
            seen["angles"] = angles
            return angles[:, :32]

    block.core = Recorder()
    features = torch.randn(1, 5, 8, 8)
    block(features)
    pooled = torch.nn.functional.avg_pool2d(features, 2)
    expected = torch.tanh(
        torch.einsum("kc,bcrs->bkrs", block.pre.weight[:, :, 0, 0], pooled) + block.pre.bias[:, None, None]
    )
    for k, row, col in ((0, 0, 0), (1, 2, 3), (2, 3, 1)):
        assert torch.allclose(seen["angles"][0, 16 * k + 4 * row + col], expected[0, k, row, col], atol=1e-6)


def test_residual_adds_the_input():
    torch.manual_seed(0)
    plain = QuantumBottleneck(5, 5, 8, (4, 4), circuits.hq_unet())
    residual = QuantumBottleneck(5, 5, 8, (4, 4), circuits.hq_unet(), residual=True)
    residual.load_state_dict(plain.state_dict())
    features = torch.randn(2, 5, 8, 8)
    torch.testing.assert_close(residual(features), features + plain(features))
