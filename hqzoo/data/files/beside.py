"""What lies beside the pairs of a folder of images and masks: files without partner, and why they have none."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

__all__ = ["only_by_form", "other_pictures", "same_by_form", "suffix_of_masks"]

PICTURES = tuple(f".{kind}" for kind in (
    "avif", "bil", "bip", "bmp", "dng", "ecw", "gif", "h5", "hdr", "heic", "img", "j2k", "jfif", "jp2", "jpe", "jxl",
    "mat", "nc", "npy", "npz", "pbm", "pgm", "ppm", "sid", "tga", "vrt", "webp", "zarr",
))  # fmt: skip
"""Suffixes of files that hold pixels, and are not read."""

_LOOKED_AT = 50  # names that tell how masks are named


def only_by_form(names: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Return which names equal one of the others but for case or Unicode form (composed or not)."""
    formed = {_form(other): other for other in others}
    return {name: formed[_form(name)] for name in names if _form(name) in formed}


def same_by_form(names: Iterable[str]) -> list[str]:
    """Return the names that equal another of them but for case or Unicode form, which not every system tells apart."""
    counted = Counter(map(_form, names := sorted(names)))
    return [name for name in names if counted[_form(name)] > 1]


def suffix_of_masks(names: Collection[str], truths: Collection[str]) -> str:
    """Return what the masks' names have more than the images' if most images have a mask named so; else empty."""
    names = sorted(names)[:_LOOKED_AT]
    found = Counter(truth[len(name) :] for name in names for truth in truths if truth.startswith(name))
    suffix, count = next(iter(found.most_common(1)), ("", 0))
    return suffix if 2 * count > len(names) else ""


def other_pictures(folder: Path) -> list[str]:
    """Return the names of the pictures in a folder that are of kinds that are not read."""
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICTURES) if folder.is_dir() else []


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
