"""What all data modules of paired sensors have in common: bands, labels, bad pairs, held-out pairs, splits."""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hqzoo.data.augment import ColourJitter
from hqzoo.data.base import DataModule, Split, at_least
from hqzoo.data.checks.held_out import overlap, read_held_out
from hqzoo.data.faults import refuse
from hqzoo.data.files.listing import some
from hqzoo.data.labelled import WholeSamples
from hqzoo.data.paired.corine_classes import CLASSES_19, classes_of
from hqzoo.data.paired.faults import find_faults, tell_faults
from hqzoo.data.paired.packed import facts_of, packed_pairs
from hqzoo.data.paired.records import PairLayout, PairRecord
from hqzoo.data.paired.sentinel import SIDE, sensors_of
from hqzoo.data.splits import ALL, SPLITS, Fold, ValFold, choose_fold, hold_out, make_folds, read_split
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError, DataError

__all__ = ["Labels", "PairDataModule", "PlacedPair"]

Labels = Literal["required", "known", "none"]

STILL = ColourJitter(0.0, 0.0, 0.0, 0.0, 0.0)


class PlacedPair(NamedTuple):
    """A pair and the split that its data set puts it in; empty: none."""

    record: PairRecord
    split: str


class PairDataModule(DataModule[PairRecord]):
    """Sentinel-2 and Sentinel-1 of the same places, for pretraining without labels and for multi-label classification.

    A data set derives from it and lists its pairs (:meth:`find_pairs`). A sample has an image for each sensor, named
    ``s2`` (reflectance x 1e4) and ``s1`` (dB, VV before VH), ``label`` (K,) float where labels are asked for, and
    ``name``. All bands are brought to ``size`` by bilinear interpolation.

    A pack (``packed``) holds the bands in their native sizes, and what is known of the pairs: files and tables are not
    looked at. Which pairs there are, and which of them are bad, was settled as it was written; bands among its own,
    size, splits, what is dropped and how it is trained on are chosen here.

    Args:
        sensors: ``s2``, ``s1``, or both. None: both.
        bands: Bands of Sentinel-2 in the order wanted. None: all 12, B01 to B12 without B10.
        labels: ``required``: every pair must have labels; ``none``: none are read, as pretraining needs none;
            ``known``: those that are not known are NaN, for pretraining with a look at labels in validation.
        size: Height and width of the images.
        on_bad: What happens with a pair that lacks a sensor, that cannot be read, or of which a band is 0 everywhere or
            holds NaN: ``raise``: an error as soon as it is met; ``skip``: it is left out and counted. To skip, every
            pair is read once before training, by one process for all.
        drop_from: Partition in GEO-Bench's form, or its folder: pairs of its validation and test part are left out
            (see :mod:`hqzoo.data.checks.held_out`).
        split_file: CSV file ``name,split`` that takes the place of the data set's own splits; pairs that it does not
            name are left out.
        val_share: Share of the pairs that is drawn for validation in place of the data set's own splits.
        test_share: Likewise for the test. Draws, also those of folds, keep neighbours together where they are known.
        fold: Fold to test on, of ``num_folds`` that are drawn in place of the data set's own splits, so that each pair
            is tested once; ``"all"``: all are trained on. None: there are no folds.
        num_folds: Number of folds.
        val_fold: Fold to validate on: a number, ``"next"`` for the one after ``fold``, None for none.
        draw_seed: Seed of these draws; runs that are compared share it.
        augment: Whether training pairs are turned and flipped, both sensors alike. CHOICE.
        jitter: Strength of changes of brightness and contrast of ``s2``. CHOICE: none, its values are calibrated.
        statistics_folder: Folder where statistics, and the pairs to skip, are kept from one run to the next; None: they
            are found in each. Remove ``faults_*.json`` there after mending files.
        **kwargs: Arguments of :class:`~hqzoo.data.base.DataModule`: ``batch_size``, ``seed``, ``inner_val``, ...

    Attributes:
        dropped: Pairs that ``drop_from`` left out, to the part that holds them.
        skipped: Split to the pairs that ``on_bad: skip`` left out, to their faults.

    Raises:
        ConfigError: If an argument is unknown or out of range, or splits are given twice.
    """

    num_classes: int = len(CLASSES_19)

    def __init__(
        self,
        sensors: list[str] | None = None,
        bands: list[str] | None = None,
        labels: Labels = "required",
        size: int = SIDE,
        on_bad: Literal["raise", "skip"] = "raise",
        drop_from: str | None = None,
        split_file: str | None = None,
        val_share: float | None = None,
        test_share: float | None = None,
        fold: Fold | None = None,
        num_folds: int = 5,
        val_fold: ValFold = "next",
        draw_seed: int = 0,
        augment: bool = True,
        jitter: ColourJitter = STILL,
        statistics_folder: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.sensors = sensors_of(sensors or ["s2", "s1"], bands)
        for name, value, known in (
            ("labels", labels, ("required", "known", "none")),
            ("on_bad", on_bad, ("raise", "skip")),
        ):
            if value not in known:
                raise ConfigError(f"`{name}` is one of {', '.join(known)}; got '{value}'.")
        at_least("size", size, 1)
        shares = [share for share in (val_share, test_share) if share is not None]
        if any(not 0 < share < 1 for share in shares) or sum(shares) >= 1:
            raise ConfigError(f"`val_share` and `test_share` are shares between 0 and 1 that leave some; got {shares}.")
        ways = {"split_file": split_file is not None, "val_share, test_share": bool(shares), "fold": fold is not None}
        if len(given := [name for name, there in ways.items() if there]) > 1:
            raise ConfigError(f"Each of {' and '.join(given)} says which pair is in which split: keep one.")
        self.labels, self.on_bad = labels, on_bad
        self.drop_from = None if drop_from is None else Path(drop_from).expanduser()
        self.split_file, self.val_share, self.test_share = split_file, val_share, test_share
        self.fold, self.num_folds, self.val_fold = fold, num_folds, val_fold
        self.draw_seed, self.augment, self.jitter = draw_seed, augment, jitter
        self.statistics_folder = None if statistics_folder is None else Path(statistics_folder).expanduser()
        self.layout_of_pairs = PairLayout(self.sensors, size, 0 if labels == "none" else self.num_classes)
        self.dropped: dict[str, str] = {}
        self.skipped: dict[Split, dict[str, str]] = {}

    # What a data set says of itself

    @abstractmethod
    def find_pairs(self) -> Sequence[PlacedPair]:
        """Return all pairs with the splits that the data set itself puts them in; names are unique.

        Raises:
            DataError: If folders or tables are missing or do not fit each other.
        """

    def no_splits(self) -> str:
        """Say in a sentence why pairs are in no split."""
        return "the data set states none"

    def places_of_lists(self) -> Sequence[Path]:
        """Return folders where v1's lists may lie, which name the numbered samples of a partition."""
        return ()

    # What the base asks

    @property
    def targets(self) -> Targets | None:  # type: ignore[override]
        """The classes; None where no labels are read."""
        if self.labels == "none":
            return None
        classes = classes_of(self.num_classes)
        return Targets("multilabel", tuple(classes), tuple(colour for colour in classes.values() if colour))

    def load_records(self, split: Split) -> Sequence[PairRecord]:
        """Return the pairs of a split that can be trained on."""
        records = self._divided[split]
        if self.on_bad == "skip":
            return self._without_bad(split, records)
        if absent := [f"{record.name} ({record.absent})" for record in records if record.absent]:
            refuse(
                DataError(
                    f"{len(absent)} of {len(records)} pairs of the split '{split}' are incomplete: {some(absent)}. Get "
                    "the missing files, or leave such pairs out with `on_bad: skip`."
                )
            )
        return [record for record in records if not record.absent]

    def undivided_records(self) -> Sequence[PairRecord]:
        """Return all pairs whose files are there, in whatever split."""
        return [pair.record for pair in self._pairs if not pair.record.absent]

    def neighbours(self, records: Sequence[PairRecord]) -> dict[str, str]:
        """Return the pairs by their places: a draw keeps patches of one acquisition together.

        They are no scenes: the published splits divide acquisitions, by blocks within them.
        """
        return {record.name: record.place for record in records}

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds, from 0; none unless one is asked for."""
        return () if self.fold is None else range(self.num_folds)

    def statistics_file(self) -> Path | None:
        """Return a file for each set of training pairs and bands."""
        if self.statistics_folder is None:
            return None
        digest = hashlib.sha256(json.dumps(self.layout_of_pairs.bands).encode()).hexdigest()[:8]
        return self.statistics_folder / f"{type(self).__name__}_{digest}_{self.fingerprint('train')}.json"

    def sample_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of the images."""
        return self.layout_of_pairs.shapes

    def training_samples(self, records: Sequence[PairRecord]) -> WholeSamples:
        """Return whole pairs, turned and flipped."""
        jitter = self.jitter if self.augment else None
        return WholeSamples(records, self.cache, self.sensors, self.sample_shapes(), jitter, self.seed)

    def evaluation_samples(self, records: Sequence[PairRecord]) -> WholeSamples:
        """Return whole pairs."""
        return WholeSamples(records, self.cache, self.sensors, self.sample_shapes())

    # Splits

    def to_pack(self) -> list[tuple[PairRecord, dict[str, Any]]]:
        """Return the pairs of all splits, with their labels and with the splits of the data set itself."""
        wanted = {record.name for records in self._divided.values() for record in records}
        skip = self.on_bad == "skip"
        return [(pair, facts_of(pair, split, skip)) for pair, split in self._pairs if pair.name in wanted]

    @cached_property
    def _pairs(self) -> Sequence[PlacedPair]:
        if self.pack is None:
            pairs = self.find_pairs()
        else:
            pairs = [PlacedPair(*pair) for pair in packed_pairs(self.pack, self.layout_of_pairs)]
        if self.drop_from is None:
            return pairs
        held = read_held_out(self.drop_from, *self.places_of_lists())
        found = overlap((pair.record for pair in pairs), held)
        if found.unknown:
            reasons = sorted(set(found.unknown.values()))
            sentence = (
                f"Of {len(found.unknown)} of {len(pairs)} pairs it is unknown whether {held.source} holds them out: "
                f"{some(reasons)}."
            )
            if len(found.unknown) == len(pairs):
                raise DataError(f"`drop_from` cannot drop anything. {sentence}")
            warnings.warn(f"{sentence} They are kept.", stacklevel=2)
        self.dropped = found.known
        return [pair for pair in pairs if pair.record.name not in found.known]

    @cached_property
    def _divided(self) -> dict[Split, list[PairRecord]]:
        pairs = self._wanted()
        if self.split_file is not None:
            splits = read_split(Path(self.split_file))
            if absent := splits.keys() - {pair.record.name for pair in pairs} - self.dropped.keys():
                raise DataError(
                    f"{self.split_file} names {len(absent)} pair(s) that are not there: {some(sorted(absent))}."
                )
            pairs = [PlacedPair(pair.record, splits[pair.record.name]) for pair in pairs if pair.record.name in splits]
        elif self.fold is not None:
            pairs = self._in_folds(pairs, self.fold)
        elif self.val_share or self.test_share:
            pairs = self._drawn(pairs)
        elif without := [pair.record.name for pair in pairs if not pair.split]:
            raise DataError(
                f"{len(without)} of {len(pairs)} pairs are in no split, for {self.no_splits()}. Let splits be drawn, "
                "in whole acquisitions, with `val_share` and `test_share` (such as 0.1 each), or give a CSV file "
                f"`name,split` as `split_file`. Among the names: {some(without)}."
            )
        return {split: [pair.record for pair in pairs if pair.split == split] for split in SPLITS}  # type: ignore[misc]

    def _wanted(self) -> Sequence[PlacedPair]:
        """Return the pairs, which must have labels where these are required."""
        pairs = self._pairs
        if self.labels == "required" and (without := [p.record.name for p in pairs if not p.record.labelled]):
            raise DataError(
                f"{len(without)} of {len(pairs)} pairs have no labels: {some(without)}. Give them, or set `labels: "
                "known` (those are NaN) or `labels: none`."
            )
        return pairs

    def _drawn(self, pairs: Sequence[PlacedPair]) -> list[PlacedPair]:
        left = {pair.record.name: pair.record.place for pair in pairs}
        total, assigned = len(left), dict.fromkeys(left, "train")
        for split, share in (("test", self.test_share), ("val", self.val_share)):
            if share:
                chosen = hold_out(left, share * total / len(left), self.draw_seed)
                assigned |= dict.fromkeys(chosen, split)
                left = {name: place for name, place in left.items() if name not in chosen}
        return [PlacedPair(pair.record, assigned[pair.record.name]) for pair in pairs]

    def _in_folds(self, pairs: Sequence[PlacedPair], fold: Fold) -> list[PlacedPair]:
        if fold == ALL:
            return [PlacedPair(pair.record, "train") for pair in pairs]
        folds = make_folds(self.neighbours([pair.record for pair in pairs]), self.num_folds, self.draw_seed)
        splits = choose_fold(folds, fold, self.val_fold)
        return [PlacedPair(pair.record, splits[pair.record.name]) for pair in pairs]

    def _without_bad(self, split: Split, records: Sequence[PairRecord]) -> Sequence[PairRecord]:
        if split not in self.skipped:
            self.skipped[split] = faults = self._faults(records)
            if faults:
                warnings.warn(tell_faults(faults, len(records), split), stacklevel=2)
        return [record for record in records if record.name not in self.skipped[split]]

    def _faults(self, records: Sequence[PairRecord]) -> dict[str, str]:
        if self.pack is None:
            return find_faults(records, self.statistics_folder)
        return {record.name: record.absent for record in records if record.absent}  # all were read as it was written
