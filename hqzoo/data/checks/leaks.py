"""Which splits leak into each other: by names, pixels, scenes, pictures that look alike, and shared ground."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hqzoo.data.base import DataModule, Split
from hqzoo.data.checks.ground import shared_ground
from hqzoo.data.checks.looks import Looks, key_of
from hqzoo.data.checks.sketch import alike
from hqzoo.data.files.listing import some
from hqzoo.data.records import Record

__all__ = ["Splits", "Twins", "each_record", "find_twins", "leaks_of"]

Splits = Mapping[Split, Sequence[Record]]


class Twins(NamedTuple):
    """Two images, by the keys of their looks, that must not lie in different splits."""

    first: object
    second: object
    share: float | None
    """Share of the smaller one's ground that both show; None: they look alike."""


def each_record(splits: Splits) -> Iterator[tuple[str, Record]]:
    """Return all records with the names of their splits."""
    return ((split, record) for split, records in splits.items() for record in records)


def find_twins(looks: Looks) -> list[Twins]:
    """Return all pairs of images that look alike, or show the same ground; equal pixels are told apart from them."""
    seen = {key: look for key, look in looks.items() if look is not None}
    keys = list(seen)
    near = [
        Twins(keys[a], keys[b], None)
        for a, b in alike([look.sketch for look in seen.values()])
        if seen[keys[a]].pixels != seen[keys[b]].pixels
    ]
    by_number = {str(number): key for number, key in enumerate(keys)}
    grounds = {number: ground for number, key in by_number.items() if (ground := seen[key].ground) is not None}
    return near + [
        Twins(by_number[pair.first], by_number[pair.second], pair.share)
        for pair in shared_ground(grounds)
        if pair.share
    ]


def leaks_of(module: DataModule[Any], splits: Splits, looks: Looks, twins: Sequence[Twins]) -> list[str]:
    """Say which splits share names, pixels, scenes, pictures or ground; a sentence each."""

    def pixels(split: str, record: Record) -> str | None:
        look = looks.get(key_of(split, record))
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
        for split, record in each_record(splits):
            if (value := mark(split, record)) is not None:
                members[value].setdefault(split, record.name)
        shared: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for value, of_split in members.items():
            if len(of_split) > 1:
                shared[tuple(of_split)].append(" = ".join(of_split.values()) if mark is pixels else value or "(none)")
        leaks += [f"{' and '.join(pair)} share {len(which)} {kind}: {some(which)}." for pair, which in shared.items()]
    return leaks + _twins_apart(splits, twins)


def _twins_apart(splits: Splits, twins: Sequence[Twins]) -> list[str]:
    """Say which twins lie in different splits."""
    places: dict[object, list[tuple[str, str]]] = defaultdict(list)
    for split, record in each_record(splits):
        places[key_of(split, record)].append((split, record.name))
    order: list[str] = list(splits)
    near: dict[tuple[str, ...], list[str]] = defaultdict(list)
    ground: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for twin in twins:
        for place in places.get(twin.first, ()):
            for other in places.get(twin.second, ()):
                (split, name), (second, partner) = sorted((place, other), key=lambda each: order.index(each[0]))
                if split == second:
                    continue
                if twin.share is None:
                    near[split, second].append(f"{name} ~ {partner}")
                else:
                    ground[split, second][f"{name} and {partner} {twin.share:.0%}"] = twin.share
    sentences = [
        f"{' and '.join(pair)} share {len(which)} pair(s) of images that look alike: {some(which)}."
        for pair, which in near.items()
    ]
    for pair, shares in ground.items():
        which = sorted(shares, key=lambda name: -shares[name])
        sentences.append(
            f"{' and '.join(pair)} share ground: {len(which)} pair(s) of georeferenced images overlap: {some(which)}."
        )
    return sentences
