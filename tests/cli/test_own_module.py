"""Someone's own LightningModule with PennyLane's layer, in a package in the working folder, through the real command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from hqzoo.cli.own_module import own_report, place_control
from hqzoo.compare import read_table
from hqzoo.compare.cells import read_cells

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
        self.net = nn.Sequential(nn.Linear(4, 32 * width), nn.ReLU(), nn.Linear(32 * width, 2), layer(), nn.Linear(2, 1))
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


def test_compare(folder):
    chosen = ["--controls", "quantum", "constant", "--seeds", "0", "1", "2", "--out", "table"]
    told = run(folder, "compare", "-c", "own.yaml", *chosen, "--metric", "val_acc", code=2)
    assert "give --metric val_acc and --direction max or min" in told
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
    assert found["mean"] == pytest.approx(np.mean([a.score("val_acc") - b.score("val_acc") for a, b in pairs]))
    assert found["mean"] > 0.2  # a constant cannot tell points apart
    # The table grows by a control, under the same meaning.
    run(folder, "compare", "-c", "own.yaml", "--controls", "zero", "--seeds", "0", "--out", "table", *meaning)
    assert read_table(folder / "table/table.yaml").row_names == ("quantum", "constant", "zero")


def test_mistakes_are_told(folder):
    told = run(folder, "fit", "-c", "own.yaml", "--control", "mpl", code=2)
    assert "Unknown control 'mpl'. Did you mean 'mlp'" in told
    told = run(folder, "compare", "-c", "own.yaml", "--controls", "quantum", "--margin", "0.1", code=2)
    assert "give --metric and --direction" in told


@pytest.fixture
def module(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    import my_pkg.my_file

    yield my_pkg.my_file
    for name in ("my_pkg", "my_pkg.my_file"):
        sys.modules.pop(name, None)


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


def test_scores_are_named_as_they_were_logged(module):
    logged = {"test/acc": torch.tensor(0.5), "val_acc": torch.tensor(0.25), "a/b": torch.tensor(float("nan"))}
    assert own_report(module.Hybrid(), logged).scores == {"acc": 0.5, "val_acc": 0.25, "a_b": None}
