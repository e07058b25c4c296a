import pickle
import re

import pytest
import torch

from hqzoo import __version__
from hqzoo.errors import CheckpointError
from hqzoo.tasks import SegmentationTask
from hqzoo.weights import load
from tests.fixtures.tasks import SquaresDataModule, raw_batch, tiny_task, tiny_trainer


class OtherTask(SegmentationTask):
    """A user's own task."""


@pytest.fixture
def checkpoint(tmp_path):
    """A task after one epoch, and its file."""
    task = tiny_task(known=False)
    trainer = tiny_trainer(tmp_path)
    trainer.fit(task, SquaresDataModule())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    return task, tmp_path / "last.ckpt"


def change(path, edit):
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)


def test_the_file_alone_gives_the_same_logits(checkpoint):
    task, path = checkpoint
    again = load(path)
    assert not again.training
    assert not any(module.training for module in again.modules())
    image = raw_batch()["image"]
    with torch.no_grad():
        torch.testing.assert_close(again(image), task.eval()(image), rtol=0, atol=0)
    assert (again.sensor, again.statistics, again.classes, again.palette) == (
        task.sensor,
        task.statistics,
        task.classes,
        task.palette,
    )


def test_also_as_text_and_after_it_was_saved_again(checkpoint, tmp_path):
    _, path = checkpoint
    again = load(str(path))
    trainer = tiny_trainer(tmp_path)
    trainer.fit(again.train(), SquaresDataModule())
    trainer.save_checkpoint(tmp_path / "more.ckpt")
    assert load(tmp_path / "more.ckpt").hparams == again.hparams


def test_a_users_own_task_comes_back_as_itself(tmp_path):
    data = SquaresDataModule()
    known = tiny_task().hparams
    trainer = tiny_trainer(tmp_path)
    trainer.fit(OtherTask(**known), data)
    trainer.save_checkpoint(tmp_path / "other.ckpt")
    assert type(load(tmp_path / "other.ckpt")) is OtherTask


def test_a_task_that_is_not_imported_is_named(checkpoint):
    _, path = checkpoint
    change(path, lambda c: c["hyper_parameters"].update(_class_path="os.system"))
    with pytest.raises(CheckpointError, match=r"written by the task os\.system, which is not imported"):
        load(path)


def test_a_missing_file_names_its_neighbours(checkpoint):
    _, path = checkpoint
    with pytest.raises(CheckpointError, match=r"no checkpoint .*lst\.ckpt\. Did you mean 'last\.ckpt'"):
        load(path.with_name("lst.ckpt"))
    with pytest.raises(CheckpointError, match="does not exist either"):
        load(path.parent / "nowhere" / "last.ckpt")
    (path.parent / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load(path.parent / "empty" / "last.ckpt")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_one_clear_error(checkpoint, share):
    _, path = checkpoint
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be read as a checkpoint"):
        load(path)


def test_text_instead_of_a_checkpoint(tmp_path):
    path = tmp_path / "notes.ckpt"
    path.write_text("hello\n" * 1000)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path)


class Bomb:
    def __reduce__(self):
        return (print, ("code of the checkpoint was run",))


def test_code_in_a_checkpoint_is_not_run(checkpoint, capsys):
    _, path = checkpoint
    torch.save({"hyper_parameters": {"architecture": "hq_unet"}, "state_dict": Bomb()}, path)
    with pytest.raises(CheckpointError, match="holds more than tensors"):
        load(path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        load(path)
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {}},
        {"hyper_parameters": {"architecture": "hq_unet"}},
        {"hyper_parameters": {"lr": 1.0}, "state_dict": {}},
        {"hyper_parameters": [1], "state_dict": {}},
        [1, 2],
        torch.zeros(3),
    ],
)
def test_files_of_other_programs_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of an hqzoo task"):
        load(tmp_path / "other.ckpt")


def test_incomplete_arguments(checkpoint):
    _, path = checkpoint
    change(path, lambda c: c["hyper_parameters"].update(sensors=None))
    with pytest.raises(CheckpointError, match="does not say which images"):
        load(path)


def test_unknown_arguments_come_from_another_version(checkpoint):
    _, path = checkpoint
    change(path, lambda c: c["hyper_parameters"].update(flux_capacitor=3))
    with pytest.raises(CheckpointError, match=f"flux_capacitor.*written by hqzoo {re.escape(__version__)}"):
        load(path)


def test_weights_that_do_not_fit(checkpoint):
    _, path = checkpoint
    change(path, lambda c: c["state_dict"].pop("normalizers.image.mean"))
    with pytest.raises(CheckpointError, match=r"1 differ, first 'normalizers\.image\.mean'"):
        load(path)


def test_onto_a_device(checkpoint):
    _, path = checkpoint
    task = load(path, "meta")
    assert {p.device.type for p in task.parameters()} == {"meta"}
