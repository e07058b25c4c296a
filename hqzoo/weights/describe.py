"""From a checkpoint, and what its author says about it, to weights that can be published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from hqzoo import __version__
from hqzoo.errors import CheckpointError, unknown_name
from hqzoo.models import as_model
from hqzoo.quantum import QuantumLayer
from hqzoo.tasks.base import Task
from hqzoo.weights.catalogue import Found
from hqzoo.weights.checkpoint import find_checkpoint, load, read_header
from hqzoo.weights.evidence import CircuitSize, Origin
from hqzoo.weights.files import to_bytes, verified
from hqzoo.weights.spec import WeightSpec, check_name

__all__ = ["ABOUT", "describe", "describe_again", "read_about"]

ABOUT: Mapping[str, str] = {
    "summary": "one line",
    "licence": "SPDX expression of the weights' licence",
    "training_data": "a list of name, licence, url, citation",
    "version": "of the weights, default 1.0.0",
    "command": "the command that made them",
    "scores": "a list of metric, value, data, split, folds, seeds, interval; default: test.json of the run",
    "control": "name, metric, value, difference, interval, verdict",
    "out_of_domain": "scores on data of another kind",
    "caveats": "sentences that a user should read first",
    "licences": "source of each frozen or starting part to its licence",
    "min_hqzoo": "oldest version that loads them, default: this one",
}
"""What an author says about a checkpoint, beyond what the checkpoint says of itself. The first three must be there."""

MUST = ("summary", "licence", "training_data")


def read_about(path: Path) -> dict[str, Any]:
    """Return what an author says about a checkpoint, from a YAML file with the keys of :data:`ABOUT`.

    Raises:
        CheckpointError: If the file is missing, is no such file, or lacks what must be said.
    """
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CheckpointError(f"What there is to say about the weights cannot be read from {path}: {error}") from error
    if not isinstance(about, Mapping):
        raise CheckpointError(f"{path} must hold keys and values: {', '.join(ABOUT)}.")
    for key in about:
        if key not in ABOUT:
            raise CheckpointError(f"{path}: {unknown_name('key', str(key), ABOUT)}")
    if missing := [key for key in MUST if not about.get(key)]:
        raise CheckpointError(f"{path} lacks {', '.join(f'{key} ({ABOUT[key]})' for key in missing)}.")
    return dict(about)


def describe(
    checkpoint: Path | str, name: str, about: Mapping[str, Any], *, own_architecture: str | None = None
) -> tuple[WeightSpec, bytes]:
    """Return the spec and the content of the file of tensors of a checkpoint.

    The tensors are those of the task without its frozen parts, which the spec refers to.

    Args:
        checkpoint: The checkpoint or its run folder.
        name: What the weights are to be called.
        about: See :data:`ABOUT`.
        own_architecture: See :func:`hqzoo.weights.checkpoint.load`.

    Raises:
        CheckpointError: If the checkpoint cannot be loaded, or what is said about it is malformed.
    """
    check_name(name)
    path = find_checkpoint(checkpoint)
    task, header = load(path, own_architecture=own_architecture), read_header(path)
    tensors = to_bytes(task.state_dict(), name)
    arguments = {key: value for key, value in header["hyper_parameters"].items() if not key.startswith("_")}
    own = {key: arguments.pop(key, None) for key in (
        "architecture", "architecture_args", "sensors", "statistics", "targets")}  # fmt: skip
    run = path.parent.parent if path.parent.name == "checkpoints" else None
    licences = about.get("licences", {})
    said = {key: value for key, value in about.items() if key != "licences"}
    values = {
        "version": "1.0.0",
        "min_hqzoo": __version__,
        "scores": _scores_of_run(run, task),
        **said,
        **own,
        "format": WeightSpec.FORMAT,
        "name": name,
        "sha256": hashlib.sha256(tensors).hexdigest(),
        "size": len(tensors),
        "task": header["hyper_parameters"]["_class_path"],
        "task_args": arguments,
        "outputs": task.num_outputs(),
        "trained": header.get("trained"),
        "steps": int(header.get("global_step", 0)),
        "contents": {key: value["contents"] for key, value in header.items() if _is_data(value)},
        "recipe_sha256": _digest(run / "config.yaml") if run is not None and (run / "config.yaml").is_file() else "",
        "code_version": str(header.get("hqzoo_version", "")),
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "circuits": circuits(task),
        "frozen": _with_licences(header.get("frozen") or {}, licences),
        "started_from": _with_licences({**_start_of_run(header), **as_model(task.model).starting_weights()}, licences),
    }
    return WeightSpec.from_dict(values), tensors


def describe_again(found: Found, about: Mapping[str, Any]) -> tuple[WeightSpec, bytes]:
    """Return published weights with other words about them; the tensors stay, and so does what is not said anew.

    Args:
        found: The weights.
        about: See :data:`ABOUT`.

    Raises:
        CheckpointError: If the tensors are not those that were published, or what is said is malformed.
    """
    known = found.spec.to_dict()
    licences = about.get("licences", {})
    origins = {key: _with_licences(known.get(key, {}), licences) for key in ("frozen", "started_from")}
    said = {key: value for key, value in about.items() if key != "licences"}
    return WeightSpec.from_dict({**known, **origins, **said}), verified(found)


def circuits(task: Task) -> dict[str, dict[str, Any]]:
    """Return the circuits of a task's model by the names of their parts; controls are none."""
    parts = as_model(task.model).quantum_parts()
    return {name: _circuit(part) for name, part in parts.items() if isinstance(part, QuantumLayer)}


def _circuit(layer: QuantumLayer) -> dict[str, Any]:
    circuit = layer.circuit
    size = CircuitSize(
        qubits=circuit.n_wires,
        gates=len(circuit.gates),
        weights=circuit.n_weights,
        outputs=circuit.n_observables,
        engine=layer.compiled.plan.engine,
    )
    return size.to_dict()


def _with_licences(origins: Mapping[str, Mapping[str, Any]], licences: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    known = {each.name for each in fields(Origin)}
    return {
        place: {
            **{key: value for key, value in origin.items() if key in known},
            "licence": str(licences.get(str(origin["source"]), origin.get("licence", ""))),
        }
        for place, origin in origins.items()
    }


def _start_of_run(header: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return which published weights the run started from, which a callback remembers."""
    for state in (header.get("callbacks") or {}).values():
        if isinstance(state, Mapping) and "started_from" in state:
            return {"model": state["started_from"]}
    return {}


def _is_data(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value.get("contents"))


def _scores_of_run(run: Path | None, task: Task) -> Sequence[Mapping[str, Any]]:
    """Return the scores that ``hqzoo test`` left in the run folder."""
    path = run / "test.json" if run is not None else None
    if path is None or not path.is_file():
        return []
    report = json.loads(path.read_text(encoding="utf-8"))
    data, directions = report["data"], {metric.name: metric for metric in task.metrics}
    arguments = data.get("init_args") or {}
    fold, seed = arguments.get("fold"), arguments.get("seed")
    common = {
        "data": Path(str(arguments.get("root") or data["class_path"].rpartition(".")[2])).name,
        "split": report["run"]["split"],
        "images": data.get("count"),
        "folds": [fold] if isinstance(fold, int) else [],
        "seeds": [seed] if isinstance(seed, int) else [],
    }
    return [
        {"metric": name, "value": value, "label": metric.heading, "direction": metric.direction, **common}
        for name, value in report["scores"].items()
        if value is not None and (metric := directions.get(name)) is not None
    ]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
