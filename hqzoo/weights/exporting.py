"""Trained models for programs that know nothing of hqzoo: raw images in, probabilities out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo import __version__
from hqzoo._files import replacing
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.models import count_parameters
from hqzoo.nn import frozen_parts
from hqzoo.scenes.inference import find_window
from hqzoo.tasks.base import Task
from hqzoo.tasks.settings import to_plain

__all__ = ["FORMATS", "Deployed", "deepness_metadata", "export", "facts"]

FULL_BYTE = 255  # what Deepness divides images by before it standardises them


class Deployed(nn.Module):
    """A task's normalisation, model and probabilities as one module of tensors.

    Args:
        task: A trained task of one sensor with classes.

    Raises:
        ConfigError: If the task has several sensors, or no classes.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        if task.sensors is None or len(task.sensors) != 1 or task.targets is None:
            sensors = ", ".join(task.sensors or {}) or "none"
            raise ConfigError(
                f"{type(task).__name__} cannot be exported as a program of its own: that takes one sensor and classes; "
                f"it has the sensors {sensors} and {len(task.classes)} classes. --format safetensors takes any."
            )
        self.task = task
        self.several = task.targets.kind == "multilabel"

    def forward(self, image: Tensor) -> Tensor:
        """Map images ``(B, C, H, W)`` in the sensor's unit to probabilities ``(B, K, H, W)`` or ``(B, K)``."""
        logits: Tensor = self.task(image)
        return logits.sigmoid() if self.several else logits.softmax(dim=1)


def export(task: Task, output: Path, kind: str, window: int | None = None) -> None:
    """Write a trained task for other programs.

    Args:
        task: The task.
        output: The file.
        kind: One of :data:`FORMATS`.
        window: Side of the images in pixels; None: the size that the model takes, else the one that it was trained on,
            else 256. The number of images in a batch stays free.

    Raises:
        ConfigError: If there is no such format, or the task cannot be exported in it.
        WriteError: If the file cannot be written.
    """
    if kind not in FORMATS:
        raise ConfigError(unknown_name("format", kind, FORMATS))
    task = task.cpu().eval()
    size = find_window(task, window)
    with replacing(output) as beside:
        FORMATS[kind](task, size, beside)


def facts(task: Task, size: tuple[int, int]) -> dict[str, Any]:
    """Return what must be known to feed an exported model, as plain types."""
    return {
        "hqzoo": __version__,
        "architecture": task.architecture,
        "architecture_args": to_plain(task.architecture_args),
        "sensors": to_plain(task.sensors or {}),
        "statistics": to_plain(task.statistics or {}),
        "targets": to_plain(task.targets),
        "window": list(size),
        "parameters": count_parameters(task.model)["parameters"],
    }


def deepness_metadata(task: Task, size: tuple[int, int]) -> dict[str, str]:
    """Return the metadata by which the QGIS plugin Deepness runs a class map's model, as JSON texts by key.

    Deepness divides images by 255, then subtracts ``standardization_mean`` and divides by ``standardization_std``. The
    model normalises by itself, so these two give back what was divided. Thresholds of zero leave the map as it is.

    Raises:
        ConfigError: If the window is not square, which the plugin needs.
    """
    if task.targets is None or task.targets.kind != "mask":
        return {}
    if size[0] != size[1]:
        raise ConfigError(f"Deepness takes square windows, this model was trained on {size[0]}x{size[1]}: --window N.")
    (sensor,) = (task.sensors or {}).values()
    values = {
        "model_type": "Segmentor",
        "class_names": {str(index): name for index, name in enumerate(task.classes)},
        "tile_size": size[0],
        "standardization_mean": [0.0] * len(sensor),
        "standardization_std": [1 / FULL_BYTE] * len(sensor),
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
        **({} if sensor.gsd is None else {"resolution": round(100 * sensor.gsd, 6)}),  # in centimetres a pixel
    }
    return {key: json.dumps(value) for key, value in values.items()}


def _program(task: Task, size: tuple[int, int]) -> tuple[Deployed, tuple[Tensor], tuple[dict[int, Any]]]:
    module = Deployed(task).eval()
    (sensor,) = (task.sensors or {}).values()
    # Two images: torch.export takes a batch of one for a constant.
    return module, (torch.full((2, len(sensor), *size), sensor.scale / 2),), ({0: torch.export.Dim("batch")},)


def _onnx(task: Task, size: tuple[int, int], path: Path) -> None:
    if find_spec("onnxscript") is None:
        raise ConfigError("ONNX models are written by onnxscript: pip install 'hqzoo[onnx]'.")
    module, images, free = _program(task, size)
    metadata = {**deepness_metadata(task, size), "hqzoo": json.dumps(facts(task, size))}
    program = torch.onnx.export(
        module, images, dynamo=True, dynamic_shapes=free, input_names=["image"], output_names=["probabilities"],
        verbose=False,
    )  # fmt: skip
    if program is None:
        raise ConfigError(f"torch could not export '{task.architecture}' to ONNX.")
    program.model.metadata_props.update(metadata)
    program.save(path)


def _torch(task: Task, size: tuple[int, int], path: Path) -> None:
    module, images, free = _program(task, size)
    program = torch.export.export(module, images, dynamic_shapes=free)
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No complete tensor found")  # of weights elsewhere than on the CPU
        torch.export.save(program, file, extra_files={"hqzoo.json": json.dumps(facts(task, size))})


def _safetensors(task: Task, size: tuple[int, int], path: Path) -> None:
    import safetensors.torch

    references = {place: part.reference for place, part in frozen_parts(task).items()}
    metadata = json.dumps({**facts(task, size), "frozen": to_plain(references)})
    tensors = {key: value.detach().contiguous().clone() for key, value in task.state_dict().items()}
    path.write_bytes(safetensors.torch.save(tensors, metadata={"hqzoo": metadata}))


FORMATS: Mapping[str, Callable[[Task, tuple[int, int], Path], None]] = {
    "onnx": _onnx,
    "torch": _torch,
    "safetensors": _safetensors,
}
"""Name of a format to what writes it: an ONNX model, a program of ``torch.export``, the bare tensors."""
