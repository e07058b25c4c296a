"""Any non-geo data set of TorchGeo, by the path of its class.

What is TorchGeo's: downloads, checksums, archives, the lists of its splits, reading files, names and colours of its
classes. What is ours: the order of samples and exact resume, crops and windows, statistics with the sensor's unit,
folds, the test split of a class that has none, the check of every mask value, and errors that say what to set. Images
are taken as the class returns them: a class that rounds, resizes or reorders (UC Merced resizes to 256 x 256,
BigEarthNet reads Sentinel-1 as integers) is described by its own documentation. LandCover.ai has a module of its own
(:mod:`hqzoo.data.sets.landcoverai`), because TorchGeo's class reads tiles that were cut as JPEG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

from hqzoo.data.any_targets import AnyTargetsDataModule
from hqzoo.data.base import Split
from hqzoo.data.labels import IGNORE_INDEX, ClassMap
from hqzoo.data.records import Record
from hqzoo.data.resized import Resized, ResizedWhole
from hqzoo.data.sensor import Sensor
from hqzoo.data.sets.torchgeo_records import (
    GeoLabelRecord,
    GeoMaskRecord,
    find_class,
    one_mask,
    open_dataset,
    read_sample,
)
from hqzoo.data.splits import ALL, SPLITS, Fold, ValFold, choose_fold, hold_out, make_folds
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    from torchgeo.datasets import NonGeoDataset

__all__ = ["TorchGeoDataModule"]

Kind = Literal["mask", "label", "multilabel"]
Place = tuple[str | None, int]  # a value of the class's `split`, and the number of the sample in it


class TorchGeoDataModule(AnyTargetsDataModule):
    """A data set of TorchGeo for segmentation, single-label or multi-label classification.

    What an argument leaves open is read from the class: its splits, kind of target, classes, colours, bands.

    Args:
        dataset: Path of the class, such as ``torchgeo.datasets.EuroSAT``, or its name in ``torchgeo.datasets``.
        dataset_args: Further arguments of its constructor, such as ``{bands: [B04, B03, B02], download: true}``.
        root: Folder of the data.
        kind: What there is to learn; None: what the first sample holds.
        classes: Names of the classes in their order, or mask value to name.
        ignore: Mask values of pixels that are not counted.
        mask_layer: Which mask is meant, from 0, where a sample has several.
        bands: Names of the bands.
        unit: Unit of the values that the class returns.
        scale: Value that is full scale in this unit.
        splits: Our split to theirs, such as ``{train: train, test: val}``; one that is left out is empty. None: all
            that the class has of the same name.
        num_folds: Number of folds that the images of all ``splits`` together are drawn into; None: no folds.
        fold: Fold to test on, from 0; ``"all"``: all are trained on.
        val_fold: Fold to validate on: a number, ``"next"`` for the one after ``fold``, None for none.
        test_share: Share of the images that is drawn for the test where the class has no splits. CHOICE.
        draw_seed: Seed of these draws.
        same_size: Whether all images have the size of the first one; else those with masks are all read once to know.
        statistics_folder: Folder where statistics are kept from one run to the next; None: computed in each.
        **kwargs: Arguments of :class:`~hqzoo.data.any_targets.AnyTargetsDataModule` (``size``, ``crop_size``,
            ``augment``, ...) and :class:`~hqzoo.data.base.DataModule` (``batch_size``, ``seed``, ``inner_val``, ...).

    Raises:
        ConfigError: If there is no such class, or an argument does not fit it.
    """

    def __init__(
        self,
        dataset: str,
        dataset_args: dict[str, Any] | None = None,
        root: str = "data",
        kind: Kind | None = None,
        classes: list[str] | dict[int, str] | None = None,
        ignore: list[int] | None = None,
        mask_layer: int | None = None,
        bands: list[str] | None = None,
        unit: str = "digital number",
        scale: float = 255.0,
        splits: dict[str, str] | None = None,
        num_folds: int | None = None,
        fold: Fold = 0,
        val_fold: ValFold = "next",
        test_share: float = 0.2,
        draw_seed: int = 0,
        same_size: bool = True,
        statistics_folder: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.dataset, self.dataset_args, self.root = find_class(dataset), dict(dataset_args or {}), root
        self.given_kind, self.given_classes, self.ignore = kind, classes, tuple(ignore or ())
        self.mask_layer, self.bands, self.unit, self.scale = mask_layer, bands, unit, scale
        self.given_splits, self.num_folds, self.fold, self.val_fold = splits, num_folds, fold, val_fold
        self.test_share, self.draw_seed = test_share, draw_seed
        self.same_size, self.statistics_folder = same_size, statistics_folder
        self._opened: dict[str | None, NonGeoDataset] = {}
        if splits is not None and not self._has_splits:
            raise ConfigError(f"{self.dataset.__name__} has no splits of its own: leave out `splits`.")
        if splits is not None and (odd := set(splits) - set(SPLITS)):
            raise ConfigError(unknown_name("split", sorted(odd)[0], SPLITS))
        if not 0 < test_share < 1:
            raise ConfigError(f"`test_share` is a share between 0 and 1, got {test_share}.")

    # The data set

    def prepare_data(self) -> None:
        """Download and unpack, in one process, what ``dataset_args`` asks for."""
        for name in dict.fromkeys(self._splits.values()):
            open_dataset(self.dataset, self._arguments(name))

    def load_records(self, split: Split) -> Sequence[Record]:
        """Return the samples of a split."""
        return [self._record(place) for place in self._places.get(split, [])]

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds, from 0; none where images are assigned to splits."""
        return () if self.num_folds is None else range(self.num_folds)

    def where(self) -> str:
        """Say which class and splits the images come from."""
        chosen = f"fold={self.fold} of {self.num_folds}" if self.num_folds else f"splits={self._splits}"
        return f"{self.dataset.__name__} in {self.root}, {chosen}"

    def statistics_file(self) -> Path | None:
        """Return a file for each set of training images."""
        if self.statistics_folder is None:
            return None
        name = f"{self.dataset.__name__}_{self.fingerprint('train')}.json"
        return Path(self.statistics_folder).expanduser() / name

    @cached_property
    def sensors(self) -> dict[str, Sensor]:  # type: ignore[override]
        """The sensor of the images: bands given or read from the class."""
        count = len(self._first["image"])
        bands = self.bands or _read_bands(self._any, self.dataset_args, count)
        if bands is None or len(bands) != count:
            raise ConfigError(
                f"{self.dataset.__name__} returns images of {count} band(s), but `bands` "
                f"{'must name them' if not bands else f'names {len(bands)}: ' + ', '.join(bands)}."
            )
        return {"image": Sensor(tuple(bands), self.unit, self.scale)}

    @cached_property
    def targets(self) -> Targets:  # type: ignore[override]
        """What there is to learn."""
        classes = self._class_map
        return Targets(self.kind, classes.names, classes.palette or (), IGNORE_INDEX if self.kind == "mask" else None)

    @cached_property
    def kind(self) -> Kind:
        """Kind of the targets."""
        if self.given_kind is not None:
            return self.given_kind
        if "mask" in self._first:
            return "mask"
        if "label" not in self._first:
            raise ConfigError(
                f"The first sample of {self.where()} has neither a mask nor a label, but {', '.join(self._first)}. "
                "Set `splits` to those that have targets."
            )
        return "multilabel" if self._first["label"].size > 1 else "label"

    # Samples

    def image_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of the first image."""
        bands, height, width = self._first["image"].shape
        return {"image": (bands, height, width)}

    # Splits

    @property
    def _has_splits(self) -> bool:
        return "split" in signature(self.dataset).parameters

    @cached_property
    def _splits(self) -> Mapping[str, str | None]:
        """Our split to the value of the class's argument ``split``."""
        if not self._has_splits:
            return {"train": None}
        known = getattr(self.dataset, "splits", SPLITS)
        return self.given_splits or {split: split for split in SPLITS if split in known}

    @cached_property
    def _places(self) -> dict[str, list[Place]]:
        """Our split to its samples."""
        places = {split: [(name, at) for at in range(len(self._open(name)))] for split, name in self._splits.items()}
        if self._has_splits and self.num_folds is None and self.fold != ALL:
            return places
        every = {_name(place): place for each in places.values() for place in each}
        own = {name: name for name in every}  # nothing is known of scenes
        if self.num_folds is None and self.fold == ALL:
            assigned = dict.fromkeys(own, "train")
        elif self.num_folds is not None:
            assigned = choose_fold(make_folds(own, self.num_folds, self.draw_seed), self.fold, self.val_fold)
        else:
            tested = hold_out(own, self.test_share, self.draw_seed)
            assigned = {name: "test" if name in tested else "train" for name in own}
        return {split: [place for name, place in every.items() if assigned[name] == split] for split in SPLITS}

    def _arguments(self, split: str | None) -> dict[str, Any]:
        return {"root": self.root, **self.dataset_args, **({} if split is None else {"split": split})}

    def _open(self, split: str | None) -> NonGeoDataset:
        if split not in self._opened:
            arguments = self._arguments(split)
            self._opened[split] = open_dataset(self.dataset, {**arguments, **_no_download(arguments)})
        return self._opened[split]

    @property
    def _any(self) -> NonGeoDataset:
        return self._open(next(iter(self._splits.values())))

    @cached_property
    def _first(self) -> dict[str, npt.NDArray[Any]]:
        """The first sample, which tells what the others are like."""
        if not len(self._any):
            raise DataError(f"{self.where()}: the first split is empty.")
        sample = read_sample(self._any, 0)
        if "image" not in sample or sample["image"].ndim != 3:
            shown = {name: value.shape for name, value in sample.items()}
            raise ConfigError(
                f"{self.dataset.__name__} returns {shown}; expected an `image` of (bands, height, width)."
            )
        return sample

    # Records and classes

    def _record(self, place: Place) -> Record:
        dataset, name = self._open(place[0]), _name(place)
        if self.kind != "mask":
            several = self.kind == "multilabel"
            labelled = GeoLabelRecord(name, dataset, place[1], len(self._class_map), several)
            return labelled if self.size is None else ResizedWhole(labelled, self.size, ["image"])
        image = self._first["image"] if self.same_size else read_sample(dataset, place[1])["image"]
        height, width = image.shape[1:]
        record = GeoMaskRecord(name, (height, width), dataset, place[1], self._class_map, self.mask_layer)
        return record if self.size is None else Resized(record, self.size)

    @cached_property
    def _class_map(self) -> ClassMap:
        given = self.given_classes
        if self.kind == "mask":  # the layer must be clear before the first crop is drawn
            one_mask(self._first.get("mask", self._first["image"][0]), self.mask_layer, "of the first sample")
        if isinstance(given, Mapping):
            values, names = tuple(int(value) for value in given), tuple(given.values())
            return ClassMap(names, values, _read_palette(self._any, values), self.ignore)
        told = tuple(given) if given is not None else _read_classes(self._any, self._first)
        if told is None:
            raise ConfigError(f"{self.dataset.__name__} does not name its classes: give `classes`.")
        kept = tuple(value for value in range(len(told)) if value not in self.ignore)
        return ClassMap(tuple(told[value] for value in kept), kept, _read_palette(self._any, kept), self.ignore)


