"""Train HQ-UNet and its classical control, compare them on unseen images, and map a scene.

Both rows have the same budget, crops and seed. Without --data the images are generated landscapes with
LandCover.ai's five classes; with --data FOLDER they are the images and masks of a folder (FOLDER/images,
FOLDER/masks; a folder that a recipe for folders is named after is read as that recipe says).

Leaves in the output folder: report.json, panel.png (image, truth, prediction, difference), map.tif, and the runs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hqzoo.cli.recipes import list_recipes
from hqzoo.errors import ConfigError, HqzooError

if TYPE_CHECKING:
    from torch import Tensor

    from hqzoo.data import DataModule
    from hqzoo.tasks import Task

__all__ = ["add_arguments", "run"]

ROWS = {"quantum": "HQ-UNet", "mlp": "classical control"}
FOLDERS = "hq_unet/folder"  # the recipe for anybody's folder
SCENE_SEED, SCENE_SIZE = 3_000_000, (640, 960)  # a landscape of neither the training nor the test seeds
WRITTEN = {
    *ROWS, "recipe.yaml", "report.json", "panel.png", "map.tif", "map.tif.aux.xml", "scene.tif", "scene_mask.tif",
}  # fmt: skip
TIMED_STEPS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hqzoo quickstart``."""
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="images/ and masks/ to train on instead")
    parser.add_argument("--output", type=Path, default=Path("runs/quickstart"), help="default: runs/quickstart")
    parser.add_argument("--steps", type=int, help="training steps instead of the recipe's number")


