import json
import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

import hqzoo.weights
from hqzoo.data import Sensor, Statistics, Targets
from hqzoo.errors import CheckpointError, ConfigError, DataError, SensorError
from hqzoo.quantum import QuantumLayer
from hqzoo.scenes import map_scene
from hqzoo.tasks import LossSettings, OptimizerSettings, Report, ScheduleSettings, SegmentationTask
from hqzoo.tasks.trained import Trained
from tests.fixtures.scenes import picture, read, write_raster
from tests.fixtures.tasks import (
    CLASSES,
    KNOWN,
    PALETTE,
    STATISTICS,
    TINY,
    SquaresDataModule,
    raw_batch,
    tiny_task,
    tiny_trainer,
)


def same_weights(a, b):
    return all(torch.equal(a[k], b[k]) for k in a) and a.keys() == b.keys()


def window_maps(task, data):
    """The class maps of the test's windows, each as the model sees it."""
    with torch.no_grad():
        return torch.cat([task.eval()(batch).argmax(1) for batch in data.test_dataloader()])


class TestPredict:
    def test_an_array_is_mapped_as_its_file_is(self, tmp_path):
        image = picture(100, 140)
        image[:, 20:70, 30:90] = 0
        scene = write_raster(tmp_path / "s.tif", image, nodata=0)
        task = tiny_task().train()
        map_scene(task, scene, tmp_path / "m.tif", probabilities=tmp_path / "p.tif", progress=False)
        found = task.predict(image, (image > 0).any(0))
        np.testing.assert_allclose(found, read(tmp_path / "p.tif"), atol=1e-6)
        assert task.training
        np.testing.assert_array_equal(task.predict(torch.from_numpy(image)), task.predict(image.astype(np.float32)))

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.zeros((2, 40, 40)), r"bands red, green, blue, got \(2, 40, 40\)"),
            (np.zeros((40, 40, 3)), r"got \(40, 40, 3\)"),
            (np.random.default_rng(0).random((3, 40, 40)), "full scale 255"),
            (np.full((3, 40, 40), 4000, np.uint16), "values from 4000 to 4000"),
            (np.full((3, 40, 40), np.nan), "valid="),
            (np.full((3, 40, 40), 1j), "complex128"),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(self, image, message):
        with pytest.raises(SensorError, match=message):
            tiny_task().predict(image)

    def test_how_it_was_trained_travels_in_the_checkpoint(self, tmp_path):
        task, path = tiny_task(known=False), tmp_path / "run.ckpt"
        trainer = tiny_trainer(tmp_path, max_steps=1, precision="bf16-mixed")
        trainer.fit(task, SquaresDataModule())
        trainer.save_checkpoint(path)
        loaded = hqzoo.weights.load(path)
        assert loaded.trained == Trained("bf16-mixed", (32, 32))
        image = picture(50, 60)
        as_trained = loaded.predict(image)
        np.testing.assert_array_equal(as_trained, loaded.predict(image, precision="bfloat16"))
        assert np.abs(as_trained - loaded.predict(image, precision="float32")).max() > 1e-5


