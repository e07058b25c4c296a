"""The plain U-Net under Qu-Net."""

import itertools

import pytest
import torch
from torch import nn

from hqzoo.nn import FilterDecoder, FilterEncoder
from hqzoo.nn.filter_unet import keras_defaults


def test_levels_have_the_filters_and_halve():
    skips, deepest = FilterEncoder(3, (4, 6, 5))(torch.randn(2, 3, 32, 48))
    assert [tuple(skip.shape) for skip in skips] == [(2, 4, 32, 48), (2, 6, 16, 24), (2, 5, 8, 12)]
    assert torch.equal(deepest, nn.functional.max_pool2d(skips[-1], 2))
    assert FilterDecoder(5, (4, 6, 5), (4, 6, 5))(deepest, skips).shape == (2, 4, 32, 48)


def test_decoder_concatenates_what_comes_up_before_the_skip():
    decoder = FilterDecoder(2, (3,), (4,))
    seen = []
    decoder.conv[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    deepest, skip = torch.randn(1, 2, 5, 6), torch.randn(1, 4, 10, 12)
    decoder(deepest, [skip])
    assert torch.equal(seen[0], torch.cat([decoder.up[0](deepest), skip], dim=1))
    assert decoder.up[0](deepest).min() < 0  # no activation


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_keras_defaults_are_glorot_bounds_and_zero_biases(kind):
    layer = kind(6, 10, 3)
    keras_defaults(nn.Sequential(layer))
    bound = (6 / (9 * 6 + 9 * 10)) ** 0.5
    assert 0.98 * bound < layer.weight.abs().max() <= bound
    assert layer.bias.abs().max() == 0


def test_keras_defaults_leave_few_channels_dead():
    image = nn.functional.interpolate(torch.rand(4, 3, 4, 6), size=(128, 192), mode="bilinear")
    dead = {True: 0.0, False: 0.0}
    for as_keras, seed in itertools.product(dead, range(10)):
        torch.manual_seed(seed)
        encoder = FilterEncoder(3, (8, 16, 32, 16, 8))
        if as_keras:
            keras_defaults(encoder)
        with torch.no_grad():
            dead[as_keras] += (encoder(image)[1].amax((0, 2, 3)) == 0).float().mean().item() / 10
    assert dead[True] < 0.1 < 0.3 < dead[False]
