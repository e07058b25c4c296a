"""The encoder in a checkpoint of HQ-JEPA: equal to the model's own features, whatever the order of the data's bands."""

import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import hqzoo
from hqzoo._lightning import pl
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError
from hqzoo.models import count_parameters, create_model
from hqzoo.nn import Normalizer, frozen_parts
from hqzoo.tasks import HQJEPATask
from tests.fixtures.canary import Canary

TINY = {
    "image_size": 8, "patch": 1, "width": 16, "heads": 2, "depth": 2, "predictor_width": 8, "predictor_depth": 1,
    "other_depth": 1, "fused_width": 8,
}  # fmt: skip
BANDS = ("B02", "B03", "B04", "B08")
STATISTICS = Statistics((400.0, 600.0, 500.0, 2100.0), (100.0, 150.0, 200.0, 800.0))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A checkpoint of a task whose student has left its teacher behind."""
    torch.manual_seed(0)
    task = HQJEPATask(
        "hq_jepa", TINY, weights={"cross_modal": 0.0, "sigreg": 0.0, "fidelity": 0.0},
        sensors={"s2": Sensor(BANDS, "reflectance x 1e4", 1e4)}, statistics={"s2": STATISTICS},
    )  # fmt: skip
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pl.Trainer(**quiet, max_steps=1, enable_checkpointing=False, limit_val_batches=0)
    names = [f"patch {i}" for i in range(4)]
    loader = torch.utils.data.DataLoader(
        [{"s2": 400 + 100 * torch.randn(4, 8, 8), "name": name} for name in names], batch_size=4
    )
    trainer.fit(task, loader)
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    trainer.save_checkpoint(path)
    return path


def given(bands=BANDS, statistics: Statistics | None = None, **sensor) -> Inputs:
    own = statistics or Statistics(
        tuple(900.0 + 7 * k for k in map(hash_of, bands)), tuple(300.0 + 5 * k for k in map(hash_of, bands))
    )
    stated = {"unit": "reflectance x 1e4", "scale": 1e4, **sensor}
    return Inputs({"image": Sensor(tuple(bands), **stated)}, {"image": own})


def hash_of(band: str) -> int:
    return sum(map(ord, band)) % 50


def images(bands=BANDS, side: int = 8) -> torch.Tensor:
    return 3000 * torch.rand(2, len(bands), side, side, generator=torch.Generator().manual_seed(1))


def normalised(inputs: Inputs, image: torch.Tensor) -> torch.Tensor:
    return Normalizer(inputs.statistics["image"].mean, inputs.statistics["image"].std)(image)


@pytest.mark.parametrize("part", ["teacher", "student"])
def test_features_are_the_models_own(checkpoint: Path, part: str) -> None:
    model = hqzoo.load(checkpoint).model
    inputs = given()
    image = normalised(inputs, images())
    encoder = create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint), part=part)
    with torch.no_grad():
        expected = model(image, teacher=part == "teacher")
        tokens = (model.teacher if part == "teacher" else model.student)(image)
    torch.testing.assert_close(encoder(image), expected)
    torch.testing.assert_close(encoder({"image": image}), expected)
    maps = encoder.maps(image)
    assert maps.shape == (2, 16, 8, 8)
    torch.testing.assert_close(maps[:, :, 3, 5], tokens[:, 3 * 8 + 5])
    other = create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint))(image)
    assert torch.allclose(other, expected) == (part == "teacher")


def test_statistics_of_the_checkpoint_are_those_that_it_was_trained_with(checkpoint: Path) -> None:
    inputs, image = given(), images()
    encoder = create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint), statistics="checkpoint")
    with torch.no_grad():
        expected = hqzoo.load(checkpoint).model(Normalizer(STATISTICS.mean, STATISTICS.std)(image))
    torch.testing.assert_close(encoder(normalised(inputs, image)), expected, atol=1e-4, rtol=1e-4)
    # The same scene as colours of 8 bits and a band that is absent, which is at its mean.
    colours = given(("red", "green", "blue"), Statistics((90.0, 80.0, 70.0), (60.0, 50.0, 40.0)),
                    unit="digital number", scale=255.0)  # fmt: skip
    eight = create_model("hq_jepa_encoder", inputs=colours, weights=str(checkpoint), statistics="checkpoint",
                         impute={"B08": "zero"}, white=3000.0)  # fmt: skip
    with torch.no_grad():
        filled = image.clone()
        filled[:, 3] = STATISTICS.mean[3]
        expected = hqzoo.load(checkpoint).model(Normalizer(STATISTICS.mean, STATISTICS.std)(filled))
    seen = normalised(colours, image[:, [2, 1, 0]] * 255 / 3000)
    torch.testing.assert_close(eight(seen), expected, atol=1e-4, rtol=1e-4)


def test_bands_in_another_order_among_others_give_the_same_features(checkpoint: Path) -> None:
    image, order = images(), ("B11", "B08", "B04", "B02", "B03")
    other = torch.cat([images(("B11",)), image[:, [3, 2, 0, 1]]], 1)
    for statistics in ("data", "checkpoint"):
        found = [
            create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint), statistics=statistics)(
                normalised(inputs, values)
            )
            for inputs, values in ((given(), image), (given(order), other))
        ]
        torch.testing.assert_close(*found, atol=1e-5, rtol=1e-4)


def test_images_are_resized_to_the_size_that_it_knows(checkpoint: Path) -> None:
    inputs = given()
    encoder = create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint))
    image = normalised(inputs, images(side=20))
    smaller = F.interpolate(image, (8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(encoder(image), encoder(smaller), atol=1e-5, rtol=1e-4)


def test_missing_bands_are_an_error_or_imputed_where_asked(checkpoint: Path) -> None:
    inputs = given(("red", "green", "blue"))
    with pytest.raises(ConfigError, match="needs the bands B02, B03, B04, B08; the images have red, green, blue, with"):
        create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint))
    image = normalised(inputs, images(("red", "green", "blue")))
    for instead, fourth in (("zero", torch.zeros_like(image[:, :1])), ("red", image[:, :1])):
        encoder = create_model("hq_jepa_encoder", inputs=inputs, weights=str(checkpoint), impute={"B08": instead})
        with torch.no_grad():
            expected = hqzoo.load(checkpoint).model(torch.cat([image.flip(1), fourth], 1))
        torch.testing.assert_close(encoder(image), expected)


def test_of_several_sensors_it_looks_at_its_own(checkpoint: Path) -> None:
    radar = Sensor(("VV", "VH"), "dB", 30.0), Statistics((-12.0, -19.0), (4.0, 5.0))
    both = Inputs({"s1": radar[0], "s2": given().sensors["image"]}, {"s1": radar[1], "s2": given().statistics["image"]})
    image = normalised(given(), images())
    found = create_model("hq_jepa_encoder", inputs=both, weights=str(checkpoint))({"s1": image[:, :2], "s2": image})
    alone = create_model("hq_jepa_encoder", inputs=given(), weights=str(checkpoint))(image)
    torch.testing.assert_close(found, alone)
    named_otherwise = Inputs({"a": radar[0], "b": radar[0]}, {"a": radar[1], "b": radar[1]})
    with pytest.raises(ConfigError, match="looks at the sensor 's2'; the data have a, b"):
        create_model("hq_jepa_encoder", inputs=named_otherwise, weights=str(checkpoint))


def test_frozen_or_trained_it_says_which_weights(checkpoint: Path) -> None:
    frozen = create_model("hq_jepa_encoder", inputs=given(), weights=str(checkpoint))
    (reference,) = [part.reference for part in frozen_parts(frozen).values()]
    assert reference["source"] == "hq_jepa/teacher of last.ckpt"
    trained = create_model("hq_jepa_encoder", inputs=given(), weights=str(checkpoint), frozen=False)
    assert trained.starting_weights() == {"encoder": {k: reference[k] for k in ("source", "sha256")}}
    trained(normalised(given(), images())).square().sum().backward()
    assert all(p.grad is not None for p in trained.parameters())
    with pytest.raises(ConfigError, match=f"digest {reference['sha256']}, not f00"):
        create_model("hq_jepa_encoder", inputs=given(), weights=str(checkpoint), sha256="f00")


def test_fresh_weights_have_the_architecture_that_is_asked_for() -> None:
    small = {"image_size": 40, "patch": 10, "width": 32, "heads": 4, "depth": 3}
    model = create_model("hq_jepa_encoder", inputs=given(), architecture_args=small, frozen=False)
    expected = create_model(
        "hq_jepa",
        inputs=Inputs({"s2": given().single}, {"s2": given().statistics["image"]}),
        losses=("token",),
        **small,
    )
    assert count_parameters(model)["parameters"] == sum(p.numel() for p in expected.student.parameters())
    assert model.maps(normalised(given(), images(side=120))).shape == (2, 32, 4, 4)
    image = normalised(given(), images())
    again = create_model("hq_jepa_encoder", inputs=given(), architecture_args=small)
    torch.testing.assert_close(again(image), model(image))


def test_wrong_files_are_named_and_nothing_of_them_runs(checkpoint: Path, tmp_path: Path) -> None:
    def build(stored) -> None:
        torch.save(stored, tmp_path / "file.ckpt")
        create_model("hq_jepa_encoder", inputs=given(), weights=str(tmp_path / "file.ckpt"))

    good = torch.load(checkpoint, weights_only=True)
    with pytest.raises(ConfigError, match="nothing of it was run"):
        build({**good, "extra": Canary(tmp_path / "canary")})
    assert not (tmp_path / "canary").exists()
    with pytest.raises(ConfigError, match=r"no checkpoint of HQ-JEPA\."):
        build({"state_dict": good["state_dict"]})
    with pytest.raises(ConfigError, match="no checkpoint of HQ-JEPA, but of 'hq_unet'"):
        build({**good, "hyper_parameters": {**good["hyper_parameters"], "architecture": "hq_unet"}})
    with pytest.raises(ConfigError, match="does not say what the bands of its sensor 's2' are"):
        build({**good, "hyper_parameters": {**good["hyper_parameters"], "sensors": {}}})
    key = "model.teacher.embed.weight"
    with pytest.raises(
        ConfigError, match=r"encoder of 4 bands needs \(16, 4, 1, 1\): weights of another number of bands"
    ):
        build({**good, "state_dict": {**good["state_dict"], key: good["state_dict"][key][:, :3]}})
    with pytest.raises(ConfigError, match=r"lacks 1 of its weights, first 'embed\.weight'"):
        build({**good, "state_dict": {k: v for k, v in good["state_dict"].items() if k != key}})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "predictor"}, "part='predictor' is teacher or student"),
        ({"statistics": "mine"}, "statistics='mine' is data or checkpoint"),
        ({"statistics": "checkpoint"}, "random weights have none"),
        ({"architecture_args": {"widht": 8}}, "Did you mean 'width'"),
        ({"architecture_args": {"patch": 7}}, "patch=7 does not divide image_size=120"),
        ({"weights": "nowhere.ckpt"}, "nowhere.ckpt' is no file"),
    ],
)
def test_errors(arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model("hq_jepa_encoder", inputs=given(), **arguments)


def test_a_checkpoint_says_its_architecture_itself(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="leave out architecture_args"):
        create_model("hq_jepa_encoder", inputs=given(), weights=str(checkpoint), architecture_args={"width": 8})


CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
PUBLISHED = CHECKPOINTS / "hq-jepa-bigearthnet-small" / "hqzoo_weights_hq_jepa_bigearthnet_small"


def test_published_weights_are_taken_by_their_folder(tmp_path: Path) -> None:
    model = hqzoo.load(PUBLISHED).model
    inputs = given()
    image = normalised(inputs, images(side=120))
    encoder = create_model("hq_jepa_encoder", inputs=inputs, weights=str(PUBLISHED))
    with torch.no_grad():
        torch.testing.assert_close(encoder(image), model(image, teacher=True))
    (reference,) = [part.reference for part in frozen_parts(encoder).values()]
    assert reference["source"] == f"hq_jepa/teacher of {PUBLISHED.name}"
    copy = tmp_path / "copy"
    shutil.copytree(PUBLISHED, copy)
    content = bytearray((copy / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "weights.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match=r"has the SHA-256 \w{64}, but weights.json describes \w{64}"):
        create_model("hq_jepa_encoder", inputs=inputs, weights=str(copy))
    (copy / "weights.json").unlink()
    with pytest.raises(ConfigError, match="holds no published weights"):
        create_model("hq_jepa_encoder", inputs=inputs, weights=str(copy))
