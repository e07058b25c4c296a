"""Lists the images of a folder, and pairs them with their masks."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

from hqzoo.data.faults import refuse
from hqzoo.data.files.beside import only_by_form, other_pictures, same_by_form, suffix_of_masks
from hqzoo.data.files.readers import SUFFIXES
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
    """Pair the images of one folder with the masks of another by their names; warn of what lies beside.

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
    _warn_of_others(images, masks)
    if not found or not truths:
        return {}
    wanted = {name + mask_suffix: name for name in found}
    alone = [name for name in truths if name not in wanted]
    if missing := [name for name in wanted if name not in truths]:
        refuse(_without_mask(images, masks, missing, alone, [wanted[name] for name in missing], mask_suffix))
    elif alone:
        _warn(f"{len(alone)} mask(s) in {masks} have no image in {images}: {some(alone)}. They are left out.")
    for folder, names in ((images, found), (masks, truths)):
        if same := same_by_form(names):
            _warn(
                f"Names in {folder} are equal up to case or Unicode form, and would be one file on other systems: "
                f"{some(same)}. Rename them."
            )
    return {name: (path, truths.get(name + mask_suffix)) for name, path in found.items()}


def _without_mask(
    images: Path, masks: Path, missing: list[str], alone: Collection[str], names: list[str], mask_suffix: str
) -> DataError:
    """Return the fault of images without mask, with what seems to be the reason."""
    text = (
        f"{len(missing)} image(s) in {images} have no mask in {masks}: expected "
        f"{some([f'{name}.*' for name in missing])}."
    )
    forms = only_by_form(missing, alone)
    if forms:
        pairs = some([f"{own} and {other}" for own, other in forms.items()])
        text += f" Names that are equal up to case or Unicode form are no pair: {pairs}. Rename one of each."
    suffix = suffix_of_masks(names, alone)
    if suffix:
        text += f" The masks seem to be named <image>{suffix}: set `mask_suffix: {suffix}`."
    elif not forms:
        text += f" Masks carry the image's name{f' and {mask_suffix!r}' * bool(mask_suffix)} (see `mask_suffix`)."
    left = [name for name in alone if name not in forms.values()]
    if left and not suffix:
        text += f" {len(left)} mask(s) have no image: {some(left)}."
    return DataError(text)


def _warn_of_others(images: Path, masks: Path) -> None:
    """Warn of pictures of kinds that are not read."""
    for folder in (images, masks):
        if others := other_pictures(folder):
            _warn(
                f"{len(others)} file(s) in {folder} are left out, as their kind is not read: {some(others)}. Convert "
                f"them to one of {', '.join(SUFFIXES)}."
            )


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=4)


def some(names: list[str]) -> str:
    """Return the first five names for an error message, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
