"""Pairs of Sentinel-2 and Sentinel-1 from several sources together: arrays in ``.npz`` files, and archives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hqzoo.data.pack import PackIndex
from hqzoo.data.paired.arrays import bands_of_arrays, read_pairs
from hqzoo.data.paired.bigearthnet import archive_pairs
from hqzoo.data.paired.corine_classes import class_numbers
from hqzoo.data.paired.module import PairDataModule, PlacedPair
from hqzoo.data.paired.sentinel import S2_BANDS
from hqzoo.errors import ConfigError, DataError

__all__ = ["PairCollectionDataModule"]


class PairCollectionDataModule(PairDataModule):
    """Pairs of several sources as one data set.

    A source is a file of arrays (see :mod:`hqzoo.data.paired.arrays` for its keys), or a folder in the layout of
    BigEarthNet v2. Sources may have different bands: what all of them have is taken, unless ``bands`` names fewer. A
    pair that stands in several sources under one name counts once, in the first of them.

    Args:
        sources: Files and folders.
        stored_bands: File (its name without folder) to the bands of its ``s2`` in their order, for files that do not
            say themselves. 12 bands are taken for all of level 2A, 4 for those of 10 m, both in the order of their
            numbers.
        label_files: JSON files ``{name: {"labels": [...], "split": ...}}`` with labels and splits of further pairs.
        offset: What was added to every value of Sentinel-2 in the arrays, which is subtracted: 1000 for images from 25
            January 2022 on (processing baseline 04.00), unless whoever made the arrays did so.
        **kwargs: Arguments of :class:`PairDataModule`: ``bands``, ``labels``, ``val_share``, ``draw_seed``, ...

    Raises:
        ConfigError: If there is no source, or the sources have no band in common.
    """

    def __init__(
        self,
        sources: list[str],
        stored_bands: dict[str, list[str]] | None = None,
        label_files: list[str] | None = None,
        offset: int = 0,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        if not sources:
            raise ConfigError("`sources` names one or more files of arrays, or folders of archives.")
        self.sources = [Path(source).expanduser() for source in sources]
        self.stored_bands, self.offset = dict(stored_bands or {}), offset
        self.label_files = [Path(file).expanduser() for file in label_files or ()]
        self.found_twice = 0
        if kwargs.get("bands") is None and "s2" in (kwargs.get("sensors") or ["s2"]):
            kwargs["bands"] = self._common_bands() if kwargs.get("packed") is None else _bands_of(kwargs["packed"])
        super().__init__(**kwargs)

    def find_pairs(self) -> Sequence[PlacedPair]:
        """Return the pairs of all sources, each name once."""
        told = self._told()
        found: dict[str, PlacedPair] = {}
        count = 0
        for source in self.sources:
            for pair in self._pairs_of(source):
                count += 1
                found.setdefault(pair.record.name, self._with_labels(pair, told))
        self.found_twice = count - len(found)
        return list(found.values())

    def no_splits(self) -> str:
        """Say that files without splits are among the sources."""
        return f"some of the sources state none ({', '.join(path.name for path in self.sources)})"

    def where(self) -> str:
        """Say which sources the pairs come from."""
        return f"the sources {', '.join(map(str, self.sources))}"

    def places_of_lists(self) -> Sequence[Path]:
        """Return the folders among the sources."""
        return [source for source in self.sources if source.is_dir()]

    def _common_bands(self) -> list[str]:
        of_each = [
            bands_of_arrays(source, self.stored_bands).get("s2", ()) if source.is_file() else S2_BANDS
            for source in self.sources
        ]
        common = [band for band in S2_BANDS if all(band in bands for bands in of_each)]
        if not common:
            raise ConfigError(
                f"The sources have no band of Sentinel-2 in common: {[list(bands) for bands in of_each]}. Set "
                "`sensors: [s1]`, or leave sources out."
            )
        return common

    def _pairs_of(self, source: Path) -> list[PlacedPair]:
        if source.is_dir():
            return archive_pairs(source, self.layout_of_pairs)
        return read_pairs(source, self.layout_of_pairs, self.stored_bands, self.offset)

    def _told(self) -> dict[str, Mapping[str, Any]]:
        told: dict[str, Mapping[str, Any]] = {}
        for file in self.label_files:
            try:
                told |= dict(json.loads(file.read_text(encoding="utf-8")))
            except FileNotFoundError as error:
                raise DataError(f"The label file {file} does not exist.") from error
            except (OSError, ValueError, TypeError) as error:
                raise DataError(f"The label file {file} cannot be read: {error}.") from error
        return told

    def _with_labels(self, pair: PlacedPair, told: Mapping[str, Mapping[str, Any]]) -> PlacedPair:
        known = told.get(pair.record.name)
        if known is None:
            return pair
        if self.labels != "none" and pair.record.labels is None:
            names = known.get("labels", ())
            pair.record.labels = class_numbers(names, self.num_classes, f"The label file, {pair.record.name}")
        split = {"validation": "val"}.get(str(known.get("split", "")), str(known.get("split", "")))
        return PlacedPair(pair.record, pair.split or split)


def _bands_of(packed: str) -> list[str]:
    arrays = PackIndex.read(Path(packed).expanduser()).arrays
    return [band for band in S2_BANDS if band in arrays]
