"""Weights load as they were published, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

import hqzoo
from hqzoo.errors import CheckpointError, WriteError
from hqzoo.tasks import SegmentationTask
from hqzoo.weights.cache import keep
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.checkpoint import read_header
from hqzoo.weights.files import verified, write_weights
from tests.fixtures.tasks import raw_batch
from tests.fixtures.weights import NAME, edit_spec, flip_a_byte
from tests.weights.test_checkpoint import Bomb


def restate(folder: Path, content: bytes) -> None:
    """Write other tensors with a digest that is right."""
    (folder / "weights.safetensors").write_bytes(content)
    edit_spec(folder, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def test_weights_give_the_logits_of_the_checkpoint(
    toy: tuple[SegmentationTask, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, _ = toy
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(folder.parent))
    image = raw_batch()["image"]
    for given in (folder, str(folder), folder / "weights.json", folder / "weights.safetensors", NAME):
        again = hqzoo.load(given)
        assert not any(module.training for module in again.modules())
        with torch.no_grad():
            torch.testing.assert_close(again(image), task(image), rtol=0, atol=0)
        assert (again.sensors, again.statistics, again.targets, again.trained) == (
            task.sensors, task.statistics, task.targets, task.trained)  # fmt: skip
        assert again.hparams == task.hparams


def test_the_header_is_that_of_the_checkpoint(toy: tuple[SegmentationTask, Path], folder: Path) -> None:
    header = read_header(folder / "weights.safetensors")
    assert header["global_step"] == 2
    assert header["SquaresDataModule"]["contents"]
    assert header["hyper_parameters"]["_class_path"] == "hqzoo.tasks.segmentation.SegmentationTask"


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_flipped_byte_is_refused_by_name_each_time(folder: Path, place: int) -> None:
    hqzoo.load(folder)
    flip_a_byte(folder / "weights.safetensors", place)
    with pytest.raises(CheckpointError, match=rf"'{NAME}' .* are not those that were published.*SHA-256.*Mend it"):
        hqzoo.load(folder)


def test_a_truncated_and_a_missing_file(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="has 1000 bytes"):
        hqzoo.load(folder)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        hqzoo.load(folder)


def _bare(folder: Path) -> bytes:
    return pickle.dumps(Bomb())


def _torch(folder: Path) -> bytes:
    torch.save({"x": Bomb()}, folder / "x")
    return (folder / "x").read_bytes()


@pytest.mark.parametrize("write", [_bare, _torch])
def test_a_pickle_is_refused_and_never_run(
    folder: Path, write: Callable[[Path], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    restate(folder, write(folder))
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is no safetensors file, but looks like a pickle"):
        hqzoo.load(folder)
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"text", b"\xff" * 64, (2).to_bytes(8, "little") + b"{}" + b"junk"])
def test_other_content_with_the_right_digest(folder: Path, content: bytes) -> None:
    if not content:
        (folder / "weights.safetensors").write_bytes(b"")
    else:
        restate(folder, content)
    with pytest.raises(CheckpointError):
        hqzoo.load(folder)


def test_tensors_load_strictly(folder: Path) -> None:
    tensors = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    name = "normalizers.image.mean"
    for wrong, message in [
        ({key: value for key, value in tensors.items() if key != name}, "1 differ, first 'normalizers.image.mean'"),
        ({**tensors, "stray": torch.zeros(1)}, "1 differ, first 'stray'"),
        ({**tensors, name: torch.zeros(4)}, "differ"),
        ({**tensors, name: tensors[name].double()}, "torch.float64; the model's is torch.float32"),
    ]:
        restate(folder, safetensors.torch.save(wrong))
        with pytest.raises(CheckpointError, match=message):
            hqzoo.load(folder)


def test_weights_of_a_newer_hqzoo(folder: Path) -> None:
    edit_spec(folder, min_hqzoo="99.0")
    with pytest.raises(CheckpointError, match=rf"'{NAME}' need hqzoo 99\.0 or newer; this is {hqzoo.__version__}"):
        hqzoo.load(folder)
    edit_spec(folder, format=99)
    with pytest.raises(CheckpointError, match=r"format 99.*pip install --upgrade"):
        hqzoo.load(folder)


def test_an_architecture_of_ones_own_is_not_called_unasked(folder: Path) -> None:
    edit_spec(folder, architecture="os.system", architecture_args={})
    with pytest.raises(CheckpointError, match=r"architecture of someone's own, os\.system"):
        hqzoo.load(folder)


def test_a_task_that_is_none_is_not_imported(folder: Path) -> None:
    edit_spec(folder, task="os.system")
    with pytest.raises(CheckpointError, match=r"task os\.system, which is not imported"):
        hqzoo.load(folder)


def test_the_cache_may_be_out_of_reach(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HQZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(WriteError, match=r"Cannot write weights into .*file.*HQZOO_CACHE"):
        keep(in_folder(folder))
    assert hqzoo.load(folder).classes  # loading needs no cache


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_to_write(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    monkeypatch.setenv("HQZOO_CACHE", str(tmp_path / "mine"))
    with pytest.raises(WriteError, match="permissions"):
        keep(in_folder(folder))


def test_what_is_damaged_is_not_cached(folder: Path, tmp_path: Path) -> None:
    flip_a_byte(folder / "weights.safetensors")
    with pytest.raises(CheckpointError, match="not those that were published"):
        keep(in_folder(folder))
    assert not (tmp_path / "cache").exists()


def test_an_interrupted_copy_is_not_found(folder: Path, tmp_path: Path) -> None:
    """The spec is written last: a folder without one holds nothing yet."""
    found = in_folder(folder)
    (tmp_path / "part" / "weights.json").mkdir(parents=True)  # writing the spec fails
    with pytest.raises(WriteError):
        write_weights(tmp_path / "part", found.spec, verified(found))
    shutil.rmtree(tmp_path / "part" / "weights.json")
    with pytest.raises(CheckpointError):
        in_folder(tmp_path / "part")


def test_specs_are_readable(folder: Path) -> None:
    text = (folder / "weights.json").read_text()
    assert json.loads(text)["summary"] == "Three squares of colour."
    assert text.count("\n") > 50
