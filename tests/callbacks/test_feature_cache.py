"""A fit whose backbone looks at images once: the same losses, fewer looks, and checkpoints that know nothing of it."""

import warnings

import pytest
import torch

from hqzoo.callbacks import FeatureCache
from hqzoo.errors import ConfigError
from hqzoo.nn import frozen_parts
from hqzoo.tasks import SegmentationTask
from tests.fixtures.tasks import SquaresDataModule, tiny_task, tiny_trainer

DINO = {"backbone": "vit_small_patch16_dinov3", "backbone_args": {"embed_dim": 32, "depth": 4, "num_heads": 2}}
TINY = {"width": 4, "fusion_dim": 16, "fusion_heads": 2, **DINO}
EPOCHS, TRAIN, VAL = 3, 4, 2  # images of SquaresDataModule


class Looks(SegmentationTask):
    """Counts the images that its backbone is given."""

    seen = 0

    def configure_model(self):
        super().configure_model()
        if hasattr(self, "model") and not self.model.backbone.net.module._forward_pre_hooks:
            self.model.backbone.net.module.register_forward_pre_hook(self._count_images)

    def _count_images(self, module, given):
        self.seen += len(given[0])


def fit(folder, *callbacks):
    torch.manual_seed(0)
    task = Looks("hqf_net", TINY)
    trainer = tiny_trainer(folder, max_epochs=EPOCHS, callbacks=list(callbacks))
    trainer.fit(task, SquaresDataModule())
    return task, trainer


def weights(task):
    return torch.cat([p.detach().flatten() for p in task.parameters() if p.requires_grad])


def test_a_fit_on_fixed_crops_looks_at_each_image_once_and_learns_the_same(tmp_path):
    bare, trainer = fit(tmp_path)
    assert bare.seen == EPOCHS * (TRAIN + VAL)
    cached, cached_trainer = fit(tmp_path, FeatureCache(str(tmp_path / "features"), training=True))
    assert cached.seen == TRAIN + VAL
    torch.testing.assert_close(weights(cached), weights(bare), atol=1e-5, rtol=1e-4)
    again, _ = fit(tmp_path, FeatureCache(str(tmp_path / "features"), training=True))
    assert again.seen == 0
    assert torch.equal(weights(again), weights(cached))
    assert cached_trainer.callback_metrics.keys() == trainer.callback_metrics.keys()


def test_without_training_images_only_validation_is_kept(tmp_path):
    task, _ = fit(tmp_path, FeatureCache(str(tmp_path / "features")))
    assert task.seen == EPOCHS * TRAIN + VAL


def test_a_test_reads_too_and_its_costs_are_those_without(tmp_path):
    cache = FeatureCache(str(tmp_path / "features"), training=True)
    task, trainer = fit(tmp_path, cache)
    assert all(part.store is None for part in frozen_parts(task).values())
    reports, seen = [], []
    for callbacks in ([], [cache], [cache]):
        task.seen = 0
        tester = tiny_trainer(tmp_path, callbacks=callbacks)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            tester.test(task, SquaresDataModule(num_workers=0), verbose=False)
        reports.append(task.report())
        seen.append(task.seen)
    assert seen[0] == seen[1] > seen[2] > 0  # the costs are measured on a batch that nothing is kept of
    assert reports[0].costs == reports[1].costs == reports[2].costs
    assert reports[1].scores == reports[2].scores
    assert not any("features" in str(value) for value in task.hparams.values())
    assert trainer.state.finished


def test_validation_alone(tmp_path):
    task, _ = fit(tmp_path)
    cache, seen = FeatureCache(str(tmp_path / "features")), []
    for _ in range(2):
        task.seen = 0
        tiny_trainer(tmp_path, callbacks=[cache]).validate(task, SquaresDataModule(), verbose=False)
        seen.append(task.seen)
    assert seen == [VAL, 0]


def test_predictions_leave_it_alone(tmp_path):
    task, _ = fit(tmp_path)
    tiny_trainer(tmp_path, callbacks=[FeatureCache(str(tmp_path / "features"))]).predict(task, SquaresDataModule())
    assert not (tmp_path / "features").exists()


def test_what_makes_no_sense_is_named(tmp_path):
    with pytest.raises(ConfigError, match="SegmentationTask has none"):
        tiny_trainer(tmp_path, callbacks=[FeatureCache(str(tmp_path))]).fit(tiny_task(known=False), SquaresDataModule())
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="is a file"):
        FeatureCache(str(file))
