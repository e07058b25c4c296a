"""The base of all data modules: splits, loaders, statistics and exact resume, whatever the samples are."""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from hqzoo.data.cache import RecordCache
from hqzoo.data.epochs import CountsSamples
from hqzoo.data.faults import refuse
from hqzoo.data.loader import ResumableLoader
from hqzoo.data.pack import Pack
from hqzoo.data.parts import Part, all_records, contents
from hqzoo.data.processes import found_once
from hqzoo.data.records import Record
from hqzoo.data.sampling import EpochSampler, GridSampler
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.splits import ALL, hold_out, keep_share, nothing_to_test
from hqzoo.data.statistics import record_statistics, stored_statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError, DataError

__all__ = ["DataModule", "Samples", "Split"]

Split = Literal["train", "val", "test"]
Batch = dict[str, Any]
Samples = Dataset[Batch]
R = TypeVar("R", bound=Record)

_SPLITS_OF_STAGE: dict[str | None, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": (),
    None: ("train", "val", "test"),
}


class DataModule(CountsSamples, Generic[R]):
    """What is common to all imagery.

    A data set derives from this class (or from :class:`~hqzoo.data.segmentation.SegmentationDataModule`, for images
    with class masks), sets :attr:`sensors` and :attr:`targets`, returns its records from :meth:`load_records`, and
    makes samples of them in :meth:`training_samples` and :meth:`evaluation_samples`. All else happens here.

    A sample is a flat dictionary: one image ``(C, H, W)`` float32 per sensor, by the sensor's name; ``"mask"`` (H, W)
    int64 or ``"label"``, as :attr:`targets` says; and always ``"name"``, which in evaluation no two samples share.

    Every training sample is a pure function of (seed, epoch, index), and the state that Lightning saves in a
    checkpoint holds the epoch and the samples done in it by all processes together: training that is interrupted and
    resumed sees the same samples as if it had gone on, with any number of workers and of processes.

    Args:
        batch_size: Samples in a batch of one process.
        num_workers: Processes that read and augment; 0 works in the main process.
        seed: Seed of order and augmentation.
        cache_gib: GiB of decoded images kept for all workers together; what does not fit is read again each time.
        inner_val: Share of the training records that is taken out of training to choose the best epoch on, in
            whole scenes where these are known (see :meth:`scene_of`). It becomes the validation split of a
            data set that has none; test records are never used for choosing. 0 for none.
        label_fraction: Share of the remaining training records that are trained on (at least one). The draw
            is fixed and nested: the records of 5 % are among those of 10 %. Validation and test keep theirs.
        drop_last: Whether to leave out the last training batch of an epoch if it is smaller than the others.
        packed: Folder that ``hqzoo data pack`` wrote of this data set: images are read there in place of their files,
            and ``cache_gib`` has nothing to keep.

    Raises:
        ConfigError: If an argument is out of range.
        DataError: If the pack is damaged, not finished, or was made by another data module.
    """

    layout: ClassVar[str] = ""
    """What :meth:`recognises` looks for, in a few words; empty for data sets that no folder is recognised as."""
    takes_anything: ClassVar[bool] = False
    """Whether folders of other data sets are recognised as well, so that these are asked first."""

    tile_size: tuple[int, int] | None = None
    """Height and width of the windows that images are predicted in whole, which a task sets; None: the data's own."""
    blend_test: bool = False
    """Whether a test has the samples of a prediction."""
    on_bad: Literal["raise", "skip"] = "raise"
    """What happens with records that cannot be read: nothing is trained on, or they are left out and counted."""

    sensors: Mapping[str, Sensor]
    targets: Targets | None

    def __init__(
        self,
        batch_size: int = 16,
        num_workers: int = 0,
        seed: int = 0,
        cache_gib: float = 4.0,
        inner_val: float = 0.0,
        label_fraction: float = 1.0,
        drop_last: bool = True,
        packed: str | None = None,
    ) -> None:
        super().__init__(batch_size, seed)
        lowest = {"batch_size": 1, "num_workers": 0, "seed": 0, "cache_gib": 0}
        for name, bound in lowest.items():
            at_least(name, locals()[name], bound)
        if not 0 <= inner_val < 1:
            raise ConfigError(f"`inner_val` is a share from 0 to below 1, got {inner_val}.")
        if not 0 < label_fraction <= 1:
            raise ConfigError(f"`label_fraction` is a share above 0 and up to 1, got {label_fraction}.")
        self.num_workers, self.drop_last = num_workers, drop_last
        self.inner_val, self.label_fraction = inner_val, label_fraction
        self.pack = None if packed is None else self._open_pack(Path(packed).expanduser())
        self.cache = RecordCache(int(cache_gib * 2**30), self.pack)
        self._records: dict[Split, Sequence[R]] = {}

    # What a data set says of itself

    @abstractmethod
    def load_records(self, split: Split) -> Sequence[R]:
        """Return the records of a split; called once per split.

        Names of records are unique within a split. An empty ``"val"`` means that there is no validation.

        Raises:
            DataError: If files are missing or do not fit each other.
        """

    @abstractmethod
    def training_samples(self, records: Sequence[R]) -> Samples:
        """Return the samples of an epoch, by keys ``(epoch, index)`` with an index from 0 to below their ``len()``."""

    @abstractmethod
    def evaluation_samples(self, records: Sequence[R]) -> Samples:
        """Return samples by their index; ``-1 - index`` is the same one once more, to fill a batch.

        A filler counts nothing: either its targets are ignored, or its ``"name"`` tells that it was seen already.
        """

    def prediction_samples(self, records: Sequence[R]) -> Samples:
        """Return samples to predict: those of evaluation, unless whole images are put together from other windows."""
        return self.evaluation_samples(records)

    @abstractmethod
    def sample_shapes(self) -> Mapping[str, tuple[int, int, int]]:
        """Return ``(C, H, W)`` of training images, by the name of their sensor."""

    def predict_records(self) -> Sequence[R]:
        """Return the records to predict: the test split, unless a data set knows better; all where none is tested."""
        return self.records("train" if self.trains_on_all else "test")

    def undivided_records(self) -> Sequence[R]:
        """Return the records that can be looked at where they cannot be divided into splits; none by default."""
        return ()

    def to_pack(self) -> Sequence[tuple[R, dict[str, Any]]]:
        """Return all records that a pack shall hold, each with what else it shall know of it, in plain types."""
        splits: tuple[Split, ...] = ("train", "val", "test")
        records = self.undivided_records() or [record for split in splits for record in self.load_records(split)]
        return [(record, {}) for record in records]

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder looks like this data set."""
        return False

    def scene_of(self, record: R) -> str:
        """Return the scene of a record: those of one scene are neighbours, and stay on one side of a split."""
        return record.name

    def neighbours(self, records: Sequence[R]) -> dict[str, str]:
        """Return names of records to groups that a draw keeps together: scenes, unless a data set knows more."""
        return {record.name: self.scene_of(record) for record in records}

    def known_leak(self) -> str | None:
        """Say in a sentence how the splits leak by their construction, or return None."""
        return None

    def notes(self) -> Sequence[str]:
        """Say what readers of scores must know of the data, a sentence each: how splits leak, unless there is more.

        Reports hold them; everything that they tell is prepared.
        """
        known = self.known_leak()
        return [] if known is None else [known]

    def incomplete(self) -> str | None:
        """Say in a sentence what the published data set has that this one lacks, or return None."""
        return None

    def fold_numbers(self) -> Sequence[int]:
        """Return the values that ``fold`` may take; empty where the data set has no folds."""
        return ()

    def where(self) -> str:
        """Say where the records come from, for error messages."""
        return "no image was found"

    def measure_statistics(self) -> dict[str, Statistics]:
        """Compute mean and deviation of the training split, by sensor."""
        return record_statistics(self.records("train"), self.cache, self.sensors)

    def compute_statistics(self) -> dict[str, Statistics]:
        """Return what images are normalised by, by sensor: what the training split has, unless a data set differs."""
        return self.measure_statistics()

    def statistics_file(self) -> Path | None:
        """Return where statistics are kept from one run to the next; None: they are computed in each."""
        return None

    # What tasks, callbacks and users read

    @cached_property
    def statistics(self) -> dict[str, Statistics]:
        """Mean and standard deviation per band that images are normalised by, in the sensor's unit, by sensor.

        Computed by one process for all: every process must ask at the same point, as tasks do in ``setup``.
        """
        self.records("train")
        return found_once(lambda: stored_statistics(self.statistics_file(), self._made_of(), self.compute_statistics))

    def records(self, split: Split) -> Sequence[R]:
        """Return the records of a split.

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
        """Return a digest of names and sizes of a split's records, and of the classes: is this the same test?"""
        records = sorted(record.identity for record in self.records(split))
        classes = None if self.targets is None else self.targets.classes
        return hashlib.sha256(json.dumps([records, classes]).encode()).hexdigest()[:12]

    def test_on(self, part: Part) -> None:
        """Let the test split be another one, or all images of the data set.

        Raises:
            DataError: If there are none.
        """
        records = all_records(self) if part == "all" else self.records(part)
        if not records:
            raise DataError(f"There is nothing to score: the split '{part}' of {type(self).__name__} is empty.")
        self._records["test"] = records  # type: ignore[assignment]

    @cached_property
    def contents(self) -> str:
        """Digest of all images of the data set, however it is divided; empty if they cannot be read."""
        return contents(self)

    # Lightning's hooks

    def setup(self, stage: str | None = None) -> None:
        """Find the records of a stage: ``fit``, ``validate``, ``test``, ``predict``, or all splits."""
        for split in _SPLITS_OF_STAGE[stage]:
            if split != "test" or stage == "test" or not self.trains_on_all:
                self.records(split)
        if stage == "fit" and self.trains_on_all:
            trained = len(self.records("train"))
            warnings.warn(f"`fold: all`: {trained} records are trained on, and none is left to test on.", stacklevel=2)
        if stage == "predict":
            chosen = self._records.get("test")
            self._to_predict = self.predict_records() if chosen is None else chosen

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of training samples."""
        samples = self.training_samples(self.records("train"))
        sampler = self.sampler_of(_length(samples))
        # A last batch of one or two samples would upset batch normalisation.
        return self._loader(samples, sampler, drop_last=self.drop_last and len(sampler) >= self.batch_size)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Return the loader of validation samples, or an empty list where there is no validation split."""
        records = self.records("val")
        return self._evaluation_loader(records) if records else []

    def evaluation_loader(self, split: Split) -> DataLoader[Batch]:
        """Return a loader of a split's images as they are, once each: training images without augmentation."""
        return self._evaluation_loader(self.records(split))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of test samples."""
        records = self.records("test")
        return self._loader_of((self.prediction_samples if self.blend_test else self.evaluation_samples)(records))

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of the samples to predict."""
        return self._loader_of(self.prediction_samples(self._to_predict))

    def state_dict(self) -> dict[str, Any]:
        """Return how far training has come, and a digest of the images, by which they are known again elsewhere."""
        return {**super().state_dict(), "contents": self.contents}

    # Splits and loaders

    def _open_pack(self, folder: Path) -> Pack:
        pack = Pack(folder)
        if pack.index.module != type(self).__name__:
            raise DataError(
                f"The pack {folder} was made by {pack.index.module}, but it is {type(self).__name__} that reads it: "
                "give that of this data set, or change the recipe's data module."
            )
        return pack

    def _made_of(self) -> str:
        """Return a digest of all that the statistics depend on."""
        names = sorted(record.identity for record in self.records("train"))
        sensors = {name: sensor.to_dict() for name, sensor in self.sensors.items()}
        return hashlib.sha256(json.dumps([type(self).__qualname__, names, sensors]).encode()).hexdigest()

    @property
    def trains_on_all(self) -> bool:
        """Whether nothing is left to test on (``fold: all``)."""
        return getattr(self, "fold", None) == ALL  # an argument of most data sets, not of all

    def _load(self, split: Split) -> Sequence[R]:
        if split == "test" and self.trains_on_all:
            raise nothing_to_test()
        records = self.load_records(split)
        if not records and split != "val":
            refuse(DataError(f"The split '{split}' of {type(self).__name__} is empty: {self.where()}."))
        return records

    def _divide_training(self) -> None:
        """Divide the training records into those to train on and those to choose the best epoch on."""
        if self._load("val"):
            raise ConfigError(
                f"`inner_val={self.inner_val}` makes a validation split of training images, but there is one already: "
                f"{self.where()}. Set `inner_val: 0`, or `val_fold: null` where the data set has that argument."
            )
        records = self._load("train")
        held = hold_out(self.neighbours(records), self.inner_val)
        self._records["train"] = self._labelled([record for record in records if record.name not in held])
        self._records["val"] = [record for record in records if record.name in held]

    def _labelled(self, records: Sequence[R]) -> Sequence[R]:
        if self.label_fraction == 1:
            return records
        kept = keep_share({record.name: self.scene_of(record) for record in records}, self.label_fraction)
        return [record for record in records if record.name in kept]

    def _evaluation_loader(self, records: Sequence[R]) -> DataLoader[Batch]:
        return self._loader_of(self.evaluation_samples(records))

    def _loader_of(self, samples: Samples) -> DataLoader[Batch]:
        return self._loader(samples, GridSampler(_length(samples)), drop_last=False)

    def _loader(self, samples: Samples, sampler: EpochSampler | GridSampler, drop_last: bool) -> DataLoader[Batch]:
        return ResumableLoader(
            samples,
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


def at_least(argument: str, value: float | None, bound: float) -> None:
    """Refuse an argument below its lowest value; None is no value.

    Raises:
        ConfigError: If it is.
    """
    if value is not None and value < bound:
        raise ConfigError(f"`{argument}` must be at least {bound}, got {value}.")


def _length(samples: Samples) -> int:
    return len(samples)  # type: ignore[arg-type]  # torch's Dataset leaves __len__ to its subclasses
