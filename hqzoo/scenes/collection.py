"""Which scenes are meant by files, folders and globs, and what their maps are called."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from hqzoo.errors import SceneError

__all__ = ["find_scenes", "map_names"]

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".vrt", ".img")
"""Files that are taken for scenes in a folder; one that is named may have any suffix."""


def find_scenes(given: Sequence[str]) -> list[str]:
    """Return the scenes that are named, each once.

    Args:
        given: Files, folders (all scenes right in them), globs (``**`` goes into folders), or any other name that GDAL
            understands (``/vsicurl/...``).

    Raises:
        SceneError: If a folder or a glob holds no scene.
    """
    found: list[str] = []
    for name in given:
        path = Path(name)
        if path.is_dir():
            here = sorted(str(each) for each in path.iterdir() if _is_scene(each))
            where = f"The folder {name}"
        elif glob.has_magic(name) and not path.exists():
            here = sorted(each for each in glob.glob(name, recursive=True) if Path(each).is_file())  # noqa: PTH207
            where = f"The pattern {name}"
        else:
            here, where = [name], name
        if not here:
            raise SceneError(f"{where} holds no scene. In folders scenes are files with {', '.join(SUFFIXES)}.")
        found += here
    return list(dict.fromkeys(found))


def map_names(scenes: Sequence[str], output: str, option: str = "-o") -> list[Path]:
    """Return the file of each scene's map.

    Args:
        scenes: The scenes.
        output: A file ``*.tif`` for a single scene; else a folder, where maps are named like their scenes.
        option: How the user said where, for the error message.

    Raises:
        SceneError: If several scenes were to be written to one file.
    """
    path = Path(output)
    if path.suffix.lower() in (".tif", ".tiff") and not path.is_dir():
        if len(scenes) > 1:
            raise SceneError(f"{len(scenes)} scenes cannot be written to one file: name a folder, {option} MAPS/.")
        return [path]
    names: dict[Path, str] = {}
    for scene in scenes:
        file = path / f"{Path(scene).stem}.tif"
        if file in names:
            raise SceneError(
                f"The maps of {names[file]} and {scene} would both be {file}: map them in two calls, into two folders."
            )
        names[file] = scene
    return list(names)


def _is_scene(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
