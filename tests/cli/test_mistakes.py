"""Mistakes in values: one sentence before anything is trained, that blames the right key and names what would work."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hqzoo._lightning import pl
from hqzoo.cli import main
from hqzoo.cli.trainer_settings import built_trainer
from hqzoo.errors import ConfigError, did_you_mean
from tests.cli.conftest import recipe, write_recipe

CALLBACK, LOGGER = "--trainer.callbacks+", "--trainer.logger"
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that this machine has")

VALUES: dict[str, tuple[list[str], list[str]]] = {
    "list without brackets": (["--data.init_args.crop_size", "32,32"], ["data.init_args.crop_size", "[32,32]"]),
    "names without brackets": (["--data.init_args.bands", "red,green,blue"], ["bands'", "[red,green,blue]"]),
    "a pair of three": (["--data.init_args.crop_size", "[32,32,32]"], ["crop_size'", "int or [int, int]"]),
    "no number": (["--model.init_args.optimizer.lr", "1e-3x"], ["model.init_args.optimizer.lr", "float", "'1e-3x'"]),
    "nan": (["--model.init_args.optimizer.lr", "nan"], ["model.init_args.optimizer.lr", "float", "'nan'"]),
    "null, data": (["--data.init_args.batch_size", "null"], ["data.init_args.batch_size", "int", "null"]),
    "null, trainer": (["--trainer.max_steps", "null"], ["trainer.max_steps", "int", "null"]),
    "null, settings": (["--model.init_args.loss", "null"], ["model.init_args.loss'", "dice_weight", "null"]),
    "null, architecture": (["--model.init_args.architecture_args.width", "null"], ["architecture_args.width", "int"]),
    "null, root folder": (["--trainer.default_root_dir", "null"], ["trainer.default_root_dir", "null"]),
    "word, architecture": (
        ["--model.init_args.architecture_args.width", "wide"],
        ["architecture_args.width", "'wide'"],
    ),
    "share, architecture": (["--model.init_args.architecture_args.width", "4.5"], ["architecture_args.width", "4.5"]),
    "negative width": (["--model.init_args.architecture_args.width", "-4"], ["hq_unet", "width=-4"]),
    "case": (["--model.init_args.optimizer.name", "adamw"], ["Did you mean 'AdamW'?"]),
    "a logger that is off": ([LOGGER, "false", "--trainer.max_epochs", "x"], ["trainer.max_epochs", "'x'"]),
    "no data": (["--data", "null"], ["No data given"]),
    "accumulation": (["--trainer.accumulate_grad_batches", "0"], ["trainer.accumulate_grad_batches", "at least 1"]),
    "validation interval": (["--trainer.check_val_every_n_epoch", "0"], ["check_val_every_n_epoch", "at least 1"]),
    "rare validation": (["--trainer.val_check_interval", "100"], ["trainer.val_check_interval=100", "(6)"]),
    "seed": (["--seed_everything", "-1"], ["seed_everything", "from 0 to 4294967295", "-1"]),
    "data seed": (["--data.init_args.seed", "-1"], ["`seed`", "at least 0"]),
    "devices": (["--trainer.devices", "[0]"], ["trainer.devices=[0]", "CPU cores", "auto (or 1)"]),
    "accelerator": (["--trainer.accelerator", "npu"], ["trainer.accelerator='npu'", "--trainer.accelerator auto"]),
    "strategy": (["--trainer.strategy", "dpp"], ["trainer.strategy='dpp'", "Did you mean 'ddp'?"]),
    "clipping": (
        ["--trainer.gradient_clip_algorithm", "x", "--trainer.gradient_clip_val", "1"],
        ["trainer.gradient_clip_algorithm='x'", "norm"],
    ),
    "callback, argument": (
        [f"{CALLBACK}=EarlyStopping"],
        ["EarlyStopping needs 'monitor'", "--trainer.callbacks.monitor"],
    ),
    "callback, mode": (
        [f"{CALLBACK}=EarlyStopping", "--trainer.callbacks.monitor", "val/miou", "--trainer.callbacks.mode", "up"],
        ["'trainer.callbacks[0]'", "EarlyStopping", "min, max"],
    ),
    "callback, number": (
        [f"{CALLBACK}=ModelCheckpoint", "--trainer.callbacks.save_top_k", "-5"],
        ["'trainer.callbacks[0]'", "save_top_k=-5"],
    ),
    "no callback": ([f"{CALLBACK}=torch.nn.Linear"], ["'trainer.callbacks[0]' takes a Callback"]),
    "early stopping": (
        [f"{CALLBACK}=EarlyStopping", "--trainer.callbacks.monitor", "val/mIoU"],
        ["EarlyStopping", "'val/mIoU'", "Did you mean 'val/miou'?", "val/iou/building"],
    ),
    "checkpoint": (
        [f"{CALLBACK}=ModelCheckpoint", "--trainer.callbacks.monitor", "val_loss"],
        ["ModelCheckpoint", "'val_loss'", "Did you mean 'val/loss'?"],
    ),
    "no validation": (
        [f"{CALLBACK}=EarlyStopping", "--trainer.callbacks.monitor", "val/miou", "--data.init_args.val_fold", "null"],
        ["no validation in this run"],
    ),
    "logger, argument": (
        [LOGGER, "CSVLogger"],
        ["'trainer.logger'", "CSVLogger needs 'save_dir'", "--trainer.logger.save_dir"],
    ),
    "rate monitor without logger": (
        [LOGGER, "false", f"{CALLBACK}=LearningRateMonitor"],
        ["LearningRateMonitor", "no logger"],
    ),
    "fold": (["--data.init_args.fold", "7"], ["`fold=7`", "[0, 1, 2]"]),
    "no images": (["--data.init_args.root", "/nowhere"], ["/nowhere (does not exist)"]),
}
INSIDES = re.compile(r"Namespace\(|NestedArg|Parser key|Union|Traceback|<class|object at 0x")


@pytest.mark.parametrize("case", [pytest.param(name, marks=[NO_GPU] if name == "devices" else []) for name in VALUES])
def test_is_one_sentence_and_leaves_no_folder(
    case: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, parts = VALUES[case]
    path = write_recipe(recipe(folder, tmp_path / "runs" / "mine"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), *options]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hqzoo: error: ")]
    assert all(part in error for part in parts), error
    assert not INSIDES.search(error), error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", [float("nan"), None, "wide"])
def test_values_of_a_recipe_are_told_as_those_of_the_command_line(
    value: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = recipe(folder, tmp_path / "run")
    content["model"]["init_args"]["optimizer"]["lr"] = value
    assert main(["fit", "-c", str(write_recipe(content, tmp_path / "r.yaml"))]) == 2
    error = capsys.readouterr().err
    assert "'model.init_args.optimizer.lr' is wrong: expected float" in error
    assert not INSIDES.search(error)


def test_a_folder_that_was_there_stays(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (root / "notes.txt").write_text("mine")
    path = write_recipe(recipe(folder, root), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), "--data.init_args.fold", "7"]) == 2
    assert [each.name for each in root.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("validates", [True, False])
def test_every_score_that_is_logged_can_be_watched(validates: bool, folder: Path, tmp_path: Path) -> None:
    """Nothing is refused that Lightning finds: what a task says that it logs is what its run logged."""
    content = recipe(folder, tmp_path / "run")
    content["trainer"] |= {"max_epochs": 1, "callbacks": {"class_path": "tests.cli.test_mistakes.Names"}}
    content["data"]["init_args"]["val_fold"] = "next" if validates else None
    Names.logged = Names.said = frozenset()
    assert main(["fit", "-c", str(write_recipe(content, tmp_path / "r.yaml"))]) == 0
    assert Names.logged == (Names.said if validates else frozenset())


class Names(pl.Callback):
    """Notes what was logged, and what the task said of it."""

    logged: frozenset[str] = frozenset()
    said: frozenset[str] = frozenset()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Note both."""
        Names.logged = frozenset(name[4:] for name in trainer.callback_metrics if name.startswith("val/"))
        Names.said = frozenset(pl_module.logged_names())


