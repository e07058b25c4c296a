"""Models that start from published weights: same bands and classes, other ones, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import hqzoo
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.tasks import SegmentationTask
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.pack import write_project
from tests.fixtures.tasks import tiny_trainer
from tests.fixtures.weights import package, packed
from tests.toys import frozen as toy_frozen

IMAGE = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seen(*bands: str) -> Inputs:
    count = len(bands)
    return Inputs({"image": Sensor(bands)}, {"image": Statistics((0.0,) * count, (1.0,) * count)})


def out(model: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(image)


@pytest.fixture
def published(toy: tuple[SegmentationTask, Path], folder: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(folder.parent))
    return toy[0].model.eval()


def test_everything_comes_from_the_weights_unless_it_is_given(published: torch.nn.Module, folder: Path) -> None:
    for weights in ("squares-toy", folder, str(folder)):
        model = hqzoo.create_model("hq_unet", weights=weights)
        assert not any(module.training for module in model.modules())
        torch.testing.assert_close(out(model, IMAGE), out(published, IMAGE))  # whose layout is channels-last
    given = hqzoo.create_model("hq_unet", in_channels=3, num_classes=3, width=4, weights="squares-toy")
    torch.testing.assert_close(out(given, IMAGE), out(published, IMAGE))
    for key, value in published.state_dict().items():
        torch.testing.assert_close(given.state_dict()[key], value, rtol=0, atol=0)


def test_bands_are_matched_by_name(published: torch.nn.Module) -> None:
    model = hqzoo.create_model("hq_unet", inputs=seen("blue", "red", "green"), weights="squares-toy")
    torch.testing.assert_close(out(model, IMAGE[:, [2, 0, 1]]), out(published, IMAGE))


def test_a_new_band_is_not_seen_at_first_and_can_be_learnt(published: torch.nn.Module) -> None:
    model = hqzoo.create_model("hq_unet", inputs=seen("nir", "red", "green", "blue"), weights="squares-toy")
    more = torch.cat([torch.rand(2, 1, 32, 32), IMAGE], 1)
    torch.testing.assert_close(out(model, more), out(published, IMAGE))
    model.train()(more).square().mean().backward()
    gradients = [p.grad[:, 0].abs().sum() for p in model.parameters() if p.dim() == 4 and p.shape[1] == 4]
    assert gradients
    assert all(float(each) > 0 for each in gradients)


def test_a_missing_band_is_left_out(published: torch.nn.Module) -> None:
    """What the others give together is what the published model makes of an image whose missing band is zero."""
    model = hqzoo.create_model("hq_unet", inputs=seen("red", "blue"), weights="squares-toy")
    dark = IMAGE.clone()
    dark[:, 1] = 0
    torch.testing.assert_close(out(model, dark[:, [0, 2]]), out(published, dark))


def test_a_head_for_other_classes_starts_afresh_and_that_is_told(published: torch.nn.Module) -> None:
    with pytest.warns(UserWarning, match=r"have 3 outputs, the model 5\. Not taken over, to be trained: head"):
        model = hqzoo.create_model("hq_unet", num_classes=5, weights="squares-toy")
    own, old = model.state_dict(), published.state_dict()
    differing = {key for key in own if own[key].shape != old[key].shape}
    assert differing
    for key in set(own) - differing:
        torch.testing.assert_close(own[key], old[key], rtol=0, atol=0)


def test_bands_and_classes_at_once(published: torch.nn.Module) -> None:
    with pytest.warns(UserWarning, match="head"):
        model = hqzoo.create_model("hq_unet", inputs=seen("blue", "red"), num_classes=2, weights="squares-toy")
    assert out(model, IMAGE[:, :2]).shape == (2, 2, 32, 32)


def test_torchs_generator_is_used_by_the_model_alone(published: torch.nn.Module) -> None:
    states = []
    for inputs in (seen("red", "green", "blue"), seen("blue", "green", "red")):
        torch.manual_seed(0)
        hqzoo.create_model("hq_unet", inputs=inputs, weights="squares-toy")
        states.append(torch.rand(1))
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("qu_net", {}, CheckpointError, "are those of 'hq_unet', not of 'qu_net'"),
        ("hq_unet", {"in_channels": 4}, CheckpointError, "read red, green, blue; 4 bands cannot be matched"),
        ("hq_unet", {"inputs": seen("nir", "swir")}, CheckpointError, "nothing of that can be carried over to nir"),
        ("hq_unet", {"width": 8}, CheckpointError, "width=4, input_size=32.* do not fit.*expected"),
        ("hq_unet", {"control": "mlp"}, CheckpointError, "names differ"),
        ("hq_unet", {"widht": 4}, ConfigError, "Did you mean 'width'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    published: torch.nn.Module, name: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hqzoo.create_model(name, weights="squares-toy", **arguments)


def test_other_sensors_are_refused(published: torch.nn.Module) -> None:
    inputs = Inputs({"s2": Sensor(("red",))}, {"s2": Statistics((0.0,), (1.0,))})
    with pytest.raises(CheckpointError, match="read the sensors image, not s2"):
        hqzoo.create_model("hq_unet", inputs=inputs, weights="squares-toy")


def test_without_weights_it_is_the_registrys() -> None:
    torch.manual_seed(0)
    own = hqzoo.create_model("hq_unet", in_channels=3, num_classes=2, width=4, input_size=32)
    torch.manual_seed(0)
    other = hqzoo.models.create_model("hq_unet", in_channels=3, num_classes=2, width=4, input_size=32)
    assert own.training
    for key, value in own.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key])


def test_frozen_parts_and_scalings_follow_the_images(tmp_path: Path) -> None:
    """The map from normalised images to the backbone's own scaling is computed, never copied."""
    task = SegmentationTask("toy_frozen")
    trainer = tiny_trainer(tmp_path)
    trainer.fit(task, toy_frozen.FrozenData())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    folder = package(packed(tmp_path / "last.ckpt", tmp_path, "toy-frozen"))
    raw = torch.rand(1, 3, 32, 32) * 255
    inputs = Inputs(
        {"image": Sensor(("blue", "red", "green"))}, {"image": Statistics((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))}
    )
    model = hqzoo.create_model("toy_frozen", inputs=inputs, weights=folder)
    mean, std = torch.tensor([1.0, 2.0, 3.0])[:, None, None], torch.tensor([4.0, 5.0, 6.0])[:, None, None]
    torch.testing.assert_close(
        out(model, (raw[:, [2, 0, 1]] - mean) / std), out(task.eval(), raw), rtol=1e-4, atol=1e-4
    )
    with pytest.raises(CheckpointError, match=r"frozen part 'model\.backbone'"):
        hqzoo.create_model("toy_frozen", weights=folder, seed=4)


def test_a_project_in_a_folder_of_ones_own(folder: Path, tmp_path: Path) -> None:
    found = in_folder(folder)
    project = write_project(found.spec, found.tensors.read_bytes(), tmp_path / "elsewhere")
    assert hqzoo.load(package(project)).classes == ("soil", "water", "wood")
