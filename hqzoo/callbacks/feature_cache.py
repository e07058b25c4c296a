"""Frozen backbones that look at each image once, in this run and in the next."""
# ruff: noqa: D102 - the hooks are documented by Lightning

from __future__ import annotations

from pathlib import Path

from hqzoo._lightning import pl
from hqzoo.errors import ConfigError
from hqzoo.nn.feature_store import FeatureStore
from hqzoo.nn.frozen import form_digest, frozen_parts

__all__ = ["FeatureCache"]


class FeatureCache(pl.Callback):
    """Keep what the frozen parts of a model make of images in a folder, and read it there the next time.

    Validation and test see the same windows in every epoch and every run: with a folder that runs share, their backbone
    looks at each of them once. Crops of training are worth it where they are the same in each epoch, as whole images of
    the crop's size without augmentation are; others would fill the disk and never be read. Checkpoints know nothing of
    the folder, maps and predictions neither use nor fill it, and the costs that a test reports are those without it.

    Digests and files take their own time, see :class:`~hqzoo.nn.feature_store.FeatureStore`.

    Args:
        folder: Where the files are; any number of runs, models and processes may share it. Nothing is ever removed.
        training: Whether features of training images are kept, too.

    Raises:
        ConfigError: If the folder is a file, or the model has no frozen part.
    """

    def __init__(self, folder: str, training: bool = False) -> None:
        self.folder, self.training = Path(folder).expanduser(), training
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(
                f"The folder of a FeatureCache, {self.folder}, is a file. Give a folder; it may not exist yet."
            )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._open(pl_module, self.training)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":  # not one between two epochs of a fit
            self._open(pl_module, training=False)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._open(pl_module, training=False)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for part in frozen_parts(pl_module).values():
            part.store = None

    def _open(self, module: pl.LightningModule, training: bool) -> None:
        parts = frozen_parts(module)
        if not parts:
            raise ConfigError(
                f"A FeatureCache keeps what frozen parts make of images; this {type(module).__name__} has none. Leave "
                "the callback out."
            )
        for part in parts.values():
            part.store = FeatureStore(self.folder, form_digest(part.module) + part.reference["sha256"], training)
