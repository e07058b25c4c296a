"""What ``hqzoo data merge`` does and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hqzoo.data.merge import merge, read_legend

__all__ = ["merge_sources"]


def merge_sources(description: Path, root: Path, out: Path) -> tuple[dict[str, Any], int]:
    """Write one folder of several sources, and tell how many images each has; return the report and the exit code."""
    legend = read_legend(description)
    counts = merge(legend, root, out)
    told = ", ".join(f"{count} images of {name}" for name, count in counts.items())
    sys.stdout.write(f"{out}: {told}; classes {', '.join(legend.classes)}\n")
    return {"images": counts, "classes": list(legend.classes), "gsd": legend.gsd}, 0
