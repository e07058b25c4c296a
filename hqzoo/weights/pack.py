"""From a checkpoint to a wheel: a project of data alone, and the wheel that is built of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from hqzoo._files import write_text
from hqzoo.errors import CheckpointError, WriteError
from hqzoo.weights.card import card
from hqzoo.weights.catalogue import GROUP
from hqzoo.weights.files import write_weights
from hqzoo.weights.spec import WeightSpec
from hqzoo.weights.stac import to_stac

__all__ = ["build_wheel", "write_project"]

PANEL = "panel.png"
PNG = b"\x89PNG\r\n\x1a\n"
BUILD = "import sys; from flit_core.buildapi import build_wheel; build_wheel(sys.argv[1])"


def write_project(spec: WeightSpec, tensors: bytes, folder: Path, panel: Path | None = None) -> Path:
    """Write the project of a wheel that carries weights, and return its folder.

    The package in it holds spec, tensors, card, panel and STAC item; it has no code and no dependencies.

    Args:
        spec: What the weights are.
        tensors: Content of the file of tensors.
        folder: Where projects lie; this one is ``folder/NAME``.
        panel: A PNG of images, labels and predictions for the card.

    Raises:
        CheckpointError: If the panel is no PNG file.
        WriteError: If the folder cannot be written.
    """
    if panel is not None and not (panel.is_file() and panel.read_bytes().startswith(PNG)):
        raise CheckpointError(f"The panel {panel} is no PNG file.")
    project = folder / spec.name
    package = project / _package(spec)
    write_weights(package, spec, tensors)
    text = card(spec, PANEL if panel is not None else None)
    write_text(package / "__init__.py", f'"""The weights {spec.name} of hqzoo: data alone."""\n')
    write_text(package / "README.md", text)
    write_text(package / "stac.json", json.dumps(to_stac(spec), indent=2) + "\n")
    write_text(project / "README.md", text.replace(f"]({PANEL})", f"]({package.name}/{PANEL})"))
    write_text(project / "pyproject.toml", _pyproject(spec))
    if panel is not None:
        try:
            shutil.copyfile(panel, package / PANEL)
        except OSError as error:
            raise WriteError(f"Cannot write {package / PANEL}: {error.strerror or error}.") from error
    return project


def build_wheel(project: Path) -> Path:
    """Build the wheel of a project into its folder ``dist``, without network, and return the file.

    Raises:
        CheckpointError: If the builder refuses, for example because the licence is no SPDX expression.
    """
    if find_spec("flit_core") is None:
        raise CheckpointError("Wheels of weights are built by flit_core: pip install 'hqzoo[weights]'.")
    dist = project / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    # In a process of its own: build backends work on the working folder.
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "dist"], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise CheckpointError(f"The wheel of {project} cannot be built: {reason[0]}")
    return next(dist.glob("*.whl"))


def _package(spec: WeightSpec) -> str:
    return spec.distribution.replace("-", "_")


def _pyproject(spec: WeightSpec) -> str:
    # JSON strings are TOML strings.
    return f"""[build-system]
requires = ["flit_core>=3.12"]
build-backend = "flit_core.buildapi"

[project]
name = {json.dumps(spec.distribution)}
version = {json.dumps(spec.version)}
description = {json.dumps(" ".join(spec.summary.split()))}
readme = "README.md"
requires-python = ">=3.11"
license = {json.dumps(spec.licence)}

[project.entry-points."{GROUP}"]
{spec.name} = {json.dumps(_package(spec))}

[tool.flit.module]
name = {json.dumps(_package(spec))}
"""