class TestBuilding:
    def test_model_is_there_at_once_when_the_sensor_is_known(self):
        task = tiny_task()
        assert task.model.input_size == 32
        assert task(raw_batch()["image"]).shape == (2, 3, 32, 32)

    def test_model_waits_for_the_data_module_otherwise(self, tmp_path):
        task = tiny_task(known=False)
        assert not hasattr(task, "model")
        with pytest.raises(ConfigError, match="no model yet"):
            task(raw_batch()["image"])
        data = SquaresDataModule()
        tiny_trainer(tmp_path, fast_dev_run=True).fit(task, data)
        assert (task.sensor, task.classes, task.palette) == (data.sensor, CLASSES, PALETTE)
        assert task.statistics == data.statistics
        own = data.statistics["image"]
        assert task.hparams["sensors"] == {"image": data.sensor.to_dict()}
        assert task.hparams["statistics"]["image"]["mean"] == list(own.mean)
        np.testing.assert_allclose(task.normalizers["image"].mean, own.mean, rtol=1e-6)

    def test_forward_normalises(self):
        task = tiny_task().eval()
        image = raw_batch()["image"]
        mean, std = (torch.tensor(part)[:, None, None] for part in (STATISTICS.mean, STATISTICS.std))
        torch.testing.assert_close(task(image), task.model((image - mean) / std))

    def test_a_sigmoid_head_has_one_logit_and_the_binary_cross_entropy(self):
        task = tiny_task(head="sigmoid", targets=Targets("mask", CLASSES[:2], PALETTE[:2]), loss={"name": "ce"})
        image = raw_batch()["image"]
        z = task.model.eval()(task.normalise(image))
        assert z.shape == (2, 1, 32, 32)
        logits = task.eval()(image)
        torch.testing.assert_close(logits.softmax(1)[:, 1:], z.sigmoid())
        mask = (torch.rand(2, 32, 32) < 0.3).long()
        binary = torch.nn.functional.binary_cross_entropy_with_logits(z[:, 0], mask.float())
        torch.testing.assert_close(task.loss(logits, mask), binary)

    def test_a_sigmoid_head_is_for_two_classes(self):
        with pytest.raises(ConfigError, match="two classes apart; there are 3"):
            tiny_task(head="sigmoid")
        with pytest.raises(ConfigError, match="head='tanh'"):
            tiny_task(head="tanh")

    def test_settings_may_be_plain_dictionaries(self):
        task = tiny_task(loss={"name": "focal"}, optimizer={"lr": 0.5}, schedule={"name": "linear"})
        assert task.loss_settings == LossSettings("focal")
        assert task.optimizer_settings == OptimizerSettings(lr=0.5)
        assert task.schedule_settings == ScheduleSettings("linear")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"architecture": "hq_unett"}, "Did you mean 'hq_unet'"),
            ({"architecture_args": {"widht": 4}}, "no argument 'widht'. Did you mean 'width'"),
            ({"loss": {"nam": "ce"}}, "Unknown loss setting 'nam'. Did you mean 'name'"),
            ({"loss": {"name": "cee"}}, "Unknown loss 'cee'"),
            ({"optimizer": {"learning_rate": 1}}, "Unknown optimizer setting 'learning_rate'"),
            ({"schedule": {"warm_up": 1}}, "Did you mean 'warmup'"),
            ({"statistics": {"image": Statistics((0.0,), (1.0,))}}, "3 bands, but statistics of 1"),
            ({"targets": {"kind": "mask", "classes": CLASSES, "palette": [[0, 0, 0]]}}, "got 1 for 3"),
            ({"boundary_width": 0}, "boundary_width"),
        ],
    )
    def test_nonsense_is_refused_at_once(self, arguments, message):
        own = {"architecture": "hq_unet", "architecture_args": TINY, **KNOWN}
        with pytest.raises((ConfigError, SensorError), match=message):
            SegmentationTask(**{**own, **arguments})

    def test_weights_are_channels_last_unless_told_otherwise(self):
        def first_wide_weight(task):
            return next(p for p in task.model.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1)

        assert first_wide_weight(tiny_task()).is_contiguous(memory_format=torch.channels_last)
        assert first_wide_weight(tiny_task(channels_last=False)).is_contiguous()
        torch.manual_seed(1)
        a = tiny_task(channels_last=True).eval()
        torch.manual_seed(1)
        b = tiny_task(channels_last=False).eval()
        image = raw_batch()["image"]
        torch.testing.assert_close(a(image), b(image), rtol=1e-4, atol=1e-4)

    def test_quantum_weights_do_not_decay(self):
        groups = tiny_task(schedule={"name": "constant", "warmup_steps": 0})
        from hqzoo.tasks.optim import build_optimizer

        *_, quantum = build_optimizer(groups.model, OptimizerSettings(quantum_lr=0.3)).param_groups
        layer = next(m for m in groups.model.modules() if isinstance(m, QuantumLayer))
        assert [id(p) for p in quantum["params"]] == [id(layer.weights)]
        assert (quantum["weight_decay"], quantum["lr"]) == (0.0, 0.3)


