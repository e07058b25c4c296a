"""Someone's own LightningModule with PennyLane's layer, in a package of the working folder, by the real command."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from hqzoo.cli import main
from hqzoo.cli.own_module import own_report, place_control
from hqzoo.compare import read_table
from hqzoo.compare.cells import read_cells
from hqzoo.models import create_model
from hqzoo.nn.controls import Constant
from hqzoo.quantum import QuantumLayer

MODULE = """
import pennylane as qml
import torch
from torch import nn
from torchmetrics.classification import BinaryAccuracy

try:
    from lightning import pytorch as pl
except ModuleNotFoundError:
    import pytorch_lightning as pl


def layer():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.StronglyEntanglingLayers(weights, wires=range(2))
        return [qml.expval(qml.Z(k)) for k in range(2)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, 2, 3)})


class Hybrid(pl.LightningModule):
    def __init__(self, width: int = 16):
        super().__init__()
        before = nn.Sequential(nn.Linear(4, 32 * width), nn.ReLU(), nn.Linear(32 * width, 2))
        self.net = nn.Sequential(*before, layer(), nn.Linear(2, 1))
        self.accuracy = BinaryAccuracy()
        self.seen = []

    def _loss(self, batch):
        x, y = batch
        logits = self.net(x)[:, 0]
        self.accuracy.update(logits, y)
        return nn.functional.binary_cross_entropy_with_logits(logits, y)

    def training_step(self, batch, batch_idx):
        return self._loss(batch)

    def on_test_start(self):
        assert not self.seen, "the batch that was looked at is still here"

    def test_step(self, batch, batch_idx):
        self.seen.append(len(batch[0]))
        self.log("test/loss", self._loss(batch))
        self.log("val_acc", self.accuracy)

    def on_test_epoch_end(self):
        self.log("samples", float(sum(self.seen)))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.02)


class Points(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16):
        super().__init__()
        self.batch_size = batch_size

    def _loader(self, seed, count, shuffle):
        x = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
        data = torch.utils.data.TensorDataset(x, (x[:, 0] > 0).float())
        return torch.utils.data.DataLoader(data, self.batch_size, shuffle=shuffle)

    def train_dataloader(self):
        return self._loader(0, 48, True)

    def test_dataloader(self):
        return self._loader(1, 40, False)


def net(in_channels, num_classes, width=8):
    return Pixels(in_channels, num_classes, width)


class Pixels(nn.Module):
    def __init__(self, in_channels, num_classes, width):
        super().__init__()
        self.before, self.quantum, self.after = nn.Conv2d(in_channels, 2, 1), layer(), nn.Conv2d(2, num_classes, 1)

    def forward(self, image):
        return self.after(self.quantum(self.before(image).movedim(1, -1)).movedim(-1, 1))
