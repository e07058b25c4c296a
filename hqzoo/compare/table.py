"""Table files: which rows of which recipe are trained on which folds with which seeds, and what is compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from hqzoo.errors import ConfigError, unknown_name

__all__ = ["GRADES", "Cell", "Comparison", "Row", "Table", "is_local", "read_table", "setting"]

GRADES = ("replicated", "tested in kind")
TABLE_KEYS = ("name", "title", "recipe", "metric", "folds", "seeds", "grade", "margin", "set", "rows")
ROW_KEYS = ("set", "against", "repeats", "label", "published", "control_of")
CONTROL = "--model.init_args.architecture_args.control"
REFERENCE = "quantum"

OWN = ("seed_everything", "data.seed", "data.fold", "trainer.default_root_dir", "ckpt_path", "config")
LOCAL = (
    "data.root", "data.num_workers", "data.cache_gib", "trainer.accelerator", "trainer.devices", "trainer.num_nodes",
    "trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.logger",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One run of a table.

    Args:
        row: Name of the row.
        fold: The fold that is tested; 0 where the data have none.
        seed: Seed of initial weights and crops.
    """

    row: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.row}-fold{self.fold}-seed{self.seed}"


@dataclass(frozen=True)
class Comparison:
    """A difference that the table is there for: ``row`` minus ``against``.

    Args:
        row: The row.
        against: What it is compared with.
        family: The row that all comparisons of one question share; p-values are corrected within it.
    """

    row: str
    against: str
    family: str


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        name: Its name, part of file names.
        settings: What it changes in the recipe, ``--key=value``.
        against: Rows that it is compared with.
        repeats: Seeds: None all of the table, a number the first so many, or the seeds.
        label: What readers see; default: the name.
        published: The paper's score: one, or by fold. Never our own.
        control_of: The row whose control this is; the difference is that row minus this one.
    """

    name: str
    settings: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    repeats: int | tuple[int, ...] | None = None
    label: str = ""
    published: float | Mapping[int, float] | None = None
    control_of: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows x folds x seeds of one recipe.

    Args:
        name: Its name, part of file names.
        recipe: Recipe file or short name.
        rows: The rows.
        folds: Folds to leave out in turn; empty: the data have no folds.
        seeds: Seeds of weights and crops.
        title: Heading; default: the name.
        metric: The score that is compared: a key of the test report, or of one class, ``iou/lesion``.
        grade: How close the table is to the published experiment, one of ``GRADES``, or empty.
        margin: The difference in the metric that nobody would mind.
        settings: What all rows change in the recipe.

    Raises:
        ConfigError: If a name cannot be part of a file name, or names a row that does not exist.
    """

    name: str
    recipe: str
    rows: tuple[Row, ...]
    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (0,)
    title: str = ""
    metric: str = "miou"
    grade: str = ""
    margin: float = 0.01
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *(row.name for row in self.rows)):
            if not re.fullmatch(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*", name):
                raise ConfigError(f"'{name}' names files: use letters, digits and _ . + - only.")
        if not self.rows:
            raise ConfigError(f"Table '{self.name}' has no rows.")
        if not self.seeds:
            raise ConfigError(f"Table '{self.name}' has no seeds: give at least one, such as seeds: [0].")
        if self.grade and self.grade not in GRADES:
            raise ConfigError(unknown_name("grade", self.grade, GRADES))
        if self.margin <= 0:
            raise ConfigError(f"margin: {self.margin} must be positive, such as 0.01.")
        for row in self.rows:
            for other in (*row.against, *([row.control_of] if row.control_of else [])):
                if other not in self.row_names:
                    raise ConfigError(f"Row '{row.name}': " + unknown_name("row", other, self.row_names))
                if other == row.name:
                    raise ConfigError(f"Row '{row.name}' cannot be compared with itself.")
            self.seeds_of(row)

    @classmethod
    def of_controls(
        cls, recipe: str, controls: Sequence[str], folds: Sequence[int] = (), seeds: Sequence[int] = (0,),
        metric: str = "miou",
    ) -> Table:  # fmt: skip
        """Return a table with one row per control of a recipe's model.

        All other rows are controls of ``quantum`` or, where it is not among them, of the first.

        Raises:
            ConfigError: If there are no controls, or one is given twice.
        """
        if not controls or len(set(controls)) < len(controls):
            raise ConfigError(f"Give different controls, such as quantum mlp constant; got {' '.join(controls)!r}.")
        reference = REFERENCE if REFERENCE in controls else controls[0]
        rows = tuple(
            Row(name, (f"{CONTROL}={name}",), control_of=None if name == reference else reference) for name in controls
        )
        return cls(Path(recipe).stem, recipe, rows, tuple(folds), tuple(seeds), metric=metric)

    @property
    def row_names(self) -> tuple[str, ...]:
        """Names of the rows."""
        return tuple(row.name for row in self.rows)

    def row(self, name: str) -> Row:
        """Return a row by name.

        Raises:
            ConfigError: If there is none.
        """
        if name not in self.row_names:
            raise ConfigError(unknown_name("row", name, self.row_names))
        return self.rows[self.row_names.index(name)]

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """Return the seeds of a row.

        Raises:
            ConfigError: If it repeats more often than the table has seeds.
        """
        if row.repeats is None:
            return self.seeds
        if not isinstance(row.repeats, int):
            return row.repeats
        if not 1 <= row.repeats <= len(self.seeds):
            raise ConfigError(
                f"Row '{row.name}' repeats {row.repeats} times, but the table has {len(self.seeds)} seeds "
                f"{list(self.seeds)}: it runs the first so many of them."
            )
        return self.seeds[: row.repeats]

    def cells(
        self, rows: Sequence[str] | None = None, folds: Sequence[int] | None = None, seeds: Sequence[int] | None = None
    ) -> list[Cell]:
        """Return the cells, or those of some rows, folds and seeds: all rows of a fold before the next fold.

        Raises:
            ConfigError: If the table has no such row, fold or seed.
        """
        seeds_of_rows = (seed for row in self.rows for seed in self.seeds_of(row))
        every = [
            Cell(row.name, fold, seed)
            for seed in dict.fromkeys((*self.seeds, *seeds_of_rows))
            for fold in self.folds or (0,)
            for row in self.rows
            if seed in self.seeds_of(row)
        ]
        for what, wanted in (("row", rows), ("fold", folds), ("seed", seeds)):
            known = {getattr(cell, what) for cell in every}
            for each in wanted or ():
                if each not in known:
                    raise ConfigError(unknown_name(f"{what} of table {self.name}", str(each), map(str, known)))
            every = [cell for cell in every if wanted is None or getattr(cell, what) in wanted]
        return every

    def settings_of(self, name: str) -> list[str]:
        """Return what a row changes in the recipe: what all rows change, then its own."""
        return [*self.settings, *self.row(name).settings]

    def comparisons(self) -> list[Comparison]:
        """Return the differences that the table is there for, in the order of its rows."""
        found = []
        for row in self.rows:
            found += [Comparison(row.name, other, other) for other in row.against if other != row.control_of]
            if row.control_of:
                found.append(Comparison(row.control_of, row.name, row.control_of))
        return list(dict.fromkeys(found))

    def with_settings(self, settings: Sequence[str]) -> Table:
        """Return the table with further settings of all rows; those that name a place are left out."""
        further = [each for each in settings if not is_local(each) and each not in self.settings]
        return replace(self, settings=(*self.settings, *further))

    def dump(self) -> str:
        """Return the table as a table file."""
        content: dict[str, Any] = {
            "name": self.name, "title": self.title, "recipe": self.recipe, "metric": self.metric, "grade": self.grade,
            "margin": self.margin, "folds": list(self.folds), "seeds": list(self.seeds), "set": list(self.settings),
            "rows": {row.name: _dump_row(row) for row in self.rows},
        }  # fmt: skip
        return yaml.safe_dump({key: value for key, value in content.items() if value not in ("", [])}, sort_keys=False)


def read_table(path: Path) -> Table:
    """Read a table file.

    Raises:
        ConfigError: If it does not exist, is no YAML, or something in it makes no sense.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"Cannot read the table file {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}.") from error
    try:
        return _parse(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def setting(text: Any) -> str:  # noqa: ANN401 - whatever a YAML list holds
    """Return an override as ``--key=value``.

    Raises:
        ConfigError: If it is none, or sets what the comparison itself sets.
    """
    if not isinstance(text, str) or not re.fullmatch(r"(--)?[A-Za-z_][\w.]*=.*", text, re.DOTALL):
        raise ConfigError(f"{text!r} is no override: write KEY=VALUE, such as --trainer.max_epochs=5.")
    key = _key(text)
    if key in OWN:
        raise ConfigError(
            f"'{text}': {key} is set for every cell by the comparison; choose with folds and seeds of the table."
        )
    return "--" + text.removeprefix("--")


def is_local(override: str) -> bool:
    """Return whether an override says where and how to run, not what: such as the folder of the data."""
    key = _key(override)
    return any(key == each or key.startswith(f"{each}.") for each in LOCAL)


def _key(override: str) -> str:
    """Return the key of an override; ``data.init_args.root`` and ``data.root`` are the same."""
    return override.removeprefix("--").partition("=")[0].replace(".init_args.", ".")


def _parse(content: Any) -> Table:  # noqa: ANN401 - whatever YAML holds
    if not isinstance(content, dict):
        raise ConfigError("A table file holds keys and values: name, recipe, folds, seeds, rows.")
    _check_keys(content, TABLE_KEYS, "key of a table")
    for key in ("name", "recipe", "rows"):
        if not content.get(key):
            raise ConfigError(f"A table needs '{key}'. Keys of a table: {', '.join(TABLE_KEYS)}.")
    if not isinstance(content["rows"], dict):
        raise ConfigError("rows: holds the rows by name, each with 'set' and others.")
    return Table(
        name=str(content["name"]),
        recipe=str(content["recipe"]),
        rows=tuple(_parse_row(str(name), row or {}) for name, row in content["rows"].items()),
        folds=_integers(content.get("folds", []), "folds"),
        seeds=_integers(content.get("seeds", [0]), "seeds"),
        title=str(content.get("title", "")),
        metric=str(content.get("metric", "miou")),
        grade=str(content.get("grade", "")),
        margin=_number(content.get("margin", 0.01), "margin"),
        settings=tuple(map(setting, _list(content.get("set", []), "set"))),
    )


def _parse_row(name: str, content: Any) -> Row:  # noqa: ANN401 - whatever YAML holds
    if not isinstance(content, dict):
        raise ConfigError(f"Row '{name}' holds keys and values: {', '.join(ROW_KEYS)}; got {content!r}.")
    _check_keys(content, ROW_KEYS, f"key of row '{name}'")
    repeats = content.get("repeats")
    control_of = content.get("control_of")
    return Row(
        name=name,
        settings=tuple(map(setting, _list(content.get("set", []), f"set of row '{name}'"))),
        against=tuple(map(str, _list(content.get("against", []), f"against of row '{name}'"))),
        repeats=_integers(repeats, f"repeats of row '{name}'") if isinstance(repeats, list) else _whole(repeats, name),
        label=str(content.get("label", "")),
        published=_published(content.get("published"), name),
        control_of=None if control_of is None else str(control_of),
    )


def _dump_row(row: Row) -> dict[str, Any]:
    published = dict(row.published) if isinstance(row.published, Mapping) else row.published
    repeats = list(row.repeats) if isinstance(row.repeats, tuple) else row.repeats
    content = {
        "label": row.label, "set": list(row.settings), "against": list(row.against), "repeats": repeats,
        "control_of": row.control_of, "published": published,
    }  # fmt: skip
    return {key: value for key, value in content.items() if value not in ("", [], None)}


def _published(value: Any, row: str) -> float | dict[int, float] | None:  # noqa: ANN401
    if value is None:
        return None
    where = f"published of row '{row}'"
    if isinstance(value, dict):
        folds = _integers(list(value), f"folds of {where}")
        return {fold: _number(score, where) for fold, score in zip(folds, value.values(), strict=True)}
    return _number(value, where)


def _check_keys(content: Mapping[str, Any], known: Sequence[str], kind: str) -> None:
    for key in content:
        if key not in known:
            raise ConfigError(unknown_name(kind, str(key), known))


def _list(value: Any, what: str) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, list):
        raise ConfigError(f"{what}: must be a list [...], got {value!r}.")
    return value


def _integers(value: Any, what: str) -> tuple[int, ...]:  # noqa: ANN401
    numbers = list(_whole_numbers(_list(value, what), what))
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"{what}: {value} names one twice.")
    return tuple(numbers)


def _whole_numbers(values: Sequence[Any], what: str) -> Iterator[int]:
    for each in values:
        if isinstance(each, bool) or not isinstance(each, int) or each < 0:
            raise ConfigError(f"{what}: must be whole numbers from 0, got {each!r}.")
        yield each


def _whole(value: Any, row: str) -> int | None:  # noqa: ANN401
    return None if value is None else next(_whole_numbers([value], f"repeats of row '{row}'"))


def _number(value: Any, what: str) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{what}: must be a number, got {value!r}.")
    return float(value)
