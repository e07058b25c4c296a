"""Every mistyped key is named in full, with the nearest right one, wherever it stands."""

from pathlib import Path
from typing import Any

import pytest

from hqzoo.cli import main
from hqzoo.cli.option_tree import collect
from tests.cli.conftest import recipe, write_recipe

MODEL, DATA = ("model", "init_args"), ("data", "init_args")
CHECKPOINT = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"monitr": "x"}}

IN_RECIPE: dict[str, tuple[tuple[str, ...], Any, str, str]] = {
    "top": (("trainr",), {"max_epochs": 1}, "trainr", "trainer"),
    "top, a value": (("seed_everythin",), 1, "seed_everythin", "seed_everything"),
    "trainer": (("trainer", "max_epoch"), 3, "trainer.max_epoch", "max_epochs"),
    "callback": (("trainer", "callbacks"), [CHECKPOINT], "trainer.callbacks[0].init_args.monitr", "monitor"),
    "callback class": (
        ("trainer", "callbacks"),
        [{"class_path": "ModelChekpoint"}],
        "trainer.callbacks[0].class_path: ModelChekpoint",
        "ModelCheckpoint",
    ),
    "logger": (
        ("trainer", "logger"),
        {"class_path": "CSVLogger", "init_args": {"save_dir": ".", "nmae": "x"}},
        "trainer.logger.init_args.nmae",
        "name",
    ),
    "class": (
        ("model", "class_path"),
        "hqzoo.tasks.SegmentatonTask",
        "model.class_path: hqzoo.tasks.SegmentatonTask",
        "hqzoo.tasks.SegmentationTask",
    ),
    "beside class_path": (("model", "init_arg"), {"architecture": "x"}, "model.init_arg", "init_args"),
    "task": ((*MODEL, "architectur"), "hq_unet", "model.init_args.architectur", "architecture"),
    "loss setting": ((*MODEL, "loss", "nam"), "ce", "model.init_args.loss.nam", "name"),
    "optimizer setting": (
        (*MODEL, "optimizer", "weight_dcay"),
        0,
        "model.init_args.optimizer.weight_dcay",
        "weight_decay",
    ),
    "schedule setting": ((*MODEL, "schedule", "warmp"), 0, "model.init_args.schedule.warmp", "warmup"),
    "data": ((*DATA, "fild"), 1, "data.init_args.fild", "fold"),
    "data, base class": ((*DATA, "btch_size"), 1, "data.init_args.btch_size", "batch_size"),
    "data, nested": ((*DATA, "jitter", "brightnes"), 1, "data.init_args.jitter.brightnes", "brightness"),
    "data class": (
        ("data", "class_path"),
        "hqzoo.data.FolderSegmentatonDataModule",
        "data.class_path: hqzoo.data.FolderSegmentatonDataModule",
        "hqzoo.data.FolderSegmentationDataModule",
    ),
}


def put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, leaf = path
    for name in parents:
        tree = tree.setdefault(name, {})
    tree[leaf] = value


