"""fit, validate, test and predict as a user calls them."""

import csv
import json
import shutil
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hqzoo.cli import main
from tests.cli.conftest import recipe, write_recipe


def rows(root: Path) -> list[dict[str, str]]:
    with (root / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def losses(root: Path) -> list[tuple[str, str]]:
    return [(row["step"], row["train/loss"]) for row in rows(root) if row["train/loss"]]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_run_folder_holds_what_it_promises(finished_run: Path) -> None:
    found = {str(path.relative_to(finished_run)) for path in finished_run.rglob("*") if path.is_file()}
    checkpoints = {"checkpoints/last.ckpt", "checkpoints/best.ckpt"}
    assert found == {"config.yaml", "metrics.csv", "timing.json", *checkpoints}
    timing = json.loads((finished_run / "timing.json").read_text())
    assert timing["steps"] == 12 - 3
    assert 0 <= timing["waiting_share"] <= 1
    assert [step for step, _ in losses(finished_run)] == [str(step) for step in range(12)]
    validated = [row for row in rows(finished_run) if row["val/miou"]]
    assert [row["step"] for row in validated] == ["5", "11"]
    assert any(row.get("lr-AdamW/pg1") for row in rows(finished_run))


def test_best_is_the_epoch_with_the_highest_validation_score(finished_run: Path) -> None:
    scores = [float(row["val/miou"]) for row in rows(finished_run) if row["val/miou"]]
    best = torch.load(finished_run / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == int(np.argmax(scores))


def test_saved_configuration_repeats_the_run(finished_run: Path, tmp_path: Path) -> None:
    root = tmp_path / "again"
    assert main(["fit", "-c", str(finished_run / "config.yaml"), "--trainer.default_root_dir", str(root)]) == 0
    assert rows(root) == rows(finished_run)


def test_saved_configuration_keeps_nulls(folder: Path, tmp_path: Path) -> None:
    """Null is a choice: without validation there is neither a score nor a best checkpoint."""
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), "--data.init_args.val_fold", "null", "--trainer.max_epochs", "1"]) == 0
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert saved["data"]["init_args"]["val_fold"] is None
    assert saved["ckpt_path"] is None
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.ckpt"]
    assert main(["test", "-c", str(tmp_path / "run" / "config.yaml")]) == 0
    report = json.loads((tmp_path / "run" / "test.json").read_text())
    assert report["run"]["checkpoint"].endswith("last.ckpt")


def test_fresh_fit_into_a_run_is_refused(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in own_run.rglob("*") if path.is_file()}
    assert main(["fit", "-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]) == 2
    error = capsys.readouterr().err
    assert "already holds a run" in error
    assert "--ckpt_path last" in error
    assert "--trainer.default_root_dir" in error
    assert {path: path.read_bytes() for path in own_run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["last", "best", "elsewhere/x.ckpt"])
def test_missing_checkpoint_is_an_error_never_a_fresh_start(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), "--ckpt_path", name]) == 2
    assert "There is no checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_damaged_checkpoint_is_one_clear_error(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = own_run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    options = ["-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]
    for verb in ("fit", "test"):
        assert main([verb, *options, "--ckpt_path", "last"]) == 2
        error = capsys.readouterr().err
        assert "last.ckpt" in error
        assert "damaged" in error


def test_resume_of_a_finished_run_for_more_epochs_continues_the_metrics(own_run: Path) -> None:
    before = rows(own_run)
    options = ["--trainer.default_root_dir", str(own_run), "--trainer.max_epochs", "3", "--ckpt_path", "last"]
    with (own_run / "metrics.csv").open("a") as file:  # as if a third epoch had begun and was killed
        file.write("12" + "," * (len(before[0]) - 1) + "\n")
    assert main(["fit", "-c", str(own_run / "config.yaml"), *options]) == 0
    assert rows(own_run)[: len(before)] == before
    assert [step for step, _ in losses(own_run)] == [str(step) for step in range(18)]


