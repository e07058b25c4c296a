"""What the dashboard shows of models and tasks that have more to say: experts, pretraining, labels."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import wandb

from hqzoo._lightning import pl
from hqzoo.callbacks import Dashboard, PredictionPanel, SafeWandbLogger
from hqzoo.callbacks.dashboard import _interval
from hqzoo.errors import ConfigError
from hqzoo.tasks import ClassificationTask, SegmentationTask
from tests.fixtures.tasks import SquaresDataModule, tiny_task, tiny_trainer
from tests.fixtures.wandb_file import read_runs
from tests.models.test_hqf_net import TINY as TINY_HQF_NET
from tests.tasks.test_hq_jepa import task as pretraining
from tests.toys.labels import LabelData
from tests.toys.sensors import PairData


class PanelLogger(pl.loggers.CSVLogger):
    """Takes pictures, and breaks if it is told to."""

    def __init__(self, folder: Path, breaks: bool = False) -> None:
        super().__init__(folder, name="", version="")
        self.pictures, self.breaks = set[str](), breaks

    def log_image(self, key: str, images: list[str], step: int | None = None) -> None:
        if self.breaks:
            raise ConnectionError("no answer")
        self.pictures.add(key)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def logged(folder: Path) -> set[str]:
    return {name for row in rows(folder / "metrics.csv") for name, value in row.items() if value}


def fit(folder: Path, task: pl.LightningModule, data: pl.LightningDataModule, *callbacks, **more) -> PanelLogger:
    logger = PanelLogger(folder, more.pop("breaks", False))
    settings = {"logger": [logger, *more.pop("others", [])], "log_every_n_steps": 1, **more}
    tiny_trainer(folder, callbacks=list(callbacks) or [Dashboard()], **settings).fit(task, data)
    return logger


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SafeWandbLogger]:
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield SafeWandbLogger(save_dir=str(tmp_path), mode="offline")
    wandb.teardown()


def test_shares_of_experts(tmp_path: Path, offline: SafeWandbLogger) -> None:
    torch.manual_seed(0)
    task = SegmentationTask("hqf_net", TINY_HQF_NET)
    fit(tmp_path, task, SquaresDataModule(), limit_train_batches=1, others=[offline])
    found = {row["what"]: float(row["value"]) for row in rows(tmp_path / "dashboard" / "watched.csv")}
    shares = {f"experts/{name}/share" for name in ("local", "global", "diagonal")}
    assert sum(found[name] for name in shares) == pytest.approx(1)
    (recorded,) = read_runs(tmp_path)
    assert {name: recorded.history[f"watched/{name}"] for name in shares} == {name: found[name] for name in shares}
    circuits = [name for name in recorded.history if name.endswith("/weight_angles") and name.count("/") == 2]
    assert set(task.model.quantum_parts()) == {name.split("/")[1] for name in circuits}


def test_pretraining(tmp_path: Path, offline: SafeWandbLogger) -> None:
    logger = fit(tmp_path, pretraining(), PairData(batch_size=8, seed=3), others=[offline])
    assert logger.pictures == {"val/panel", "circuits/state"}  # the panel shows masks
    names = {"train/token", "train/sigreg", "train/fidelity", "val/rank_me", "val/fidelity", "val/fidelity_of_others"}
    health = {"train/health/fidelity", "train/health/fidelity_of_others", "train/health/fidelity_gap"}
    (recorded,) = read_runs(tmp_path)
    assert names | health | {"val/panel", "val/knn"} <= recorded.history.keys()
    assert names | health <= logged(tmp_path)
    last = {name: float(row[name]) for row in rows(tmp_path / "metrics.csv") for name in row if row[name]}
    gap = last["val/fidelity"] - last["val/fidelity_of_others"]
    assert last["val/fidelity_gap"] == pytest.approx(gap, abs=1e-6)


def test_labels(tmp_path: Path, offline: SafeWandbLogger) -> None:
    task = ClassificationTask("toy_labels", {"control": "quantum"})
    logger = fit(tmp_path, task, LabelData(), others=[offline])
    pictures = {"val/panel", "val/class_curves", "val/confusion_matrix", "val/reliability", "circuits/state"}
    assert logger.pictures == pictures
    (recorded,) = read_runs(tmp_path)
    tables = {"val/classes", "val/confusion", "val/calibration"}
    assert pictures | tables | {f"val/f1/{name}" for name in task.classes} <= recorded.history.keys()


def test_tables_go_on_where_a_run_does(tmp_path: Path) -> None:
    fit(tmp_path, tiny_task(), SquaresDataModule(), max_epochs=3)
    path = tmp_path / "dashboard" / "val" / "confusion.csv"
    assert [row["epoch"] for row in rows(path)] == [str(epoch) for epoch in (0, 1, 2) for _ in range(3)]
    fit(tmp_path, tiny_task(), SquaresDataModule(), max_epochs=1)  # the same folder again: what came later is gone
    assert [row["epoch"] for row in rows(path)] == ["0"] * 3


def test_every_few_epochs(tmp_path: Path) -> None:
    fit(tmp_path, tiny_task(), SquaresDataModule(), Dashboard(every_n_epochs=2), max_epochs=4)
    for name in ("val/classes", "circuits/health"):
        assert {row["epoch"] for row in rows(tmp_path / "dashboard" / f"{name}.csv")} == {"1", "3"}
    assert len(list((tmp_path / "panels").iterdir())) == 2


@pytest.mark.parametrize(
    ("epochs", "validation", "shown"),
    [(3, 1, 3), (50, 1, 50), (51, 1, 25), (600, 10, 30), (-1, 1, None), (100, None, 50)],
)
def test_long_trainings_are_shown_less_often(epochs: int, validation: int | None, shown: int | None) -> None:
    trainer = pl.Trainer(max_epochs=epochs, check_val_every_n_epoch=validation, logger=False, accelerator="cpu",
                         val_check_interval=5 if validation is None else None, max_steps=10)  # fmt: skip
    every = _interval(trainer)
    assert every % (validation or 1) == 0
    assert shown is None or epochs // every == shown


def test_an_own_panel_is_the_one(tmp_path: Path) -> None:
    own = PredictionPanel(samples=1, folder=str(tmp_path / "own"))
    fit(tmp_path, tiny_task(), SquaresDataModule(), Dashboard(), own)
    assert not (tmp_path / "panels").exists()
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["epoch_0000.png"]
    assert len(list((tmp_path / "dashboard" / "masks").glob("*-truth.png"))) == 1


def test_a_logger_that_breaks_is_one_warning(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="PanelLogger takes no more panels: ConnectionError: no answer") as caught:
        fit(tmp_path, tiny_task(), SquaresDataModule(), max_epochs=2, breaks=True)
    assert sum("takes no more panels" in str(each.message) for each in caught) == 1


@pytest.mark.parametrize("looks", [0, 1, 3])
def test_circuits_are_looked_at_in_few_steps(tmp_path: Path, looks: int) -> None:
    task, seen = tiny_task(), []

    class Count(pl.Callback):
        def on_train_batch_end(self, *_: object) -> None:
            seen.append(bool(circuit._forward_hooks))

        def on_before_optimizer_step(self, *_: object) -> None:
            seen.append(bool(circuit._forward_hooks))

    circuit = next(part for part in task.model.quantum_parts().values())
    fit(tmp_path, task, SquaresDataModule(batch_size=1, crops_per_epoch=6), Dashboard(looks=looks), Count())
    assert seen.count(True) == looks
    assert len(seen) == 12


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="looks=-1"):
        Dashboard(looks=-1)
    with pytest.raises(ConfigError, match="at most 108"):
        Dashboard(samples=109)
