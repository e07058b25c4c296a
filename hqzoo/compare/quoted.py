"""Published numbers of several sources side by side, and a row of ours below them: quoted, not run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hqzoo.compare.grids import markdown_table
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["Quoted", "parse_quoted"]

KEYS = ("title", "columns", "lines", "ours", "note")
OF_OURS = ("line", "table", "rows")

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Quoted:
    """A table of published numbers.

    Args:
        title: What it shows, and under which protocols.
        columns: Its head; the first one says what a line is of.
        lines: Cells, as they are to be read.
        line: What our line is of; empty: there is none.
        table: Folder of our table.
        rows: Column to the row of our table whose score stands in it, in per cent with its interval over images.
        note: What differs between all these.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    line: str = ""
    table: str = ""
    rows: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def markdown(self, summary_of: Callable[[str], Summary]) -> str:
        """Return the table with its title and note.

        Args:
            summary_of: From the folder of a table of ours to its summary.

        Raises:
            ConfigError: If our table has no such row.
        """
        lines = [list(line) for line in self.lines]
        if self.table:
            summary = summary_of(self.table)
            known = {row["name"]: row for row in summary["rows"]}
            for name in self.rows.values():
                if name not in known:
                    raise ConfigError(f"Quoted '{self.title}': " + unknown_name("row", name, known))
            of_columns = {column: _percent(known[name], summary["metric"]) for column, name in self.rows.items()}
            lines.append([self.line, *(of_columns.get(column, "") for column in self.columns[1:])])
        parts = [f"## {self.title}", markdown_table(self.columns, lines), self.note]
        return "\n\n".join(part for part in parts if part)


def parse_quoted(content: Any) -> Quoted:  # noqa: ANN401 - whatever YAML holds
    """Return the table that a part of a claims file describes.

    Raises:
        ConfigError: If it makes no sense.
    """
    _check(content, KEYS, "a quoted table")
    columns = tuple(map(str, _list(content.get("columns"), "columns")))
    lines = tuple(tuple(map(str, _list(line, "a line"))) for line in _list(content.get("lines"), "lines"))
    title, ours = str(content.get("title", "")), content.get("ours") or {}
    _check(ours, OF_OURS, "ours")
    rows = ours.get("rows") or {}
    if not isinstance(rows, Mapping):
        raise ConfigError(f"rows: of ours holds columns and rows of the table, got {rows!r}.")
    for line in lines:
        if len(line) != len(columns):
            raise ConfigError(
                f"Quoted '{title}': {len(columns)} columns, but a line of {len(line)}: {', '.join(line)}."
            )
    for column in rows:
        if column not in columns:
            raise ConfigError(f"Quoted '{title}': " + unknown_name("column", str(column), columns))
    named = {str(column): str(row) for column, row in rows.items()}
    own, table, note = (str(each) for each in (ours.get("line", ""), ours.get("table", ""), content.get("note", "")))
    return Quoted(title, columns, lines, own, table, named, note)


def _check(content: Any, keys: Sequence[str], what: str) -> None:  # noqa: ANN401
    if not isinstance(content, Mapping):
        raise ConfigError(f"{what} holds keys and values: {', '.join(keys)}; got {content!r}.")
    for key in content:
        if key not in keys:
            raise ConfigError(unknown_name(f"key of {what}", str(key), keys))


def _list(value: Any, what: str) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{what}: of a quoted table is a list, got {value!r}.")
    return value


def _percent(row: Mapping[str, Any], metric: str) -> str:
    if not row["score"]:
        return "not run"
    ends = row.get("intervals", {}).get(metric)
    spread = "" if ends is None else f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"
    return f"{100 * row['score']['mean']:.1f}{spread}"
