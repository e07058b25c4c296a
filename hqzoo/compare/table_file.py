"""Table files: YAML with a table's name, recipe, folds, seeds and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hqzoo.compare.overrides import setting
from hqzoo.compare.table import SEED_RULES, Row, Table
from hqzoo.compare.unit_statistics import check_name
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.tasks.metric import Metric

__all__ = ["dump_table", "read_table", "read_yaml"]

TABLE_KEYS = (
    "name",
    "title",
    "recipe",
    "metric",
    "units",
    "folds",
    "seeds",
    "seed_rule",
    "grade",
    "deviations",
    "margin",
    "set",
    "rows",
)
METRIC_KEYS = ("name", "direction", "label", "unit", "margin")
ROW_KEYS = ("set", "against", "repeats", "label", "published", "control_of", "family", "pretrained_on", "in_domain")


def read_table(path: Path) -> Table:
    """Read a table file.

    Raises:
        ConfigError: If it does not exist, is no YAML, or something in it makes no sense.
    """
    content = read_yaml(path, "table file")
    try:
        return _parse(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_yaml(path: Path, kind: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return what a YAML file holds.

    Raises:
        ConfigError: If it does not exist, or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"Cannot read the {kind} {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}.") from error


def dump_table(table: Table) -> str:
    """Return the table as a table file."""
    content: dict[str, Any] = {
        "name": table.name, "title": table.title, "recipe": table.recipe, "metric": _dump_metric(table),
        "units": table.units, "grade": table.grade, "deviations": list(table.deviations), "margin": table.margin,
        "folds": list(table.folds), "seeds": list(table.seeds),
        "seed_rule": table.seed_rule, "set": list(table.settings),
        "rows": {row.name: _dump_row(row) for row in table.rows},
    }  # fmt: skip
    said = {key: value for key, value in content.items() if value not in ("", [], None)}
    return yaml.safe_dump(said, sort_keys=False)


def _dump_metric(table: Table) -> str | dict[str, Any]:
    if table.meaning is None:
        return table.metric
    content = {**table.meaning.to_dict(), "name": table.metric}
    return {key: content[key] for key in METRIC_KEYS if content[key] not in ("", None)}


def _parse(content: Any) -> Table:  # noqa: ANN401 - whatever YAML holds
    if not isinstance(content, dict):
        raise ConfigError("A table file holds keys and values: name, recipe, folds, seeds, rows.")
    _check_keys(content, TABLE_KEYS, "key of a table")
    for key in ("name", "recipe", "rows"):
        if not content.get(key):
            raise ConfigError(f"A table needs '{key}'. Keys of a table: {', '.join(TABLE_KEYS)}.")
    if not isinstance(content["rows"], dict):
        raise ConfigError("rows: holds the rows by name, each with 'set' and others.")
    metric, meaning = _parse_metric(content.get("metric", ""))
    units = str(content.get("units", ""))
    if units:
        check_name(units)
    return Table(
        name=str(content["name"]),
        recipe=str(content["recipe"]),
        rows=tuple(_parse_row(str(name), row or {}) for name, row in content["rows"].items()),
        folds=_integers(content.get("folds", []), "folds"),
        seeds=_integers(content.get("seeds", [0]), "seeds"),
        seed_rule=content.get("seed_rule", SEED_RULES[0]),
        title=str(content.get("title", "")),
        metric=metric,
        meaning=meaning,
        units=units,
        grade=str(content.get("grade", "")),
        deviations=tuple(map(str, _list(content.get("deviations", []), "deviations"))),
        margin=_number(content["margin"], "margin") if "margin" in content else None,
        settings=tuple(map(setting, _list(content.get("set", []), "set"))),
    )


def _parse_metric(content: Any) -> tuple[str, Metric | None]:  # noqa: ANN401 - whatever YAML holds
    """Return the name of a score and, where the table says so, what it means."""
    if not isinstance(content, dict):
        return str(content), None
    _check_keys(content, METRIC_KEYS, "key of metric")
    for key in ("name", "direction"):
        if not content.get(key):
            raise ConfigError(
                f"A metric of a table's own needs '{key}', such as metric: {{name: val_acc, direction: max, margin: "
                "0.01}."
            )
    name = str(content["name"])
    margin = _number(content["margin"], "margin of metric") if content.get("margin") is not None else None
    texts = {key: str(content.get(key, "")) for key in ("label", "unit")}
    return name, Metric(name.partition("/")[0], content["direction"], margin=margin, **texts)


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
        family=str(content.get("family", "")),
        pretrained_on=str(content.get("pretrained_on", "")),
        in_domain=_truth(content.get("in_domain", False), f"in_domain of row '{name}'"),
    )


def _dump_row(row: Row) -> dict[str, Any]:
    published = dict(row.published) if isinstance(row.published, Mapping) else row.published
    repeats = list(row.repeats) if isinstance(row.repeats, tuple) else row.repeats
    content = {
        "label": row.label, "set": list(row.settings), "against": list(row.against), "repeats": repeats,
        "control_of": row.control_of, "family": row.family, "published": published,
        "pretrained_on": row.pretrained_on, "in_domain": row.in_domain or None,
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


def _truth(value: Any, what: str) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise ConfigError(f"{what}: must be true or false, got {value!r}.")
    return value


def _number(value: Any, what: str) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{what}: must be a number, got {value!r}.")
    return float(value)
