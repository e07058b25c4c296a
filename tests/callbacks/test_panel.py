import pytest
import torch

from hqzoo._lightning import pl
from hqzoo.callbacks import PredictionPanel
from hqzoo.errors import ConfigError
from tests.fixtures.tasks import SquaresDataModule, tiny_task, tiny_trainer


class PictureLogger(pl.loggers.CSVLogger):
    """Takes pictures as the Weights & Biases logger does."""

    def __init__(self, folder):
        super().__init__(folder)
        self.pictures = []

    def log_image(self, key, images, step=None):
        self.pictures.append((key, images, step))


def test_callback_draws_every_few_epochs_and_tells_the_logger(tmp_path):
    logger = PictureLogger(tmp_path)
    callback = PredictionPanel(every_n_epochs=2, samples=3)
    trainer = tiny_trainer(
        tmp_path,
        max_epochs=4,
        callbacks=[callback],
        logger=logger,
        num_sanity_val_steps=1,
        log_every_n_steps=1,
    )
    trainer.fit(tiny_task(), SquaresDataModule(batch_size=1))
    drawn = sorted(file.name for file in (tmp_path / "panels").iterdir())
    assert drawn == ["epoch_0001.png", "epoch_0003.png"]
    expected = [
        ("val/panel", [str(tmp_path / "panels" / name)], step) for name, step in zip(drawn, (8, 16), strict=True)
    ]
    assert logger.pictures == expected


def test_windows_are_spread_over_the_split(tmp_path):
    callback = PredictionPanel(samples=2, folder=str(tmp_path / "here"))
    kept, task = [], tiny_task()
    task.draw_panel = lambda samples, predictions, path: kept.extend(zip(samples, predictions, strict=True))
    data = SquaresDataModule(batch_size=1)
    data.val_dataloader = data.test_dataloader  # 12 windows
    data.setup("test")
    tiny_trainer(tmp_path, callbacks=[callback]).fit(task, data)
    batches = list(data.test_dataloader())
    assert len(kept) == 2
    for (sample, prediction), batch in zip(kept, (batches[0], batches[len(batches) // 2]), strict=True):
        assert torch.equal(sample["image"], batch["image"][0])
        assert torch.equal(sample["mask"], batch["mask"][0])
        assert prediction.shape == sample["mask"].shape


def test_numbers_must_be_positive():
    with pytest.raises(ConfigError, match="got 0 and 4"):
        PredictionPanel(every_n_epochs=0)
