"""Running a task on windows: probabilities out, everything else as it was before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hqzoo.errors import ConfigError, SceneError, SensorError, unknown_name
from hqzoo.models import as_model

if TYPE_CHECKING:
    from torch import Tensor

    from hqzoo.data.sensor import Sensor
    from hqzoo.tasks.base import Task

__all__ = ["Predict", "evaluating", "find_device", "find_window", "known_data", "to_probabilities"]

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From images (B, C, H, W) in the sensor's unit to class probabilities (B, K, H, W)."""

DEFAULT_WINDOW = 256
"""Side of the windows for models that take any size and were trained on an unknown one, in pixels (CHOICE)."""

PRECISIONS = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@contextmanager
def evaluating(task: Task, num_classes: int, device: torch.device, precision: str | None = None) -> Iterator[Predict]:
    """Move a task to ``device``, put it in evaluation mode for the block and hand over its predictions.

    Args:
        task: Task to run.
        num_classes: Number of classes K that its logits must have.
        device: Where to run it; it stays there.
        precision: ``"float32"``, ``"bfloat16"`` or ``"float16"``; None: the one that the task was trained in.

    Yields:
        The function that predicts. It raises ``SceneError`` if logits are not finite or have another shape.

    Raises:
        ConfigError: If there is no such precision.
    """
    dtype = _autocast_dtype(task, device, precision)
    training = [module for module in task.modules() if module.training]
    task.to(device)
    task.eval()

    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        # Not inference_mode: a tensor that some layer caches here could never be trained with afterwards.
        with torch.no_grad():
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                logits = task(torch.from_numpy(images).to(device))
            expected = (len(images), num_classes, *images.shape[2:])
            if tuple(logits.shape) != expected:
                raise SceneError(f"The model returned logits of shape {tuple(logits.shape)}, expected {expected}.")
            probabilities = to_probabilities(logits)
            # One NaN among a pixel's logits makes all of its probabilities NaN: one class tells of all.
            if not probabilities[:, 0].sum().isfinite():
                raise SceneError("The model returned NaN: its training has diverged, use another checkpoint.")
            found: NDArray[np.float32] = probabilities.cpu().numpy()
            return found

    try:
        yield predict
    finally:
        for module in training:
            module.training = True


def to_probabilities(logits: Tensor) -> Tensor:
    """Return class probabilities ``(B, K, H, W)`` float32 of logits, a plane for each class."""
    return logits.contiguous().softmax(dim=1, dtype=torch.float32)


def known_data(task: Task) -> tuple[Sensor, tuple[str, ...]]:
    """Return the sensor and the classes of a task that can predict.

    Raises:
        SensorError: If it does not know its sensor or its classes yet.
    """
    if task.sensor is None or not task.classes:
        raise SensorError("The task does not know its sensor and classes: load it from a checkpoint of `hqzoo fit`.")
    return task.sensor, task.classes


def find_window(task: Task, window: int | tuple[int, int] | None = None) -> tuple[int, int]:
    """Return height and width of the windows that a task is to see.

    Args:
        task: Task with its model.
        window: Side, or height and width, in pixels; None: the size that the model takes, else the one that the task
            was trained on, else 256.

    Raises:
        ConfigError: If the model does not take windows of that size.
    """
    model = as_model(task.model)
    needed, multiple = model.input_size, math.lcm(*model.size_multiple)
    if window is None:
        trained = None if task.trained is None else task.trained.window
        usual = -(-DEFAULT_WINDOW // multiple) * multiple
        return (needed, needed) if needed else trained or (usual, usual)
    size = (window, window) if isinstance(window, int) else window
    if needed is not None and size != (needed, needed):
        raise ConfigError(f"The model takes windows of {needed} pixels, not {window}: leave the window out.")
    steps = (multiple, multiple) if isinstance(window, int) else tuple(model.size_multiple)
    if needed is None and any(side < step or side % step for side, step in zip(size, steps, strict=True)):
        raise ConfigError(f"The side of a window is a multiple of {multiple} pixels, got {window}.")
    return size


def find_device(name: str) -> torch.device:
    """Return the device of that name; ``"auto"`` is the accelerator if there is one, else the CPU.

    Raises:
        ConfigError: If the name is none, or there is no such device in this machine.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        return accelerator or torch.device("cpu")
    there = ["cpu"] if accelerator is None else ["cpu", accelerator.type]
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"'{name}' is no device. This machine has: auto, {', '.join(there)}.") from error
    count = torch.accelerator.device_count() if accelerator else 0
    if device.type not in there or (device.type != "cpu" and (device.index or 0) >= count):
        raise ConfigError(f"There is no device '{name}' in this machine; it has: auto, {', '.join(there)}.")
    return device


def _autocast_dtype(task: Task, device: torch.device, precision: str | None) -> torch.dtype | None:
    if precision is not None:
        if precision not in PRECISIONS:
            raise ConfigError(unknown_name("precision", precision, PRECISIONS))
        return PRECISIONS[precision]
    trained = "" if task.trained is None else task.trained.precision
    if trained.startswith("bf16"):
        return torch.bfloat16
    # CPUs do half precision by emulation, slower than float32.
    return torch.float16 if trained.startswith("16") and device.type != "cpu" else None
