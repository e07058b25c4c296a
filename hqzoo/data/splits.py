"""Which image belongs to which split: split files, lists, and folds that keep scenes together."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from hqzoo.data.faults import refuse
from hqzoo.data.files.readers import SUFFIXES
from hqzoo.errors import ConfigError, DataError, LeakError, did_you_mean, unknown_name

__all__ = [
    "ALL",
    "SPLITS",
    "Fold",
    "ValFold",
    "choose_fold",
    "hold_out",
    "keep_share",
    "make_folds",
    "make_stratified_folds",
    "nothing_to_test",
    "read_folds",
    "read_lists",
    "read_split",
]

ALL: Literal["all"] = "all"
"""Value of ``fold`` that leaves nothing to test on: all records are trained on."""

Fold = int | Literal["all"]
ValFold = int | Literal["next"] | None

SPLITS = ("train", "val", "test")


def read_split(path: Path) -> dict[str, str]:
    """Read a CSV file with the columns ``name,split``.

    Returns:
        Image name to ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        DataError: If the file is missing, a column is missing, a name repeats or a split is unknown.
    """
    splits = {name: row["split"] for name, row in _read_table(path, ("name", "split")).items()}
    for name, split in splits.items():
        if split not in SPLITS:
            refuse(DataError(f"{path}, image '{name}': {unknown_name('split', split, SPLITS)}"))
    return splits


def read_lists(paths: Mapping[str, Path]) -> dict[str, str]:
    """Read one text file per split with an image name in each line.

    Returns:
        Image name to split.

    Raises:
        DataError: If a file is missing or a split is unknown.
        LeakError: If a name stands in two splits.
    """
    splits: dict[str, str] = {}
    for split, path in paths.items():
        if split not in SPLITS:
            raise DataError(unknown_name("split", split, SPLITS))
        for line in _read_text(path).splitlines():
            if not (name := stem(line.strip())):
                continue
            if splits.setdefault(name, split) != split:
                refuse(LeakError(f"{path}: the image '{name}' is in the split '{splits[name]}' as well."))
    return splits


def read_folds(
    path: Path, scene_of: Callable[[str], str] = lambda name: name
) -> tuple[dict[str, str], dict[str, int] | None]:
    """Read a CSV file with the columns ``name`` and ``scene``, ``fold`` or both.

    Images with an empty scene count as one scene: nobody knows which of them are neighbours.

    Args:
        path: The file.
        scene_of: The scene of an image's name, where there is no column ``scene``; default: the name itself.

    Returns:
        Image name to scene, and image name to fold, or None where there is no column ``fold``.

    Raises:
        DataError: If the file or a column is missing, a name repeats, or a fold is no number.
        LeakError: If a scene lies in two folds.
    """
    table = _read_table(path, ("name",))
    columns = set(next(iter(table.values()), {}))
    if not columns & {"scene", "fold"}:
        raise DataError(f"{path} needs a column 'scene' or 'fold' beside 'name'; it has {sorted(columns)}.")
    scenes = {name: row["scene"] if "scene" in columns else scene_of(name) for name, row in table.items()}
    if "fold" not in columns:
        return scenes, None
    folds: dict[str, int] = {}
    for name, row in table.items():
        if not row["fold"].lstrip("-").isdigit():
            refuse(DataError(f"{path}, image '{name}': a fold is a whole number, got '{row['fold']}'."))
            continue
        folds[name] = int(row["fold"])
    _check_scenes(path, scenes, folds)
    return scenes, folds


def make_folds(scenes: Mapping[str, str], num_folds: int, seed: int) -> dict[str, int]:
    """Spread scenes over folds of nearly equal numbers of images; a scene is never divided.

    Args:
        scenes: Image name to scene.
        num_folds: Number of folds.
        seed: Seed of the draw. It is not the training seed: runs that are compared share their folds.

    Returns:
        Image name to fold ``0..num_folds-1``.

    Raises:
        ConfigError: If there are less than two folds.
        DataError: If there are fewer scenes than folds.
    """
    if num_folds < 2:
        raise ConfigError(f"`num_folds` must be at least 2, one to test on and one to train on; got {num_folds}.")
    members = _members(scenes)
    if len(members) < num_folds:
        raise DataError(
            f"{len(members)} scene(s) cannot fill {num_folds} folds. Images without scene count as one; give "
            "each its scene in folds.csv, or lower `num_folds`."
        )
    drawn = _drawn(sorted(members), seed)
    sizes = [0] * num_folds
    folds: dict[str, int] = {}
    for scene in sorted(drawn, key=lambda scene: -len(members[scene])):  # stable: ties stay as drawn
        fold = sizes.index(min(sizes))
        sizes[fold] += len(members[scene])
        folds.update(dict.fromkeys(members[scene], fold))
    return folds


def make_stratified_folds(kinds: Mapping[str, str], num_folds: int, seed: int) -> dict[str, int]:
    """Spread images over folds so that each fold has its share of every kind.

    Within a kind the images are drawn and dealt out one by one; the next kind goes on where the last one ended, so
    that numbers of a kind, and totals, differ by at most one between folds.

    Args:
        kinds: Image name to kind.
        num_folds: Number of folds.
        seed: Seed of the draw (see :func:`make_folds`).

    Returns:
        Image name to fold ``0..num_folds-1``.

    Raises:
        DataError: If there are fewer images than folds.
    """
    if len(kinds) < num_folds:
        raise DataError(f"{len(kinds)} image(s) cannot fill {num_folds} folds. Lower `num_folds`.")
    members = _members(kinds)
    dealt = [name for kind in sorted(members) for name in _drawn(members[kind], seed)]
    return {name: place % num_folds for place, name in enumerate(dealt)}


def hold_out(scenes: Mapping[str, str], share: float, seed: int = 0) -> set[str]:
    """Choose whole scenes that hold about a share of the images.

    Scenes are drawn in an order that names and seed decide, and taken until the next one would bring the number of
    images no nearer to the share. At least one is taken and one is left.

    Args:
        scenes: Image name to scene.
        share: Share of the images, in (0, 1).
        seed: Seed of the draw (see :func:`make_folds`).

    Returns:
        Names of the chosen images.

    Raises:
        DataError: If there is only one scene.
    """
    members = _members(scenes)
    if len(members) < 2:
        raise DataError(
            f"{len(scenes)} training image(s) of {len(members)} scene(s) cannot be divided into training and "
            "validation. Set `inner_val: 0`."
        )
    wanted, chosen = share * len(scenes), list[str]()
    for scene in _drawn(sorted(members), seed)[:-1]:
        grown = len(chosen) + len(members[scene])
        if chosen and abs(grown - wanted) >= abs(len(chosen) - wanted):
            break
        chosen += members[scene]
    return set(chosen)


def keep_share(scenes: Mapping[str, str], share: float, seed: int = 0) -> set[str]:
    """Choose a share of the images, nested: a smaller share is part of every larger one.

    Args:
        scenes: Image name to scene. Images are drawn one by one, from their order by scene and name.
        share: Share of the images, in (0, 1]; at least one image is kept.
        seed: Seed of the draw (see :func:`make_folds`).

    Returns:
        Names of the chosen images.
    """
    drawn = _drawn(sorted(scenes, key=lambda name: (scenes[name], name)), seed)
    return set(drawn[: max(1, round(share * len(drawn)))])


def choose_fold(folds: Mapping[str, int], fold: Fold, val_fold: ValFold) -> dict[str, str]:
    """Make ``fold`` the test split, ``val_fold`` the validation split, and train on all others.

    Args:
        folds: Image name to fold.
        fold: Fold to test on; ``"all"``: none is.
        val_fold: Fold of the remaining ones to validate on; ``"next"`` for the one after ``fold`` (cyclic; none after
            ``"all"``), None for none.

    Returns:
        Image name to split.

    Raises:
        ConfigError: If a fold does not exist, both are the same, or nothing is left to train on.
    """
    known = sorted(set(folds.values()))
    if fold == ALL and val_fold == "next":
        val_fold = None
    val = known[(known.index(fold) + 1) % len(known)] if val_fold == "next" and fold in known else val_fold
    for argument, value in (("fold", fold), ("val_fold", val)):
        if value is not None and value not in known and (argument, value) != ("fold", ALL):
            raise ConfigError(f"`{argument}={value}`: there is no such fold; folds: {known}.")
    if val == fold:
        raise ConfigError(
            f"`val_fold` is the test fold {fold}: choosing by it would spoil the test. "
            f"Take another of {known}, or null."
        )
    if not set(known) - {fold, val}:
        raise ConfigError(
            f"Folds {known} leave nothing to train on with test fold {fold} and validation fold {val}. "
            "Set `val_fold: null`, or make more folds."
        )
    return {name: "test" if k == fold else "val" if k == val else "train" for name, k in folds.items()}


def nothing_to_test() -> DataError:
    """Return the error of who asks for the test split of ``fold: all``."""
    return DataError(
        "`fold: all` trains on all records, so that none is left to test on: a score on them would be too good. Test "
        "on other data (another `root`, with a `fold` of its own), or train and test with a fold, such as `fold: 0`."
    )


def stem(name: str) -> str:
    """Return an image name without folder and image suffix; other dots belong to the name."""
    path = PurePath(name)
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _members(groups: Mapping[str, str]) -> dict[str, list[str]]:
    """Group (scene or kind) to its images, sorted."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups):
        members[groups[name]].append(name)
    return members


