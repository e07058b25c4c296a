"""The tables of BigEarthNet v2: which patches there are, their partners, splits, labels and flags."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from hqzoo.data.files.listing import some
from hqzoo.errors import ConfigError, DataError

__all__ = ["FLAGGED", "METADATA", "Patch", "read_patches"]

METADATA = "metadata"
FLAGGED = "metadata_for_patches_with_snow_cloud_or_shadow"
"""The table of the patches that the publication advises against, which has the same columns."""

_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test", "": ""}
_NEEDED = ("patch_id", "s1_name", "split")
_FURTHER = ("labels", "s2v1_name", "contains_seasonal_snow", "contains_cloud_or_shadow")


class Patch(NamedTuple):
    """A row of a table."""

    name: str
    s1_name: str
    split: str
    labels: tuple[str, ...] | None
    """None: the table has no such column."""
    v1_name: str
    """Empty: not known."""
    snow: bool
    cloud: bool


def read_patches(root: Path, snow: bool = False, cloud: bool = False) -> list[Patch]:
    """Read the patches of the archive's table, and flagged ones if they are wanted.

    Args:
        root: Folder of ``metadata.parquet``, or of ``metadata.csv`` with the same columns, where labels are joined by
            ``|``.
        snow: Whether patches with seasonal snow are wanted, which stand in a table of their own.
        cloud: Whether those with clouds or their shadows are.

    Raises:
        ConfigError: If a Parquet file needs a package that is not installed.
        DataError: If a table or a column is missing, a patch stands there twice, or its split is unknown.
    """
    files = [_find(root, METADATA)] + ([_find(root, FLAGGED)] if (snow or cloud) and _has(root, FLAGGED) else [])
    patches = [_patch(row, file) for file in files for row in _rows(file)]
    if (snow or cloud) and len(files) == 1 and not any(patch.snow or patch.cloud for patch in patches):
        raise DataError(
            f"Patches with snow or clouds are wanted, but {files[0]} has none and there is no {FLAGGED}.parquet in "
            f"{root}. Get that table, or set `snow` and `cloud_or_shadow` to false."
        )
    patches = [patch for patch in patches if (snow or not patch.snow) and (cloud or not patch.cloud)]
    if twice := sorted(name for name, times in Counter(patch.name for patch in patches).items() if times > 1):
        raise DataError(f"{', '.join(map(str, files))}: {len(twice)} patch(es) stand there twice: {some(twice)}.")
    return patches


def _has(root: Path, name: str) -> bool:
    return any((root / f"{name}{suffix}").is_file() for suffix in (".parquet", ".csv"))


def _find(root: Path, name: str) -> Path:
    for suffix in (".parquet", ".csv"):
        if (file := root / f"{name}{suffix}").is_file():
            return file
    raise DataError(
        f"The table of patches and labels is missing: {root / name}.parquet (or .csv). Get it from where the archive "
        "came from; it is a file of its own."
    )


def _rows(file: Path) -> Iterable[dict[str, Any]]:
    rows = _read_parquet(file) if file.suffix == ".parquet" else _read_csv(file)
    if absent := [name for name in _NEEDED if rows and name not in rows[0]]:
        raise DataError(f"{file} lacks the column(s) {', '.join(absent)}; it has {', '.join(rows[0])}.")
    return rows


def _read_parquet(file: Path) -> list[dict[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema, read_table
    except ImportError as error:
        raise ConfigError(
            f'{file} is a Parquet file, which needs pyarrow: pip install "hqzoo[bigearthnet]". Or save it as '
            f"{file.with_suffix('.csv')} elsewhere, labels joined by '|'."
        ) from error
    try:
        columns = [name for name in read_schema(file).names if name in (*_NEEDED, *_FURTHER)]
        rows: list[dict[str, Any]] = read_table(file, columns=columns).to_pylist()
    except (ArrowException, OSError) as error:
        raise DataError(f"{file} is damaged or no Parquet file: {error}. Copy it anew.") from error
    return rows


def _read_csv(file: Path) -> list[dict[str, Any]]:
    with file.open(newline="", encoding="utf-8") as stream:
        rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    for row in rows:
        if row.get("labels") is not None:
            row["labels"] = [label for label in row["labels"].split("|") if label]
    return rows


def _patch(row: dict[str, Any], file: Path) -> Patch:
    split = str(row["split"] or "")
    if split not in _SPLITS:
        raise DataError(f"{file}, {row['patch_id']}: the split '{split}' is none of train, validation, test.")
    labels = row.get("labels")
    return Patch(
        str(row["patch_id"]),
        str(row["s1_name"] or ""),
        _SPLITS[split],
        None if labels is None else tuple(map(str, labels)),
        str(row.get("s2v1_name") or ""),
        _is_true(row.get("contains_seasonal_snow")),
        _is_true(row.get("contains_cloud_or_shadow")),
    )


def _is_true(value: object) -> bool:
    return str(value).casefold() in ("true", "1")
