"""Weights of other tasks than segmentation: several sensors, no classes, labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hqzoo
from hqzoo.data.sensor import Inputs, Statistics
from hqzoo.errors import ConfigError
from hqzoo.tasks import ClassificationTask
from hqzoo.weights.card import card
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.exporting import export
from hqzoo.weights.stac import to_stac
from tests.fixtures.tasks import KNOWN, TARGETS, raw_batch, tiny_trainer
from tests.fixtures.weights import package, packed
from tests.tasks.test_hq_jepa import SENSORS, STATISTICS, batch, task
from tests.toys import labels  # noqa: F401 - registers its architecture


@pytest.fixture
def encoder(tmp_path: Path) -> tuple[torch.nn.Module, Path]:
    """An untrained HQ-JEPA encoder, and the folder of its weights."""
    own = task().eval()
    trainer = tiny_trainer(tmp_path)
    trainer.strategy.connect(own)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    return own, package(packed(tmp_path / "last.ckpt", tmp_path, "jepa-toy"))


def features(model: torch.nn.Module, images: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(images)


def test_an_encoder_of_two_sensors(encoder: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    own, folder = encoder
    images = {name: each for name, each in batch().items() if name in SENSORS}
    again = hqzoo.load(folder)
    assert not any(module.training for module in again.modules())
    torch.testing.assert_close(features(again, images), features(own, images), rtol=0, atol=0)
    spec = in_folder(folder).spec
    assert (dict(spec.sensors), spec.targets, spec.outputs) == (SENSORS, None, None)
    assert spec.circuits
    assert "`s1`: VV, VH" in card(spec)
    assert [each["name"] for each in to_stac(spec)["properties"]["mlm:input"]] == list(SENSORS)
    with pytest.raises(ConfigError, match=r"one sensor and classes; it has the sensors s2, s1 and 0 classes"):
        export(again, tmp_path / "m.onnx", "onnx")
    export(again, tmp_path / "m.safetensors", "safetensors")


def test_an_encoder_starts_for_one_band_more_in_one_of_its_sensors(encoder: tuple[torch.nn.Module, Path]) -> None:
    own, folder = encoder
    images = own.normalise({name: each for name, each in batch().items() if name in SENSORS})
    statistics = {**STATISTICS, "s2": Statistics((100.0,) * 4, (20.0,) * 4)}
    inputs = Inputs({**SENSORS, "s2": replace(SENSORS["s2"], bands=("nir", "red", "green", "blue"))}, statistics)
    model = hqzoo.create_model("hq_jepa", inputs=inputs, weights=folder)
    seen = torch.cat([torch.rand(4, 1, 8, 8), images["s2"][:, [2, 1, 0]]], 1)
    torch.testing.assert_close(features(model, {**images, "s2": seen}), features(own.model, images))


def test_a_classifier(tmp_path: Path) -> None:
    own = ClassificationTask("toy_labels", **{**KNOWN, "targets": replace(TARGETS, kind="label", ignore=None)}).eval()
    trainer = tiny_trainer(tmp_path)
    trainer.strategy.connect(own)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    folder = package(packed(tmp_path / "last.ckpt", tmp_path, "labels-toy"))
    image = raw_batch()["image"]
    torch.testing.assert_close(features(hqzoo.load(folder), image), features(own, image), rtol=0, atol=0)
    with pytest.warns(UserWarning, match="have 3 outputs, the model 7"):
        assert features(hqzoo.create_model("toy_labels", num_classes=7, weights=folder), image).shape == (2, 7)