class TestChecks:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda x: x[:, :2], r"red, green, blue, got \(2, 2, 32, 32\)"),
            (lambda x: x[0], r"got \(3, 32, 32\)"),
            (lambda x: x.to(torch.uint8), "got torch.uint8"),
            (lambda x: x.index_fill(1, torch.tensor([1]), math.nan), "2048 in green"),
            (lambda x: x.masked_fill(torch.arange(32) == 3, math.inf), "64 in red, 64 in green, 64 in blue"),
        ],
    )
    @pytest.mark.parametrize("training", [True, False])
    def test_images_that_do_not_fit(self, change, message, training):
        with pytest.raises(SensorError, match=message):
            tiny_task().train(training)(change(raw_batch()["image"]))

    def test_huge_but_finite_images_pass(self):
        image = torch.full((1, 3, 32, 32), 3e38)  # their sum is infinite
        assert tiny_task().eval()(image).shape == (1, 3, 32, 32)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda y: y[:, :16], r"Expected a mask \(2, 32, 32\)"),
            (lambda y: y.int(), "got .* of torch.int32"),
            (lambda y: y.where(y != 1, 7), r"holds \[7\]"),
        ],
    )
    def test_masks_that_do_not_fit(self, change, message):
        batch = raw_batch()
        batch["mask"] = change(batch["mask"])
        with pytest.raises(DataError, match=message):
            tiny_task().training_step(batch, 0)

    def test_another_sensor_is_refused_before_training(self, tmp_path):
        data = SquaresDataModule(sensor=Sensor(("red", "green", "nir")))
        with pytest.raises(SensorError, match="The bands differ"):
            tiny_trainer(tmp_path).fit(tiny_task(), data)

    def test_other_classes_are_refused(self, tmp_path):
        data = SquaresDataModule(classes=("soil", "wood", "water"))
        with pytest.raises(ConfigError, match="Names and order must be the same"):
            tiny_trainer(tmp_path).fit(tiny_task(), data)

    def test_without_data_module_the_sensor_must_be_given(self, tmp_path):
        loader = torch.utils.data.DataLoader([raw_batch()], batch_size=None)
        with pytest.raises(ConfigError, match="does not know its images"):
            tiny_trainer(tmp_path).fit(tiny_task(known=False), loader)
        tiny_trainer(tmp_path).fit(tiny_task(), loader)


