"""Says what a data set holds, all that is wrong with it, and which of its splits leak into each other.

It asks the data modules what training asks them, with faults collected instead of raised (see
:mod:`hqzoo.data.faults`): what is refused here is what training refuses.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data._progress import progress
from hqzoo.data.base import DataModule, Split
from hqzoo.data.faults import collecting, going_on
from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.data.pairs import some
from hqzoo.data.records import Record
from hqzoo.data.targets import Targets
from hqzoo.errors import DataError, LeakError

__all__ = ["Inspection", "inspect", "recognise"]

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
        images: Number of images that were found, whether they can be read or not.
        masks: How many of them have a mask.
        splits: Fold (None where there are none) to split to number of images.
        sizes: Height and width to number of images that can be read, in their files' own size.
        classes: Class name to its share of the pixels that are counted.
        ignored: Share of the pixels that are not counted.
        missing: What is missing, damaged or malformed; a sentence each.
        leaks: Which splits share images or scenes; a sentence each.
    """

    images: int = 0
    masks: int = 0
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


def recognise(root: Path) -> type[DataModule[Any]]:
    """Return the data module whose layout a folder has, of those of ``hqzoo.data`` and of all others that are imported.

    Raises:
        DataError: If it has none that is known.
    """
    known = sorted(filter(lambda module: module.layout, _all_modules()), key=lambda module: module.takes_anything)
    with collecting():  # a folder is what it is, whatever is wrong with it
        for module in known:
            if module.recognises(root):
                return module
    raise DataError(
        f"{root} {'looks like no known data set' if root.is_dir() else 'is no folder'}. Expected the layout of "
        f"{', '.join(dict.fromkeys(module.layout for module in known))}. Name the data module with --module."
    )


def _all_modules() -> list[type[DataModule[Any]]]:
    import hqzoo.data

    for name in hqzoo.data.__all__:  # imported, they register as subclasses
        if name.endswith("DataModule"):
            getattr(hqzoo.data, name)
    found: dict[type[DataModule[Any]], None] = {}
    left = list(DataModule.__subclasses__())
    while left:
        found.setdefault(module := left.pop(0))
        left += module.__subclasses__()
    return list(found)


def inspect(build: Callable[[int | None], DataModule[Any]], fold: int | None = None) -> Inspection:
    """Read every image and mask of a data set once, and compare the splits of each fold.

    Where no fold can be made, the images are looked at all the same.

    Args:
        build: Returns the data module for a fold; None for the fold that it takes by itself.
        fold: The one fold to look at; None for all.
    """
    found, looks = Inspection(), dict[object, _Look | None]()
    tested: dict[str, list[int | None]] = defaultdict(list)
    folds: Sequence[int | None] = [fold]
    with _noted(found, ""):
        folds = build(None).fold_numbers() if fold is None else [fold]
    for number in folds or [None]:
        with _noted(found, "" if number is None else f"fold {number}: "):
            splits = _inspect_fold(build(number), number, found, looks)
            for record in splits["test"]:
                tested[record.name].append(number)
    if not found.splits:
        with _noted(found, ""):
            module = build(fold)
            _look_at(module, [("", record) for record in module.undivided_records()], found, looks)
    found.leaks += _tested_twice(tested)
    return found


@contextmanager
def _noted(found: Inspection, where: str) -> Iterator[None]:
    """Note all that is wrong with a fold, or warned of, once, and go on behind it."""
    with warnings.catch_warnings(record=True) as caught, collecting() as faults:
        warnings.simplefilter("always")
        with going_on():
            yield
    leaks = [str(fault) for fault in faults if isinstance(fault, LeakError)]
    missing = [str(fault) for fault in faults if not isinstance(fault, LeakError)]
    missing += [str(each.message) for each in caught if each.category is UserWarning]
    found.leaks += [f"{where}{leak}" for leak in dict.fromkeys(leaks) if leak not in found.leaks]
    found.missing = list(dict.fromkeys(found.missing + missing))


