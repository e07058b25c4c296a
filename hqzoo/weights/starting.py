"""Models that start from published weights, also for other bands or other classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo import models
from hqzoo.data.sensor import Inputs, Statistics
from hqzoo.errors import CheckpointError
from hqzoo.nn import frozen_parts
from hqzoo.nn.normalizer import Rescale
from hqzoo.nn.starting_weights import KnownBandsFirst
from hqzoo.weights.catalogue import Found
from hqzoo.weights.files import read_tensors
from hqzoo.weights.published import find_published
from hqzoo.weights.spec import WeightSpec

__all__ = ["create_model", "start_from"]

MODEL = "model."  # where a task holds it
FOLLOWING = (Rescale, KnownBandsFirst)  # their tensors follow from sensors and statistics


def create_model(
    name: str,
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
    inputs: Inputs | None = None,
    weights: str | Path | None = None,
    **arguments: Any,  # noqa: ANN401 - the architecture checks them
) -> nn.Module:
    """Build an architecture with fresh weights, or with published ones.

    Weights may be used for other bands and another number of classes than they were trained for, by this rule (CHOICE):

    * Bands are matched by name, which takes ``inputs``. A band of both keeps its kernels; kernels that read a new band
      start at zero, so that at first the model does not see it; what a new band has to itself starts afresh.
    * With another number of classes, what depends on it (the head) starts afresh.
    * All else must be there, with its shape and type, and nothing may be left over.

    The model takes images that are normalised by ``inputs.statistics``, or by those of the weights
    (``find_weights(...).spec.inputs``); :func:`hqzoo.load` gives a task that normalises by itself.

    Args:
        name: One of :func:`hqzoo.list_models`, or ``package.module.function`` of someone's own.
        in_channels: Bands of the image, for architectures that need no more than their number.
        num_classes: Classes, that is channels of the logits; None for architectures without a head.
        inputs: Sensors and statistics of the images. They make ``in_channels`` superfluous.
        weights: Name of published weights, ``hf:OWNER/REPOSITORY@COMMIT``, or a folder that holds some; None: fresh.
            What is not given of bands, classes and arguments is then as they have it.
        **arguments: The architecture's own arguments.

    Returns:
        For ``kind`` *segmentation* a module that maps normalised images ``(B, in_channels, H, W)`` to logits
        ``(B, num_classes, H, W)``, for *classification* to ``(B, num_classes)``, for *features* to ``(B, D)``. In
        evaluation mode with published weights.

    Raises:
        ConfigError: If the name or an argument is wrong.
        CheckpointError: If there are no such weights, or they are another architecture's.
    """
    if weights is None:
        return models.create_model(name, in_channels=in_channels, num_classes=num_classes, inputs=inputs, **arguments)
    found = find_published(weights)
    spec = found.spec
    if name != spec.architecture:
        raise CheckpointError(f"The weights '{spec.name}' are those of '{spec.architecture}', not of '{name}'.")
    if in_channels is not None and inputs is None and in_channels != len(_bands(spec.inputs)):
        raise CheckpointError(
            f"The weights '{spec.name}' read {', '.join(_bands(spec.inputs))}; {in_channels} bands cannot be matched "
            "with them without their names: give inputs= instead of in_channels=."
        )
    inputs = inputs or spec.inputs
    classes = num_classes or spec.outputs
    arguments = {**spec.architecture_args, **arguments}
    model = models.create_model(name, inputs=inputs, num_classes=classes, **arguments)
    start_from(model, found, inputs, classes)
    return model.eval()


def start_from(model: nn.Module, found: Found, inputs: Inputs, classes: int | None) -> None:
    """Copy published weights into a model of the same architecture, by the rule of :func:`create_model`.

    Args:
        model: The model; frozen parts keep what they have, which must be what the weights were trained on.
        found: The weights.
        inputs: Sensors and statistics that the model was built for.
        classes: Classes that it was built for; None without any.

    Raises:
        CheckpointError: If the weights do not fit.
    """
    spec, given = found.spec, _model_tensors(found)
    own = _own_tensors(model)
    _check_frozen(spec, model)
    if wrong := sorted(key for key in set(own) ^ set(given) if key in own or key not in model.state_dict()):
        raise CheckpointError(f"{_unfit(spec)} {len(wrong)} names differ, first '{wrong[0]}'.")
    bands = _band_axes(spec, model, inputs, given)
    others = classes != spec.outputs
    afresh = []
    with torch.no_grad():
        for key, value in own.items():
            old = given[key]
            if old.dtype != value.dtype:
                raise CheckpointError(f"{_unfit(spec)} '{key}' is {old.dtype}, expected {value.dtype}.")
            if key in bands:
                _copy_bands(value, old, *bands[key])
            elif old.shape == value.shape:
                value.copy_(old)
            elif others:
                afresh.append(key)
            else:
                raise CheckpointError(f"{_unfit(spec)} '{key}' is {tuple(old.shape)}, expected {tuple(value.shape)}.")
    if afresh:
        _warn_of_head(spec, classes, afresh)


def _model_tensors(found: Found) -> dict[str, Tensor]:
    tensors = read_tensors(found)
    return {key.removeprefix(MODEL): value for key, value in tensors.items() if key.startswith(MODEL)}


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors that weights can be copied into: not frozen parts, nor what follows from the images."""
    apart = (*frozen_parts(model), *(name for name, part in model.named_modules() if isinstance(part, FOLLOWING)))
    return {key: value for key, value in model.state_dict().items() if not _is_below(key, apart)}


