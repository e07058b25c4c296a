"""Frozen backbones from timm: the maps, the scaling, the weights, and what is refused."""

import pytest
import timm
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.nn import Normalizer
from hqzoo.nn.backbone import Backbone, BackboneWeights
from hqzoo.nn.frozen import tensor_digest

RGB, MEAN, STD = ("red", "green", "blue"), (90.0, 80.0, 70.0), (60.0, 50.0, 40.0)
TINY_DINO = {"embed_dim": 32, "depth": 4, "num_heads": 2}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def backbone(name="test_vit", bands=RGB, mean=MEAN, std=STD, scale=255.0, weights=None, **options):
    return Backbone(name, bands, mean, std, scale, weights=weights or BackboneWeights(), **options)


@pytest.mark.parametrize(
    ("name", "options", "blocks", "strides", "channels"),
    [
        ("vit_small_patch16_dinov3", {"arguments": TINY_DINO}, [0, 1, 2, 3], [16] * 4, [32] * 4),
        ("test_vit", {}, [0, 2, 3, 5], [16] * 4, [64] * 4),
        ("test_vit", {"blocks": [1, 2, 4, 5]}, [1, 2, 4, 5], [16] * 4, [64] * 4),
        ("test_resnet", {}, [1, 2, 3, 4], [4, 8, 16, 32], [32, 48, 192, 96]),
        ("test_resnet", {"blocks": [0, 1, 2, 3]}, [0, 1, 2, 3], [2, 4, 8, 16], [32, 32, 48, 192]),
        ("test_convnext", {}, [0, 1, 2, 3], [4, 8, 16, 32], [24, 32, 48, 64]),
    ],
)
def test_transformers_and_convolutional_networks_give_four_maps(name, options, blocks, strides, channels):
    net = backbone(name, **options)
    assert (net.blocks, net.strides, net.channels) == (blocks, strides, channels)
    maps = net(torch.randn(2, 3, 64, 96))
    assert [each.shape for each in maps] == [
        (2, width, 64 // stride, 96 // stride) for width, stride in zip(channels, strides, strict=True)
    ]
    assert not any(each.requires_grad for each in maps)
    assert not any(each.is_inference() for each in maps)  # they may enter a layer that is trained


def test_it_sees_what_it_was_trained_on_whatever_the_sensor():
    """Reflectances, bands in another order, stored with an offset: the backbone gets scaled red, green, blue."""
    bands, mean, std = ("blue", "nir", "red", "green"), (900.0, 800.0, 700.0, 600.0), (500.0, 400.0, 300.0, 200.0)
    net = backbone("vit_small_patch16_dinov3", bands, mean, std, 10_000.0, offset=1000.0, arguments=TINY_DINO)
    raw = torch.rand(1, 4, 32, 48) * 4000
    m, d = (torch.tensor(each)[:, None, None] for each in IMAGENET)
    image = ((raw[:, [2, 3, 0]] - 1000) / 10_000 - m) / d
    with torch.no_grad():
        expected = net.net.module.model.forward_intermediates(
            image, indices=[0, 1, 2, 3], norm=True, intermediates_only=True
        )
    torch.testing.assert_close(net(Normalizer(mean, std)(raw)), expected, atol=1e-4, rtol=1e-4)


def test_satellite_weights_have_a_scaling_of_their_own():
    web, satellite = (
        backbone(f"vit_small_patch16_dinov3.{tag}" if tag else "vit_large_patch16_dinov3.sat493m",
                 arguments={**TINY_DINO, "patch_size": 16})
        for tag in ("lvd1689m", "")
    )  # fmt: skip
    white = (255 - torch.tensor(MEAN)) / torch.tensor(STD)
    for net, (mean, std) in ((web, IMAGENET), (satellite, ((0.430, 0.411, 0.296), (0.213, 0.156, 0.143)))):
        expected = (1 - torch.tensor(mean)) / torch.tensor(std)
        torch.testing.assert_close(net.rescale(white[None, :, None, None]).flatten(), expected)


def test_it_neither_trains_nor_disturbs_the_generator():
    torch.manual_seed(5)
    following = torch.rand(3)
    torch.manual_seed(5)
    net = backbone("test_resnet")
    assert torch.equal(torch.rand(3), following)
    before = tensor_digest(net.net)
    model = nn.ModuleList([net, nn.Conv2d(96, 1, 1)]).train()
    model[1](net(torch.randn(2, 3, 64, 64))[-1]).sum().backward()
    assert tensor_digest(net.net) == before
    assert all(p.grad is None for p in net.parameters())


def test_random_weights_follow_their_seed():
    a, b, c = (backbone(weights=BackboneWeights(seed=seed)).net.reference for seed in (0, 0, 1))
    assert a == b
    assert a["sha256"] != c["sha256"]
    assert (a["source"], a["seed"]) == ("random", 0)


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_weights_from_a_file(name, tmp_path):
    torch.manual_seed(3)
    model = timm.create_model(name)
    file = tmp_path / "weights.pth"
    torch.save(model.state_dict(), file)
    net = backbone(name, weights=BackboneWeights(str(file)))
    assert net.net.reference["source"] == "weights.pth"
    image = torch.randn(1, 3, 160, 160)
    scaled = net.rescale(image)
    with torch.no_grad():
        last = model.eval().forward_intermediates(scaled, indices=1, norm=name == "test_vit", intermediates_only=True)
    torch.testing.assert_close(net(image)[-1], last[-1], atol=1e-4, rtol=1e-3)
    assert not any(key.startswith(("net.module.model.fc.", "net.module.model.head.")) for key in net.state_dict())

    digest = net.net.reference["sha256"]
    backbone(name, weights=BackboneWeights(str(file), sha256=digest))
    torch.save(timm.create_model(name).state_dict(), file)
    with pytest.raises(ConfigError, match=f"have the digest .*, not {digest}"):
        backbone(name, weights=BackboneWeights(str(file), sha256=digest))


def test_weights_that_cannot_be_had_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"backbone_weights='.*nowhere\.pth' is no file"):
        backbone(weights=BackboneWeights(str(tmp_path / "nowhere.pth")))
    other = tmp_path / "other.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), other)
    with pytest.raises(ConfigError, match=r"other\.pth' lacks \d+ of the weights of test_vit, first 'cls_token'"):
        backbone(weights=BackboneWeights(str(other)))
    other.write_bytes(b"half a downl")
    with pytest.raises(ConfigError, match="are not to be had"):
        backbone(weights=BackboneWeights(str(other)))


