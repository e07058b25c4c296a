"""Do the images of a data set show ground that another data set shows, or are they images that it scores on?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hqzoo.data._progress import progress
from hqzoo.data.checks.ground import Ground, ground_of, shared_ground
from hqzoo.data.checks.held_out import HeldOut, overlap
from hqzoo.data.checks.looks import Looks
from hqzoo.data.faults import going_on
from hqzoo.data.files.listing import some
from hqzoo.data.records import Record
from hqzoo.errors import DataError

__all__ = ["Compared", "compare_ground", "compare_names"]

_SUFFIXES = (".tif", ".tiff")


class Compared(NamedTuple):
    """What two data sets share, and what cannot be told; a sentence each."""

    leaks: list[str]
    unknown: list[str]


def compare_ground(looks: Looks, other: Path) -> Compared:
    """Compare images with the files of another data set by the corners that their georeference gives.

    All TIFF files of its folder count, images and masks alike: they need no data module, and a data set that is cut
    into tiles without georeference is known by the files that it was cut of.

    Args:
        looks: Looks at the images.
        other: Folder of the other data set.

    Raises:
        DataError: If there is no TIFF file.
    """
    theirs = _grounds(other)
    own = {_name(key): look.ground for key, look in looks.items() if look is not None}
    # The other's first: its coordinate system is the one that all are compared in, and is made for its own ground.
    known = {f"other {path}": ground for path, ground in theirs.items() if ground is not None}
    known |= {f"own {name}": ground for name, ground in own.items() if ground is not None}
    overlaps: dict[str, tuple[float, str]] = {}
    for pair in shared_ground(known):
        first, second = sorted((pair.first, pair.second))
        if pair.share and first.startswith("other ") and second.startswith("own "):
            name, path = second.removeprefix("own "), Path(first.removeprefix("other "))
            overlaps[name] = max(overlaps.get(name, (0.0, "")), (pair.share, path.stem))
    return Compared(_leaks(overlaps, len(own), other), _unknown(own, theirs, other))


def compare_names(trained: Sequence[Record], held: HeldOut) -> Compared:
    """Compare the images that are trained or chosen on with those that a partition holds out, by their names.

    Args:
        trained: The images.
        held: Validation and test images of the other data set.
    """
    found = overlap(trained, held)
    leaks, unknown = [], []
    if found.known:
        which = [f"{name} ({part})" for name, part in found.known.items()]
        leaks.append(f"{len(which)} of {len(trained)} images to train on are held out by {held.source}: {some(which)}.")
    for reason in sorted(set(found.unknown.values())):
        which = [name for name, each in found.unknown.items() if each == reason]
        unknown.append(
            f"Whether {held.source} holds out {len(which)} of {len(trained)} images to train on is unknown, because "
            f"{reason}: {some(which)}."
        )
    return Compared(leaks, unknown)


def _grounds(folder: Path) -> dict[Path, Ground | None]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not files:
        fault = "holds no TIFF file" if folder.is_dir() else "is no folder"
        raise DataError(
            f"{folder} {fault}, so that there is nothing to compare the ground with. Name the folder of the other data "
            "set."
        )
    grounds: dict[Path, Ground | None] = {}
    for path in progress(files, "georeference of the other data set"):
        with going_on():
            grounds[path] = ground_of(path)
    return grounds


def _leaks(overlaps: dict[str, tuple[float, str]], images: int, other: Path) -> list[str]:
    if not overlaps:
        return []
    most = sorted(overlaps, key=lambda name: (-overlaps[name][0], name))
    pairs = [f"{name} and {overlaps[name][1]} {overlaps[name][0]:.0%}" for name in most]
    return [f"{len(overlaps)} of {images} images show ground of {other}: {some(pairs)}."]


def _unknown(own: dict[str, Ground | None], theirs: dict[Path, Ground | None], other: Path) -> list[str]:
    """Say what does not tell where it lies, or tells it in a coordinate system that it does not name."""
    nowhere = [name for name, ground in own.items() if ground is None or not ground.crs]
    elsewhere = [path.name for path, ground in theirs.items() if ground is None or not ground.crs]
    sentences = []
    if nowhere:
        sentences.append(f"{len(nowhere)} of {len(own)} images do not say where they lie: {some(nowhere)}.")
    if elsewhere:
        sentences.append(
            f"{len(elsewhere)} of {len(theirs)} TIFF files of {other} do not say where they lie: {some(elsewhere)}."
        )
    return [f"Whether it is ground that both data sets show is unknown: {sentence}" for sentence in sentences]


def _name(key: object) -> str:
    """Return the name of an image by the key of its look: its file, or its split and name."""
    return key.stem if isinstance(key, Path) else ":".join(map(str, key)) if isinstance(key, tuple) else str(key)
