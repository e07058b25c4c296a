"""Parts that are not trained, and what they take."""

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.nn import Frozen, Normalizer, Rescale, frozen_parts
from hqzoo.nn.frozen import tensor_digest


def backbone(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))


def test_it_never_trains_but_what_stands_behind_it_does():
    frozen = Frozen(backbone(), "random", seed=0)
    model = nn.Sequential(frozen, nn.Conv2d(4, 1, 1)).train()
    assert [module.training for module in frozen.module.modules()] == [False] * 4
    before = tensor_digest(frozen)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert tensor_digest(frozen) == before
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["1.weight", "1.bias"]
    assert list(frozen_parts(model)) == ["0"]


def test_the_reference_tells_weights_apart():
    a, b, c = (Frozen(backbone(seed), "random", seed=seed).reference for seed in (0, 0, 1))
    assert a == b
    assert a["sha256"] != c["sha256"]
    with pytest.raises(ConfigError, match="have a seed"):
        Frozen(backbone(), "random")


def test_rescaling_is_the_same_as_undoing_the_normalisation():
    bands, mean, std = ("blue", "green", "nir", "red"), (90.0, 80.0, 70.0, 60.0), (10.0, 20.0, 30.0, 40.0)
    raw = torch.rand(2, 4, 5, 6) * 255
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    rescale = Rescale(bands, mean, std, ("red", "green", "blue"), *imagenet, scale=255.0, offset=3.0)
    m, d = (torch.tensor(each)[:, None, None] for each in imagenet)
    expected = ((raw[:, [3, 1, 0]] - 3.0) / 255 - m) / d
    torch.testing.assert_close(rescale(Normalizer(mean, std)(raw)), expected)


def test_bands_that_are_not_there_are_named():
    with pytest.raises(ConfigError, match="needs the bands red, nir; the images have red"):
        Rescale(("red",), (0.0,), (1.0,), ("red", "nir"), (0.0, 0.0), (1.0, 1.0), scale=1.0)
