"""What a table remembers of this machine: where its data lie. It stays among the runs, which nobody commits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from hqzoo._files import write_text
from hqzoo.compare.overrides import key_of

__all__ = ["folder_of_data", "read_root", "remember_root", "root_of"]

ROOT = "data.root"


def root_of(settings: Sequence[str]) -> Path | None:
    """Return the folder of the data that overrides name last, if any does."""
    roots = [each.partition("=")[2] for each in settings if key_of(each) == ROOT]
    return Path(roots[-1]) if roots else None


def folder_of_data(name: str, root: Path) -> str:
    """Return the name of the folder of a table on other data than its recipe's: each root has its own."""
    path = root.expanduser().resolve()
    plain = re.sub(r"[^A-Za-z0-9_.+-]+", "_", path.name) or "data"
    return f"{name}-{plain}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"


def read_root(out: Path) -> Path | None:
    """Return the folder of the data that a table was last filled from; None where it does not know."""
    path = _file(out)
    if not path.is_file():
        return None
    try:
        return Path(json.loads(path.read_text())["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it must be given again


def remember_root(out: Path, root: Path) -> None:
    """Remember the folder of the data, wherever the next command is called."""
    write_text(_file(out), json.dumps({"root": str(root.expanduser().resolve())}) + "\n")


def _file(out: Path) -> Path:
    return out / "runs" / "local.json"
