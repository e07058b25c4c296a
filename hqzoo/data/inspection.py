"""Says what a data set holds, what is missing, and which of its splits leak into each other."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data._progress import progress
from hqzoo.data.labels import IGNORE_INDEX, ClassMap
from hqzoo.data.pairs import some
from hqzoo.data.readers import FileRecord
from hqzoo.data.records import Record
from hqzoo.data.resized import Resized
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.whole_images import WholeImagesDataModule
from hqzoo.errors import DataError, LeakError

__all__ = ["Inspection", "inspect", "recognise"]

_MODULES = (
    "PH2DataModule",
    "ISBI2012DataModule",
    "FruitSeg30DataModule",
    "LandCoverAIDataModule",
    "FolderSegmentationDataModule",  # last: whatever has images
)


_ORDER: tuple[Split, ...] = ("train", "val", "test")
_Splits = dict[Split, Sequence[Record]]


class _Look(NamedTuple):
    """What a look at one image found: its size, a hash of its pixels, and pixels of each class, ignored ones last."""

    size: tuple[int, int]
    pixels: str
    counts: npt.NDArray[np.int64]


@dataclass
class Inspection:
    """What :func:`inspect` found.

    Attributes:
        splits: Fold (None where there are none) to split to number of images.
        sizes: Height and width to number of images, in their files' own size.
        classes: Class name to its share of the pixels that are counted.
        ignored: Share of the pixels that are not counted.
        missing: What is missing, damaged or malformed; a sentence each.
        leaks: Which splits share images or scenes; a sentence each.
    """

    splits: dict[int | None, dict[str, int]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    classes: dict[str, float] = field(default_factory=dict)
    ignored: float = 0.0
    missing: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is missing and nothing leaks."""
        return not self.missing and not self.leaks


def recognise(root: Path) -> type[SegmentationDataModule]:
    """Return the data module whose layout a folder has.

    Raises:
        DataError: If it has none that is known.
    """
    import hqzoo.data

    for name in _MODULES:
        module: type[SegmentationDataModule] = getattr(hqzoo.data, name)
        if module.recognises(root):
            return module
    raise DataError(
        f"{root} {'looks like no known data set' if root.is_dir() else 'is no folder'}. Expected the layout of PH2 "
        "(PH2 Dataset images/), ISBI 2012 (train-volume.tif), FruitSeg30 (<kind>/Images), LandCover.ai "
        "(landcover.ai.v1.zip), or folders images and masks. Name the data module with --module."
    )


def inspect(build: Callable[[int | None], SegmentationDataModule], fold: int | None = None) -> Inspection:
    """Read every image and mask of a data set once, and compare the splits of each fold.

    Args:
        build: Returns the data module for a fold; None for the fold that it takes by itself.
        fold: The one fold to look at; None for all.
    """
    found, looks = Inspection(), dict[object, _Look | None]()
    tested: dict[str, list[int | None]] = defaultdict(list)
    with _noted(found, ""):
        folds: Sequence[int | None] = build(None).fold_numbers() if fold is None else [fold]
        for number in folds or [None]:
            where = "" if number is None else f"fold {number}: "
            with _noted(found, where):
                splits = _inspect_fold(build(number), number, found, looks)
                for record in splits["test"]:
                    tested[record.name].append(number)
        found.leaks += _tested_twice(tested)
    return found


@contextmanager
def _noted(found: Inspection, where: str) -> Iterator[None]:
    """Note what is wrong with a fold, or warned of, and go on behind it."""
    missing: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except LeakError as error:
        found.leaks.append(f"{where}{error}")
    except DataError as error:
        missing.append(str(error))
    missing += [str(each.message) for each in caught if each.category is UserWarning]
    found.missing += [each for each in dict.fromkeys(missing) if each not in found.missing]


