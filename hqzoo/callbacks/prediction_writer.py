"""Predicted class maps as pictures, one per image, put together from their windows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from hqzoo._files import replacing
from hqzoo._lightning import pl
from hqzoo.data.labels import IGNORE_INDEX, default_palette
from hqzoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from hqzoo.tasks.base import Task

__all__ = ["PredictionWriter"]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")


@dataclass
class _Canvas:
    """The class map of one image, and which of its pixels have been predicted."""

    labels: npt.NDArray[np.uint8]
    done: npt.NDArray[np.bool_]

    @classmethod
    def blank(cls, height: int, width: int) -> _Canvas:
        return cls(np.full((height, width), IGNORE_INDEX, np.uint8), np.zeros((height, width), bool))

    def put(self, window: npt.NDArray[np.uint8], row: int, col: int) -> None:
        height, width = self.labels.shape
        inside = window[: height - row, : width - col]  # windows at the edges are padded
        here = np.s_[row : row + inside.shape[0], col : col + inside.shape[1]]
        self.labels[here] = inside
        self.done[here] = True


class PredictionWriter(pl.callbacks.BasePredictionWriter):
    """Stitches predicted windows and writes one index PNG with palette per image.

    A picture is written as soon as its last window is there, so memory holds few images at a time; one that
    never gets all its windows (``limit_predict_batches``) is not written.

    Args:
        folder: Where ``<image name>.png`` goes.

    Raises:
        ConfigError: If several processes predict: windows of one image would end up in different ones.
    """

    def __init__(self, folder: str = "predictions") -> None:
        super().__init__(write_interval="batch")
        self.folder = Path(folder)
        self.written: list[Path] = []
        self._canvases: dict[str, _Canvas] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse to predict with several processes."""
        super().setup(trainer, pl_module, stage)
        if stage == "predict" and trainer.world_size > 1:
            raise ConfigError(
                f"PredictionWriter stitches in one process, but there are {trainer.world_size}: set "
                "trainer.devices to 1."
            )

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Tensor,
        batch_indices: Sequence[int] | None,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Put the windows of one batch where they belong, and write the images that are complete."""
        if "scene" not in batch:
            raise DataError(
                "PredictionWriter needs windows that say where they come from: the predict batches must have "
                f"the keys scene, row, col, height and width, got {', '.join(sorted(batch))}."
            )
        task: Task = pl_module  # type: ignore[assignment]
        palette = task.palette or default_palette(len(task.classes))
        for index, window in enumerate(prediction.cpu().numpy().astype(np.uint8)):
            scene = str(batch["scene"][index])
            row, col, height, width = (int(batch[key][index]) for key in ("row", "col", "height", "width"))
            canvas = self._canvases.get(scene) or _Canvas.blank(height, width)
            self._canvases[scene] = canvas
            canvas.put(window, row, col)
            if canvas.done.all():
                self.written.append(write_index_png(self._path(scene), canvas.labels, palette))
                del self._canvases[scene]

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say which images were not written."""
        if self._canvases:
            names = ", ".join(sorted(self._canvases)[:5])
            warnings.warn(
                f"{len(self._canvases)} images were predicted only in part and not written: {names}.",
                stacklevel=2,
            )
        self._canvases.clear()

    def _path(self, scene: str) -> Path:
        name = Path(scene)
        if name.is_absolute() or ".." in name.parts:
            name = Path(name.name)  # an image elsewhere still gets its map inside the folder
        stem = name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name
        return self.folder / name.parent / f"{stem}.png"


def write_index_png(path: Path, labels: npt.NDArray[np.uint8], palette: Sequence[Sequence[int]]) -> Path:
    """Write class indices as a PNG whose pixels are the indices and whose palette shows their colours.

    Args:
        path: PNG file; it appears when it is whole.
        labels: ``(H, W)`` class indices; values without a colour in the palette are shown black.
        palette: One RGB colour (0 to 255) per class.

    Returns:
        The path.
    """
    picture = Image.fromarray(labels, mode="L")
    picture.putpalette([part for colour in palette for part in colour] + [0, 0, 0] * (256 - len(palette)))
    with replacing(path) as beside:
        picture.save(beside, format="PNG")
    return path
