"""The checkpoints of this repository: each loads, gives its stored outputs again, and scores what its card says."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import hqzoo
from hqzoo._lightning import pl
from hqzoo.data import FolderClassificationDataModule, FolderSegmentationDataModule, PairCollectionDataModule
from hqzoo.data.merge import divided, merge, read_legend
from hqzoo.weights.card import card
from hqzoo.weights.spec import SPEC_FILE, TENSOR_FILE, WeightSpec

ROOT = Path(__file__).parents[2]
CHECKPOINTS = {path.parent.parent.name: path.parent for path in sorted(ROOT.glob(f"checkpoints/*/*/{SPEC_FILE}"))}
EXAMPLES = Path(__file__).parent / "examples"
IMAGERY = os.environ.get("HQZOO_REAL_DATA", "")
MEGABYTES = 12


def aerial(root: Path, work: Path) -> FolderSegmentationDataModule:
    """The merged folder as far as it is tested, and one image more, since something must be there to train on."""
    legend = read_legend(ROOT / "checkpoints/aerial.yaml")
    sources = {}
    for name, source in legend.sources.items():
        scenes, folds = divided(name, source, root)
        kept = [image for image, fold in folds.items() if fold == 0 or image == "sample_4521"]
        sources[name] = replace(source, folds={image: (scenes[image], folds[image]) for image in kept})
    merge(replace(legend, sources=sources), root, work / "aerial")
    folder = str(work / "aerial")
    return FolderSegmentationDataModule(folder, gsd=0.5, folds="folds.csv", fold=0, val_fold=None, crop_size=128)


def eurosat(root: Path, _: Path) -> FolderClassificationDataModule:
    splits = {"train": "train", "test": "val"}
    return FolderClassificationDataModule(str(root / "eurosat_rgb"), splits=splits, batch_size=64)


def pairs(root: Path, _: Path) -> PairCollectionDataModule:
    names = ("archive_layout", "pairs_s1_s2all_labels_17.npz", "pairs_s1_s2all_23.npz", "pairs_s1_s2rgbn_120.npz")
    split = ROOT / "benchmarks/results/bigearthnet_pairs_hq_jepa/split.csv"
    sources = [str(root / "bigearthnet_v2" / name) for name in names]
    return PairCollectionDataModule(sources, labels="known", split_file=str(split), batch_size=32)


SCORED = {
    "eurosat-rgb-hybrid": (eurosat, "accuracy"),
    "hq-jepa-bigearthnet-small": (pairs, "recall_at_1"),
    "hq-unet-aerial": (aerial, "miou"),
    "hqf-net-aerial": (aerial, "miou"),
}
names = pytest.mark.parametrize("name", SCORED)


def test_all_of_them_are_tested() -> None:
    assert set(CHECKPOINTS) == set(SCORED)


@names
def test_cards_are_complete(name: str) -> None:
    spec = WeightSpec.from_dict(json.loads((CHECKPOINTS[name] / SPEC_FILE).read_text()))
    assert spec.name == name
    assert (CHECKPOINTS[name] / TENSOR_FILE).stat().st_size == spec.size < MEGABYTES * 2**20
    assert spec.training_data
    assert "hqzoo fit" in spec.command
    assert spec.control is not None
    first = spec.scores[0]  # the one that is scored again below
    assert first.interval is not None
    assert first.floor is not None
    assert spec.control.how
    assert spec.caveats
    # Better than control and trivial answer by more than the interval, or the card says that it is not.
    better = spec.control.verdict == "better"
    text = (CHECKPOINTS[name].parent / "README.md").read_text()
    assert better or "The circuit is not better than its control" in text
    assert first.above_floor or "Not better than a trivial answer by more than the interval" in text
    assert (CHECKPOINTS[name] / "README.md").read_text() == card(spec, "panel.png" if "panel.png" in text else None)


@names
def test_stored_outputs_come_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(ROOT / "checkpoints"))
    task = hqzoo.load(name)
    assert not task.training
    with np.load(EXAMPLES / f"{name}.npz") as example:
        images = {key.removeprefix("in_"): torch.from_numpy(example[key]).float() for key in example if key != "out"}
        expected = example["out"]
    with torch.no_grad():
        found = task(images if len(images) > 1 else next(iter(images.values())))
    found = found[..., ::4, ::4] if found.ndim == 4 else found  # of a map every fourth pixel was kept
    np.testing.assert_allclose(found.float().numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not IMAGERY, reason="HQZOO_REAL_DATA names no folder of real imagery")
@names
def test_recorded_scores_come_again(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(ROOT / "checkpoints"))
    spec = WeightSpec.from_dict(json.loads((CHECKPOINTS[name] / SPEC_FILE).read_text()))
    build, metric = SCORED[name]
    task = hqzoo.load(name)
    quiet = {"logger": False, "enable_progress_bar": False, "accelerator": "cpu", "default_root_dir": tmp_path}
    pl.Trainer(**quiet, precision=spec.trained.precision).test(task, build(Path(IMAGERY), tmp_path), verbose=False)
    assert spec.scores[0].metric == metric
    assert task.report().scores[metric] == pytest.approx(spec.scores[0].value, abs=1e-3)
