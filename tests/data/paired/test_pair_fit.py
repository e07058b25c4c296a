"""Pretraining on pairs through the command line, from files and from arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from hqzoo.cli import main
from tests.fixtures.bigearthnet import s2_name, v1_name, write_v2

TINY = {
    "image_size": 8, "patch": 1, "width": 16, "heads": 2, "depth": 2, "predictor_width": 8, "predictor_depth": 1,
    "other_depth": 1, "fused_width": 8,
}  # fmt: skip


def fitted(folder: Path, module: str, **options: Any) -> dict[str, Any]:
    """Pretrain for an epoch; return what the checkpoint holds."""
    recipe = {
        "seed_everything": 0,
        "model": {"class_path": "hqzoo.tasks.HQJEPATask", "init_args": {"architecture_args": TINY}},
        "data": {"class_path": f"hqzoo.data.{module}", "init_args": {"size": 8, "batch_size": 2, **options}},
        "trainer": {"accelerator": "cpu", "max_epochs": 1, "logger": False, "default_root_dir": str(folder / "run")},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["fit", "-c", str(folder / "recipe.yaml")]) == 0
    (checkpoint,) = (folder / "run").rglob("last.ckpt")
    return dict(torch.load(checkpoint, weights_only=True))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_archive_with_a_bad_pair_and_a_held_out_one(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set")
    next(root.rglob(f"{s2_name(2)}_B12.tif")).unlink()
    partition = tmp_path / "default_partition.json"
    partition.write_text(json.dumps({"valid": [v1_name(6)], "test": []}))
    options = {"labels": "none", "on_bad": "skip", "drop_from": str(partition), "bands": ["B04", "B12"]}
    found = fitted(tmp_path, "BigEarthNetV2DataModule", root=str(root), **options)
    assert found["global_step"] == 1  # of the three pairs to train on two are left
    assert list(found["hyper_parameters"]["sensors"]["s2"]["bands"]) == ["B04", "B12"]
    assert found["hyper_parameters"]["targets"] is None


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_arrays_with_some_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = {"s2": rng.integers(1, 4000, (12, 4, 8, 8)).astype(np.uint16)}
    images["s1"] = rng.normal(-12, 3, (12, 2, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "a.npz", **images, patch_id=[f"p{n}" for n in range(12)])
    labels = {f"p{n}": {"labels": ["Marine waters"]} for n in range(5)}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    options = {"labels": "known", "label_files": [str(tmp_path / "labels.json")], "val_share": 0.4, "test_share": 0.1}
    found = fitted(tmp_path, "PairCollectionDataModule", sources=[str(tmp_path / "a.npz")], **options)
    assert found["global_step"] == 3
    assert len(found["hyper_parameters"]["targets"]["classes"]) == 19
    assert found["hyper_parameters"]["sensors"]["s1"]["unit"] == "dB"
