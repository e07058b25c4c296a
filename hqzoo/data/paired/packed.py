"""Pairs that are read from a pack alone: neither their files nor their tables need to be there any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hqzoo.data.pack import Pack
from hqzoo.data.paired.records import PairLayout, PairRecord, Planes
from hqzoo.errors import DataError

__all__ = ["PackedPair", "facts_of", "packed_pairs"]


class PackedPair(PairRecord):
    """A pair in a pack, with its bands in their native sizes.

    Args:
        name: Name of the pair.
        layout: Bands and sizes.
        pack: The pack.
        number: Number of the pair in it.
        **known: See :class:`PairRecord`.
    """

    def __init__(
        self,
        name: str,
        layout: PairLayout,
        pack: Pack,
        number: int,
        **known: Any,  # noqa: ANN401 - PairRecord's
    ) -> None:
        super().__init__(name, layout, **known)
        self.pack, self.number = pack, number

    @property
    def in_memory(self) -> bool:
        """Yes: the pack is mapped."""
        return True

    def native(self, bands: Sequence[str]) -> Planes:
        """Return views of the mapped record."""
        planes = self.pack.read(self.number)
        return {band: planes[band] for band in bands}


def facts_of(record: PairRecord, split: str, skip: bool) -> dict[str, Any]:
    """Return what a pack keeps of a pair beside its bands.

    Args:
        record: The pair.
        split: The split that its data set puts it in.
        skip: Whether a pair whose label file is missing is noted as bad.

    Raises:
        DataError: If it is missing, and that is not allowed.
    """
    labels, absent = None, record.absent
    if record.layout.classes and not absent:
        try:
            label = record.label()
            labels = None if np.isnan(label).any() else np.flatnonzero(label).tolist()
        except DataError as error:
            if not skip:
                raise
            absent = str(error)
    return {
        "split": split,
        "place": record.place,
        "aliases": list(record.aliases),
        "labels": labels,
        "classes": record.layout.classes,
        "absent": absent,
    }


def packed_pairs(pack: Pack, layout: PairLayout) -> list[tuple[PairRecord, str]]:
    """Return the pairs of a pack and their splits; those that could not be packed are ``absent``.

    Args:
        pack: The pack.
        layout: Bands and sizes.

    Raises:
        DataError: If it lacks a band, or its labels are of other classes.
    """
    if missing := [band for band in layout.bands if band not in pack.index.arrays]:
        raise DataError(
            f"The pack {pack.folder} lacks the band(s) {', '.join(missing)}; it has {', '.join(pack.index.arrays)}. "
            "Set `sensors` and `bands` to these, or pack the data with all that is wanted."
        )
    other = {row.facts["classes"] for row in pack.rows if row.facts["labels"] is not None} - {layout.classes}
    if layout.classes and other:
        raise DataError(
            f"The labels of the pack {pack.folder} are of {other.pop()} classes, but {layout.classes} are asked for. "
            "Correct `num_classes`, or pack the data anew."
        )
    return [
        (_pair(pack, layout, number, row.name, dict(row.facts), pack.faults.get(row.name, "")), row.facts["split"])
        for number, row in enumerate(pack.rows)
    ]


def _pair(pack: Pack, layout: PairLayout, number: int, name: str, facts: dict[str, Any], fault: str) -> PackedPair:
    labels = facts["labels"] if layout.classes else None
    return PackedPair(
        name,
        layout,
        pack,
        number,
        labels=labels,
        aliases=facts["aliases"],
        place=facts["place"],
        absent=facts["absent"] or fault,
    )
