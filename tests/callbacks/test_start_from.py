"""Training that starts from published weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import hqzoo
from hqzoo.callbacks import StartFromWeights
from hqzoo.cli import main
from hqzoo.data import ClassMap
from hqzoo.data.sensor import Sensor
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.describe import describe
from tests.cli.conftest import recipe, write_recipe
from tests.fixtures.folder import write_folder
from tests.fixtures.tasks import SquaresDataModule, tiny_task, tiny_trainer
from tests.fixtures.weights import ABOUT, package, packed, trained

STILL = {"lr": 0.0, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    _, checkpoint = trained(folder)
    return package(packed(checkpoint, folder))


def weights(task: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in task.named_parameters() if key.startswith("model.")}


def test_the_first_step_starts_there(published: Path, tmp_path: Path) -> None:
    task = tiny_task(known=False, optimizer=STILL)
    tiny_trainer(tmp_path, callbacks=[StartFromWeights(str(published))]).fit(task, SquaresDataModule())
    for key, value in weights(hqzoo.load(published)).items():
        torch.testing.assert_close(weights(task)[key], value, rtol=0, atol=0)


def test_other_bands_and_classes(published: Path, tmp_path: Path) -> None:
    data = SquaresDataModule(sensor=Sensor(("nir", "red", "green", "blue")))
    data.class_map = ClassMap(("a", "b", "c", "d"))
    task = tiny_task(known=False, optimizer=STILL)
    with pytest.warns(UserWarning, match="have 3 outputs, the model 4"):
        tiny_trainer(tmp_path, callbacks=[StartFromWeights(str(published))]).fit(task, data)
    own, old = weights(task), weights(hqzoo.load(published))
    same = {key for key, value in old.items() if torch.equal(own[key], value)}
    assert len(same) > len(own) - 8
    assert not any("head" in key for key in same)
    first = "model.encoder.stem.1.weight"  # sums over bands
    torch.testing.assert_close(own[first][:, 1:], old[first], rtol=0, atol=0)
    assert not own[first][:, 0].any()


def test_a_run_that_goes_on_keeps_its_own(published: Path, tmp_path: Path) -> None:
    task = tiny_task(known=False)
    trainer = tiny_trainer(tmp_path, callbacks=[StartFromWeights(str(published))])
    trainer.fit(task, SquaresDataModule())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = tiny_task(known=False, optimizer=STILL)
    more = tiny_trainer(tmp_path, max_epochs=2, callbacks=[StartFromWeights(str(published))])
    more.fit(again, SquaresDataModule(), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    start = weights(hqzoo.load(published))
    assert any(not torch.equal(value, start[key]) for key, value in weights(again).items())


def test_what_is_packed_says_where_it_started(published: Path, tmp_path: Path) -> None:
    task = tiny_task(known=False)
    trainer = tiny_trainer(tmp_path, callbacks=[StartFromWeights(str(published))])
    trainer.fit(task, SquaresDataModule())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    spec, _ = describe(tmp_path / "last.ckpt", "squares-more", ABOUT)
    first = in_folder(published).spec
    origin = spec.started_from["model"]
    assert (origin.source, origin.sha256) == ("hqzoo-weights-squares-toy 1.0.0", first.sha256)
    assert origin.licence == first.licence


def test_another_architecture_is_refused(published: Path, tmp_path: Path) -> None:
    task = tiny_task(known=False, architecture_args={"width": 8, "input_size": 32})
    with pytest.raises(CheckpointError, match="do not fit"):
        tiny_trainer(tmp_path, callbacks=[StartFromWeights(str(published))]).fit(task, SquaresDataModule())
    with pytest.raises(CheckpointError, match="no weights 'nobody'"):
        StartFromWeights("nobody")


def test_by_the_command_line(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = recipe(write_folder(tmp_path / "set", size=(64, 64)), tmp_path / "run")
    content["trainer"]["max_steps"] = 1
    path = str(write_recipe(content, tmp_path / "recipe.yaml"))
    assert main(["fit", "-c", path, "--weights", str(published)]) == 2
    assert "StartFromWeights" in capsys.readouterr().err
    options = ["--trainer.callbacks+", "StartFromWeights", "--trainer.callbacks.weights", str(published)]
    assert main(["fit", "-c", path, *options]) == 0
    assert "StartFromWeights" in (tmp_path / "run/config.yaml").read_text()
    assert main(["test", "-c", str(tmp_path / "run/config.yaml")]) == 0


def test_modules_that_are_no_tasks(published: Path) -> None:
    from hqzoo._lightning import pl

    with pytest.raises(ConfigError, match="LightningModule is none"):
        StartFromWeights(str(published)).on_fit_start(pl.Trainer(logger=False), pl.LightningModule())
