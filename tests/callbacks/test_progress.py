"""Progress as lines."""

import re
from pathlib import Path

import pytest
import torch

from hqzoo._lightning import pl
from hqzoo.callbacks.progress import LineProgress, progress_callback


class Line(pl.LightningModule):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss = (self.weight * batch).sum()
        self.log("train/loss", loss + 0.5, prog_bar=True)
        return loss

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/miou", 0.25)
        self.log("val/iou/road", 0.75)

    def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("test/miou", 0.25)

    def predict_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        return None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def trainer(root: Path, seconds: float) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=root,
        max_epochs=2,
        logger=False,
        accelerator="cpu",
        callbacks=[LineProgress(seconds)],
        enable_checkpointing=False,
        enable_model_summary=False,
    )


def loader(batches: int) -> torch.utils.data.DataLoader[torch.Tensor]:
    return torch.utils.data.DataLoader(torch.ones(batches, 1))


def test_one_line_an_epoch_with_the_scores_of_the_whole_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer(tmp_path, seconds=1000).fit(Line(), loader(4), loader(3))
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1/2: done, step 4, train/loss 0.5, val/miou 0.25",
        "epoch 2/2: done, step 8, train/loss 0.5, val/miou 0.25",
    ]


def test_lines_in_between(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner, module = trainer(tmp_path, seconds=0), Line()
    runner.fit(module, loader(4), loader(3))
    lines = capsys.readouterr().out.splitlines()
    training = [line for line in lines if line.startswith("epoch 2/2: ") and "batches" in line]
    assert [line.split(": ")[1].split(" ")[0] for line in training] == ["1/4", "2/4", "3/4", "4/4"]
    assert re.fullmatch(r"epoch 2/2: 3/4 batches, [\d.]+ batches/s, \d+ s left, train/loss 0.5", training[2]), training[
        2
    ]
    assert sum(line.startswith("validation: 3/3") for line in lines) == 2
    runner.test(module, loader(2), verbose=False)
    runner.predict(module, loader(2))
    out = capsys.readouterr().out
    assert "test: 2/2 batches" in out
    assert "prediction: 2/2 batches" in out


def test_a_terminal_gets_a_bar_and_a_file_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert isinstance(progress_callback(), LineProgress)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert isinstance(progress_callback(), pl.callbacks.RichProgressBar)
