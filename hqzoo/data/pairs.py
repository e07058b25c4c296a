"""Lists the images of a folder, and pairs them with their masks."""

from __future__ import annotations

from pathlib import Path

from hqzoo.data.faults import refuse
from hqzoo.data.readers import SUFFIXES
from hqzoo.errors import DataError

__all__ = ["Pair", "list_images", "pair_files", "some"]

Pair = tuple[Path, Path | None]
"""An image file and its mask file; without mask only while faults are collected (see :mod:`hqzoo.data.faults`)."""


def list_images(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Return the image files of a folder by name without suffix, sorted; empty where there is no such folder.

    Raises:
        DataError: If two files have the same name.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in files:
            refuse(DataError(f"{files[path.stem]} and {path} have the same name; rename or remove one of them."))
        files.setdefault(path.stem, path)
    return files


def pair_files(images: Path, masks: Path, mask_suffix: str = "") -> dict[str, Pair]:
    """Pair the images of one folder with the masks of another by their names.

    Args:
        images: Folder of the images.
        masks: Folder of the masks.
        mask_suffix: What a mask's name has more than its image's, such as ``"_mask"``.

    Returns:
        Image name to image and mask file; empty if either folder holds none.

    Raises:
        DataError: If an image has no mask.
    """
    found, truths = list_images(images), list_images(masks)
    if not found or not truths:
        return {}
    if missing := [f"{name}{mask_suffix}.*" for name in found if name + mask_suffix not in truths]:
        refuse(
            DataError(
                f"{len(missing)} image(s) in {images} have no mask in {masks}: expected {some(missing)}. Masks carry "
                "the image's name (see `mask_suffix`)."
            )
        )
    return {name: (path, truths.get(name + mask_suffix)) for name, path in found.items()}


def some(names: list[str]) -> str:
    """Return the first five names for an error message, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
