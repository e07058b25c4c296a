"""The base of all segmentation data modules: crops for training, grids for evaluation, exact resume."""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader

from hqzoo._lightning import pl
from hqzoo.data.augment import ColourJitter
from hqzoo.data.faults import refuse
from hqzoo.data.labels import IGNORE_INDEX, ClassMap
from hqzoo.data.records import Record, RecordCache
from hqzoo.data.sampling import EpochSampler, GridSampler
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.splits import hold_out, keep_share
from hqzoo.data.statistics import compute_statistics
from hqzoo.data.targets import Targets
from hqzoo.data.windows import CropDataset, GridDataset, as_size
from hqzoo.errors import ConfigError, DataError

__all__ = ["SegmentationDataModule", "Split"]

Split = Literal["train", "val", "test"]
Batch = dict[str, Any]

_SPLITS_OF_STAGE: dict[str | None, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": (),
    None: ("train", "val", "test"),
}


class _ResumableLoader(DataLoader[Batch]):
    """A loader that Lightning takes for resumable. It is: the data module keeps its state (see there)."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""


class SegmentationDataModule(pl.LightningDataModule):
    """Images with class masks, cut into windows.

    A data set derives from this class, sets :attr:`sensor` and :attr:`class_map` (in its constructor, or in
    :meth:`load_records`) and returns its images from :meth:`load_records`. All else happens here.

    Training batches are ``{"image": (B, C, H, W) float32 in the sensor's unit, "mask": (B, H, W) int64}``
    with mask values ``0..K-1`` or ``IGNORE_INDEX``. Batches of validation, test and prediction also hold
    ``"scene"`` (list of image names), ``"row"``, ``"col"`` (offsets of the window), ``"height"`` and
    ``"width"`` (full size of the image).

    Every training sample is a pure function of (seed, epoch, index), and the state that Lightning saves in a
    checkpoint holds the epoch and the batches done in it: training that is interrupted and resumed sees the
    same samples, crops and colours as if it had gone on, with any number of workers.

    Args:
        batch_size: Windows in a batch.
        num_workers: Processes that read and augment; 0 works in the main process.
        crop_size: Height and width of the windows in pixels; one number for squares.
        crops_per_epoch: Training crops in an epoch; None for as many as the images give: as many as fit side
            by side.
        augment: Whether training crops are augmented: the symmetries of the crop (eight of a square, four of
            another rectangle), and ``jitter``. CHOICE.
        jitter: Strength of the colour jitter. CHOICE.
        seed: Seed of crops, order and augmentation.
        cache_gib: GiB of decoded images kept in memory; what does not fit is read again each time.
        inner_val: Share of the training images that is taken out of training to choose the best epoch on, in
            whole scenes where these are known (see :meth:`scene_of`). It becomes the validation split of a
            data set that has none; test images are never used for choosing. 0 for none.
        label_fraction: Share of the remaining training images that are trained on (at least one). The draw
            is fixed and nested: the images of 5 % are among those of 10 %. An epoch shortens likewise unless
            ``crops_per_epoch`` is given; validation and test keep their images.
        drop_last: Whether to leave out the last training batch of an epoch if it is smaller than the others.

    Raises:
        ConfigError: If an argument is out of range.
    """

    sensor: Sensor
    class_map: ClassMap

    def __init__(
        self,
        batch_size: int = 16,
        num_workers: int = 0,
        crop_size: int | tuple[int, int] = 128,
        crops_per_epoch: int | None = None,
        augment: bool = True,
        jitter: ColourJitter = ColourJitter(),  # noqa: B008 - frozen, and parsers show it as the default
        seed: int = 0,
        cache_gib: float = 4.0,
        inner_val: float = 0.0,
        label_fraction: float = 1.0,
        drop_last: bool = True,
    ) -> None:
        super().__init__()
        lowest = {"batch_size": 1, "num_workers": 0, "crops_per_epoch": 1, "seed": 0, "cache_gib": 0}
        for name, bound in lowest.items():
            value = locals()[name]
            if value is not None and value < bound:
                raise ConfigError(f"`{name}` must be at least {bound}, got {value}.")
        if not 0 <= inner_val < 1:
            raise ConfigError(f"`inner_val` is a share from 0 to below 1, got {inner_val}.")
        if not 0 < label_fraction <= 1:
            raise ConfigError(f"`label_fraction` is a share above 0 and up to 1, got {label_fraction}.")
        self.batch_size, self.num_workers, self.drop_last = batch_size, num_workers, drop_last
        self.crop_size, self.crops_per_epoch = as_size("crop_size", crop_size), crops_per_epoch
        self.augment, self.jitter, self.seed = augment, jitter, seed
        self.inner_val, self.label_fraction = inner_val, label_fraction
        self.cache = RecordCache(int(cache_gib * 2**30))
        self._records: dict[Split, Sequence[Record]] = {}
        self._resume: dict[str, int] = {}

    # What a data set says of itself

    @abstractmethod
    def load_records(self, split: Split) -> Sequence[Record]:
        """Return the images of a split; called once per split.

        Names of records are unique within a split. An empty ``"val"`` means that there is no validation.

        Raises:
            DataError: If files are missing or do not fit each other.
        """

    def predict_records(self) -> Sequence[Record]:
        """Return the images to predict: the test split, unless a data set knows better."""
        return self.records("test")

    def undivided_records(self) -> Sequence[Record]:
        """Return the images that can be looked at where they cannot be divided into splits; none by default."""
        return ()

    def default_crops(self, records: Sequence[Record]) -> int:
        """Return the crops in an epoch if the user gives none: as many as fit side by side."""
        area = self.crop_size[0] * self.crop_size[1]
        return sum(max(1, round(record.height * record.width / area)) for record in records)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder looks like this data set."""
        return False

    def scene_of(self, record: Record) -> str:
        """Return the scene of an image: images of one scene are neighbours, and stay on one side of a split."""
        return record.name

    def known_leak(self) -> str | None:
        """Say in a sentence how the splits leak by their construction, or return None."""
        return None

    def fold_numbers(self) -> Sequence[int]:
        """Return the values that ``fold`` may take; empty where the data set has no folds."""
        return ()

    def compute_statistics(self) -> Statistics:
        """Compute the statistics of the training split. Data sets where this is slow override it."""
        return compute_statistics(self.records("train"), self.cache, self.sensor)

    # What tasks, callbacks and users read

    @property
    def sensors(self) -> dict[str, Sensor]:
        """The sensor of the images, by their name in a batch."""
        return {"image": self.sensor}

    @property
    def targets(self) -> Targets:
        """What the masks teach."""
        return Targets("mask", self.class_map.names, self.class_map.palette or (), IGNORE_INDEX)

    @cached_property
    def statistics(self) -> dict[str, Statistics]:
        """Mean and standard deviation per band over the training split, in the sensor's unit, by name in a batch."""
        return {"image": self.compute_statistics()}

    def records(self, split: Split) -> Sequence[Record]:
        """Return the images of a split.

        Raises:
            DataError: If the split is empty. Only ``"val"`` may be.
        """
        if split not in self._records:
            if self.inner_val and split != "test":
                self._divide_training()
            else:
                records = self._load(split)
                self._records[split] = self._labelled(records) if split == "train" else records
        return self._records[split]

    def fingerprint(self, split: Split) -> str:
        """Return a digest of names and sizes of a split's images, and of the classes: is this the same test?"""
        images = sorted((record.name, record.height, record.width) for record in self.records(split))
        return hashlib.sha256(json.dumps([images, self.class_map.names]).encode()).hexdigest()[:12]

    def where(self) -> str:
        """Say where the images come from, for error messages."""
        return "no image was found"

    # Lightning's hooks

    def setup(self, stage: str | None = None) -> None:
        """Find the images of a stage: ``fit``, ``validate``, ``test``, ``predict``, or all splits."""
        for split in _SPLITS_OF_STAGE[stage]:
            self.records(split)
        if stage == "predict":
            self._to_predict = self.predict_records()

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of random crops."""
        records = self.records("train")
        length = self.crops_per_epoch or self.default_crops(records)
        jitter = self.jitter if self.augment else None
        dataset = CropDataset(records, self.cache, self.sensor, self.crop_size, length, jitter, self.seed)
        epoch, batches = self._resume.get("epoch", 0), self._resume.get("batches", 0)
        self._resume = {}  # a second fit without a checkpoint starts anew
        sampler = EpochSampler(length, self.seed, epoch, skip=batches * self.batch_size)
        # A last batch of one or two samples would upset batch normalisation.
        return self._loader(dataset, sampler, drop_last=self.drop_last and len(sampler) >= self.batch_size)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Return the loader of validation windows, or an empty list where there is no validation split."""
        records = self.records("val")
        return self._grid_loader(records) if records else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of test windows."""
        return self._grid_loader(self.records("test"))

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of the windows to predict; where there are no masks, all pixels are ignored."""
        return self._grid_loader(self._to_predict)

    def state_dict(self) -> dict[str, int]:
        """Return how far training has come: epoch, batches done in it, and the settings that make batches."""
        state = {"epoch": 0, "batches": 0, "batch_size": self.batch_size, "seed": self.seed}
        if self.trainer is not None:
            # Not `completed`: Lightning raises it only after the callbacks that save checkpoints.
            progress = self.trainer.fit_loop.state_dict()
            epoch = progress["epoch_progress"]["current"]
            batches = progress["epoch_loop.batch_progress"]["current"]["processed"]
            running = epoch["started"] > epoch["processed"]
            at_end = running and batches >= self.trainer.num_training_batches
            state["epoch"] = epoch["processed"] + at_end
            state["batches"] = batches if running and not at_end else 0
        return state

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from a saved state; the next training loader starts there."""
        self._resume = dict(state_dict)
        for name in ("batch_size", "seed"):
            then, now = state_dict.get(name), getattr(self, name)
            if then is not None and then != now:
                warnings.warn(
                    f"This run resumes with {name}={now}, but the checkpoint was trained with {name}={then}: "
                    "it will see other samples than an uninterrupted run.",
                    stacklevel=2,
                )

    def _load(self, split: Split) -> Sequence[Record]:
        records = self.load_records(split)
        if not records and split != "val":
            refuse(DataError(f"The split '{split}' of {type(self).__name__} is empty: {self.where()}."))
        return records

    def _divide_training(self) -> None:
        """Divide the training images into those to train on and those to choose the best epoch on."""
        if self._load("val"):
            raise ConfigError(
                f"`inner_val={self.inner_val}` makes a validation split of training images, but there is one already: "
                f"{self.where()}. Set `inner_val: 0`, or `val_fold: null` where the data set has that argument."
            )
        records = self._load("train")
        held = hold_out({record.name: self.scene_of(record) for record in records}, self.inner_val)
        self._records["train"] = self._labelled([record for record in records if record.name not in held])
        self._records["val"] = [record for record in records if record.name in held]

    def _labelled(self, records: Sequence[Record]) -> Sequence[Record]:
        if self.label_fraction == 1:
            return records
        kept = keep_share({record.name: self.scene_of(record) for record in records}, self.label_fraction)
        return [record for record in records if record.name in kept]

    def _grid_loader(self, records: Sequence[Record]) -> DataLoader[Batch]:
        dataset = GridDataset(records, self.cache, self.crop_size)
        return self._loader(dataset, GridSampler(len(dataset)), drop_last=False)

    def _loader(
        self, dataset: CropDataset | GridDataset, sampler: EpochSampler | GridSampler, drop_last: bool
    ) -> DataLoader[Batch]:
        return _ResumableLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            drop_last=drop_last,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
            # A generator of its own: else each new pass draws from the global one, and what the model draws
            # there (dropout) would depend on how often training was resumed.
            generator=torch.Generator().manual_seed(self.seed),
        )