def test_test_writes_a_report_and_prints_a_table(
    own_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["test", "-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]) == 0
    report = json.loads((own_run / "test.json").read_text())
    assert report["run"]["split"] == "test"
    assert report["run"]["checkpoint"].endswith("best.ckpt")
    assert [row["name"] for row in report["classes"]] == ["building", "vegetation", "water"]
    assert report["model"]["quantum_parameters"] == 8
    state = weights(own_run / "checkpoints" / "best.ckpt")
    counted = [value.numel() for name, value in state.items() if name.startswith("model.")]
    statistics = [v.numel() for k, v in state.items() if "running_" in k or "num_batches_tracked" in k]
    assert report["model"]["parameters"] == sum(counted) - sum(statistics)
    confusion = np.array(report["details"]["confusion"])
    hits = np.diag(confusion)
    iou = hits / (confusion.sum(0) + confusion.sum(1) - hits)
    assert report["scores"]["miou"] == pytest.approx(np.nanmean(iou))
    assert report["scores"]["oa"] == pytest.approx(hits.sum() / confusion.sum())
    assert report["data"]["init_args"]["fold"] == 0
    out = capsys.readouterr().out
    assert all(f"{row['iou']:.4f}" in out and row["name"] in out for row in report["classes"])
    assert f"mIoU {report['scores']['miou']:.4f}" in out


def test_validate_agrees_with_the_score_of_training(own_run: Path) -> None:
    options = ["-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]
    before = rows(own_run)
    assert main(["validate", *options, "--ckpt_path", "last"]) == 0
    report = json.loads((own_run / "validate.json").read_text())
    last = [row for row in rows(own_run) if row["val/miou"]][-1]
    assert report["scores"]["miou"] == pytest.approx(float(last["val/miou"]), abs=1e-6)
    assert report["classes"][0]["iou"] == pytest.approx(float(last["val/iou/building"]), abs=1e-6)
    assert rows(own_run) == before  # only training writes there


def test_checkpoint_alone_is_enough(
    finished_run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No recipe, another working directory, data from the command line."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(finished_run / "checkpoints" / "last.ckpt", "weights.ckpt")
    data = ["--data", "FolderSegmentationDataModule", "--data.root", str(folder), "--data.crop_size", "32"]
    assert main(["test", "--ckpt_path", "weights.ckpt", *data, "--trainer.default_root_dir", "out"]) == 0
    report = json.loads(Path("out/test.json").read_text())
    assert report["model"]["architecture_args"] == {"width": 4, "input_size": 32}
    assert report["run"]["step"] == 12


def test_checkpoint_in_a_run_folder_finds_its_configuration(own_run: Path) -> None:
    assert main(["test", "--ckpt_path", str(own_run / "checkpoints" / "last.ckpt")]) == 0
    assert json.loads((own_run / "test.json").read_text())["run"]["split"] == "test"


def test_recipe_that_contradicts_the_checkpoint_is_refused(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]
    assert main(["test", *options, "--model.init_args.architecture_args.width", "8"]) == 2
    error = capsys.readouterr().err
    assert "width = 8" in error
    assert "width = 4" in error


def test_control_that_the_checkpoint_does_not_hold_is_refused(
    own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoint's recipe never named the control, so its default counts."""
    options = ["-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]
    assert main(["test", *options, "--model.init_args.architecture_args.control", "mlp"]) == 2
    assert "control = 'mlp'" in capsys.readouterr().err


def test_predict_writes_one_map_per_test_image(own_run: Path, folder: Path) -> None:
    options = ["-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run)]
    assert main(["predict", *options]) == 0
    maps = sorted((own_run / "predictions").glob("*.png"))
    assert [path.stem for path in maps] == ["scene0_0", "scene0_1"]
    for path in maps:
        with Image.open(path) as written, Image.open(folder / "images" / path.name) as image:
            assert written.size == image.size


def test_predict_takes_images_without_masks_or_classes(own_run: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "images", tmp_path / "new" / "images")
    options = [f"--trainer.default_root_dir={tmp_path}", f"--data.init_args.root={tmp_path / 'new'}"]
    assert main(["predict", "-c", str(own_run / "config.yaml"), *options,
                 f"--ckpt_path={own_run / 'checkpoints' / 'last.ckpt'}"]) == 0  # fmt: skip
    assert len(list((tmp_path / "predictions").glob("*.png"))) == len(list((folder / "images").iterdir()))


def test_fast_dev_run_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), "--trainer.fast_dev_run", "true"]) == 0
    assert not (tmp_path / "run").exists()


def test_unwritable_run_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    path = write_recipe(recipe(folder, tmp_path / "file" / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path)]) == 2
    assert "Cannot write the run folder" in capsys.readouterr().err


@pytest.mark.parametrize(("hook", "times"), [("on_train_batch_start", 2), ("on_sanity_check_start", 1)])
def test_ctrl_c_with_nothing_to_save(
    hook: str, times: int, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = recipe(folder, tmp_path / "run")
    own = {"class_path": "tests.cli.conftest.Interrupt", "init_args": {"hook": hook, "times": times}}
    content["trainer"]["callbacks"] = [own]
    handler = signal.getsignal(signal.SIGINT)
    assert main(["fit", "-c", str(write_recipe(content, tmp_path / "r.yaml"))]) == 130
    assert "Interrupted before there was anything to save." in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is handler


def test_second_ctrl_c_names_the_newest_checkpoint(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--trainer.default_root_dir", str(own_run), "--trainer.max_epochs", "3", "--ckpt_path", "last"]
    signals = ["--trainer.callbacks", "tests.cli.conftest.Interrupt", "--trainer.callbacks.times", "2"]
    hook = ["--trainer.callbacks.hook", "on_train_batch_start"]
    assert main(["fit", "-c", str(own_run / "config.yaml"), *options, *signals, *hook]) == 130
    error = capsys.readouterr().err
    assert "Saved after 12 steps" in error
    assert f"hqzoo fit -c {own_run / 'config.yaml'} --ckpt_path last" in error


def test_own_model_checkpoint_replaces_best(folder: Path, tmp_path: Path) -> None:
    content = recipe(folder, tmp_path / "run")
    arguments: dict[str, Any] = {"dirpath": str(tmp_path / "own"), "filename": "mine", "every_n_epochs": 1}
    content["trainer"]["callbacks"] = [
        {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": arguments}
    ]
    content["trainer"]["max_epochs"] = 1
    assert main(["fit", "-c", str(write_recipe(content, tmp_path / "r.yaml"))]) == 0
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["mine.ckpt"]
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.ckpt"]


def test_wandb_is_one_override_and_keeps_the_metrics_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = ["--trainer.logger", "WandbLogger", "--trainer.max_epochs", "1"]
        assert main(["fit", "-c", str(path), *options]) == 0
    assert len(losses(tmp_path / "run")) == 6
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


def test_print_config_is_a_recipe(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_recipe(recipe(folder, tmp_path / "run"), tmp_path / "r.yaml")
    assert main(["fit", "-c", str(path), "--data.init_args.fold", "2", "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["data"]["init_args"]["fold"] == 2
    assert printed["model"]["init_args"]["optimizer"]["lr"] == 0.01
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict"])
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: hqzoo {verb} [-c RECIPE.yaml]")
    assert "--ckpt_path" in out