"""

TRAINER = {
    "default_root_dir": "run", "accelerator": "cpu", "max_epochs": 2, "log_every_n_steps": 1,
    "enable_model_summary": False, "enable_progress_bar": False,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "my_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "my_file.py").write_text(MODULE)
    recipe = {
        "seed_everything": 1,
        "trainer": TRAINER,
        "model": {"class_path": "my_pkg.my_file.Hybrid", "init_args": {"width": 16}},
        "data": {"class_path": "my_pkg.my_file.Points"},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """The installed command, which has no script folder of the user's to import from."""
    command = [str(Path(sys.executable).with_name("hqzoo")), *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_fit_and_test_with_a_control(folder):
    run(folder, "fit", "-c", "own.yaml", "--control", "mlp")
    last = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == 6
    assert "net.3.core.0.weight" in last["state_dict"]
    assert not any(name.startswith("net.3.weights") for name in last["state_dict"])
    printed = run(folder, "test", "--ckpt_path", "run/checkpoints/last.ckpt")  # module and control of the run
    report = json.loads((folder / "run/test.json").read_text())
    assert set(report["scores"]) == {"loss", "val_acc", "samples"}
    assert report["scores"]["samples"] == 40
    assert 0 <= report["scores"]["val_acc"] <= 1
    assert "val_acc" in printed
    assert report["model"]["quantum_parameters"] == 0
    assert report["run"]["step"] == 6


@pytest.mark.slow
def test_compare(folder):
    chosen = ["--no-zero", "--controls", "quantum", "constant", "--seeds", "0", "1", "2", "--out", "table"]
    meaning = ["--metric", "val_acc", "--direction", "max", "--margin", "0.02"]
    run(folder, "compare", "-c", "own.yaml", *chosen, *meaning)
    table = read_table(folder / "table/table.yaml")
    assert (table.metric, table.meaning.direction, table.meaning.margin) == ("val_acc", "max", 0.02)
    results = read_cells(table, folder / "table")
    reports = {row: [cell.report for cell in cells.values()] for row, cells in results.items()}
    assert {row: len(each) for row, each in reports.items()} == {"quantum": 3, "constant": 3}
    assert [each.model["quantum_parameters"] for each in reports["quantum"]] == [6] * 3
    assert [each.model["quantum_parameters"] for each in reports["constant"]] == [0] * 3
    (found,) = json.loads((folder / "table/summary.json").read_text())["comparisons"]
    pairs = zip(reports["quantum"], reports["constant"], strict=True)
    assert found["interval"]["mean"] == pytest.approx(
        np.mean([a.score("val_acc") - b.score("val_acc") for a, b in pairs])
    )
    assert found["sd_against"] == 0  # a constant gives all points one answer
    assert "equivalent: told from ±0.02" in (folder / "table/report.md").read_text()


@pytest.fixture
def module(folder, monkeypatch):
    """The package, imported in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module("my_pkg.my_file")
    for name in ("my_pkg", "my_pkg.my_file"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "--control", "mpl"), "Unknown control 'mpl'. Did you mean 'mlp'"),
        (("fit", "--control", "mlp_time"), "control_hidden"),
        (("compare", "--controls", "quantum", "--margin", "0.1"), "give --metric and --direction"),
        (("compare", "--controls", "zero", "--metric", "val_acc"), "give --metric val_acc and --direction max or min"),
        (("compare", "--controls", "mlp_time", "--metric", "a", "--direction", "max"), "Row 'mlp_time': control='mlp"),
        (("predict", "--ckpt_path", "own.yaml"), "hqzoo predict writes the predictions of hqzoo's tasks"),
    ],
)
@pytest.mark.usefixtures("module")
def test_mistakes_are_told_before_anything_is_trained(arguments, message, capsys):
    verb, *rest = arguments
    assert main([verb, "-c", "own.yaml", *rest]) == 2
    assert message in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.mark.usefixtures("module")
@pytest.mark.slow
def test_a_table_grows_by_a_control_and_needs_the_score(capsys):
    chosen = ["compare", "-c", "own.yaml", "--out", "table", "--metric", "accc", "--direction", "max"]
    assert main([*chosen, "--controls", "zero", "--", "trainer.max_epochs=1"]) == 2
    assert "Unknown metric 'accc'. Did you mean 'val_acc'" in capsys.readouterr().err
    chosen[chosen.index("accc")] = "val_acc"
    for control in ("zero", "constant"):
        arguments = ["--controls", control, "--out", "grown", "--", "trainer.max_epochs=1"]
        assert main(["compare", "-c", "own.yaml", "--metric", "val_acc", "--direction", "max", *arguments]) == 0
    assert read_table(Path("grown/table.yaml")).row_names == ("zero", "constant")
    assert read_table(Path("grown/table.yaml")).meaning.direction == "max"


def test_tasks_have_the_control_among_their_architectures_arguments(capsys):
    assert main(["fit", "-c", "hq_unet/landscapes", "--control", "mlp"]) == 2
    assert "--model.init_args.architecture_args.control mlp" in capsys.readouterr().err


def test_looking_at_a_batch_leaves_no_trace(module):
    """Counts of metrics, lists of outputs and the random numbers that follow are those of a module not looked at."""
    torch.manual_seed(5)
    own, data = module.Hybrid(), module.Points()
    state = torch.get_rng_state()
    placed = place_control(own, data, "constant", None)
    assert torch.equal(torch.get_rng_state(), state)
    for each in (own, placed):
        assert each.seen == []
        assert each.accuracy.tp.sum() + each.accuracy.fp.sum() + each.accuracy.tn.sum() + each.accuracy.fn.sum() == 0
        assert not each.accuracy.update_called
    assert placed.seen is not own.seen
    assert torch.equal(placed.net[0].weight, own.net[0].weight)
    assert isinstance(placed.net[3].core, Constant)
    by_name = place_control(own, data, {"net.3": "quantum"}, None)
    assert isinstance(by_name.net[3], QuantumLayer)


@pytest.mark.usefixtures("module")
def test_a_factory_with_another_librarys_layer_is_an_architecture():
    """At random weights, on the factory's own layer: outputs as of the model itself, or of a constant."""
    models = {}
    for control in (None, "quantum", "constant"):
        torch.manual_seed(0)
        arguments = {} if control is None else {"control": control, "sample_size": 4}
        models[control] = create_model("my_pkg.my_file.net", in_channels=3, num_classes=2, **arguments)
    image = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(models["quantum"](image), models[None](image), atol=1e-5, rtol=1e-4)
    assert isinstance(models["quantum"].quantum, QuantumLayer)
    assert models["constant"](image).std((2, 3)).max() < 1e-6


def test_scores_are_named_as_they_were_logged(module):
    logged = {"test/acc": torch.tensor(0.5), "val_acc": torch.tensor(0.25), "a/b": torch.tensor(float("nan"))}
    assert own_report(module.Hybrid(), logged).scores == {"acc": 0.5, "val_acc": 0.25, "a_b": None}
