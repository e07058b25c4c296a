"""The best checkpoint is that of the best score, whatever happens in between."""

from pathlib import Path

import pytest
import torch

from hqzoo._lightning import pl
from hqzoo.callbacks.best import BestCheckpoint
from hqzoo.callbacks.resume import Resumable
from hqzoo.errors import ConfigError
from hqzoo.tasks import SegmentationTask
from tests.fixtures.tasks import TINY, SquaresDataModule, tiny_trainer

NAN = float("nan")


class Scored(pl.LightningModule):
    """A single number that says which epoch it is; its validation scores are given."""

    def __init__(self, scores: list[float | None]) -> None:
        super().__init__()
        self.scores = scores
        self.register_buffer("epoch", torch.tensor(-1.0))
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.epoch.fill_(self.current_epoch)
        return (self.weight * batch).sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        score = self.scores[self.current_epoch]
        if score is not None:
            self.log("val/miou", score)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


HIGHEST = ("val/miou", "max")


def train(
    scores: list[float | None],
    root: Path,
    epochs: int,
    checkpoint: Path | None = None,
    monitor: tuple[str | None, str | None] = HIGHEST,
) -> None:
    trainer = pl.Trainer(
        max_epochs=epochs,
        logger=False,
        accelerator="cpu",
        callbacks=[BestCheckpoint(root / "best.ckpt", *monitor), Resumable(root / "last.ckpt")],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = torch.utils.data.DataLoader(torch.ones(2, 1))
    trainer.fit(Scored(scores), batches, batches, ckpt_path=checkpoint, weights_only=True)


def best_epoch(root: Path) -> int:
    return int(torch.load(root / "best.ckpt", weights_only=True)["state_dict"]["epoch"])


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.3, 0.2], 1), ([0.3, 0.2, 0.1], 0), ([NAN, 0.1, NAN], 1), ([0.0, 0.0, 0.0], 0)],
)
def test_keeps_the_first_highest_score(scores: list[float | None], best: int, tmp_path: Path) -> None:
    train(scores, tmp_path, 3)
    assert best_epoch(tmp_path) == best


@pytest.mark.parametrize(
    ("scores", "best"), [([0.1, 0.3, 0.05], 2), ([0.1, 0.2, 0.3], 0), ([NAN, 0.1, NAN], 1), ([0.0, 0.0, 0.0], 0)]
)
def test_keeps_the_first_lowest_loss(scores: list[float | None], best: int, tmp_path: Path) -> None:
    train(scores, tmp_path, 3, monitor=("val/miou", "min"))
    assert best_epoch(tmp_path) == best


def test_a_module_that_is_no_task_has_no_best_checkpoint_unless_it_says_of_what(tmp_path: Path) -> None:
    train([0.1, 0.2], tmp_path, 2, monitor=(None, None))
    assert not (tmp_path / "best.ckpt").exists()


def test_the_task_decides_what_is_best(tmp_path: Path) -> None:

    class LossTask(SegmentationTask):
        monitor = ("val/loss", "min")

    for kind, expected in ((SegmentationTask, ("val/miou", "max")), (LossTask, ("val/loss", "min"))):
        best = BestCheckpoint(tmp_path / "best.ckpt")
        trainer = tiny_trainer(tmp_path, callbacks=[best], enable_checkpointing=True)
        trainer.fit(kind("hq_unet", architecture_args=TINY), SquaresDataModule())
        assert (best.monitor, best.mode) == expected
        assert best.score == pytest.approx(trainer.callback_metrics[expected[0]].item())


@pytest.mark.parametrize("given", [{"monitor": "val/loss"}, {"mode": "min"}, {"monitor": "a", "mode": "lowest"}])
def test_score_and_direction_belong_together(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="Give both"):
        BestCheckpoint("best.ckpt", **given)


def test_resumed_with_another_score_starts_to_compare_anew(tmp_path: Path) -> None:
    train([0.5, 0.4], tmp_path, 2)
    train([0.5, 0.4, 0.45], tmp_path, 3, tmp_path / "last.ckpt", ("val/miou", "min"))
    assert best_epoch(tmp_path) == 2


@pytest.mark.parametrize("scores", [[NAN, NAN], [None, None]])
def test_nothing_where_there_is_no_score(scores: list[float | None], tmp_path: Path) -> None:
    train(scores, tmp_path, 2)
    assert not (tmp_path / "best.ckpt").exists()


def test_resumed_in_a_moved_folder_keeps_a_better_one(tmp_path: Path) -> None:
    train([0.5, 0.4, 0.45], tmp_path / "a", 2)
    (tmp_path / "a").rename(tmp_path / "b")
    train([0.5, 0.4, 0.45], tmp_path / "b", 3, tmp_path / "b" / "last.ckpt")
    assert best_epoch(tmp_path / "b") == 0
    train([0.5, 0.4, 0.45, 0.6], tmp_path / "b", 4, tmp_path / "b" / "last.ckpt")
    assert best_epoch(tmp_path / "b") == 3