class TestTraining:
    @pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
    def test_it_learns_the_squares_and_reports_them(self, tmp_path, precision):
        torch.manual_seed(0)
        task = tiny_task(known=False, architecture_args={**TINY, "width": 8}, optimizer={"lr": 0.02})
        data = SquaresDataModule(batch_size=4, crops_per_epoch=8)
        trainer = tiny_trainer(tmp_path, max_epochs=25, precision=precision, check_val_every_n_epoch=25)
        trainer.fit(task, data)
        logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
        expected = {"train/loss", "val/loss", "val/miou", "val/oa", "val/boundary_iou"}
        assert set(logged) == expected | {f"val/iou/{name}" for name in CLASSES}
        assert logged["val/miou"] > 0.6
        trainer.test(task, data, verbose=False)
        report = task.report()
        assert Report.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))).scores == report.scores
        assert trainer.callback_metrics["test/miou"].item() == pytest.approx(report.score("miou"))
        assert trainer.callback_metrics["test/loss"].item() == pytest.approx(report.score("loss"))
        assert report.details["pixels"] == sum((r.mask != 255).sum() for r in data.records("test"))
        assert [row["name"] for row in report.classes] == list(CLASSES)
        assert report.score("iou/soil") == report.classes[0]["iou"]
        assert report.model["quantum_parameters"] == 8
        assert report.model["parameters"] == sum(p.numel() for p in task.model.parameters())

    def test_scores_are_those_of_the_predictions(self, tmp_path):
        task, data = tiny_task(), SquaresDataModule()
        trainer = tiny_trainer(tmp_path)
        trainer.test(task, data, verbose=False)
        truth = torch.cat([batch["mask"] for batch in data.test_dataloader()])
        guess = window_maps(task, data)
        t, p = truth[truth != 255], guess[truth != 255]
        report = task.report()
        assert report.run == {"prediction": "windows"}
        assert report.score("oa") == pytest.approx(sk.accuracy_score(t, p))
        assert report.score("miou") == pytest.approx(sk.jaccard_score(t, p, average="macro"))

    def test_a_blended_test_scores_what_predict_writes(self, tmp_path):
        task, data = tiny_task(loss={"name": "ce"}), SquaresDataModule(batch_size=3, blend_test=True)
        trainer = tiny_trainer(tmp_path)
        trainer.test(task, data, verbose=False)
        report = task.report()
        assert report.run == {"prediction": "blended"}
        images = data.records("test")
        chances = [task.predict(image.image) for image in images]
        t = np.concatenate([image.mask.ravel() for image in images])
        p = np.concatenate([each.argmax(0).ravel() for each in chances])
        q = np.concatenate([each.reshape(3, -1) for each in chances], 1).T
        valid = t != 255
        assert report.details["pixels"] == valid.sum()
        assert report.score("oa") == pytest.approx(sk.accuracy_score(t[valid], p[valid]))
        assert report.score("miou") == pytest.approx(sk.jaccard_score(t[valid], p[valid], average="macro"))
        assert report.score("loss") == pytest.approx(sk.log_loss(t[valid], q[valid], labels=[0, 1, 2]), rel=1e-5)
        samples = task.samples()
        assert list(samples["name"]) == ["field_0", "field_1"]
        for k, each in enumerate(images):
            known = each.mask != 255
            right = (chances[k].argmax(0) == each.mask) & known
            assert samples["tp"][k].sum() == right.sum()
        task.trainer.validate(task, data, verbose=False)
        assert task.report("val").run == {"prediction": "windows"}

    def test_every_scene_has_its_own_counts(self, tmp_path):
        task, data = tiny_task(), SquaresDataModule()
        trainer = tiny_trainer(tmp_path)
        trainer.test(task, data, verbose=False)
        samples = task.samples()
        assert list(samples["name"]) == ["field_0", "field_1"]
        guesses = window_maps(task, data)
        windows = list(data.test_dataloader())
        truths = torch.cat([batch["mask"] for batch in windows])
        scenes = [scene for batch in windows for scene in batch["scene"]]
        for k, scene in enumerate(samples["name"]):
            mine = torch.tensor([each == scene for each in scenes])
            t, p = truths[mine], guesses[mine]
            table = sk.multilabel_confusion_matrix(t[t != 255], p[t != 255], labels=[0, 1, 2])
            for column, place in {"tp": (1, 1), "fp": (0, 1), "fn": (1, 0)}.items():
                assert list(samples[column][k]) == [each[place] for each in table]
        assert (samples["soft"][:, 1] == samples["tp"] + samples["fn"]).all()
        assert (samples["calibration"][:, 0].sum(1) == (samples["tp"] + samples["fn"]).sum(1)).all()
        assert (samples["calibration"][:, 2].sum(1) == samples["tp"].sum(1)).all()

    def test_units_belong_to_the_scenes_of_the_data(self, tmp_path, monkeypatch):
        monkeypatch.setattr(SquaresDataModule, "scene_of", lambda self, record: f"of {record.name}")
        task = tiny_task()
        tiny_trainer(tmp_path).test(task, SquaresDataModule(), verbose=False)
        assert task.samples()["group"].tolist() == ["of field_0", "of field_1"]

    def test_a_split_without_labels_reports_nothing_rather_than_zero(self, tmp_path):
        task, data = tiny_task(), SquaresDataModule()
        for record in data.records("test"):
            record.mask[:] = 255
        tiny_trainer(tmp_path).test(task, data, verbose=False)
        report = task.report()
        assert [report.score(name) for name in ("miou", "oa", "ece")] == [None, None, None]
        assert "loss" not in report.scores
        json.dumps(report.to_dict(), allow_nan=False)

    def test_a_report_needs_a_test(self):
        with pytest.raises(ConfigError, match=r"run trainer\.test"):
            tiny_task().report()

    def test_logged_loss_of_a_split_is_the_mean_over_its_labelled_pixels(self, tmp_path):
        task, data = tiny_task(loss={"name": "ce"}).eval(), SquaresDataModule()
        trainer = tiny_trainer(tmp_path)
        (result,) = trainer.test(task, data, verbose=False)
        batches = list(data.test_dataloader())
        with torch.no_grad():
            logits = torch.cat([task(batch["image"]) for batch in batches])
        mask = torch.cat([batch["mask"] for batch in batches])
        expected = torch.nn.functional.cross_entropy(logits, mask, ignore_index=255)
        assert result["test/loss"] == pytest.approx(expected.item(), rel=1e-5)

    @pytest.mark.parametrize("name", ["ce", "dice", "ce_dice", "focal", "focal_dice"])
    def test_every_loss_trains(self, tmp_path, name):
        task = tiny_task(loss={"name": name, "class_weights": [1.0, 2.0, 3.0]})
        before = {key: value.clone() for key, value in task.state_dict().items()}
        tiny_trainer(tmp_path, max_steps=1).fit(task, SquaresDataModule())
        moved = {key for key, value in task.state_dict().items() if not torch.equal(value, before[key])}
        assert {key for key, _ in task.named_parameters()} <= moved

    def test_the_learning_rate_follows_the_schedule_step_by_step(self, tmp_path):
        task = tiny_task(schedule={"warmup": 0.0, "min_lr": 1e-6})
        trainer = tiny_trainer(tmp_path, max_epochs=5)
        trainer.fit(task, SquaresDataModule())  # 2 steps an epoch
        (config,) = trainer.lr_scheduler_configs
        assert config.interval == "step"
        assert config.scheduler.last_epoch == 10
        assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-6)

    @pytest.mark.parametrize(("architecture", "steps"), [("hq_unet", 120), ("smp_unet", 40)])
    def test_two_samples_are_learnt_by_heart(self, tmp_path, architecture, steps):
        torch.manual_seed(0)
        arguments = {**TINY, "width": 8} if architecture == "hq_unet" else {}
        task = SegmentationTask(
            architecture,
            arguments,
            optimizer=OptimizerSettings(lr=0.01),
            schedule=ScheduleSettings("constant", warmup_steps=5),
            **KNOWN,
        )
        batch = raw_batch()
        loader = torch.utils.data.DataLoader([batch] * steps, batch_size=None)
        trainer = tiny_trainer(tmp_path)
        trainer.fit(task, loader)
        assert trainer.callback_metrics["train/loss"].item() < 0.1
        with torch.no_grad():
            assert task.loss(task.train()(batch["image"]), batch["mask"]).item() < 0.1


