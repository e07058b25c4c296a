"""Where a run comes from: the state of the code, and of the data."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hqzoo import __version__
from hqzoo._lightning import pl
from hqzoo.compare.machine import describe_machine
from hqzoo.data.base import DataModule

__all__ = ["git_state", "provenance"]

PATIENCE = 10.0  # seconds; a repository on a sleeping network drive must not hold a training up


def git_state(folder: Path) -> dict[str, Any]:
    """Return ``commit``, ``branch`` and whether tracked files are ``changed``; empty where there is no repository.

    Args:
        folder: A folder of it.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        return done.stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "branch": git("rev-parse", "--abbrev-ref", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):  # no git, no repository, or one without a commit
        return {}


def provenance(data: pl.LightningDataModule) -> dict[str, Any]:
    """Return plain values: ``code``, ``git`` of the working folder, ``machine``, ``fingerprint`` of the data by split.

    Args:
        data: The data module, set up to train.
    """
    found = {"code": {"hqzoo": __version__}, "git": git_state(Path.cwd()), "machine": describe_machine()}
    return {**found, "fingerprint": _fingerprints(data)}


def _fingerprints(data: pl.LightningDataModule) -> dict[str, str]:
    if not isinstance(data, DataModule):
        return {}
    return {split: data.fingerprint(split) for split in ("train", "val") if data.records(split)}
