"""Anybody's folder of images and masks."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hqzoo.data._progress import progress
from hqzoo.data.checks.ground import joined
from hqzoo.data.faults import Refused, going_on, refuse
from hqzoo.data.files.band_names import BandNames, arrange
from hqzoo.data.files.listing import Pair, list_images, pair_files, some
from hqzoo.data.files.readers import SUFFIXES, FileRecord, Header, check_pair, read_header
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import ImageRecord
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.sensor import Sensor
from hqzoo.data.sets.found_classes import find_classes
from hqzoo.data.splits import (
    ALL,
    SPLITS,
    Fold,
    ValFold,
    choose_fold,
    make_folds,
    read_folds,
    read_lists,
    read_split,
)
from hqzoo.errors import ConfigError, DataError

__all__ = ["FolderSegmentationDataModule"]


class FolderSegmentationDataModule(SegmentationDataModule):
    r"""Images and masks of equal names in two folders: PNG, JPEG or TIFF with any number of bands.

    Where the splits come from, in this order: ``split_file`` or ``folds`` if given; sub-folders ``train``,
    ``val`` and ``test`` (``train/images`` or ``images/train``); a file ``split.csv``, then ``folds.csv`` in
    the root; else ``num_folds`` folds are drawn, by scene if ``scene_pattern`` is given. With folds, ``fold``
    is tested, ``val_fold`` validates, and the others train.

    Masks hold class values (index PNG, grey, integer TIFF), or colours that ``palette`` translates. For
    prediction alone no masks are needed.

    Args:
        root: Folder of the data set.
        images: Sub-folder of the images.
        masks: Sub-folder of the masks.
        classes: Mask value to class name, in the order of the class indices. None: from ``classes.json`` in
            the root (``{"classes": {"1": "building"}, "palette": {"1": [97, 74, 74]}, "ignore": [0]}``), else
            every value that the masks hold becomes a class, except what they declare as nodata or transparent.
        ignore: Mask values of pixels that are not counted. What a mask or its image declares as missing (nodata,
            an internal mask, transparency) is not counted in any case, unless ``classes`` names that mask value.
        palette: Mask value to colour ``[red, green, blue]``, for figures, and to read RGB masks.
        bands: Names of the bands, in the order of the files; a file that itself names these bands is brought into this
            order. None: those of the first image by name; images that name the same bands in another order are brought
            into its order, and images of other bands refused.
        band_indexes: Numbers of the bands to read, from 1. None: all but an alpha band.
        unit: Unit of the images.
        scale: Value that is full scale in this unit: 255 for 8-bit imagery, 1 for real numbers from 0 to 1.
        split_file: CSV file ``name,split``, or one list of names per split (``{"train": "train.txt", ...}``).
        folds: CSV file ``name,scene,fold``. Without its column ``fold``, folds are drawn by scene.
        fold: Fold to test on; ``"all"``: all images are trained on (but those of a ``val_fold`` that is given as a
            number), whatever splits there are, and none is left to test on.
        val_fold: Fold to validate on: a number, ``"next"`` for the one after ``fold``, None for no
            validation.
        num_folds: Number of folds to draw where no file gives them. Images that overlap on the ground, as their files
            say, are kept together, and so are those that touch, unless they do so all over.
        fold_seed: Seed of that draw.
        scene_pattern: Regular expression whose first group is the scene in an image's name, such as
            ``"(tile\d+)_"``. Images that do not match count as one scene. None: each image is its own scene.
        mask_suffix: What a mask's name has more than its image's, such as ``"_mask"``.
        **kwargs: Arguments of :class:`SegmentationDataModule`: ``batch_size``, ``crop_size``, ``seed``, ...
    """

    layout = "folders images and masks"
    takes_anything = True

    def __init__(
        self,
        root: str,
        images: str = "images",
        masks: str = "masks",
        classes: dict[int, str] | None = None,
        ignore: list[int] | None = None,
        palette: dict[int, list[int]] | None = None,
        bands: list[str] | None = None,
        band_indexes: list[int] | None = None,
        unit: str = "digital number",
        scale: float = 255.0,
        split_file: str | dict[str, str] | None = None,
        folds: str | None = None,
        fold: Fold = 0,
        val_fold: ValFold = "next",
        num_folds: int = 5,
        fold_seed: int = 0,
        scene_pattern: str | None = None,
        mask_suffix: str = "",
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        if split_file is not None and folds is not None:
            raise ConfigError("Give `split_file` or `folds`, not both.")
        if bands is not None and band_indexes is not None and len(bands) != len(band_indexes):
            raise ConfigError(f"`bands` names {len(bands)} bands, `band_indexes` has {len(band_indexes)}.")
        self.root = Path(root).expanduser()
        self.images, self.masks, self.mask_suffix = images, masks, mask_suffix
        self.given_classes, self.ignore, self.given_palette = classes, ignore, palette
        self.bands, self.band_indexes, self.unit, self.scale = bands, band_indexes, unit, scale
        self.split_file, self.folds, self.scene_pattern = split_file, folds, scene_pattern
        self.fold, self.val_fold, self.num_folds, self.fold_seed = fold, val_fold, num_folds, fold_seed
        self._named_by: Path | None = None  # image whose own names of its bands are the sensor's

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder has images in one of the usual places."""
        return any((root / folder).is_dir() for folder in ("images", "train/images"))

    def load_records(self, split: Split) -> Sequence[ImageRecord]:
        """Return the images of a split with their masks."""
        return self._records_of(
            self._files.get(split, {}), [pair for part in self._files.values() for pair in part.values()]
        )

    def undivided_records(self) -> Sequence[ImageRecord]:
        """Return all images; none where they lie in a folder for each split."""
        pairs = {} if self._split_folders() else self._all_pairs
        return self._records_of(pairs, list(pairs.values()))

    def predict_records(self) -> Sequence[ImageRecord]:
        """Return the test images, or, where there is no folder of masks, all images."""
        if (self.root / self.masks).is_dir() or self._split_folders():
            return super().predict_records()
        images = list_images(self.root / self.images)
        if not images:
            raise self._nothing_found([self.root / self.images])
        self._declare(list(images.values()))
        if self.given_classes is not None or (self.root / "classes.json").exists():
            self.class_map = self._read_classes([])
        records = []
        for name, path in images.items():
            header = read_header(path)
            records.append(FileRecord(name, path, None, header, self._band_numbers(path, header), self.sensor, None))
        return records

    def scene_of(self, record: ImageRecord) -> str:
        """Return the scene that the folds file or ``scene_pattern`` gives; else each image is its own."""
        scene = self._listed[0].get(record.name)
        return self._scene(record.name) if scene is None else scene

    def neighbours(self, records: Sequence[ImageRecord]) -> dict[str, str]:
        """Return scenes that are one where their images overlap or touch."""
        files = {record.name: record.file for record in records if record.file is not None}
        return joined(super().neighbours(records), files, 2)[0]

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds of the folds file or of the draw; none where images are assigned to splits."""
        return sorted(set(self._folds.values()))

    def where(self) -> str:
        """Say which files and folds the splits come from."""
        source = self.split_file or self.folds or "the folder itself"
        return f"the splits of {self.root} come from {source}, fold={self.fold}, val_fold={self.val_fold}"

    # Files

    @cached_property
    def _files(self) -> dict[str, dict[str, Pair]]:
        """Split to image name to image and mask file."""
        if not self.root.is_dir():
            raise self._nothing_found([self.root])
        if folders := self._split_folders():
            found = {split: self._pairs(*pair) for split, pair in folders.items()}
            return found if self.fold != ALL else {"train": _merged(found)}
        pairs, splits = self._all_pairs, self._splits()
        if absent := sorted(set(splits) - set(pairs)):
            refuse(
                DataError(
                    f"{len(absent)} image(s) of the split file are not in {self.root / self.images}: {some(absent)}."
                )
            )
        if unlisted := sorted(set(pairs) - set(splits)):
            warnings.warn(f"{len(unlisted)} image(s) of {self.root} are in no split: {some(unlisted)}.", stacklevel=2)
        return {split: {n: pairs[n] for n in pairs if splits.get(n) == split} for split in SPLITS}

    def _split_folders(self) -> dict[str, tuple[Path, Path]]:
        """Split to its folders of images and masks, in either of the two usual layouts; no file stands above them."""
        if self.split_file is not None or self.folds is not None:
            return {}
        inner = {s: (self.root / s / self.images, self.root / s / self.masks) for s in SPLITS}
        outer = {s: (self.root / self.images / s, self.root / self.masks / s) for s in SPLITS}
        for layout in (inner, outer):
            if found := {split: pair for split, pair in layout.items() if pair[0].is_dir()}:
                return found
        return {}

    def _pairs(self, images: Path, masks: Path) -> dict[str, Pair]:
        found = pair_files(images, masks, self.mask_suffix)
        if not found:
            raise self._nothing_found([images, masks])
        return found

    def _nothing_found(self, folders: Sequence[Path]) -> DataError:
        looked = ", ".join(f"{folder}{'' if folder.is_dir() else ' (does not exist)'}" for folder in folders)
        return DataError(
            f"No images with masks were found. Looked in: {looked}. Expected: {self.images}/<name>.jpg (or "
            f"{', '.join(SUFFIXES)}) and {self.masks}/<name>{self.mask_suffix}.png of the same size, in "
            f"{self.root} or in its folders train, val, test. Set `root`, `images` and `masks`."
        )

    @cached_property
    def _all_pairs(self) -> dict[str, Pair]:
        """Image name to image and mask file, where they lie in one folder each."""
        return self._pairs(self.root / self.images, self.root / self.masks)

    def _splits(self) -> dict[str, str]:
        """Image name to split."""
        if self.fold == ALL and not self._folds:
            return dict.fromkeys(self._all_pairs, "train")
        if isinstance(self.split_file, dict):
            return read_lists({split: self.root / path for split, path in self.split_file.items()})
        if split_file := self._split_file():
            return read_split(split_file)
        return choose_fold(self._folds, self.fold, self.val_fold)

    def _split_file(self) -> Path | None:
        """The CSV file that assigns images to splits, given or found."""
        if isinstance(self.split_file, str):
            return self.root / self.split_file
        found = self.root / "split.csv"
        return found if self.folds is None and found.exists() else None

    @cached_property
    def _folds(self) -> dict[str, int]:
        """Image name to fold, of the folds file or drawn; empty where images are assigned to splits."""
        if self._split_folders() or isinstance(self.split_file, dict) or self._split_file():
            return {}
        scenes, folds = self._listed
        scenes = scenes or {name: self._scene(name) for name in self._all_pairs}
        return folds or make_folds(self._apart(scenes), self.num_folds, self.fold_seed)

    def _apart(self, scenes: dict[str, str]) -> dict[str, str]:
        """Return scenes that are one where their images overlap or touch, as far as folds can be drawn of them."""
        files = {name: self._all_pairs[name][0] for name in scenes if name in self._all_pairs}
        apart, touching = joined(scenes, files, self.num_folds)
        if (areas := len(set(apart.values()))) < self.num_folds <= len(set(scenes.values())):
            raise DataError(
                f"The {len(scenes)} images of {self.root} overlap on the ground: they show {areas} area(s) that lie "
                f"apart, too few for {self.num_folds} folds. Lower `num_folds`, or give folds in folds.csv."
            )
        if touching:
            warnings.warn(
                f"The images of {self.root} touch one another all over, so that {self.num_folds} folds cannot be drawn "
                "of areas that lie apart: only overlapping images are kept together. Give whole areas by "
                "`scene_pattern` or folds.csv.",
                stacklevel=2,
            )
        return apart

    @cached_property
    def _listed(self) -> tuple[dict[str, str], dict[str, int] | None]:
        """Scenes and folds of the folds file; empty where there is none."""
        path = self.root / (self.folds or "folds.csv")
        return read_folds(path, self._scene) if self.folds or path.exists() else ({}, None)

    def _scene(self, name: str) -> str:
        if self.scene_pattern is None:
            return name
        match = re.search(self.scene_pattern, name)
        return match[match.re.groups and 1] if match else ""

    # Records

    def _records_of(self, files: Mapping[str, Pair], every: Sequence[Pair]) -> list[ImageRecord]:
        """Return the records of some files; sensor and classes are those of all."""
        headers = {name: self._header(*files[name]) for name in progress(files, "headers of images and masks")}
        if headers:
            self._declare([image for image, _ in every])
        if not hasattr(self, "class_map"):
            with going_on():  # a check still looks at the images
                self.class_map = self._read_classes([mask for _, mask in every if mask is not None])
        return [self._record(name, *files[name], header) for name, header in headers.items()]

    def _header(self, image: Path, mask: Path | None) -> Header | DataError:
        """Return the header of an image that fits its mask, or the fault that was refused."""
        try:
            header = read_header(image)
            if mask is not None:
                check_pair(image, header, mask)
        except DataError as fault:
            refuse(fault)
            return fault
        return header

    def _record(self, name: str, image: Path, mask: Path | None, header: Header | DataError) -> ImageRecord:
        if isinstance(header, DataError):
            return Refused(name, image, mask, header)
        try:
            indexes = self._band_numbers(image, header)
        except DataError as fault:
            refuse(fault)
            return Refused(name, image, mask, fault)
        return FileRecord(name, image, mask, header, indexes, self.sensor, getattr(self, "class_map", None))

    # Sensor and classes

    def _declare(self, images: Sequence[Path]) -> None:
        """Take the sensor from the arguments, and what they leave open from the first image of all splits and folds."""
        if hasattr(self, "sensor"):
            return
        first, header = _first_header(sorted(images, key=lambda path: (path.name, path)))
        if self.bands is not None:
            bands = tuple(self.bands)
        elif self.band_indexes is not None:
            named = dict(zip(header.indexes, header.bands, strict=True))
            bands = tuple(named.get(index, f"band_{index}") for index in self.band_indexes)
        else:
            bands = header.bands
        self.sensor = Sensor(bands, self.unit, self.scale)
        self._named_by = first if header.named else None

    def _band_numbers(self, image: Path, header: Header) -> tuple[int, ...]:
        """Return the numbers of the bands to read from an image, in the order of the sensor's bands."""
        indexes = tuple(self.band_indexes or header.indexes)
        if len(indexes) != len(self.sensor):
            raise DataError(
                f"The image {image} has {len(indexes)} band(s), but {len(self.sensor)} are expected: "
                f"{', '.join(self.sensor.bands)}. Choose bands of the file with `band_indexes`."
            )
        if self.band_indexes or (self.bands and not header.named):
            return indexes  # the user knows better than the files
        wanted = BandNames(self.sensor.bands, own=self._named_by is not None and self.bands is None)
        arranged = arrange(BandNames(header.bands, header.named), indexes, wanted)
        if arranged is None:
            raise DataError(
                f"The image {image} has the bands {', '.join(header.bands)}, but {self._named_by} "
                f"{', '.join(self.sensor.bands)}. Take images of other bands out of the folder; if all have the same "
                "bands in the same order, name them with `bands`, or choose them by number with `band_indexes`."
            )
        return arranged

    def _read_classes(self, masks: Sequence[Path]) -> ClassMap:
        stored = self.root / "classes.json"
        return find_classes(masks, self.given_classes, self.ignore, self.given_palette, stored)


def _merged(splits: Mapping[str, Mapping[str, Pair]]) -> dict[str, Pair]:
    """Return the images of all splits together."""
    merged: dict[str, Pair] = {}
    for split, pairs in splits.items():
        if twice := sorted(merged.keys() & pairs.keys()):
            raise DataError(f"`fold: all`: images of '{split}' are called like others: {some(twice)}. Rename them.")
        merged |= pairs
    return merged


def _first_header(images: Sequence[Path]) -> tuple[Path, Header]:
    """Return the first image that can be read, and its header; what stands before it is refused."""
    for image in images:
        with going_on():
            return image, read_header(image)
    raise DataError(f"None of the {len(images)} image(s) in {images[0].parent} can be read.")
