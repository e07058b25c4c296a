"""Anybody's folder of labelled images: a folder for each class."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.data._progress import progress
from hqzoo.data.base import Split
from hqzoo.data.checks.ground import joined
from hqzoo.data.classification import ClassificationDataModule
from hqzoo.data.faults import going_on
from hqzoo.data.files.band_names import BandNames, arrange
from hqzoo.data.files.listing import list_images, some
from hqzoo.data.files.readers import FileRecord, Header, read_header
from hqzoo.data.records import Record
from hqzoo.data.resized import ResizedWhole
from hqzoo.data.sensor import Sensor
from hqzoo.data.splits import ALL, SPLITS, Fold, ValFold, choose_fold, make_folds, make_stratified_folds
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["FolderClassificationDataModule"]

_OF_MASKS = ("images", "masks", "labels", "annotations", "gt")  # names of folders that are no classes
_DRAWN = (
    "Images were divided at random, one by one: where several show one place, they stand on both sides of the split, "
    "and scores are too good."
)


class FolderClassificationDataModule(ClassificationDataModule):
    """Images in a folder for each class, in a folder for each split or all together.

    ``ROOT/train/<class>/*``, ``ROOT/val/<class>/*`` and ``ROOT/test/<class>/*`` are the splits. Where images lie in
    ``ROOT/<class>/*`` they are divided into folds that have equal shares of every class, or, where ``scene_pattern``
    tells which images show one place, into folds of whole scenes. The classes are those of the folders' names, sorted.

    Args:
        root: Folder of the data set.
        splits: Our split to the name of its folder, such as ``{train: train, test: val}``; one that is left out is
            empty. None: all of train, val and test that are there.
        classes: Names of the classes, which are folders, in their order; None: all folders, sorted.
        bands: Names of the bands; None: what the first file says.
        unit: Unit of the values.
        scale: Value that is full scale in this unit.
        num_folds: Number of folds, where no folders divide the images.
        fold: Fold to test on, from 0; ``"all"``: all are trained on.
        val_fold: Fold to validate on: a number, ``"next"`` for the one after ``fold``, None for none.
        fold_seed: Seed of the draw, which is not that of training.
        scene_pattern: Regular expression that finds the scene in an image's name (its first group, or all of it).
            None: each image is its own.
        **kwargs: Arguments of :class:`~hqzoo.data.classification.ClassificationDataModule` (``size``, ``augment``,
            ``jitter``, ``remark``) and :class:`~hqzoo.data.base.DataModule` (``batch_size``, ``seed``, ...).

    Raises:
        ConfigError: If an argument does not make sense.
    """

    layout = "a folder for each class (train/<class>/<image>)"

    def __init__(
        self,
        root: str,
        splits: dict[str, str] | None = None,
        classes: list[str] | None = None,
        bands: list[str] | None = None,
        unit: str = "digital number",
        scale: float = 255.0,
        num_folds: int = 5,
        fold: Fold = 0,
        val_fold: ValFold = "next",
        fold_seed: int = 0,
        scene_pattern: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        for split in splits or ():
            if split not in SPLITS:
                raise ConfigError(unknown_name("split", split, SPLITS))
        if scene_pattern is not None:
            try:
                re.compile(scene_pattern)
            except re.error as error:
                raise ConfigError(f"`scene_pattern` '{scene_pattern}' is no regular expression: {error}.") from None
        self.root = Path(root).expanduser()
        self.splits, self.given_classes, self.bands, self.unit, self.scale = splits, classes, bands, unit, scale
        self.num_folds, self.fold, self.val_fold, self.fold_seed = num_folds, fold, val_fold, fold_seed
        self.scene_pattern = scene_pattern

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder, or its folder ``train``, holds two or more folders of images of distinct names."""
        base = root / "train" if (root / "train").is_dir() else root
        names = {folder.name: set(list_images(folder)) for folder in _folders(base)}
        if {name.casefold() for name in names} & set(_OF_MASKS):
            return False  # images and masks, which have the same names
        held = [each for each in names.values() if each]
        return len(held) > 1 and len(set().union(*held)) == sum(map(len, held))

    def load_records(self, split: Split) -> Sequence[Record]:
        """Return the images of a split with their labels."""
        files = self._divided.get(split, {})
        records = []
        for name in progress(files, "headers of images"):
            with going_on():
                records.append(self._record(name, files[name]))
        return records

    def scene_of(self, record: Record) -> str:
        """Return the scene that ``scene_pattern`` finds; else each image is its own."""
        return self._scene(record.name)

    def neighbours(self, records: Sequence[Record]) -> dict[str, str]:
        """Return scenes that are one where their images overlap or touch."""
        files = {record.name: record.source.placed for record in records}
        placed = {name: file for name, file in files.items() if file is not None}
        return joined(super().neighbours(records), placed, 2)[0]

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds, from 0; none where folders divide the images."""
        return () if self._split_folders else range(self.num_folds)

    def where(self) -> str:
        """Say which folders and folds the splits come from."""
        if folders := self._split_folders:
            return f"the splits of {self.root} are the folders {folders}"
        return f"the images of {self.root} are divided into {self.num_folds} folds, fold={self.fold}"

    def notes(self) -> list[str]:
        """Say as well where the split is drawn image by image."""
        return [*super().notes(), *([] if self._split_folders or self.scene_pattern else [_DRAWN])]

    @cached_property
    def sensors(self) -> dict[str, Sensor]:  # type: ignore[override]
        """The sensor: bands that are given, or those of the first image."""
        return {"image": Sensor(tuple(self.bands or self._first.bands), self.unit, self.scale)}

    @cached_property
    def targets(self) -> Targets:  # type: ignore[override]
        """A class per image, by the names of the folders."""
        return Targets("label", self._classes)

    def image_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of the first image."""
        return {"image": (len(self.sensors["image"]), self._first.height, self._first.width)}

    # Files

    @cached_property
    def _split_folders(self) -> dict[str, str]:
        """Our split to its folder; empty where the images of all splits lie together."""
        if self.splits is None:
            return {split: split for split in SPLITS if (self.root / split).is_dir()}
        if absent := [folder for folder in self.splits.values() if not (self.root / folder).is_dir()]:
            if not self.root.is_dir():
                raise ConfigError(f"There is no folder {self.root}. Set data.init_args.root.")
            there = [folder.name for folder in _folders(self.root)]
            raise ConfigError(unknown_name(f"folder of a split in {self.root}", absent[0], there))
        return self.splits

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        bases = [self.root / folder for folder in self._split_folders.values()] or [self.root]
        found = sorted({folder.name for base in bases for folder in _folders(base)})
        if self.given_classes is None:
            if len(found) < 2:
                raise DataError(
                    f"{', '.join(map(str, bases))} must hold a folder of images for each of two or more classes; "
                    f"found {', '.join(found) or 'none'}."
                )
            return tuple(found)
        for name in self.given_classes:
            if name not in found:
                raise ConfigError(unknown_name(f"class in {self.root}", name, found))
        if left := sorted(set(found) - set(self.given_classes)):
            warnings.warn(f"Folders of {self.root} that are no class are left out: {some(left)}.", stacklevel=2)
        return tuple(self.given_classes)

    def _images(self, base: Path) -> dict[str, Path]:
        """Return class and name of each image below a folder to its file."""
        return {f"{label}/{name}": path for label in self._classes for name, path in list_images(base / label).items()}

    @cached_property
    def _divided(self) -> Mapping[str, Mapping[str, Path]]:
        """Split to name to file."""
        if folders := self._split_folders:
            found = {split: self._images(self.root / folder) for split, folder in folders.items()}
            return found if self.fold != ALL else {"train": _together(found)}
        images = self._images(self.root)
        assigned = self._assigned(images) if images else {}
        return {split: {name: images[name] for name in images if assigned[name] == split} for split in SPLITS}

    def _assigned(self, images: Mapping[str, Path]) -> Mapping[str, str]:
        if self.fold == ALL:
            return dict.fromkeys(images, "train")
        if self.scene_pattern is not None:
            folds = make_folds({name: self._scene(name) for name in images}, self.num_folds, self.fold_seed)
        else:
            folds = make_stratified_folds({name: _class_of(name) for name in images}, self.num_folds, self.fold_seed)
        return choose_fold(folds, self.fold, self.val_fold)

    def _scene(self, name: str) -> str:
        if self.scene_pattern is None:
            return name
        found = re.search(self.scene_pattern, name.rpartition("/")[2])
        return found[found.re.groups and 1] if found else ""

    @cached_property
    def _first(self) -> Header:
        """Header of the first image of all splits, which tells what the others are like."""
        for files in self._divided.values():
            for path in files.values():
                with going_on():
                    return read_header(path)
        raise DataError(f"No image was found: {self.where()}. Expected <class>/<name>.jpg, .png or .tif.")

    def _record(self, name: str, path: Path) -> Record:
        sensor, first, header = self.sensors["image"], self._first, read_header(path)
        own = BandNames(sensor.bands, own=first.named and self.bands is None)
        indexes = None
        if len(header.indexes) == len(sensor):
            indexes = arrange(BandNames(header.bands, header.named), header.indexes, own)
        if indexes is None:
            raise DataError(
                f"The image {path} has the bands {', '.join(header.bands)}; expected {', '.join(sensor.bands)}."
            )
        image = FileRecord(name, path, None, header, indexes, sensor, None)
        labelled = LabelledImage(image, self._classes.index(_class_of(name)))
        return labelled if self.size is None else ResizedWhole(labelled, self.size, ["image"])


class LabelledImage(Record):
    """An image file with its label.

    Args:
        image: The image.
        label: Number of its class.
    """

    def __init__(self, image: FileRecord, label: int) -> None:
        super().__init__(image.name)
        self.image, self.stated = image, label

    @property
    def file(self) -> Path:
        """The image file."""
        return self.image.file

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return ``image`` and ``label``, int64 ()."""
        return {"image": self.image.read()[0], "label": np.asarray(self.stated, np.int64)}


def _class_of(name: str) -> str:
    return name.partition("/")[0]


def _folders(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir()) if base.is_dir() else []


def _together(splits: Mapping[str, Mapping[str, Path]]) -> dict[str, Path]:
    """Return the images of all splits; those that are called alike get the split's name as well."""
    merged: dict[str, Path] = {}
    for split, files in splits.items():
        merged |= {(name if name not in merged else f"{name}@{split}"): path for name, path in files.items()}
    return merged