def _inspect_fold(
    module: SegmentationDataModule, number: int | None, found: Inspection, looks: dict[object, _Look | None]
) -> _Splits:
    splits: _Splits = {split: module.records(split) for split in _ORDER}
    found.splits[number] = {name: len(records) for name, records in splits.items()}
    for split, record in progress(list(_each(splits)), "images and masks"):
        if (key := _key(split, record)) not in looks:
            looks[key] = _look(record, module, found.missing)
    if len(found.splits) == 1:
        _sum_up(found, module, [look for image in _each(splits) if (look := looks[_key(*image)])])
    where = "" if number is None else f"fold {number}: "
    found.leaks += [where + leak for leak in _leaks(module, splits, looks)]
    if (known := module.known_leak()) and known not in found.leaks:
        found.leaks.append(known)
    return splits


def _tested_twice(tested: dict[str, list[int | None]]) -> list[str]:
    """Say which images several folds test: their scores would count twice, and are not independent."""
    several = [f"{name} in {', '.join(map(str, folds))}" for name, folds in tested.items() if len(folds) > 1]
    return [f"{len(several)} image(s) are tested in more than one fold: {some(several)}."] if several else []


def _each(splits: _Splits) -> Iterator[tuple[str, Record]]:
    return ((split, record) for split, records in splits.items() for record in records)


def _own(record: Record) -> Record:
    """Return a record in its file's own size."""
    return record.record if isinstance(record, Resized) else record


def _key(split: str, record: Record) -> object:
    """Return what names an image in every fold, so that files are read once."""
    own = _own(record)
    return own.image if isinstance(own, FileRecord) else (split, own.name)


def _look(record: Record, module: SegmentationDataModule, missing: list[str]) -> _Look | None:
    try:
        image, mask = _own(record).read()
    except DataError as error:
        missing.append(str(error))
        return None
    counts = np.zeros(len(module.class_map) + 1, np.int64)
    if mask is not None:
        found = np.bincount(mask.ravel(), minlength=256)
        counts[:-1], counts[-1] = found[: len(counts) - 1], found[IGNORE_INDEX]
    text = f"{image.shape} {image.dtype}".encode()
    return _Look(image.shape[1:], hashlib.blake2b(text + image.tobytes(), digest_size=16).hexdigest(), counts)


def _sum_up(found: Inspection, module: SegmentationDataModule, looks: Sequence[_Look]) -> None:
    """Fill in sizes and classes, and compare the number of images with the published one."""
    found.sizes = Counter(look.size for look in looks)
    counts = sum((look.counts for look in looks), np.zeros(len(module.class_map) + 1, np.int64))
    class_map: ClassMap = module.class_map
    counted = max(1, int(counts[:-1].sum()))
    found.classes = {name: float(count / counted) for name, count in zip(class_map.names, counts, strict=False)}
    found.ignored = float(counts[-1] / max(1, int(counts.sum())))
    if absent := [name for name, share in found.classes.items() if not share]:
        found.missing.append(f"No pixel has class {some(absent)}; {found.ignored:.1%} of the pixels are ignored.")
    images = sum(next(iter(found.splits.values())).values())
    if isinstance(module, WholeImagesDataModule) and images != module.published_images and module.label_fraction == 1:
        found.missing.append(f"The published data set has {module.published_images} images, this one {images}.")


def _leaks(module: SegmentationDataModule, splits: _Splits, looks: dict[object, _Look | None]) -> list[str]:
    """Say which splits share names, pixels or scenes."""

    def pixels(split: str, record: Record) -> str | None:
        look = looks[_key(split, record)]
        return None if look is None else look.pixels

    def scene(_: str, record: Record) -> str | None:
        return None if (name := module.scene_of(record)) == record.name else name  # its own: none is known

    marks: dict[str, Callable[[str, Record], str | None]] = {
        "name(s)": lambda _, record: record.name,
        "image(s) with the same pixels": pixels,
        "scene(s)": scene,
    }
    leaks = []
    for kind, mark in marks.items():
        members: dict[str, dict[str, str]] = defaultdict(dict)  # mark to split to one of its images
        for split, record in _each(splits):
            if (value := mark(split, record)) is not None:
                members[value].setdefault(split, record.name)
        shared: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for value, of_split in members.items():
            if len(of_split) > 1:
                shared[tuple(of_split)].append(" = ".join(of_split.values()) if mark is pixels else value or "(none)")
        leaks += [f"{' and '.join(pair)} share {len(which)} {kind}: {some(which)}." for pair, which in shared.items()]
    return leaks