def _name(place: Place) -> str:
    return f"{place[0] or 'all'}_{place[1]:06d}"


def _no_download(arguments: Mapping[str, Any]) -> dict[str, bool]:
    return {"download": False} if arguments.get("download") else {}


def _read_bands(dataset: NonGeoDataset, given: Mapping[str, Any], count: int) -> list[str] | None:
    """Return the names of the bands that a data set itself tells, if they are as many as the image has."""
    sources = [given.get("bands"), *(getattr(dataset, name, None) for name in ("bands", "all_bands", "all_band_names"))]
    for source in sources:
        if isinstance(source, (list, tuple)) and len(source) == count:
            return [str(band) for band in source]
    return {1: ["grey"], 3: ["red", "green", "blue"]}.get(count)


def _read_classes(dataset: NonGeoDataset, first: Mapping[str, npt.NDArray[Any]]) -> tuple[str, ...] | None:
    """Return the names of the classes that a data set itself tells."""
    if names := getattr(dataset, "classes", None):
        return tuple(map(str, names))
    sets, count = getattr(dataset, "class_sets", {}), first["label"].size if "label" in first else 0
    return tuple(map(str, sets[count])) if count in sets else None


def _read_palette(dataset: NonGeoDataset, values: Sequence[int]) -> tuple[tuple[int, int, int], ...] | None:
    """Return the colours of mask values that a data set itself tells, as a table or a list."""
    for name in ("cmap", "colormap", "palette"):
        table = getattr(dataset, name, None)
        colours = dict(enumerate(table)) if isinstance(table, (list, tuple)) else table
        if isinstance(colours, Mapping) and all(value in colours and len(colours[value]) >= 3 for value in values):
            return tuple((int(r), int(g), int(b)) for r, g, b in (colours[value][:3] for value in values))
    return None
