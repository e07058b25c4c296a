"""Training from a folder of pictures, testing, mapping and circuits load no more than they use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import recipe, write_recipe
from tests.cli.test_main import imported_by
from tests.fixtures.scenes import picture, write_raster

DATA_SETS = {"torchgeo", "geopandas", "pandas", "pyogrio", "fiona", "shapely", "h5py", "kornia"}
OTHERS_MODELS = {"segmentation_models_pytorch", "timm", "transformers", "huggingface_hub", "safetensors"}
SIMULATORS = {"pennylane", "torchquantum", "qiskit", "tensorflow", "jax"}
HEAVY = DATA_SETS | OTHERS_MODELS | SIMULATORS | {"wandb", "sklearn", "tensorboard"}
TRAINING = {"lightning", "pytorch_lightning", "torchmetrics", "torchvision", "jsonargparse", "yaml"}
PICTURES = {"matplotlib", "PIL", "rasterio", "scipy"}


def verb(*arguments: object) -> str:
    return f"from hqzoo.cli import main; assert main({[str(each) for each in arguments]!r}) == 0"


def test_circuits_need_neither_training_nor_pictures() -> None:
    code = "from hqzoo.quantum import QuantumLayer, circuits; QuantumLayer(circuits.hq_unet())"
    assert not imported_by(code) & (HEAVY | TRAINING | PICTURES)


def test_training_and_testing_on_a_folder_of_pictures(folder: Path, tmp_path: Path) -> None:
    content = recipe(folder, tmp_path / "run")
    content["trainer"]["max_steps"] = 1
    path = write_recipe(content, tmp_path / "recipe.yaml")
    code = f"{verb('fit', '-c', path)}; {verb('test', '--ckpt_path', tmp_path / 'run/checkpoints/last.ckpt')}"
    assert not imported_by(code) & (HEAVY | {"rasterio"})


def test_mapping_a_scene(finished_run: Path, tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "scene.tif", picture(40, 40))
    checkpoint = finished_run / "checkpoints/last.ckpt"
    code = verb("map", scene, "--checkpoint", checkpoint, "-o", tmp_path / "map.tif", "--device", "cpu", "--quiet")
    assert not imported_by(code) & HEAVY
    assert (tmp_path / "map.tif").is_file()


@pytest.mark.parametrize("module", ["hqzoo.scenes.mapping", "hqzoo.scenes"])
def test_maps_as_a_library_need_no_trainer(module: str) -> None:
    assert not imported_by(f"import {module}") & (HEAVY | TRAINING)
