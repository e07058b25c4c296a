"""HTML as values: whatever is not markup already is escaped when it becomes part of an element."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

__all__ = ["Markup", "bullets", "figure", "from_markdown", "inline", "join", "table", "tag"]

VOID = {"img", "meta", "wbr"}  # elements of SVG are all closed
RULE = re.compile(r"\|(-+\|)+")


class Markup(str):
    """Text that is markup; any other text is escaped before it joins some."""

    __slots__ = ()


def join(children: Iterable[str], between: str = "") -> Markup:
    """Return markup of several pieces; plain texts are escaped."""
    return Markup(between.join(each if isinstance(each, Markup) else html.escape(each) for each in children))


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """Return an element; a last ``_`` of an attribute's name falls away, other ones are hyphens."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{said}>" if name in VOID else f"<{name}{said}>{join(children)}</{name}>")


def bullets(items: Iterable[str]) -> Markup:
    """Return a list; nothing for no items."""
    found = [tag("li", item) for item in items]
    return tag("ul", *found) if found else Markup()


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return a table that scrolls in a box of its own; the first cell of a row is its heading."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    lines = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows
    ]  # fmt: skip
    whole = tag("table", tag("caption", caption), top, tag("tbody", *lines))
    return tag("div", whole, class_="scroll", role="region", aria_label=str(caption), tabindex=0)


def figure(content: str, caption: str) -> Markup:
    """Return a figure with its caption."""
    return tag("figure", content, tag("figcaption", caption))


def inline(text: str) -> Markup:
    """Return a line of Markdown with its code, bold and emphasis; links and all else stay text."""
    found = html.escape(text)
    for pattern, name in ((r"`([^`]+)`", "code"), (r"\*\*(.+?)\*\*", "strong"), (r"(?<!\*)\*([^*\s][^*]*)\*", "em")):
        found = re.sub(pattern, rf"<{name}>\1</{name}>", found)
    return Markup(found)


def from_markdown(text: str, caption: str) -> Markup:
    """Return the Markdown that reports of tables are written in as HTML: paragraphs, lists, tables; no pictures.

    Args:
        text: Blocks with an empty line between them.
        caption: What tables are called; each is numbered.
    """
    found: list[Markup] = []
    tables = 0
    for block in filter(None, map(str.strip, text.split("\n\n"))):
        lines = block.splitlines()
        if block.startswith("!["):
            continue
        if len(lines) > 1 and RULE.fullmatch(lines[1]):
            tables += 1
            head, *rows = [_cells(line) for line in [lines[0], *lines[2:]]]
            found.append(table(f"{caption} ({tables})", head, rows))
        elif all(line.startswith("* ") for line in lines):
            found.append(bullets(inline(line.removeprefix("* ")) for line in lines))
        else:
            found.append(tag("p", inline(" ".join(lines))))
    return join(found)


def _cells(line: str) -> list[Markup]:
    return [inline(cell.strip()) for cell in line.strip().removeprefix("|").removesuffix("|").split(" | ")]