def _inspect_fold(
    module: DataModule[Any], number: int | None, found: Inspection, looks: dict[object, _Look | None]
) -> _Splits:
    splits: _Splits = {split: module.records(split) for split in _ORDER}
    found.splits[number] = {name: len(records) for name, records in splits.items()}
    _look_at(module, list(_each(splits)), found, looks)
    where = "" if number is None else f"fold {number}: "
    found.leaks += [where + leak for leak in _leaks(module, splits, looks)]
    if (known := module.known_leak()) and known not in found.leaks:
        found.leaks.append(known)
    return splits


def _look_at(
    module: DataModule[Any],
    images: Sequence[tuple[str, Record]],
    found: Inspection,
    looks: dict[object, _Look | None],
) -> None:
    """Look at the images of a fold that no other fold had, and sum up the first fold."""
    for split, record in progress(images, "images and masks"):
        if (key := _key(split, record)) not in looks:
            looks[key] = _look(record, module)
    if len(found.splits) <= 1:
        found.images, found.masks = len(images), sum(record.source.labelled for _, record in images)
        _sum_up(found, module, [look for image in images if (look := looks[_key(*image)])])


def _tested_twice(tested: dict[str, list[int | None]]) -> list[str]:
    """Say which images several folds test: their scores would count twice, and are not independent."""
    several = [f"{name} in {', '.join(map(str, folds))}" for name, folds in tested.items() if len(folds) > 1]
    return [f"{len(several)} image(s) are tested in more than one fold: {some(several)}."] if several else []


def _each(splits: _Splits) -> Iterator[tuple[str, Record]]:
    return ((split, record) for split, records in splits.items() for record in records)


def _key(split: str, record: Record) -> object:
    """Return what names a record in every fold, so that files are read once."""
    own = record.source
    return own.file or (split, own.name)


def _look(record: Record, module: DataModule[Any]) -> _Look | None:
    """Read one record with its targets; None if it is refused."""
    with going_on():
        own = record.source
        arrays = own.arrays()
        images = [arrays[name] for name in module.sensors]
        text = b"".join(f"{image.shape} {image.dtype}".encode() + image.tobytes() for image in images)
        counts = _counted(arrays, module.targets, own.labelled)
        return _Look(images[0].shape[1:], hashlib.blake2b(text, digest_size=16).hexdigest(), counts)
    return None


def _counted(arrays: Mapping[str, npt.NDArray[Any]], targets: Targets | None, labelled: bool) -> npt.NDArray[np.int64]:
    """Return how many pixels, or images, have each class; ignored ones last."""
    counts = np.zeros((0 if targets is None else len(targets)) + 1, np.int64)
    if targets is None or not labelled:
        return counts
    if targets.kind == "mask":
        found = np.bincount(arrays["mask"].ravel(), minlength=256)
        counts[:-1], counts[-1] = found[: len(targets)], found[IGNORE_INDEX]
    elif targets.kind == "label":
        counts[int(arrays["label"])] = 1
    else:
        counts[:-1] = arrays["label"]
    return counts


def _sum_up(found: Inspection, module: DataModule[Any], looks: Sequence[_Look]) -> None:
    """Fill in sizes and classes, and compare the number of images with the published one."""
    found.sizes = Counter(look.size for look in looks)
    classes = () if module.targets is None else module.targets.classes
    counts = sum((look.counts for look in looks), np.zeros(len(classes) + 1, np.int64))
    counted = max(1, int(counts[:-1].sum()))
    found.classes = {name: float(count / counted) for name, count in zip(classes, counts, strict=False)}
    found.ignored = float(counts[-1] / max(1, int(counts.sum())))
    if counts.any() and (absent := [name for name, share in found.classes.items() if not share]):
        found.missing.append(f"No pixel has class {some(absent)}; {found.ignored:.1%} of the pixels are ignored.")
    if incomplete := module.incomplete():
        found.missing.append(incomplete)


def _leaks(module: DataModule[Any], splits: _Splits, looks: dict[object, _Look | None]) -> list[str]:
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