def test_bfloat16_where_it_is_asked_for():
    plain, fast = backbone(), backbone(bf16=True)
    image, seen = torch.randn(1, 3, 32, 32), []
    fast.net.module.model.blocks[0].attn.qkv.register_forward_hook(lambda layer, given, out: seen.append(out.dtype))
    maps = fast(image)
    assert seen == [torch.bfloat16]
    assert {each.dtype for each in maps} == {torch.float32}
    torch.testing.assert_close(maps, plain(image), atol=0.1, rtol=0.1)
    assert not torch.equal(maps[-1], plain(image)[-1])


def test_what_does_not_fit_is_named():
    with pytest.raises(ConfigError, match=r"patch of 16 pixels divides; got 40x64.*48x64"):
        backbone()(torch.randn(1, 3, 40, 64))
    with pytest.raises(ConfigError, match="needs the bands red, green, blue; the images have red, nir"):
        backbone(bands=("red", "nir"), mean=MEAN[:2], std=STD[:2])
    with pytest.raises(ConfigError, match=r"Unknown model \(test_vitt\)\. Did you mean 'test_vit"):
        backbone("test_vitt")
    with pytest.raises(ConfigError, match=r"backbone_blocks=\[0, 1, 2, 6\]: give 4 of 0 to 5"):
        backbone(blocks=[0, 1, 2, 6])
    with pytest.raises(ConfigError, match=r"backbone_blocks=\[0, 2, 1, 3\]"):
        backbone(blocks=[0, 2, 1, 3])
