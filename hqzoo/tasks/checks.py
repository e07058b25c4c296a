"""What a task refuses: images, masks and data sets that do not fit what its model was built for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from hqzoo.data.sensor import Sensor
from hqzoo.data.targets import KINDS, Targets
from hqzoo.errors import ConfigError, DataError, SensorError

__all__ = ["check_image", "check_labels", "check_mask", "check_sensors", "check_targets"]


def check_image(image: Tensor, sensor: Sensor, *, values: bool) -> None:
    """Refuse a batch that is no ``(B, C, H, W)`` of finite numbers with the sensor's bands.

    Args:
        image: The batch.
        sensor: What the model was built for.
        values: Whether to look at the pixels too; on an accelerator that waits for all work under way.

    Raises:
        SensorError: If shape, dtype or a pixel is wrong.
    """
    bands = len(sensor.bands)
    if image.ndim != 4 or image.shape[1] != bands:
        raise SensorError(
            f"Expected images (B, {bands}, H, W) with the bands {', '.join(sensor.bands)}, got {tuple(image.shape)}."
        )
    if not image.is_floating_point():
        raise SensorError(
            f"Expected images as floating-point numbers in the unit '{sensor.unit}', got {image.dtype}: "
            "convert them with .float()."
        )
    # A sum is one pass over memory and finite almost always; only if not, each pixel is asked.
    if values and not image.sum(dtype=torch.float32).isfinite() and not (finite := image.isfinite()).all():
        wrong = (~finite).sum(dim=(0, 2, 3)).tolist()
        counts = ", ".join(f"{n} in {band}" for n, band in zip(wrong, sensor.bands, strict=True) if n)
        raise SensorError(f"The images hold NaN or infinite pixels: {counts}. Fill or mask them before.")


def check_mask(mask: Tensor, logits: Tensor, ignore_index: int, *, values: bool) -> None:
    """Refuse a mask that does not fit its logits.

    Args:
        mask: Class indices or ``ignore_index``, ``(B, H, W)`` int64.
        logits: ``(B, K, H, W)``.
        ignore_index: Value of unlabelled pixels.
        values: Whether to look at the pixels too; on an accelerator that waits for all work under way.

    Raises:
        DataError: If shape, dtype or a value is wrong.
    """
    expected = (logits.shape[0], *logits.shape[2:])
    if tuple(mask.shape) != expected or mask.dtype != torch.int64:
        raise DataError(f"Expected a mask {expected} of int64, got {tuple(mask.shape)} of {mask.dtype}.")
    if values:
        check_labels(mask, logits.shape[1], ignore_index)


def check_labels(mask: Tensor, num_classes: int, ignore_index: int) -> None:
    """Refuse a mask with a value that is neither a class index nor ``ignore_index``.

    Raises:
        DataError: Listing those values.
    """
    wrong = ((mask < 0) | (mask >= num_classes)) & (mask != ignore_index)
    if wrong.any():
        raise DataError(
            f"The mask holds {sorted(set(mask[wrong].tolist()))}; expected class indices 0 to "
            f"{num_classes - 1}, or {ignore_index} for unlabelled pixels. Check the classes of the data "
            "module and the loss setting ignore_index."
        )


def check_sensors(trained: Mapping[str, Sensor], given: Mapping[str, Sensor]) -> None:
    """Refuse data of other sensors than the model's.

    Raises:
        SensorError: Naming the first difference.
    """
    if set(trained) != set(given):
        raise SensorError(
            f"The model was built for images of {', '.join(trained)}; the data has {', '.join(given)}. Choose data "
            "with the model's sensors, or train a model for these."
        )
    for name, sensor in trained.items():
        difference = sensor.difference(given[name])
        if difference:
            raise SensorError(
                f"The model was built for other images than the data holds. {difference} (the model's first, "
                "then the data's). Choose data with the model's bands, order, unit and scale, or train a model "
                "for these."
            )


def check_targets(trained: Targets | None, given: Targets, kinds: Collection[str], task: str) -> None:
    """Refuse data of another kind than the task's, or with other classes than the model's.

    Args:
        trained: What the model knows; None: nothing yet.
        given: What the data has.
        kinds: Kinds of targets that the task can do with; empty: it looks at none.
        task: Name of the task.

    Raises:
        ConfigError: Saying both.
    """
    if kinds and given.kind not in kinds:
        raise ConfigError(
            f"{task} needs {' or '.join(KINDS[kind] for kind in kinds)}; the data has {KINDS[given.kind]}. Choose "
            "another task, or other data."
        )
    if trained is not None and trained.classes != given.classes:
        raise ConfigError(
            f"The model knows the classes {', '.join(trained.classes)}; the data has {', '.join(given.classes)}. Names "
            "and order must be the same."
        )
