"""What a number was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import hqzoo

__all__ = ["cores", "describe_machine", "source_commit"]

LIBRARIES = ("torch", "lightning", "pytorch-lightning", "pennylane")


def describe_machine() -> dict[str, str | int | float]:
    """Return processor, cores, load, accelerator, library versions and the source's commit, as plain types."""
    import torch

    return {
        "processor": _processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "commit": source_commit(),
        "hqzoo": hqzoo.__version__,
        **_versions(),
    }


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


@cache
def source_commit() -> str:
    """Return the commit of the source tree that the package lies in, or an empty string.

    ``-changed`` stands behind it if package or recipes differ from the commit. The answer is that of the first call:
    long work asks before it begins, as the tree may move on under a process that has its code in memory.
    """
    root = Path(hqzoo.__file__).resolve().parents[1]
    if not (root / ".git").exists():  # an installed wheel; git would find whatever repository is above
        return ""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)

    try:
        commit = git("rev-parse", "--short", "HEAD").stdout.strip()
        changed = git("status", "--porcelain", "--", "hqzoo", "recipes").stdout.strip()
    except FileNotFoundError:  # no git on this machine
        return ""
    return f"{commit}-changed" if commit and changed else commit


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
