"""For real: pack, install with pip and with uv into a new environment, and use it there with the network cut off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio

from hqzoo.tasks import SegmentationTask
from hqzoo.weights.pack import build_wheel
from tests.fixtures.scenes import picture, write_raster
from tests.fixtures.tasks import SIZE
from tests.fixtures.weights import NAME, flip_a_byte

ROOT = Path(__file__).parents[2]

OFFLINE = """
import socket

def refuse(*arguments, **options):
    raise OSError("the network was asked for")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
"""

PREDICT = f"""
import numpy, sys, hqzoo
task = hqzoo.load("{NAME}")
assert not any(module.training for module in task.modules())
numpy.save(sys.argv[2], task.predict(numpy.load(sys.argv[1])))
"""


@dataclass(frozen=True)
class Environment:
    """A new environment that borrows hqzoo's requirements, so that torch need not be installed again."""

    root: Path

    @property
    def python(self) -> str:
        return str(self.root / "bin" / "python")

    @property
    def packages(self) -> Path:
        return next((self.root / "lib").glob("python*")) / "site-packages"

    def borrow(self) -> None:
        """Add this environment's packages and this hqzoo behind the new one's own, and cut the network off."""
        lines = [sysconfig.get_paths()["purelib"], str(ROOT)]
        (self.packages / "borrowed.pth").write_text("\n".join(lines))
        (self.packages / "sitecustomize.py").write_text(OFFLINE)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HQZOO_WEIGHTS_DIR")}
        command = [self.python, *map(str, arguments)]
        return subprocess.run(command, env=kept, cwd=self.root, capture_output=True, text=True, check=False)


def with_pip(root: Path, wheel: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", root], check=True)
    subprocess.run([root / "bin/python", "-m", "pip", "install", "-q", "--no-index", wheel], check=True)


def with_uv(root: Path, wheel: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("there is no uv here")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, root], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--offline", "--python", root / "bin/python", wheel], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("install", [with_pip, with_uv])
def test_a_wheel_from_pack_to_refusal(
    install: Callable[[Path, Path], None], toy: tuple[SegmentationTask, Path], project: Path, tmp_path: Path
) -> None:
    task, _ = toy
    there = Environment(tmp_path / "new")
    install(there.root, build_wheel(project))
    there.borrow()

    blocked = there.run("-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert "the network was asked for" in blocked.stderr
    listed = there.run("-m", "hqzoo", "weights", "list")
    assert listed.returncode == 0, listed.stderr
    assert NAME in listed.stdout
    done = there.run("-m", "hqzoo", "weights", "verify", NAME)
    assert (done.returncode, done.stdout.count("as published (the wheel hqzoo-weights-squares-toy 1.0.0)")) == (0, 1)

    image = picture(SIZE, 2 * SIZE).astype(np.float32)
    np.save(tmp_path / "image.npy", image)
    done = there.run("-c", PREDICT, tmp_path / "image.npy", tmp_path / "found.npy")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), task.predict(image), atol=1e-6)

    scene = write_raster(tmp_path / "scene.tif", picture(50, 70, seed=1))
    mapping = ("-m", "hqzoo", "map", scene, "--weights", NAME, "--device", "cpu", "--quiet", "-o")
    done = there.run(*mapping, tmp_path / "map.tif")
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), task.predict(picture(50, 70, seed=1)).argmax(0))
        assert dataset.tags(1)["CLASS_1"] == "water"

    flip_a_byte(there.packages / "hqzoo_weights_squares_toy" / "weights.safetensors")
    for arguments in ((*mapping, tmp_path / "again.tif"), ("-m", "hqzoo", "weights", "verify")):
        done = there.run(*arguments)
        assert done.returncode == 2, done.stdout
        assert "'squares-toy' in the wheel hqzoo-weights-squares-toy 1.0.0 are not those that were pub" in done.stderr
        assert "pip install --force-reinstall --no-deps hqzoo-weights-squares-toy==1.0.0" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "again.tif").exists()
