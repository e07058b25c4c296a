"""Architectures of one's own by where Python finds them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from torch import nn

import hqzoo
from hqzoo.cli import main
from hqzoo.data import Sensor, Statistics, Targets
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.models import check_arguments, create_model, model_info
from hqzoo.nn.controls import Constant
from hqzoo.quantum import QuantumLayer, circuits
from hqzoo.tasks import SegmentationTask

NET = f"{__name__}.net"


class Pixels(nn.Module):
    """A circuit on every pixel."""

    def __init__(self, in_channels, num_classes, width):
        super().__init__()
        self.before = nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.ReLU(), nn.Conv2d(width, 4, 1))
        self.quantum, self.after = QuantumLayer(circuits.qufex(4)), nn.Conv2d(4, num_classes, 1)

    def forward(self, image):
        return self.after(self.quantum(self.before(image).movedim(1, -1)).movedim(-1, 1))


def net(in_channels, num_classes, width=8):
    return Pixels(in_channels, num_classes, width)


def with_any(in_channels, num_classes, **options):
    return Pixels(in_channels, num_classes, **options)


def with_own_control(in_channels, num_classes, control="a"):
    return nn.Conv2d(in_channels, num_classes, {"a": 1, "b": 3}[control])


def nothing(in_channels, num_classes):
    return in_channels + num_classes


def test_a_factory_has_a_control_where_it_has_none_itself():
    plain = create_model(NET, in_channels=3, num_classes=2)
    assert isinstance(plain.quantum, QuantumLayer)
    constant = create_model(NET, in_channels=3, num_classes=2, control="constant", width=9)
    assert isinstance(constant.quantum, Constant)
    assert constant.before[0].out_channels == 9
    assert constant(torch.rand(1, 3, 8, 8)).shape == (1, 2, 8, 8)
    assert create_model(f"{__name__}.with_any", in_channels=1, num_classes=2, width=5).before[0].out_channels == 5
    own = create_model(f"{__name__}.with_own_control", in_channels=3, num_classes=2, control="b")
    assert own.kernel_size == (3, 3)
    assert model_info(NET).kind == "own"
    assert set(model_info(NET).arguments) == {"width", "control", "control_hidden", "sample_size"}
    assert set(model_info(f"{__name__}.with_own_control").arguments) == {"control"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_arguments(NET, {"widht": 3}), "no argument 'widht'. Did you mean 'width'"),
        (lambda: check_arguments(NET, {"control": "mpl"}), "Did you mean 'mlp'"),
        (lambda: check_arguments(f"{__name__}.nett", {}), r"no function 'nett'.*Did you mean 'net'"),
        (lambda: check_arguments("no_such.net", {}), "there is no module 'no_such'"),
        (lambda: create_model(f"{__name__}.nothing", in_channels=3, num_classes=2), "returned int"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_checkpoint_calls_no_function_that_was_not_asked_for(tmp_path):
    task = SegmentationTask(
        NET,
        {"control": "constant"},
        sensors={"image": Sensor(("red", "green", "blue"))},
        statistics={"image": Statistics((0.0,) * 3, (1.0,) * 3)},
        targets=Targets("mask", ("a", "b")),
    )
    checkpoint = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
    task.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "own.ckpt")
    with pytest.raises(CheckpointError, match=r"own, .*\.net; loading it calls.*own_architecture='.*\.net'"):
        hqzoo.load(tmp_path / "own.ckpt")
    loaded = hqzoo.load(tmp_path / "own.ckpt", own_architecture=NET)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(loaded(image), task.eval()(image))

    scene = np.random.default_rng(0).integers(1, 255, (3, 300, 300), dtype=np.uint8)
    with rasterio.open(tmp_path / "scene.tif", "w", driver="GTiff", height=300, width=300, count=3, dtype="uint8",
                       crs="EPSG:2180", transform=rasterio.Affine(1, 0, 0, 0, -1, 0)) as file:  # fmt: skip
        file.write(scene)
    command = ["map", str(tmp_path / "scene.tif"), "--checkpoint", str(tmp_path / "own.ckpt"), "--quiet"]
    assert main([*command, "-o", str(tmp_path / "map.tif")]) == 2
    assert main([*command, "-o", str(tmp_path / "map.tif"), "--own-architecture", NET]) == 0
    with rasterio.open(tmp_path / "map.tif") as file:
        assert set(np.unique(file.read(1))) <= {0, 1}


@pytest.mark.slow
def test_the_command_finds_modules_in_the_working_folder(tmp_path):
    (tmp_path / "mine.py").write_text("from torch import nn\n\ndef net(in_channels, num_classes):\n    return None\n")
    command = [str(Path(sys.executable).with_name("hqzoo")), "fit", "-c", "hq_unet/landscapes"]
    chosen = ["--model.init_args.architecture", "mine.nett", "--model.init_args.architecture_args", "{}"]
    done = subprocess.run([*command, *chosen], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "mine has no function 'nett' that builds a model. Did you mean 'net'" in done.stderr
