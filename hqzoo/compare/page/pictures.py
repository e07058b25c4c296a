"""Pictures inside the page, no larger than a page should carry."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from hqzoo.compare.page.markup import Markup, figure, tag

__all__ = ["LARGEST", "WIDEST", "picture", "png_address"]

WIDEST = 1200
"""Pixels of the longer side that a picture keeps at most. CHOICE"""
LARGEST = 400_000
"""Bytes of a picture at most; larger ones have fewer colours, then fewer pixels. CHOICE"""


def png_address(path: Path) -> str:
    """Return a picture as the address that holds it.

    Raises:
        OSError: If it is no picture that can be read.
    """
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGB")
    image.thumbnail((WIDEST, WIDEST))
    content = _png(image)
    while len(content) > LARGEST:
        content = _png(image.quantize(256))
        image = image.reduce(2)
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _png(image: object) -> bytes:
    beside = BytesIO()
    image.save(beside, format="PNG", optimize=True)  # type: ignore[attr-defined]
    return beside.getvalue()


def picture(path: Path, words: str, caption: str) -> Markup:
    """Return a figure of a picture file, or a sentence where it cannot be read.

    Args:
        path: The file.
        words: What it shows, for those who do not see it.
        caption: What stands below it.
    """
    try:
        address = png_address(path)
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for damaged files
        return tag("p", f"{path.name} of {caption} cannot be read: {error}.")
    return figure(tag("div", tag("img", src=address, alt=words), class_="scroll panel", tabindex=0, role="region",
                      aria_label=words), caption)  # fmt: skip
