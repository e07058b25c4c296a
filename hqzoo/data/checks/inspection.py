"""Says what a data set holds, all that is wrong with it, and which of its splits leak into each other.

It asks the data modules what training asks them, with faults collected instead of raised (see
:mod:`hqzoo.data.faults`): what is refused here is what training refuses.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hqzoo.data._progress import progress
from hqzoo.data.base import DataModule, Split
from hqzoo.data.checks.against import Compared, compare_ground, compare_names
from hqzoo.data.checks.held_out import find_partition, read_held_out
from hqzoo.data.checks.leaks import Splits, each_record, find_twins, leaks_of
from hqzoo.data.checks.looks import Look, Looks, key_of, look_at
from hqzoo.data.faults import collecting, going_on
from hqzoo.data.files.listing import some
from hqzoo.data.records import Record
from hqzoo.errors import ConfigError, DataError, LeakError

__all__ = ["Inspection", "inspect", "of_any_folder", "recognise"]

_ORDER: tuple[Split, ...] = ("train", "val", "test")


@dataclass
class Inspection:
    """What :func:`inspect` found.

    Attributes:
        images: Number of images that were found, whether they can be read or not.
        masks: How many of them have a mask.
        splits: Fold (None where there are none) to split to number of images.
        sizes: Height and width to number of images that can be read, in their files' own size.
        counted: What has a class: ``pixel``, or ``image`` where labels are learnt.
        classes: Class name to its share of what is counted; with several labels, the share of images that have it.
        ignored: Share of the pixels that are not counted.
        notes: What readers of scores must know, a sentence each.
        missing: What is missing, damaged or malformed; a sentence each.
        leaks: Which splits, or which data sets, share images, scenes or ground; a sentence each.
        unknown: What could not be compared with another data set; a sentence each.
    """

    images: int = 0
    masks: int = 0
    splits: dict[int | None, dict[str, int]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    counted: str = "pixel"
    classes: dict[str, float] = field(default_factory=dict)
    ignored: float = 0.0
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

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


def of_any_folder() -> type[DataModule[Any]]:
    """Return the data module that takes anybody's folder of images and masks."""
    return next(module for module in _all_modules() if module.takes_anything)


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


def inspect(
    build: Callable[[int | None], DataModule[Any]], fold: int | None = None, against: Path | None = None
) -> Inspection:
    """Read every image and mask of a data set once, and compare the splits of each fold.

    Where no fold can be made, the images are looked at all the same, and whatever fails, what was found before it is
    told.

    Args:
        build: Returns the data module for a fold; None for the fold that it takes by itself.
        fold: The one fold to look at; None for all.
        against: Folder of another data set, whose files may show the same ground, or whose partition (GEO-Bench's form)
            may hold out images of this one; None: none is compared.

    Raises:
        DataError: If there is no TIFF file in ``against``.
    """
    found, looks = Inspection(), Looks()
    folds: Sequence[int | None] = [fold]
    with _noted(found, ""):
        folds = build(None).fold_numbers() if fold is None else [fold]
    divided: dict[int | None, tuple[DataModule[Any], Splits]] = {}
    for number in folds or [None]:
        with _noted(found, _where(number)):
            module = build(number)
            splits: Splits = {split: module.records(split) for split in _ORDER}
            found.splits[number] = {name: len(records) for name, records in splits.items()}
            _look_at_all(module, list(each_record(splits)), found, looks)
            divided[number] = module, splits
    if not found.splits:
        with _noted(found, ""):
            module = build(fold)
            _look_at_all(module, [("", record) for record in module.undivided_records()], found, looks)
    _compare_splits(found, looks, divided)
    if against is not None:
        compared = _compared(looks, divided, against)
        found.leaks += compared.leaks
        found.unknown += compared.unknown
    return found


def _where(fold: int | None) -> str:
    return "" if fold is None else f"fold {fold}: "


