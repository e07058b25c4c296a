"""TorchGeo's encoders: equal to its own models behind its own transforms, whatever the order of the data's bands."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torchgeo.models import get_model, get_weight

from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError
from hqzoo.models import create_model
from hqzoo.models.band_scaling import rescale_to
from hqzoo.models.torchgeo_encoder import _side, _sized, _wanted, torchgeo_weights
from hqzoo.nn import Normalizer, frozen_parts
from hqzoo.nn.torchgeo_nets import net_of
from tests.fixtures.canary import Canary

S2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
RGB_MOCO = "ResNet18_Weights.SENTINEL2_RGB_MOCO"


def given(bands, unit: str = "reflectance x 1e4", scale: float = 1e4) -> Inputs:
    spread = {"reflectance x 1e4": (1500.0, 600.0), "digital number": (100.0, 40.0), "dB": (-15.0, 5.0)}[unit]
    mean = tuple(spread[0] * (1 + k / 20) for k in range(len(bands)))
    std = tuple(spread[1] * (1 + k / 10) for k in range(len(bands)))
    return Inputs({"image": Sensor(tuple(bands), unit, scale)}, {"image": Statistics(mean, std)})


def normalised(inputs: Inputs, image: torch.Tensor) -> torch.Tensor:
    return Normalizer(inputs.statistics["image"].mean, inputs.statistics["image"].std)(image)


def raw(inputs: Inputs, side: int, batch: int = 2) -> torch.Tensor:
    statistics, noise = inputs.statistics["image"], torch.Generator().manual_seed(0)
    image = torch.randn(batch, len(statistics.mean), side, side, generator=noise)
    mean, std = (torch.tensor(each)[:, None, None] for each in (statistics.mean, statistics.std))
    return image * std + mean


def stored(model, folder: Path, more: dict[str, torch.Tensor] | None = None) -> Path:
    """Save the weights of an encoder as TorchGeo's files are: named by their digest."""
    path = folder / "weights.pth"
    torch.save({**model.net.module.net.state_dict(), **(more or {})}, path)
    return path.rename(folder / f"weights-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")