class TestCheckpoints:
    def fitted(self, tmp_path, **arguments):
        task, data = tiny_task(known=False), SquaresDataModule()
        trainer = tiny_trainer(tmp_path, **arguments)
        trainer.fit(task, data)
        path = tmp_path / "run.ckpt"
        trainer.save_checkpoint(path)
        return task, data, path

    def test_the_file_alone_rebuilds_the_task(self, tmp_path):
        task, _, path = self.fitted(tmp_path)
        held = torch.load(path, weights_only=True)
        assert held["hyper_parameters"]["_class_path"] == "hqzoo.tasks.segmentation.SegmentationTask"
        json.dumps(held["hyper_parameters"])  # plain types
        again = SegmentationTask.load_from_checkpoint(path, weights_only=True)
        assert same_weights(task.state_dict(), again.state_dict())
        assert again.hparams == task.hparams
        assert (again.sensor, again.statistics) == (task.sensor, task.statistics)
        image = raw_batch()["image"]
        torch.testing.assert_close(task.eval()(image), again.eval()(image))

    def test_resumed_training_ends_where_uninterrupted_training_does(self, tmp_path):
        torch.manual_seed(0)
        straight = tiny_task(known=False)
        trainer = tiny_trainer(tmp_path, max_epochs=4)
        first = pl_checkpoint_after(2, tmp_path / "half.ckpt")
        trainer.callbacks.append(first)
        trainer.fit(straight, SquaresDataModule())
        resumed = tiny_task(known=False)
        again = tiny_trainer(tmp_path, max_epochs=4)
        again.fit(resumed, SquaresDataModule(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
        assert again.global_step == trainer.global_step == 8
        assert same_weights(straight.state_dict(), resumed.state_dict())
        rates = [t.optimizers[0].param_groups[0]["lr"] for t in (trainer, again)]
        assert rates[0] == rates[1]

    def test_weights_of_another_architecture_are_refused(self, tmp_path):
        _, data, path = self.fitted(tmp_path)
        other = tiny_task(known=False, architecture_args={**TINY, "width": 8})
        with pytest.raises(CheckpointError, match=r"'width': 4.*'width': 8"):
            tiny_trainer(tmp_path).test(other, data, ckpt_path=path, verbose=False)

    def test_data_of_another_sensor_is_refused_also_by_a_fresh_task(self, tmp_path):
        _, _, path = self.fitted(tmp_path)
        data = SquaresDataModule(sensor=Sensor(("red", "green", "blue"), unit="reflectance", scale=1.0))
        with pytest.raises(SensorError, match="units differ: 'digital number' against 'reflectance'"):
            tiny_trainer(tmp_path).test(tiny_task(known=False), data, ckpt_path=path, verbose=False)

    def test_a_fresh_task_takes_the_statistics_of_its_weights(self, tmp_path):
        task, data, path = self.fitted(tmp_path)
        other = tiny_task(statistics={"image": Statistics((1.0, 2.0, 3.0), (1.0, 1.0, 1.0))})
        tiny_trainer(tmp_path).test(other, data, ckpt_path=path, verbose=False)
        assert other.statistics == task.statistics
        assert other.hparams["statistics"] == task.hparams["statistics"]
        torch.testing.assert_close(other.normalizers["image"].mean, task.normalizers["image"].mean)


def pl_checkpoint_after(epochs, path):
    """A callback that saves once, at the end of the given number of epochs."""
    from hqzoo._lightning import pl

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch + 1 == epochs:
                trainer.save_checkpoint(path)

    return Save()


class TestLightningCLI:
    """A checkpoint written by the command line has the same form, and can go back into it."""

    def run(self, folder, verb, *arguments):
        from lightning.pytorch.cli import LightningCLI

        from hqzoo._lightning import pl

        model = [
            "--model=hqzoo.tasks.SegmentationTask",
            "--model.architecture=hq_unet",
            "--model.loss.name=focal",
        ]
        model += [f"--model.architecture_args.{name}={value}" for name, value in TINY.items()]
        trainer = {
            "default_root_dir": folder,
            "logger": "false",
            "enable_progress_bar": "false",
            "max_epochs": 1,
        }
        trainer |= {"enable_model_summary": "false", "accelerator": "cpu", "num_sanity_val_steps": 0}
        return LightningCLI(
            pl.LightningModule,
            pl.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,
            args=[
                verb,
                "--data=tests.fixtures.tasks.SquaresDataModule",
                *model,
                *(f"--trainer.{name}={value}" for name, value in trainer.items()),
                *arguments,
            ],
        )

    def test_there_and_back(self, tmp_path, monkeypatch):
        monkeypatch.setattr("sys.argv", ["hqzoo"])
        cli = self.run(tmp_path, "fit", "--model.optimizer.lr=0.01")
        path = tmp_path / "run.ckpt"
        cli.trainer.save_checkpoint(path)
        again = SegmentationTask.load_from_checkpoint(path, weights_only=True)
        assert same_weights(cli.model.state_dict(), again.state_dict())
        assert again.optimizer_settings == OptimizerSettings(lr=0.01)
        assert again.architecture_args == TINY
        tested = self.run(tmp_path, "test", f"--ckpt_path={path}").model
        assert (tested.sensor, tested.statistics) == (again.sensor, again.statistics)
        assert same_weights(tested.state_dict(), again.state_dict())
        resumed = self.run(tmp_path, "fit", "--trainer.max_epochs=2", f"--ckpt_path={path}")
        assert resumed.trainer.global_step == 2 * cli.trainer.global_step