def test_settings_that_do_not_go_together_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.devices=\[0\]"):
        built_trainer({"accelerator": "cpu", "devices": [0], "callbacks": [], "logger": False})


@pytest.mark.parametrize(("given", "nearest"), [("adamw", "AdamW"), ("ADAM", "Adam"), ("AdmW", "AdamW")])
def test_the_nearest_name_in_any_case(given: str, nearest: str) -> None:
    assert did_you_mean(given, ["Adam", "AdamW", "Adamax"]) == f" Did you mean '{nearest}'?"


def own_code(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no module 'mine_x'"),
        ("import not_installed_x", "line 1 needs 'not_installed_x'"),
        ("a = 1\nb = 1 / 0", "mine_x.py, line 2: ZeroDivisionError"),
        ("def f(:", "mine_x.py, line 1: SyntaxError"),
    ],
)
@pytest.mark.parametrize("key", ["data", "model", "trainer.callbacks"])
def test_own_code_that_cannot_be_imported(
    text: str | None, told: str, key: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    if text is not None:
        own_code(tmp_path, mine_x=text)
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), f"--{key}", "mine_x.Mine"]) == 2
    error = capsys.readouterr().err
    assert "mine_x.Mine cannot be imported: " in error
    assert told in error


def test_config_is_yaml_without_insides(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]["fold"] == 0