def offered(name: str, path: Path, monkeypatch, folder: Path) -> None:
    """Let TorchGeo's name stand for a file of this machine."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "home"))
    monkeypatch.setattr(get_weight(name).value, "url", path.as_uri())


def geometry(weight) -> nn.Module:
    return nn.Sequential(*(each for each in weight.transforms.modules() if hasattr(each, "size")))


CASES = {
    "ResNet50_Weights.SENTINEL2_ALL_DINO": (S2, "reflectance x 1e4", 1e4),
    "ResNet50_Weights.SENTINEL2_ALL_SOFTCON": (S2, "reflectance x 1e4", 1e4),
    "ResNet50_Weights.SENTINEL1_ALL_DECUR": (("VV", "VH"), "dB", 30.0),
    "ResNet50_Weights.FMOW_RGB_GASSL": (("red", "green", "blue"), "digital number", 255.0),
    "ViTSmall16_Weights.SENTINEL2_ALL_MAE": (S2, "reflectance x 1e4", 1e4),
    "ViTSmall14_DINOv2_Weights.SENTINEL1_GRD_SOFTCON": (("VV", "VH"), "dB", 30.0),
    "Swin_V2_T_Weights.SENTINEL2_SI_RGB_SATLAS": (("red", "green", "blue"), "digital number", 255.0),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if n > 1 else []) for n, name in enumerate(CASES)]
)
def test_features_are_those_of_torchgeos_model_behind_its_transforms(name, tmp_path, monkeypatch) -> None:
    bands, unit, scale = CASES[name]
    weight, inputs = get_weight(name), given(tuple(reversed(bands)), unit, scale)
    fresh = create_model("torchgeo_encoder", inputs=inputs, name=name, seed=3)
    head = {"head.weight": torch.zeros(1000, fresh.width), "head.bias": torch.zeros(1000)} if "Swin" in name else {}
    path = stored(fresh, tmp_path, head)
    offered(name, path, monkeypatch, tmp_path)
    theirs = get_model(torchgeo_weights()[name], weights=weight).eval()
    image = raw(inputs, 280)
    by_name = image[:, [inputs.single.bands.index(band) for band in bands]]  # in TorchGeo's order
    seen = weight.transforms(by_name.clone())  # some of its transforms write into their input
    with torch.no_grad():
        if "Swin" in name:
            expected = theirs.permute(theirs.norm(theirs.features(seen)))
            maps, expected = expected, expected.mean((2, 3))
        else:
            tokens = theirs.forward_features(seen)
            expected, maps = theirs.forward_head(tokens, pre_logits=True), tokens
            if maps.ndim == 3:
                maps = maps[:, 1:].mT.unflatten(2, (16, 16) if "14" in name else (14, 14))
    prepared = normalised(inputs, geometry(weight)(image))
    for model in (
        fresh,
        create_model("torchgeo_encoder", inputs=inputs, name=name, weights=str(path)),
        create_model("torchgeo_encoder", inputs=inputs, name=name, weights="pretrained"),
    ):
        torch.testing.assert_close(model(prepared), expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(model.maps(prepared), maps, atol=1e-4, rtol=1e-3)
    assert model.width == expected.shape[1]


@pytest.mark.slow
def test_scalemae_sees_colours_of_eight_bits() -> None:
    """Without files: its weights are more than a gigabyte."""
    name, inputs = "ScaleMAELarge16_Weights.FMOW_RGB", given(("blue", "green", "red"), "digital number", 255.0)
    model = create_model("torchgeo_encoder", inputs=inputs, name=name, arguments={"res": 2.5})
    theirs, image = model.net.module.net, raw(inputs, 224, batch=1)
    assert theirs.res == 2.5
    with torch.no_grad():
        tokens = theirs.forward_features(get_weight(name).transforms(image.flip(1)))
        expected = theirs.forward_head(tokens, pre_logits=True)
    torch.testing.assert_close(model(normalised(inputs, image)), expected, atol=1e-4, rtol=1e-3)
    maps = model.maps(normalised(inputs, image))
    torch.testing.assert_close(maps, tokens[:, 1:].mT.unflatten(2, (14, 14)), atol=1e-4, rtol=1e-3)


def test_dofa_takes_any_bands_by_their_wavelengths(tmp_path, monkeypatch) -> None:
    name, bands = "DOFABase16_Weights.DOFA_MAE", ("B04", "B8A", "VV", "thermal")
    inputs = given(bands)
    more = {"name": name, "wavelengths": {"thermal": 10.9}}
    model = create_model("torchgeo_encoder", inputs=inputs, **more)
    image = torch.randn(1, 4, 224, 224, generator=torch.Generator().manual_seed(0))
    theirs = model.net.module.net
    with torch.no_grad():
        expected = theirs.forward_features(image, [0.665, 0.865, 5.405, 10.9])
    torch.testing.assert_close(model(image), expected)
    maps = model.maps(image)
    assert maps.shape == (1, 768, 14, 14)
    # Its own pooling is of tokens before the norm: compared with what the last block hands on.
    caught = []
    theirs.blocks[-1].register_forward_hook(lambda module, inputs, output: caught.append(output))
    model(image)
    torch.testing.assert_close(maps[0, :, 2, 5], theirs.fc_norm(caught[0][0, 1 + 2 * 14 + 5]), atol=1e-4, rtol=1e-3)
    with pytest.raises(ConfigError, match=r"that of 'thermal' is not known.*wavelengths=\{thermal"):
        create_model("torchgeo_encoder", inputs=inputs, name=name)


def test_satlas_takes_colours_of_eight_bits_beside_reflectances() -> None:
    name = "Swin_V2_T_Weights.SENTINEL2_SI_MS_SATLAS"
    wanted, inputs = _wanted(name, get_weight(name)), given(S2)
    image = raw(inputs, 8)
    found = rescale_to(inputs.single, inputs.statistics["image"], wanted, name, 3558.0)(normalised(inputs, image))
    order = ["B04", "B03", "B02", "B05", "B06", "B07", "B08", "B11", "B12"]
    expected = image[:, [S2.index(band) for band in order]]
    torch.testing.assert_close(found, torch.cat([expected[:, :3] / 3558, expected[:, 3:] / 8160], 1))


def test_every_listed_name_says_its_bands_and_scaling() -> None:
    listed = torchgeo_weights()
    assert {"ResNet50_Weights.SENTINEL2_ALL_MOCO", "DOFALarge16_Weights.DOFA_MAE"} <= set(listed)
    assert not {name for name in listed if re.search("TOA|SECO$|Cityscapes|Unet", name)}
    for name, model in listed.items():
        if not model.startswith("dofa"):
            wanted = _wanted(name, get_weight(name))
            assert len(wanted.bands) == get_weight(name).meta["in_chans"]
            assert min(wanted.std) > 0


def test_every_network_takes_images_of_its_side() -> None:
    """Without values: the largest has 630 million weights."""
    sides = {model: _side(get_weight(name)) for name, model in torchgeo_weights().items()}
    assert len(sides) > 10
    with torch.device("meta"):
        for model, side in sides.items():
            net = net_of(model, 5, [0.5] * 5, _sized(model, side)).eval()
            image = torch.zeros(1, 5, side, side)
            assert net(image).shape == (1, net.width)
            maps = net(image, maps=True)
            assert maps.shape[:2] == (1, net.width)
            assert maps.shape[2] == maps.shape[3] > 1


def test_the_whole_image_is_resized() -> None:
    inputs = given(("B04", "B03", "B02"))
    model = create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO)
    image = normalised(inputs, raw(inputs, 64))
    larger = nn.functional.interpolate(image, (224, 224), mode="bilinear", antialias=True)
    torch.testing.assert_close(model(image), model(larger), atol=1e-4, rtol=1e-3)
    assert model.maps(image).shape == (2, 512, 7, 7)
    assert create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, size=64).maps(image).shape[-1] == 2


def test_bands_that_are_missing_are_an_error_or_imputed_where_asked() -> None:
    name = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    surface = tuple(band for band in S2 if band != "B10")
    with pytest.raises(ConfigError, match=r"without B10\..*impute: \{B10: zero\}"):
        create_model("torchgeo_encoder", inputs=given(surface), name=name)
    inputs = given(surface)
    image = raw(inputs, 8)
    for stand_in, expected in (("zero", torch.zeros(2, 8, 8)), ("B09", image[:, surface.index("B09")] / 1e4)):
        model = create_model("torchgeo_encoder", inputs=inputs, name=name, impute={"B10": stand_in})
        torch.testing.assert_close(model.rescale(normalised(inputs, image))[:, 10], expected)
    for impute, message in (
        ({"B09": "zero"}, "gives zero for B9, but B9 is there"),
        ({"B10": "B99"}, "Unknown band 'B99'"),
        ({"B10": "zero", "NIR": "B08"}, "names nir, which .* does not take"),
    ):
        with pytest.raises(ConfigError, match=message):
            create_model("torchgeo_encoder", inputs=inputs, name=name, impute=impute)


def test_fine_tuned_weights_say_where_they_started(tmp_path: Path) -> None:
    inputs = given(("blue", "green", "red"))
    path = stored(create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO), tmp_path)
    model = create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights=str(path), frozen=False)
    frozen = create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights=str(path))
    digest = frozen_parts(frozen)["net"].reference["sha256"]
    assert model.starting_weights() == {"encoder": {"source": path.name, "sha256": digest}}
    assert not frozen_parts(model)
    model(normalised(inputs, raw(inputs, 32))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    with pytest.raises(ConfigError, match=f"digest {digest}, not abc"):
        create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights=str(path), sha256="abc")


def test_wrong_files_are_named_and_nothing_of_them_runs(tmp_path: Path, monkeypatch) -> None:
    inputs = given(("B04", "B03", "B02"))
    hostile, canary = tmp_path / "hostile.pth", tmp_path / "canary"
    torch.save({"conv1.weight": Canary(canary)}, hostile)
    with pytest.raises(ConfigError, match="nothing of it was run"):
        create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights=str(hostile))
    offered(RGB_MOCO, hostile, monkeypatch, tmp_path)
    with pytest.raises(ConfigError, match="cannot be had from file:"):
        create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights="pretrained")
    assert not canary.exists()
    other = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    wide = stored(create_model("torchgeo_encoder", inputs=given(S2), name=other), tmp_path)
    with pytest.raises(ConfigError, match=r"'conv1.weight' .* is \(64, 13, 7, 7\);.*another number of bands"):
        create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights=str(wide))
    with pytest.raises(ConfigError, match="holds no weights of ResNet50"):
        create_model(
            "torchgeo_encoder", inputs=given(S2), name="ResNet50_Weights.SENTINEL2_ALL_DINO", weights=str(wide)
        )


def test_a_cached_file_of_another_digest_is_refused(tmp_path: Path, monkeypatch) -> None:
    inputs = given(("B04", "B03", "B02"))
    path = stored(create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO), tmp_path)
    offered(RGB_MOCO, path, monkeypatch, tmp_path)
    create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights="pretrained")
    cached = tmp_path / "home" / "hub" / "checkpoints" / path.name
    torch.save(
        create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, seed=1).net.module.net.state_dict(), cached
    )
    with pytest.raises(ConfigError, match=r"is not the file of ResNet18_Weights\.SENTINEL2_RGB_MOCO: its digest"):
        create_model("torchgeo_encoder", inputs=inputs, name=RGB_MOCO, weights="pretrained")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ResNet50_Weights.SENTINEL2_ALL_DINOO"}, "Did you mean 'ResNet50_Weights.SENTINEL2_ALL_DINO'"),
        ({"name": "CROMABase_Weights.CROMA_VIT"}, "TorchGeo has no encoder"),
        ({"inputs": given(("VV", "VH"), "dB", 30.0)}, "needs the bands B4, B3, B2; the images have VV, VH"),
        ({"name": "ResNet50_Weights.SENTINEL1_ALL_DECUR", "inputs": given(("VV", "VH"))}, "takes values in dB"),
        ({"weights": "nowhere.pth"}, "nowhere.pth' is no file"),
    ],
)
def test_errors(arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model("torchgeo_encoder", **{"inputs": given(("B04", "B03", "B02")), "name": RGB_MOCO, **arguments})
