"""Code blocks of Markdown pages: which there are, and which cannot run here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```(?P<language>bash|python|yaml)\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Args:
        language: ``bash``, ``python``, or ``yaml``: a part of a recipe.
        code: Its lines.
        line: Number of its first line.
        why_not: Why it is not run, from the comment ``<!-- not run: ... -->`` above it; empty if it is.
    """

    language: str
    code: str
    line: int
    why_not: str = ""


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(match["language"], match["code"], line, match["why"] or "")
