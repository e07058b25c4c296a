"""Published weights of a toy, and a machine that has no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hqzoo.tasks import SegmentationTask
from tests.fixtures.weights import NAME, package, packed, trained


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[SegmentationTask, Path]:
    """The task, and its project; neither is to be changed."""
    folder = tmp_path_factory.mktemp("toy")
    task, checkpoint = trained(folder)
    return task, packed(checkpoint, folder / "checkpoints")


@pytest.fixture
def project(toy: tuple[SegmentationTask, Path], tmp_path: Path) -> Path:
    """A copy of the project."""
    return Path(shutil.copytree(toy[1], tmp_path / "projects" / NAME))


@pytest.fixture
def folder(project: Path) -> Path:
    """A copy of the folder with spec and tensors."""
    return package(project)


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's cache nor folders of weights."""
    monkeypatch.setenv("HQZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HQZOO_WEIGHTS_DIR", raising=False)