def _is_below(key: str, places: Iterable[str]) -> bool:
    return key.startswith(tuple(f"{place}." for place in places))


def _check_frozen(spec: WeightSpec, model: nn.Module) -> None:
    now = {f"{MODEL}{place}": part.reference["sha256"] for place, part in frozen_parts(model).items()}
    then = {place: origin.sha256 for place, origin in spec.frozen.items() if place.startswith(MODEL)}
    for place in sorted(set(now) | set(then)):
        if now.get(place) != then.get(place):
            raise CheckpointError(
                f"{_unfit(spec)} They were trained on the frozen part '{place}' with the SHA-256 {then.get(place)}; "
                f"here it has {now.get(place)}."
            )


def _band_axes(
    spec: WeightSpec, model: nn.Module, inputs: Inputs, given: Mapping[str, Tensor]
) -> dict[str, tuple[int, dict[int, int]]]:
    """Return the tensors that depend on bands which differ: their axis of bands, and place in the model to old place.

    Which ones they are is seen on a model of the same kind for one band more.
    """
    if set(inputs.sensors) != set(spec.sensors):
        raise CheckpointError(
            f"{_unfit(spec)} They read the sensors {', '.join(spec.sensors)}, not {', '.join(inputs.sensors)}."
        )
    found: dict[str, tuple[int, dict[int, int]]] = {}
    for name, sensor in spec.sensors.items():
        bands = inputs.sensors[name].bands
        if bands == sensor.bands:
            continue
        places = {bands.index(band): old for old, band in enumerate(sensor.bands) if band in bands}
        if not places or any(isinstance(part, KnownBandsFirst) for part in model.modules()):
            raise CheckpointError(
                f"{_unfit(spec)} They read {', '.join(sensor.bands)} of '{name}', and nothing of that can be carried "
                f"over to {', '.join(bands)}."
            )
        for key, value in _own_tensors(_with_one_more(spec, name)).items():
            if value.shape != given[key].shape:
                found[key] = _grown_axis(spec, key, value, given[key]), places
    return found


def _with_one_more(spec: WeightSpec, name: str) -> nn.Module:
    sensor, statistics = spec.sensors[name], spec.statistics[name]
    more = Inputs(
        {**spec.sensors, name: replace(sensor, bands=(*sensor.bands, "one more"))},
        {**spec.statistics, name: Statistics((*statistics.mean, 0.0), (*statistics.std, 1.0))},
    )
    with torch.random.fork_rng():
        return models.create_model(spec.architecture, inputs=more, num_classes=spec.outputs, **spec.architecture_args)


def _grown_axis(spec: WeightSpec, key: str, value: Tensor, old: Tensor) -> int:
    grown = [new - former for new, former in zip(value.shape, old.shape, strict=True)]
    if sorted(grown) != [0] * (len(grown) - 1) + [1]:
        raise CheckpointError(f"{_unfit(spec)} '{key}' does not hold its bands one by one.")
    return grown.index(1)


def _copy_bands(value: Tensor, old: Tensor, axis: int, places: Mapping[int, int]) -> None:
    if axis:  # kernels that sum over bands: a new one adds nothing at first, and learns
        value.zero_()
    for new, place in places.items():
        value.select(axis, new).copy_(old.select(axis, place))


def _unfit(spec: WeightSpec) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in spec.architecture_args.items()) or "default arguments"
    return f"The weights '{spec.name}' ('{spec.architecture}' with {arguments}) do not fit."


def _warn_of_head(spec: WeightSpec, classes: int | None, afresh: list[str]) -> None:
    warnings.warn(
        f"The weights '{spec.name}' have {spec.outputs} outputs, the model {classes}. Not taken over, to be trained: "
        f"{', '.join(afresh)}.",
        stacklevel=4,
    )


def _bands(inputs: Inputs) -> tuple[str, ...]:
    return tuple(band for sensor in inputs.sensors.values() for band in sensor.bands)