@pytest.mark.parametrize("case", IN_RECIPE)
def test_typo_in_a_recipe(case: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, value, key, nearest = IN_RECIPE[case]
    content = recipe(folder, tmp_path / "run")
    put(content, path, value)
    assert main(["fit", "-c", str(write_recipe(content, tmp_path / "r.yaml"))]) == 2
    error = capsys.readouterr().err
    assert f"Unknown key '{key}'. Did you mean '{nearest}'?" in error
    assert "Traceback" not in error


ON_COMMAND_LINE = {
    "top": (["--ckpt_pth", "last"], "ckpt_pth", "ckpt_path"),
    "an abbreviation": (["--ckpt_pat", "last"], "ckpt_pat", "ckpt_path"),
    "group": (["--modle.init_args.loss.name", "ce"], "modle", "model"),
    "trainer": (["--trainer.max_epoch=3"], "trainer.max_epoch", "max_epochs"),
    "task": (["--model.init_args.chanels_last", "false"], "model.init_args.chanels_last", "channels_last"),
    "task, short": (["--model.chanels_last", "false"], "model.init_args.chanels_last", "channels_last"),
    "loss setting": (["--model.init_args.loss.nam", "ce"], "model.init_args.loss.nam", "name"),
    "loss setting, short": (["--model.loss.nam", "ce"], "model.init_args.loss.nam", "name"),
    "data": (["--data.init_args.fild", "1"], "data.init_args.fild", "fold"),
    "callback": (
        ["--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.monitr", "val/loss"],
        "trainer.callbacks[0].init_args.monitr",
        "monitor",
    ),
    "logger": (
        ["--trainer.logger", "WandbLogger", "--trainer.logger.projct", "x"],
        "trainer.logger.init_args.projct",
        "project",
    ),
    "right name, wrong place": (["--batch_size", "4"], "batch_size", "data.init_args.batch_size"),
    "right name, other place": (
        ["--model.max_epochs", "4"],
        "model.init_args.max_epochs",
        "trainer.max_epochs",
    ),
    "short class name": (
        ["--data", "FoldrSegmentationDataModule"],
        "data.class_path: FoldrSegmentationDataModule",
        "FolderSegmentationDataModule",
    ),
}


@pytest.mark.parametrize("case", ON_COMMAND_LINE)
def test_typo_on_the_command_line(case: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, key, nearest = ON_COMMAND_LINE[case]
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), *options]) == 2
    assert f"Unknown key '{key}'. Did you mean '{nearest}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--model.init_args.architecture", "hq_unt"], ["hq_unt", "Did you mean 'hq_unet'?"]),
        (["--model.init_args.architecture_args.widht", "8"], ["hq_unet", "widht", "Did you mean 'width'?"]),
        (["--model.init_args.loss.name", "ce_dise"], ["ce_dise", "Did you mean 'ce_dice'?"]),
        (["--model.init_args.optimizer.name", "AdmW"], ["AdmW", "Did you mean 'AdamW'?"]),
        (["--model.init_args.schedule.name", "cosin"], ["cosin", "Did you mean 'cosine'?"]),
        (["--trainer.max_epochs", "many"], ["'trainer.max_epochs'", "int", "'many'"]),
        (["--data.init_args.batch_size", "many"], ["'data.init_args.batch_size'", "int", "'many'"]),
        (["--model.init_args.optimizer.lr", "fast"], ["optimizer.lr", "float", "'fast'"]),
        (["-c", "nowhere.yaml"], ["nowhere.yaml", "hq_unet/landscapes"]),
        (["-c", "hq_unet/landscape.yaml"], ["hq_unet/landscape.yaml", "Did you mean 'hq_unet/landscapes'?"]),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) and value[0].startswith("-") else "",
)
def test_wrong_value(
    options: list[str], parts: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), *options, "--trainer.fast_dev_run", "true"]) == 2
    error = capsys.readouterr().err
    assert all(part in error for part in parts), error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_missing_model_and_data_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit"]) == 2
    error = capsys.readouterr().err
    assert "model" in error
    assert "data" in error


def test_collect_merges_files_and_options(tmp_path: Path) -> None:
    first = write_recipe({"data": {"class_path": "A", "init_args": {"x": 1}}, "trainer": {"a": 1}}, tmp_path / "1")
    second = write_recipe({"trainer": {"b": 2}}, tmp_path / "2")
    tree = collect(
        ["-c", str(first), f"--config={second}", "--data.y", "-3", "--trainer.callbacks+=B", "--print_config"]
    )
    assert tree == {
        "data": {"class_path": "A", "init_args": {"x": 1, "y": "-3"}},
        "trainer": {"a": 1, "b": 2, "callbacks": [{"class_path": "B"}]},
    }
    assert collect(["-c", str(first), "--data", "Other"])["data"] == {"class_path": "Other"}
