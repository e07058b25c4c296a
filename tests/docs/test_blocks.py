"""What README and site tell people to type is run, page by page, on generated data."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import Block, blocks
from tests.fixtures.bigearthnet import write_pairs, write_v2
from tests.fixtures.folder import write_folder, write_labelled
from tests.fixtures.scenes import picture, write_raster
from tests.fixtures.whole_images import write_ph2

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/pages").glob("*.md"))]
TRAINS = ("make quickstart", "hqzoo fit", "hqzoo compare", "hqzoo data pack")
UNRUN = {
    "README.md": 2,
    "data.md": 1,
    "index.md": 1,
    "house.md": 1,
    "models.md": 1,
    "training.md": 1,
    "pretraining.md": 2,
    "probes.md": 1,
    "comparing.md": 1,
    "dashboards.md": 1,
    "weights.md": 3,
}  # blocks of a page that say why they are not run

# Training is cut to two steps; nothing else differs from what is printed.
PRELUDE = """
set -euo pipefail
hqzoo() {
  case "$1 $*" in
    fit*) command hqzoo "$@" --trainer.max_steps 2 ;;
    compare*" -- "*) command hqzoo "$@" trainer.max_steps=2 ;;
    *) command hqzoo "$@" ;;
  esac
}
"""


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if not block.why_not and block.language != "yaml"]


def pages_that_run() -> list[object]:
    """Pages with something to run; those that train, or pack data, are slow."""
    found = []
    for page in PAGES:
        code = "".join(block.code for block in runnable(page))
        marks = [pytest.mark.slow, pytest.mark.timeout(1800)] if any(words in code for words in TRAINS) else []
        if code:
            found.append(pytest.param(page, marks=marks, id=page.name))
    return found


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with what the pages speak of, and a clone's Makefile and environment."""
    write_folder(tmp_path / "FOLDER", scenes=5, size=(144, 128))
    write_ph2(tmp_path / "PH2", size=(48, 64))
    write_raster(tmp_path / "SCENE.tif", picture(200, 160))
    write_pairs(tmp_path / "PAIRS.npz")
    write_v2(tmp_path / "BIGEARTHNET")
    for kind in ("River", "SeaLake"):
        write_labelled(tmp_path / "LABELLED" / kind, [f"{kind}_{number}" for number in range(30)])
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", PRELUDE + block.code] if block.language == "bash" else [sys.executable, "-c", block.code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", pages_that_run())
def test_every_block_of_a_page_runs(page: Path, workplace: Path) -> None:
    """Blocks run one after the other in one folder: a later one may use what an earlier one has left."""
    for block in runnable(page):
        done = run(block, workplace)
        assert done.returncode == 0, f"{page.name}, line {block.line}:\n{block.code}\n{done.stdout}\n{done.stderr}"


def test_few_blocks_are_not_run_and_say_why() -> None:
    found = {page.name: [block.why_not for block in blocks(page) if block.why_not] for page in PAGES}
    assert {name: len(reasons) for name, reasons in found.items() if reasons} == UNRUN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_parts_of_recipes_build_what_they_name(page: Path) -> None:
    """Paths and arguments exist; the data themselves need not."""
    for block in (each for each in blocks(page) if each.language == "yaml"):
        for part in yaml.safe_load(block.code).values():
            module, _, name = part["class_path"].rpartition(".")
            getattr(import_module(module), name)(**part["init_args"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_escapes(page: Path) -> None:
    """Every fence opens a block that is found: none hides behind another language or an indent."""
    assert page.read_text().count("```") == 2 * len(list(blocks(page)))


def test_links_of_the_readme_lead_somewhere() -> None:
    import re

    for target in re.findall(r"\]\((?!\w+:)([^)#]+)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