@contextmanager
def _noted(found: Inspection, where: str) -> Iterator[None]:
    """Note all that is wrong with a fold, or warned of, once, and go on behind it."""
    with warnings.catch_warnings(record=True) as caught, collecting() as faults:
        warnings.simplefilter("always")
        with going_on():
            try:
                yield
            except ConfigError as error:
                if not (faults or found.missing or found.images):
                    raise  # an argument that makes no sense, and nothing else to tell
                faults.append(DataError(str(error)))
    leaks = [str(fault) for fault in faults if isinstance(fault, LeakError)]
    missing = [str(fault) for fault in faults if not isinstance(fault, LeakError)]
    missing += [str(each.message) for each in caught if each.category is UserWarning]
    found.leaks += [f"{where}{leak}" for leak in dict.fromkeys(leaks) if leak not in found.leaks]
    found.missing = list(dict.fromkeys(found.missing + missing))


def _look_at_all(
    module: DataModule[Any], images: Sequence[tuple[str, Record]], found: Inspection, looks: Looks
) -> None:
    """Look at the images of a fold that no other fold had, and sum up the first fold."""
    for split, record in progress(images, "images and masks"):
        if (key := key_of(split, record)) not in looks:
            looks[key] = look_at(record, module)
    if len(found.splits) <= 1:
        found.images, found.masks = len(images), sum(record.source.labelled for _, record in images)
        _sum_up(found, module, [look for image in images if (look := looks[key_of(*image)])])


def _compare_splits(
    found: Inspection, looks: Looks, divided: Mapping[int | None, tuple[DataModule[Any], Splits]]
) -> None:
    """Say how the splits of each fold leak, and which images several folds test."""
    twins = find_twins(looks)
    tested: dict[str, list[int | None]] = defaultdict(list)
    for number, (module, splits) in divided.items():
        with _noted(found, _where(number)):
            found.leaks += [_where(number) + leak for leak in leaks_of(module, splits, looks, twins)]
            if (known := module.known_leak()) and known not in found.leaks:
                found.leaks.append(known)
        for record in splits["test"]:
            tested[record.name].append(number)
    found.leaks += _tested_twice(tested)


def _compared(looks: Looks, divided: Mapping[int | None, tuple[DataModule[Any], Splits]], against: Path) -> Compared:
    """Compare with another data set: names with a partition of it where it has one, else ground with its files."""
    if (partition := find_partition(against)) is None:
        return compare_ground(looks, against)
    module, splits = next(iter(divided.values()), (None, {}))
    trained = [record for split, record in each_record(splits) if split != "test"]
    folders = [] if module is None or not hasattr(module, "root") else [Path(module.root)]
    return compare_names(trained, read_held_out(partition, *folders))


def _tested_twice(tested: Mapping[str, Sequence[int | None]]) -> list[str]:
    """Say which images several folds test: their scores would count twice, and are not independent."""
    several = [f"{name} in {', '.join(map(str, folds))}" for name, folds in tested.items() if len(folds) > 1]
    return [f"{len(several)} image(s) are tested in more than one fold: {some(several)}."] if several else []


def _sum_up(found: Inspection, module: DataModule[Any], looks: Sequence[Look]) -> None:
    """Fill in sizes and classes, and compare the number of images with the published one."""
    found.sizes = Counter(look.size for look in looks)
    classes = () if module.targets is None else module.targets.classes
    counts = sum((look.counts for look in looks), np.zeros(len(classes) + 1, np.int64))
    kind = "mask" if module.targets is None else module.targets.kind
    found.counted = "pixel" if kind == "mask" else "image"
    counted = max(1, len(looks) if kind == "multilabel" else int(counts[:-1].sum()))
    found.classes = {name: float(count / counted) for name, count in zip(classes, counts, strict=False)}
    found.ignored = float(counts[-1] / max(1, int(counts.sum())))
    if counts.any() and (absent := [name for name, share in found.classes.items() if not share]):
        ignored = f"; {found.ignored:.1%} of the pixels are ignored" if kind == "mask" else ""
        found.missing.append(f"No {found.counted} has class {some(absent)}{ignored}.")
    if incomplete := module.incomplete():
        found.missing.append(incomplete)
    found.notes = [note for note in module.notes() if note != module.known_leak()]  # leaks are told as such
