"""Weights as a STAC item with the Machine Learning Model extension, by which catalogues find and run models."""

from __future__ import annotations

import re
from typing import Any

from hqzoo.data.sensor import Statistics
from hqzoo.data.targets import Targets
from hqzoo.weights.spec import TENSOR_FILE, WeightSpec

__all__ = ["to_stac"]

EXTENSIONS = {
    "mlm": "https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
}
TASKS = {"mask": "semantic-segmentation", "label": "scene-classification", "multilabel": "scene-classification"}
FEATURES = "similarity-search"  # what the extension has for encoders
SHA256 = "1220"  # multihash: code of SHA-256, and its length


def to_stac(spec: WeightSpec) -> dict[str, Any]:
    """Return a STAC 1.1 item with MLM 1.4 fields, as plain types.

    Geometry is null: where training images lie is not part of a spec.
    """
    task = FEATURES if spec.targets is None else TASKS[spec.targets.kind]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS.values()),
        "id": f"{spec.name}-{spec.version}",
        "geometry": None,
        "properties": {
            "datetime": spec.created.replace("+00:00", "Z"),
            "description": spec.summary,
            "license": spec.licence,
            "mlm:name": spec.name,
            "mlm:architecture": spec.architecture,
            "mlm:tasks": [task],
            "mlm:framework": "pytorch",
            "mlm:pretrained": True,
            "mlm:pretrained_source": ", ".join(data.name for data in spec.training_data),
            "mlm:input": [_input(spec, name) for name in spec.sensors],
            "mlm:output": [_output(spec, task)],
            "file:size": spec.size,
        },
        "links": [],
        "assets": {
            "weights": {
                "href": TENSOR_FILE,
                "type": "application/octet-stream; framework=safetensors",
                "title": f"{spec.name} {spec.version}",
                "roles": ["mlm:model", "mlm:weights", "data"],
                "mlm:artifact_type": "safetensors",
                "file:size": spec.size,
                "file:checksum": SHA256 + spec.sha256,
                "bands": [{"name": band} for sensor in spec.sensors.values() for band in sensor.bands],
            }
        },
    }


def _input(spec: WeightSpec, name: str) -> dict[str, Any]:
    sensor = spec.sensors[name]
    return {
        "name": name,
        "bands": list(sensor.bands),
        "input": {
            "shape": [-1, len(sensor), *_window(spec)],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": _scaling(spec.statistics[name]),
        "resize_type": None,
        "pre_processing_function": None,
    }


def _scaling(statistics: Statistics) -> list[dict[str, Any]]:
    pairs = zip(statistics.mean, statistics.std, strict=True)
    return [{"type": "z-score", "mean": mean, "stddev": std} for mean, std in pairs]


def _output(spec: WeightSpec, task: str) -> dict[str, Any]:
    if spec.targets is None:
        shape, order = [-1, -1], ["batch", "feature"]
    elif spec.targets.kind == "mask":
        shape, order = [-1, len(spec.targets), *_window(spec)], ["batch", "class", "height", "width"]
    else:
        shape, order = [-1, len(spec.targets)], ["batch", "class"]
    found: dict[str, Any] = {
        "name": "logits" if spec.targets is not None else "features",
        "tasks": [task],
        "bands": [],
        "result": {"shape": shape, "dim_order": order, "data_type": "float32"},
        "post_processing_function": None,
    }
    return found if spec.targets is None else {**found, "classification:classes": _classes(spec.targets)}


def _classes(targets: Targets) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        # The extension's names are made of letters, digits, - and _; the class's own name describes it.
        {"value": index, "name": re.sub(r"[^0-9A-Za-z_-]+", "_", name), "description": name}
        for index, name in enumerate(targets.classes)
    ]
    for each, colour in zip(found, targets.palette, strict=False):
        each["color_hint"] = "".join(f"{part:02X}" for part in colour)
    return found


def _window(spec: WeightSpec) -> list[int]:
    window = None if spec.trained is None else spec.trained.window
    return [-1, -1] if window is None else list(window)
