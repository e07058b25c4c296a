"""What the wheel must hold, and how light imports are."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_package_is_listed_for_the_wheel():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "hqzoo").rglob("__init__.py")}
    assert listed == found | {"hqzoo.recipes"}


def test_constraints_name_no_index():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all("://" not in line and not line.startswith("-") for line in lines)


def test_imports_go_only_downwards():
    """A file imports from its own floor or from one below (README, "The house")."""
    fourth = dict.fromkeys(("tasks", "callbacks", "scenes", "weights"), 4)
    floors = {"quantum": 1, "nn": 2, "models": 3, "data": 3, **fourth, "compare": 5, "cli": 6}
    apart = {("models", "data"), ("data", "models")}
    for path in (ROOT / "hqzoo").rglob("*.py"):
        own = path.relative_to(ROOT / "hqzoo").parts[0]
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) < 2 or words[0] not in ("from", "import") or not words[1].startswith("hqzoo."):
                continue
            other = words[1].split(".")[1]
            if own in floors and other in floors:
                assert floors[other] <= floors[own], f"{path}: {line}"
                assert (own, other) not in apart, f"{path}: {line}"


def test_importing_hqzoo_imports_nothing_heavy():
    code = "import sys, hqzoo; print(sorted({'torch', 'lightning', 'numpy', 'rasterio', 'wandb'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_training_from_a_folder_needs_no_raster_stack():
    code = (
        "import sys\n"
        "for name in ('torchgeo', 'rasterio', 'wandb', 'pyogrio', 'pandas', 'geopandas'): sys.modules[name] = None\n"
        "from hqzoo.data import FolderSegmentationDataModule\n"
        "from hqzoo.tasks import SegmentationTask\n"
        "import hqzoo.callbacks.resume, hqzoo.cli.fit\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
