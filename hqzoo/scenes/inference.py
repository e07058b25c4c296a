"""Running a task on windows: probabilities out, everything else as it was before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hqzoo.errors import ConfigError, SceneError

if TYPE_CHECKING:
    from hqzoo.tasks.base import Task

__all__ = ["Predict", "evaluating", "find_device"]

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From images (B, C, H, W) in the sensor's unit to class probabilities (B, K, H, W)."""


@contextmanager
def evaluating(task: Task, num_classes: int, device: torch.device) -> Iterator[Predict]:
    """Move a task to ``device``, put it in evaluation mode for the block and hand over its predictions.

    Args:
        task: Task to run.
        num_classes: Number of classes K that its logits must have.
        device: Where to run it; it stays there.

    Yields:
        The function that predicts. It raises ``SceneError`` if logits are not finite or have another shape.
    """
    training = [module for module in task.modules() if module.training]
    task.to(device)
    task.eval()

    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        # Not inference_mode: a tensor that some layer caches here could never be trained with afterwards.
        with torch.no_grad():
            logits = task(torch.from_numpy(images).to(device))
            expected = (len(images), num_classes, *images.shape[2:])
            if tuple(logits.shape) != expected:
                raise SceneError(f"The model returned logits of shape {tuple(logits.shape)}, expected {expected}.")
            probabilities: NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
        if not np.isfinite(probabilities.sum()):
            raise SceneError("The model returned NaN: its training has diverged, use another checkpoint.")
        return probabilities

    try:
        yield predict
    finally:
        for module in training:
            module.training = True


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
