"""Encoders' maps with heads: every encoder, images of any size, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from hqzoo.errors import ConfigError
from hqzoo.models import create_model
from tests.fixtures.inputs import inputs_of

JEPA = {"image_size": 24, "patch": 4, "width": 16, "heads": 2, "depth": 2}
TINY_VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2}
ENCODERS = {
    "random_convolutions": ("random_convolutions", {"width": 16}),
    "a ResNet of timm": ("timm_encoder", {"name": "resnet10t"}),
    "one that widens its last map": ("timm_encoder", {"name": "mobilenetv3_small_050"}),
    "a ViT of timm": ("timm_encoder", {"name": "vit_tiny_patch16_224", "arguments": TINY_VIT | {"img_size": 32},
                                       "size": 32}),
    "a ViT that interpolates": ("timm_encoder", {"name": "vit_tiny_patch16_224",
                                                 "arguments": TINY_VIT | {"dynamic_img_size": True}}),
    "Galileo": ("galileo_nano", {}),
    "HQ-JEPA": ("hq_jepa_encoder", {"architecture_args": JEPA}),
    "HQ-JEPA at another size": ("hq_jepa_encoder", {"architecture_args": JEPA, "size": 48}),
    "TorchGeo": ("torchgeo_encoder", {"name": "ResNet18_Weights.SENTINEL2_RGB_MOCO", "size": 64}),
}  # fmt: skip


def built(encoder: str = "random_convolutions", arguments=None, **options):
    torch.manual_seed(0)
    return create_model(
        "dense_classifier", inputs=inputs_of(3), num_classes=4, encoder=encoder, encoder_args=arguments, **options
    )


def images(height: int = 37, width: int = 45) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("head", ["token", "conv", "hybrid"])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_with_maps_labels_every_pixel(name: str, head: str) -> None:
    model = built(*ENCODERS[name], head=head).train()
    maps = model.maps(images())
    assert maps.shape[1] == model.head.norm.num_features
    assert not maps.requires_grad
    logits = model(images())
    assert logits.shape == (2, 4, 37, 45)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.head.parameters() if p.ndim > 1)


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "random_convolutions"])
def test_fine_tuning_reaches_the_encoder(name: str) -> None:
    encoder, arguments = ENCODERS[name]
    model = built(encoder, {**arguments, "frozen": False}, head="conv").train()
    model(images()).square().mean().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.encoder.parameters())


def test_images_are_extended_to_a_multiple_and_logits_cut_back() -> None:
    model = built("galileo_nano", {"patch": 8}, head="token", patch=8).eval()
    larger = F.pad(images(), (0, 3, 0, 3), mode="replicate")
    assert larger.shape[-2:] == (40, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(images()), model(larger)[..., :37, :45])
        # A token stands for its own pixels: those of others do not move when its own part of the logits does.
        assert model.maps(images()).shape[-2:] == (5, 6)


def test_random_maps_are_means_of_cells() -> None:
    encoder = create_model("random_convolutions", inputs=inputs_of(3), width=8, kernel=3, cell=4)
    given = images(8, 12)
    filters = encoder.filters.module
    padded = F.pad(given, (1, 1, 1, 1), mode="replicate")
    response = torch.empty(2, 4, 8, 12)
    for row in range(8):
        for column in range(12):
            window = padded[:, :, row : row + 3, column : column + 3]
            response[:, :, row, column] = torch.einsum("bcij,ncij->bn", window, filters.filters) + filters.bias
    expected = torch.empty(2, 8, 2, 3)
    for row in range(2):
        for column in range(3):
            cell = response[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            means = cell.clamp(min=0).mean((2, 3)), (-cell).clamp(min=0).mean((2, 3))
            expected[:, :, row, column] = torch.cat(means, 1)
    torch.testing.assert_close(encoder.maps(given), expected, atol=1e-5, rtol=1e-5)


def test_another_size_keeps_the_weights_and_gives_finer_maps() -> None:
    coarse, fine = (
        create_model("hq_jepa_encoder", inputs=inputs_of(3), architecture_args=JEPA, size=size) for size in (None, 48)
    )
    states = coarse.state_dict(), fine.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert coarse.maps(images()).shape[-2:] == (6, 6)
    assert fine.maps(images()).shape[-2:] == (12, 12)
    same = create_model("hq_jepa_encoder", inputs=inputs_of(3), architecture_args=JEPA, size=24)
    assert torch.equal(same.maps(images()), coarse.maps(images()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "image_statistics"}, "encoder='image_statistics' gives a vector for each image and no map"),
        ({"encoder": "image_statistic"}, "image_statistics"),
        ({"encoder": "unet"}, "is for segmentation; features or own is needed here"),
        ({"head": "linear"}, "head='linear' is none of hybrid, token, conv"),
        ({"head": "token", "patch": 0}, "patch=0"),
        ({"arguments": {"cell": 0}}, "cell=0"),
        (
            {"encoder": "hq_jepa_encoder", "arguments": {"architecture_args": JEPA, "size": 50}},
            "size=50 is no multiple",
        ),
        ({"arguments": {"frozen": False}}, "random_convolutions is a floor"),
        ({"arguments": {"widht": 8}}, "Did you mean 'width'"),
        ({"control": "conv"}, "conv"),
    ],
)
def test_mistakes_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        built(**arguments)


def test_a_size_that_an_encoder_does_not_take_is_named() -> None:
    model = built("timm_encoder", {"name": "vit_tiny_patch16_224", "arguments": TINY_VIT}, head="conv")
    with pytest.raises(ConfigError, match=r"takes images of another size .*`size`.*dynamic_img_size: true"):
        model(images())


def test_weights_of_another_number_of_bands_are_named(tmp_path) -> None:
    state = create_model("timm_encoder", inputs=inputs_of(3), name="resnet10t").net.module.state_dict()
    torch.save({**state, "conv1.0.weight": state["conv1.0.weight"][:, :2]}, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match="conv1"):
        built("timm_encoder", {"name": "resnet10t", "weights": str(tmp_path / "weights.pth")})