def _drawn(names: Sequence[str], seed: int) -> list[str]:
    return [names[place] for place in np.random.default_rng(seed).permutation(len(names))]


def _check_scenes(path: Path, scenes: Mapping[str, str], folds: Mapping[str, int]) -> None:
    of_scene: dict[str, set[int]] = defaultdict(set)
    for name, scene in scenes.items():
        of_scene[scene] |= {folds[name]} if name in folds else set()
    for scene, found in of_scene.items():
        if len(found) > 1:
            which = f"The scene '{scene}' lies" if scene else "Images without scene lie"
            refuse(
                LeakError(
                    f"{path}: {which} in folds {sorted(found)}. Neighbours on both sides of a split make scores "
                    "too good; put them into one fold."
                )
            )


def _read_table(path: Path, needed: Collection[str]) -> dict[str, dict[str, str]]:
    reader = csv.DictReader(_read_text(path).splitlines(), skipinitialspace=True)
    columns = [column.strip() for column in reader.fieldnames or []]
    for column in needed:
        if column not in columns:
            raise DataError(f"{path} has no column '{column}'.{did_you_mean(column, columns)} Columns: {columns}.")
    reader.fieldnames = columns
    table: dict[str, dict[str, str]] = {}
    for row in reader:
        values = {key: (value or "").strip() for key, value in row.items() if key is not None}
        name = stem(values["name"])
        if name in table:
            refuse(DataError(f"{path}, line {reader.line_num}: the image '{name}' is listed twice."))
        table.setdefault(name, values)
    return table


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text: {error}.") from error
