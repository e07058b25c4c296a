"""The base of data sets whose images go into the network whole, with a label or several."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from hqzoo.data.augment import ColourJitter
from hqzoo.data.base import DataModule, Samples
from hqzoo.data.labelled import WholeSamples
from hqzoo.data.windows import as_size

__all__ = ["ClassificationDataModule"]


class ClassificationDataModule(DataModule[Any]):
    """Whole images with labels.

    A data set says in :meth:`image_shapes` how large its images are, and returns records that are resized already
    where ``size`` is given (see :class:`~hqzoo.data.resized.ResizedWhole`).

    Batches are ``{"image": (B, C, H, W) float32 in the sensor's unit, or one key per sensor, "label": (B,) int64 or
    (B, K) float32 of 0 and 1, "name"}``.

    Args:
        size: Height and width that images are resized to (bilinear). None: as they are.
        augment: Whether training images are augmented: their symmetries (eight of a square, four of another
            rectangle), and ``jitter``. CHOICE.
        jitter: Strength of the colour jitter. CHOICE.
        remark: What readers of scores must know of the data, such as that a split was drawn image by image: a sentence
            that reports repeat.
        **kwargs: Arguments of :class:`~hqzoo.data.base.DataModule`: ``batch_size``, ``seed``, ``inner_val``, ...
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        augment: bool = True,
        jitter: ColourJitter = ColourJitter(),  # noqa: B008 - frozen, and parsers show it as the default
        remark: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.size = None if size is None else as_size("size", size)
        self.augment, self.jitter, self.remark = augment, jitter, remark

    def notes(self) -> Sequence[str]:
        """Say how splits leak by their construction, and what the user remarks."""
        return [*super().notes(), *([self.remark] if self.remark else [])]

    @abstractmethod
    def image_shapes(self) -> Mapping[str, tuple[int, int, int]]:
        """Return ``(C, H, W)`` of the images as they are stored, by the name of their sensor."""

    def sample_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of training images."""
        return {name: (shape[0], *(self.size or shape[1:])) for name, shape in self.image_shapes().items()}

    def training_samples(self, records: Sequence[Any]) -> Samples:
        """Return whole images."""
        jitter = self.jitter if self.augment else None
        return WholeSamples(records, self.cache, self.sensors, self.sample_shapes(), jitter, self.seed)

    def evaluation_samples(self, records: Sequence[Any]) -> Samples:
        """Return whole images."""
        return WholeSamples(records, self.cache, self.sensors, self.sample_shapes())
