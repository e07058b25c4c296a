"""From a checkpoint to a wheel of data alone."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from email.parser import Parser
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import yaml

import hqzoo
from hqzoo.cli import EXIT_MISTAKE, main
from hqzoo.errors import CheckpointError
from hqzoo.tasks import SegmentationTask
from hqzoo.weights.card import card
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.describe import describe, read_about
from hqzoo.weights.evidence import Score
from hqzoo.weights.pack import build_wheel, write_project
from tests.fixtures.tasks import SquaresDataModule, tiny_trainer
from tests.fixtures.weights import ABOUT, NAME, package, packed, unpack
from tests.toys import frozen as toy_frozen  # registers its architecture

PNG = b"\x89PNG\r\n\x1a\n rest"


def test_a_wheel_holds_data_and_says_so(project: Path, tmp_path: Path) -> None:
    wheel = build_wheel(project)
    assert wheel.name == "hqzoo_weights_squares_toy-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = Parser().parsestr(archive.read("hqzoo_weights_squares_toy-1.0.0.dist-info/METADATA").decode())
        code = archive.read("hqzoo_weights_squares_toy/__init__.py").decode()
    assert {name.partition("/")[2] for name in names} == {
        "__init__.py", "README.md", "stac.json", "weights.json", "weights.safetensors"}  # fmt: skip
    assert compile(code, "", "exec").co_names in ((), ("__doc__",))
    assert metadata["Name"] == "hqzoo-weights-squares-toy"
    assert metadata["License-Expression"] == "CC-BY-4.0"
    assert metadata["Requires-Dist"] is None
    assert "Three squares of colour." in metadata.get_payload()
    unpack(wheel, tmp_path)
    (point,) = PathDistribution(next(tmp_path.glob("*.dist-info"))).entry_points
    assert (point.group, point.name, point.value) == ("hqzoo.weights", NAME, "hqzoo_weights_squares_toy")


def test_the_same_project_gives_the_same_wheel(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = build_wheel(project).read_bytes()
    assert build_wheel(project).read_bytes() == first


def test_the_spec_knows_what_the_checkpoint_knows(toy: tuple[SegmentationTask, Path], folder: Path) -> None:
    task, _ = toy
    spec = in_folder(folder).spec
    assert (spec.sensors, spec.statistics, spec.targets) == (task.sensors, task.statistics, task.targets)
    assert spec.architecture_args == {"width": 4, "input_size": 32}
    assert spec.steps == 2
    assert spec.outputs == 3
    assert spec.code_version == spec.min_hqzoo == hqzoo.__version__
    (circuit,) = spec.circuits.values()
    assert (circuit.qubits, circuit.weights, circuit.outputs, circuit.engine) == (16, 8, 32, "cone")
    tensors = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    assert set(tensors) == set(task.state_dict())
    assert spec.size == (folder / "weights.safetensors").stat().st_size


def test_frozen_parts_stay_out_of_the_file(tmp_path: Path) -> None:
    task = SegmentationTask("toy_frozen")
    trainer = tiny_trainer(tmp_path)
    trainer.fit(task, toy_frozen.FrozenData())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    folder = package(packed(tmp_path / "last.ckpt", tmp_path, "toy-frozen"))
    tensors = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    assert tensors
    assert not [name for name in tensors if "backbone" in name]
    (place,) = in_folder(folder).spec.frozen
    origin = in_folder(folder).spec.frozen[place]
    assert (place, origin.source, origin.seed) == ("model.backbone", "random", 3)
    again = hqzoo.load(folder)
    assert again.model.backbone.reference["sha256"] == origin.sha256
    content = json.loads((folder / "weights.json").read_text())
    content["frozen"][place]["sha256"] = "0" * 64
    (folder / "weights.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"frozen part 'model\.backbone'"):
        hqzoo.load(folder)


def test_frozen_parts_of_others_need_a_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = SegmentationTask("toy_frozen")
    trainer = tiny_trainer(tmp_path)
    trainer.fit(task, toy_frozen.FrozenData())
    task.model.backbone.reference = {"source": "timm/vit", "sha256": task.model.backbone.reference["sha256"]}
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="'timm/vit', whose licence is not stated"):
        packed(tmp_path / "last.ckpt", tmp_path, "toy-frozen")
    spec, _ = describe(tmp_path / "last.ckpt", "toy-frozen", {**ABOUT, "licences": {"timm/vit": "DINOv3"}})
    assert spec.frozen["model.backbone"].licence == "DINOv3"


def test_scores_and_recipe_of_a_run_are_taken_over(toy: tuple[SegmentationTask, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    task = SegmentationTask("hq_unet", {"width": 4, "input_size": 32})
    trainer = tiny_trainer(run)
    trainer.fit(task, SquaresDataModule())
    trainer.save_checkpoint(run / "checkpoints" / "best.ckpt")
    (run / "config.yaml").write_text("seed_everything: 0\n")
    arguments = {"root": "/far/away/Dubai", "fold": 2, "seed": 1}
    report = {
        "data": {"class_path": "hqzoo.data.X", "init_args": arguments, "count": 9},
        "run": {"split": "test"},
        "scores": {"miou": 0.25, "ece": 0.1, "loss": 1.0, "boundary_iou": None},
    }  # fmt: skip
    (run / "test.json").write_text(json.dumps(report))
    spec, _ = describe(run, NAME, {key: value for key, value in ABOUT.items() if key != "scores"})
    found = {score.metric: score for score in spec.scores}
    assert "boundary_iou" not in found
    assert (found["miou"].value, found["miou"].data, found["miou"].folds, found["miou"].seeds) == (
        0.25,
        "Dubai",
        (2,),
        (1,),
    )
    assert found["miou"].images == 9
    assert len(spec.recipe_sha256) == 64


def test_the_card_says_what_is_known_and_what_is_not(folder: Path) -> None:
    spec = in_folder(folder).spec
    text = card(spec, "panel.png")
    for part in (
        "# squares-toy", "![Images, labels and predictions](panel.png)", "- A toy: it has seen six squares.",
        "0.4000 to 0.6000 (95%)", "| circles | all |", "licence CC0-1.0", "[squares](https://example.org/squares)",
        "Verdict: undecided.", "**The circuit is not better than its control.**", "16 qubits", spec.sha256,
        "hqzoo map SCENE.tif --weights squares-toy",
    ):  # fmt: skip
        assert part in text
    bare = card(replace(spec, scores=(), control=None, out_of_domain=(), caveats=()))
    assert "nothing here says how good these weights are" in bare
    assert "nothing here says what the circuit is worth" in bare
    assert "Not scored on data of another kind" in bare


def test_the_card_says_what_a_trivial_answer_and_the_control_reach(folder: Path) -> None:
    spec = in_folder(folder).spec
    score = Score(
        metric="miou", value=0.5, data="squares", interval=(0.4, 0.6), floor=0.2, floor_name="red everywhere",
        control=0.45, control_interval=(-0.01, 0.11),
    )  # fmt: skip
    assert spec.control is not None
    told = card(replace(spec, scores=(score,), out_of_domain=(), control=replace(spec.control, how="same steps")))
    assert "| score | value | interval | trivial | control | difference | data | split |" in told
    assert "| 0.2000 (red everywhere) | 0.4500 | -0.0100 to +0.1100 |" in told
    assert "Better than a trivial answer by more than the interval, wherever both are stated." in told
    assert "Same steps." in told
    missed = card(replace(spec, scores=(score,), out_of_domain=(replace(score, data="circles", floor=0.41),)))
    assert "**Not better than a trivial answer by more than the interval: miou on circles.**" in missed
    lower = replace(score, metric="loss", direction="min", floor=0.61)
    assert lower.above_floor
    assert not replace(lower, floor=0.59).above_floor
    assert replace(lower, interval=None).above_floor is None


def test_of_published_weights_something_else_can_be_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(folder.parent))
    before = in_folder(folder).spec
    about = {key: ABOUT[key] for key in ("licence", "training_data")} | {"summary": "Now four.", "version": "1.0.1"}
    (tmp_path / "about.yaml").write_text(yaml.safe_dump(about))
    out = tmp_path / "out"
    arguments = ["weights", "pack", NAME, "--name", NAME, "--about", str(tmp_path / "about.yaml"), "-o", str(out)]
    assert main(arguments) == 0
    after = in_folder(package(out / NAME)).spec
    assert after == replace(before, summary="Now four.", version="1.0.1")
    hqzoo.load(package(out / NAME))
    assert main([*arguments[:3], "--name", "another", *arguments[5:]]) == EXIT_MISTAKE


def test_a_panel_goes_into_project_and_package(folder: Path, tmp_path: Path) -> None:
    spec, tensors = in_folder(folder).spec, (folder / "weights.safetensors").read_bytes()
    (tmp_path / "p.png").write_bytes(PNG)
    project = write_project(spec, tensors, tmp_path / "out", tmp_path / "p.png")
    assert (package(project) / "panel.png").read_bytes() == PNG
    assert "](hqzoo_weights_squares_toy/panel.png)" in (project / "README.md").read_text()
    assert "](panel.png)" in (package(project) / "README.md").read_text()
    (tmp_path / "p.png").write_bytes(b"GIF89a")
    with pytest.raises(CheckpointError, match="no PNG file"):
        write_project(spec, tensors, tmp_path / "out", tmp_path / "p.png")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"sumary": "x"}, "Unknown key 'sumary'. Did you mean 'summary'"),
        ({"summary": "x"}, r"lacks licence .*, training_data"),
        ("text", "must hold keys"),
        (None, "must hold keys"),
    ],
)
def test_what_an_author_must_say(about: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "about.yaml").write_text(yaml.safe_dump(about))
    with pytest.raises(CheckpointError, match=message):
        read_about(tmp_path / "about.yaml")


def test_no_file_of_what_an_author_says(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_about(tmp_path / "about.yaml")
    (tmp_path / "about.yaml").write_text("a: [")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_about(tmp_path / "about.yaml")


def test_a_licence_that_is_none_is_told_by_the_builder(project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace('"CC-BY-4.0"', '"free for all"'))
    with pytest.raises(CheckpointError, match=r"cannot be built: .*not a recognised SPDX license"):
        build_wheel(project)
