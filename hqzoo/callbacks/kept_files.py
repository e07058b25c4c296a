"""Files that a dashboard keeps with a run: masks of the last panel, the best checkpoint and what it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hqzoo._files import replacing, write_text
from hqzoo._lightning import pl
from hqzoo.callbacks.best import BestCheckpoint
from hqzoo.errors import HqzooError
from hqzoo.tasks.base import Task
from hqzoo.tasks.overlays import Overlays

__all__ = ["best_files", "write_masks"]

UNREVIEWED = "Written when training ended, and not reviewed: licence and origin of the training data are not stated."


def write_masks(overlays: Overlays, folder: Path) -> dict[str, Path]:
    """Write every class map as an index PNG with its colours, and the names of the codes beside them.

    Returns:
        The files by name.
    """
    palette = np.zeros((256, 3), np.uint8)
    for code, colour in overlays.palette.items():
        palette[code] = colour
    files = {"classes.json": folder / "classes.json"}
    names = {str(code): name for code, name in overlays.classes.items()}
    images = [image.name for image in overlays.images]
    write_text(files["classes.json"], json.dumps({"codes": names, "images": images}, indent=2) + "\n")
    for number, image in enumerate(overlays.images):
        for kind, codes in {**image.masks, "image": image.picture}.items():
            picture = Image.fromarray(codes)
            if codes.ndim == 2:
                picture.putpalette(palette.tobytes())
            name = f"{number:03d}-{kind}.png"
            files[name] = folder / name
            with replacing(files[name]) as beside:
                picture.save(beside, format="png")
    return files


def best_files(trainer: pl.Trainer, task: pl.LightningModule, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Return the best checkpoint, with what ``hqzoo weights`` would say of it, and its score; nothing if there is none.

    Args:
        trainer: Whose callbacks kept it.
        task: What was trained.
        folder: Where its description is written.
    """
    kept = next((each for each in _callbacks(trainer, BestCheckpoint) if each.path.is_file()), None)
    if kept is None:
        own = next((each for each in _callbacks(trainer, pl.callbacks.ModelCheckpoint) if each.best_model_path), None)
        path, score = (None, None) if own is None else (Path(own.best_model_path), own.best_model_score)
        monitor = None if own is None else own.monitor
    else:
        path, score, monitor = kept.path, kept.score, kept.monitor
    if path is None or not path.is_file():
        return {}, {}
    metadata = {"monitor": monitor, "score": None if score is None else float(score)}
    files = {"best.ckpt": path}
    if isinstance(task, Task):
        try:
            files["weights.json"] = _describe(path, task, folder)
        except HqzooError as error:
            metadata["no_description"] = str(error)
    return files, metadata


def _callbacks(trainer: pl.Trainer, kind: type[Any]) -> list[Any]:
    return [each for each in trainer.callbacks if isinstance(each, kind)]  # type: ignore[attr-defined]


def _describe(checkpoint: Path, task: Task, folder: Path) -> Path:
    from hqzoo.weights.describe import describe  # only the end of a training needs it

    architecture = task.architecture.rpartition(".")[2]
    about = {
        "summary": f"{architecture}, the best checkpoint of a training",
        "licence": "NOASSERTION",
        "training_data": [],
        "caveats": [UNREVIEWED],
    }
    name = re.sub(r"[^a-z0-9]+", "-", architecture.lower()).strip("-") or "model"
    spec, _ = describe(checkpoint, name, about, own_architecture=task.architecture)
    path = folder / "weights.json"
    write_text(path, json.dumps(spec.to_dict(), indent=2) + "\n")
    return path
