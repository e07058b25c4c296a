"""Exported models compute what the task predicts, and hold what their readers look for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors
import torch
from numpy.typing import NDArray

from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError
from hqzoo.tasks import ClassificationTask, SegmentationTask
from hqzoo.tasks.trained import Trained
from hqzoo.weights.exporting import deepness_metadata, export
from tests.fixtures.tasks import KNOWN, STATISTICS, TARGETS, raw_batch, tiny_task
from tests.toys import labels  # noqa: F401 - registers its architecture

ATOL = 1e-4


def onnx(path: Path) -> tuple[onnxruntime.InferenceSession, dict[str, str]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session, session.get_modelmeta().custom_metadata_map


def probabilities(task: SegmentationTask, image: torch.Tensor) -> NDArray[Any]:
    with torch.no_grad():
        return task.eval()(image).softmax(1).numpy()


@pytest.fixture(scope="module")
def task() -> SegmentationTask:
    """A task for 20 cm imagery."""
    sensor = Sensor(("red", "green", "blue"), gsd=0.2)
    return tiny_task(sensors={"image": sensor}).eval()


@pytest.fixture(scope="module")
def model(task: SegmentationTask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export(task, path, "onnx")
    return path


@pytest.mark.parametrize("count", [1, 3])
def test_onnx_computes_what_the_task_predicts_of_raw_images(task: SegmentationTask, model: Path, count: int) -> None:
    image = raw_batch(count=count)["image"]
    session, _ = onnx(model)
    (found,) = session.run(None, {"image": image.numpy()})
    np.testing.assert_allclose(found, probabilities(task, image), atol=ATOL, rtol=0)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_deepness_gets_the_same_map(task: SegmentationTask, model: Path) -> None:
    """What the plugin does to a tile, written from its documentation: /255, standardise, channels first."""
    session, metadata = onnx(model)
    read = {key: json.loads(text) for key, text in metadata.items()}
    assert read["model_type"] == "Segmentor"
    assert read["class_names"] == {"0": "soil", "1": "water", "2": "wood"}
    assert read["tile_size"] == 32
    assert read["resolution"] == 20  # centimetres
    shape, out = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    assert len(session.get_inputs()) == len(session.get_outputs()) == 1
    assert shape[1:] == [3, 32, 32]
    assert out[2] == out[3] == read["tile_size"]
    image = raw_batch()["image"]
    tile = np.rint(image.numpy().transpose(0, 2, 3, 1)).astype(np.uint8)
    scaled = np.float32(tile / 255.0)
    standardised = (scaled - np.array(read["standardization_mean"])) / np.array(read["standardization_std"])
    (found,) = session.run(None, {"image": standardised.transpose(0, 3, 1, 2).astype(np.float32)})
    expected = probabilities(task, torch.from_numpy(tile.transpose(0, 3, 1, 2).astype(np.float32)))
    np.testing.assert_allclose(found, expected, atol=ATOL, rtol=0)


def test_what_must_be_known_lies_in_the_file(task: SegmentationTask, model: Path, tmp_path: Path) -> None:
    export(task, tmp_path / "m.pt2", "torch")
    files = {"hqzoo.json": ""}
    torch.export.load(tmp_path / "m.pt2", extra_files=files)
    export(task, tmp_path / "m.safetensors", "safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        header = file.metadata()["hqzoo"]
    for text in (onnx(model)[1]["hqzoo"], files["hqzoo.json"], header):
        facts = json.loads(text)
        assert Sensor.from_dict(facts["sensors"]["image"]) == task.sensor
        assert Statistics.from_dict(facts["statistics"]["image"]) == STATISTICS
        assert Targets.from_dict(facts["targets"]) == TARGETS
        assert facts["window"] == [32, 32]


def test_a_program_of_torch_export_computes_the_same(task: SegmentationTask, tmp_path: Path) -> None:
    export(task, tmp_path / "m.pt2", "torch")
    program = torch.export.load(tmp_path / "m.pt2").module()
    for count in (1, 3):
        image = raw_batch(count=count)["image"]
        np.testing.assert_allclose(program(image).detach().numpy(), probabilities(task, image), atol=ATOL, rtol=0)


def test_bare_tensors_are_all_of_the_tasks(task: SegmentationTask, tmp_path: Path) -> None:
    export(task, tmp_path / "m.safetensors", "safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    assert set(found) == set(task.state_dict())
    for key, value in task.state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)


def test_a_sigmoid_head_has_two_classes_in_the_file(tmp_path: Path) -> None:
    targets = Targets("mask", ("other", "lesion"))
    task = tiny_task(head="sigmoid", targets=targets)
    export(task, tmp_path / "m.onnx", "onnx")
    image = raw_batch()["image"]
    (found,) = onnx(tmp_path / "m.onnx")[0].run(None, {"image": image.numpy()})
    assert found.shape[1] == 2
    np.testing.assert_allclose(found, probabilities(task, image), atol=ATOL, rtol=0)


@pytest.mark.parametrize("kind", ["label", "multilabel"])
def test_classifiers(kind: str, tmp_path: Path) -> None:
    task = ClassificationTask("toy_labels", **{**KNOWN, "targets": replace(TARGETS, kind=kind, ignore=None)}).eval()
    image = raw_batch()["image"]
    export(task, tmp_path / "m.onnx", "onnx", 32)
    session, metadata = onnx(tmp_path / "m.onnx")
    (found,) = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        expected = task.predict_step({"image": image}, 0)
    np.testing.assert_allclose(found, expected.numpy(), atol=ATOL, rtol=0)
    assert set(metadata) == {"hqzoo"}  # Deepness has no such models


def test_resolution_is_left_out_where_nobody_knows_it() -> None:
    assert "resolution" not in deepness_metadata(tiny_task(), (32, 32))


def test_deepness_takes_square_tiles_only(task: SegmentationTask) -> None:
    with pytest.raises(ConfigError, match=r"square windows, this model was trained on 32x64: --window N"):
        deepness_metadata(task, (32, 64))


def test_what_cannot_be_exported(task: SegmentationTask, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown format 'onx'\. Did you mean 'onnx'"):
        export(task, tmp_path / "m", "onx")
    with pytest.raises(ConfigError, match="windows of 32 pixels, not 64"):
        export(task, tmp_path / "m", "onnx", 64)
    assert not list(tmp_path.iterdir())


def test_the_window_is_that_of_the_training(tmp_path: Path) -> None:
    task = SegmentationTask("smp_unet", {"encoder": "resnet18"}, **KNOWN)
    task.trained = Trained("32-true", (64, 64))
    export(task, tmp_path / "m.safetensors", "safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert json.loads(file.metadata()["hqzoo"])["window"] == [64, 64]
