"""What the wheel must hold, and how light imports are."""

import ast
import re
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


def test_importing_hqzoo_imports_nothing_heavy():
    code = "import sys, hqzoo; print(sorted({'torch', 'lightning', 'numpy', 'rasterio', 'wandb'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_what_is_always_installed_is_used():
    """What nothing imports is an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    called = {"pillow": "PIL", "pyyaml": "yaml", "segmentation-models-pytorch": "segmentation_models_pytorch"}
    wanted = {re.split(r"[\[<>=]", each)[0] for each in project["dependencies"]}
    imported = {
        name.split(".")[0]
        for path in (ROOT / "hqzoo").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert not {name for name in wanted if called.get(name, name) not in imported}