def run(args: argparse.Namespace) -> int:
    """Run ``hqzoo quickstart``."""
    from hqzoo.tasks.varied_panel import draw_varied_panel

    recipe = _recipe(args.data, args.steps)
    _make_room(args.output)
    path = args.output / "recipe.yaml"
    _write_yaml(path, recipe)
    reports = {control: _fit_and_test(path, control, args.output / control) for control in ROWS}
    tasks = {control: _load(args.output / control) for control in ROWS}
    data = _data_module(recipe)
    data.setup("fit")
    data.setup("test")
    ratio = _step_ratio(tasks, next(iter(data.train_dataloader())))
    scene = _map(args.output, args.data, data)
    panel = args.output / "panel.png"
    draw_varied_panel(tasks["quantum"], data.test_dataloader(), panel, scale=data.sensors["image"].scale)
    report = {
        "rows": reports,
        "hybrid_step_over_control_step": ratio,
        "scene": str(scene),
        "data": recipe["data"],
    }
    (args.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    _print(reports, ratio, args.output)
    return 0


def _make_room(output: Path) -> None:
    """Make the output folder, and remove from it what an earlier quickstart left.

    Raises:
        ConfigError: If it is a file, or a folder that holds anything else.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"--output {output} is a file; quickstart writes a folder.") from error
    found = {path.name for path in output.iterdir()}
    if found and ("recipe.yaml" not in found or not found <= WRITTEN):
        other = sorted(found - WRITTEN) or sorted(found)
        raise ConfigError(
            f"--output {output} holds what no quickstart has written ({', '.join(other[:3])}). Name a new folder: "
            "quickstart empties the one that it writes to."
        )
    for name in found:
        path = output / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _recipe(folder: Path | None, steps: int | None) -> dict[str, Any]:
    """Return the recipe for landscapes, with the data section of a folder where one is given."""
    recipes = list_recipes()
    recipe = _read_yaml(recipes["hq_unet/landscapes"])
    recipe["trainer"]["enable_model_summary"] = False
    if steps is not None:
        recipe["trainer"]["max_steps"] = steps
    if folder is None:
        return recipe
    name = f"hq_unet/{folder.resolve().name}"
    named = _read_yaml(recipes[name])["data"] if name in recipes else {}
    batches = {key: recipe["data"]["init_args"][key] for key in ("batch_size", "crop_size", "crops_per_epoch", "seed")}
    # Recipes of other data modules speak of other layouts and settings.
    any_folder = _read_yaml(recipes[FOLDERS])["data"]["class_path"]
    known = named["init_args"] if named.get("class_path") == any_folder else {}
    recipe["data"] = {
        "class_path": any_folder,
        "init_args": {**known, "root": str(folder.resolve()), **batches},
    }
    return recipe


def _fit_and_test(recipe: Path, control: str, folder: Path) -> dict[str, Any]:
    """Train and test one row through the public verbs."""
    from hqzoo.cli import main

    seconds = {}
    for verb in ("fit", "test"):
        began = time.perf_counter()
        code = main([verb, "-c", str(recipe), f"--trainer.default_root_dir={folder}",
                     f"--model.init_args.architecture_args.control={control}",
                     *(["--ckpt_path=last"] if verb == "test" else [])])  # fmt: skip
        if code:
            raise HqzooError(f"`hqzoo {verb}` ended with code {code}; see above.")
        seconds[verb] = time.perf_counter() - began
    return {**json.loads((folder / "test.json").read_text()), "training_seconds": round(seconds["fit"], 1)}


def _load(folder: Path) -> Task:
    from hqzoo.weights import load

    return load(folder / "checkpoints" / "last.ckpt")


def _data_module(recipe: Mapping[str, Any]) -> DataModule[Any]:
    module, _, name = recipe["data"]["class_path"].rpartition(".")
    data: DataModule[Any] = getattr(import_module(module), name)(**recipe["data"]["init_args"])
    return data


def _step_ratio(tasks: Mapping[str, Task], batch: Mapping[str, Tensor]) -> float:
    """Return the time of a hybrid training step over that of the control's, measured in turns."""
    from hqzoo.tasks.step_time import median_step_seconds

    seconds = median_step_seconds(tasks, batch, TIMED_STEPS)
    return round(seconds["quantum"] / seconds["mlp"], 3)


def _map(output: Path, folder: Path | None, data: DataModule[Any]) -> Path:
    """Map a scene that no row has seen: a new landscape, or the largest test image of the folder."""
    from hqzoo.cli import main
    from hqzoo.data.files.readers import FileRecord

    if folder is None:
        from hqzoo.data.sets.landscapes import write_scene

        scene = output / "scene.tif"
        write_scene(scene, SCENE_SEED, SCENE_SIZE)
    else:
        files = [record for record in data.records("test") if isinstance(record, FileRecord)]
        scene = max(files, key=lambda record: record.height * record.width).image
    checkpoint = output / "quantum" / "checkpoints" / "last.ckpt"
    code = main(["map", str(scene), "--checkpoint", str(checkpoint), "-o", str(output / "map.tif")])
    if code:
        raise HqzooError(f"`hqzoo map` ended with code {code}; see above.")
    return scene


def _print(reports: Mapping[str, Mapping[str, Any]], ratio: float, output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Unseen test images, weights of the last epoch", title_justify="left")
    table.add_column("")
    for control, name in ROWS.items():
        table.add_column(f"{name}\n({control})", justify="right")
    rows = list(reports.values())

    def score(value: float | None) -> str:
        return "absent" if value is None else f"{value:.4f}"

    table.add_row("mIoU", *(score(row["scores"]["miou"]) for row in rows))
    table.add_row("overall accuracy", *(score(row["scores"]["oa"]) for row in rows))
    for number, entry in enumerate(rows[0]["classes"]):
        table.add_row(f"IoU {entry['name']}", *(score(row["classes"][number]["iou"]) for row in rows))
    table.add_section()
    table.add_row("parameters", *(f"{row['model']['parameters']:,}" for row in rows))
    table.add_row("of them quantum", *(f"{row['model']['quantum_parameters']:,}" for row in rows))
    table.add_row("trained in the circuit's place", *(f"{row['model']['replaced']['core']:,}" for row in rows))
    table.add_row("whole bottleneck", *(f"{row['model']['replaced']['bottleneck']:,}" for row in rows))
    table.add_row("training seconds", *(f"{row['training_seconds']:.0f}" for row in rows))
    table.add_row("step time, relative", f"{ratio:.2f}", "1.00")
    console = Console()
    console.print(table)
    for name, what in (
        ("report.json", "these numbers"),
        ("panel.png", "image, truth, prediction, difference"),
        ("map.tif", "the scene as a class map"),
    ):
        console.print(f"{output / name}  {what}", highlight=False)


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def _write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    import yaml

    path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
