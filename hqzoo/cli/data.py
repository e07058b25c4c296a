"""Look at a data set before training on it.

    hqzoo data check ROOT                    what it is, what is missing, which splits leak into each other
    hqzoo data check ROOT --module CLASS     as this data module, by its name or path
    hqzoo data check ROOT --images sat --masks gt --mask-suffix _gt     a folder whose parts have other names
    hqzoo data check ROOT --against OTHER    also whether images show ground that files of another data set show, or
                                             are images that its default_partition.json holds out
    hqzoo data stats -c RECIPE               mean and standard deviation of each band over the training split
    hqzoo data pack -c RECIPE --out PACK     all images in records of one size, to be trained from many times faster
    hqzoo data pack --out PACK --verify      whether every record of a pack still is what was written
    hqzoo data merge ROOT -c SOURCES.yaml --out FOLDER    several sources as one folder: one legend, one resolution

All take a folder, a recipe, or both (the recipe's settings on this folder). `check` reads every image and mask of all
folds, goes on behind what training would stop at, changes nothing, and ends with 1 if something is missing, damaged or
leaks. `pack` goes on where it was stopped; `hqzoo fit -c RECIPE --data.init_args.packed PACK` trains from it, with the
same samples as from the files.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from hqzoo.data import DataModule
    from hqzoo.data.checks.inspection import Inspection

    Build = Callable[[int | None], DataModule[Any]]

__all__ = ["add_arguments", "run"]

ACTIONS = {
    "check": "what a data set is, what is missing, which splits leak into each other",
    "stats": "mean and standard deviation of each band over the training split",
    "merge": "write several sources as one folder of images and masks, with one legend, resolution and list of folds",
    "pack": "all images in records of one size, mapped into memory, which feed a GPU as many small files cannot",
}
NAMES = ("images", "masks", "mask_suffix")  # arguments of data modules that say how files are named
SHOWN = 20  # sentences of each kind that the screen shows; the JSON file holds all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions, which have most arguments in common."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("root", nargs="?", type=Path, metavar="ROOT", help="folder of the data set")
    common.add_argument("-c", "--config", metavar="RECIPE", help="recipe (file or short name) to take its data from")
    common.add_argument(
        "--module", metavar="CLASS", help="data module: a name of hqzoo.data or a path.to.Class (default: recognised)"
    )
    common.add_argument("--images", metavar="FOLDER", help="sub-folder of the images (default: the data module's)")
    common.add_argument("--masks", metavar="FOLDER", help="sub-folder of the masks")
    common.add_argument("--mask-suffix", metavar="TEXT", help="what masks' names have more than images', like _mask")
    common.add_argument("--fold", type=int, metavar="K", help="one fold (default: check all; stats: the module's own)")
    common.add_argument("--json", type=Path, metavar="FILE", help="write what was found as JSON")
    # Parsers of their own: beside the action, an optional ROOT that follows an option would be refused.
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what in ACTIONS.items():
        action = actions.add_parser(name, parents=[common], help=what, description=f"{what[0].upper()}{what[1:]}.")
        if name == "check":
            action.add_argument(
                "--against",
                type=Path,
                metavar="OTHER",
                help="folder of another data set that may show the same ground, or hold out these images by name",
            )
        if name == "merge":
            action.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to write")
        if name == "pack":
            action.add_argument("--out", type=Path, required=True, metavar="PACK", help="folder of the pack")
            action.add_argument("--verify", action="store_true", help="compare what is there with its checksums")
            action.add_argument(
                "--float16",
                type=float,
                metavar="ERROR",
                help="store real numbers in 16 bits, and stop at one that is changed by more than ERROR, in its unit "
                "(default: every bit is kept; 0.01 suits Sentinel-1 in dB)",
            )
            action.add_argument("--workers", type=int, metavar="N", help="processes that read (default: the recipe's)")


def run(args: argparse.Namespace) -> int:
    """Check or compute, print, and write the file that was asked for."""
    from hqzoo.cli import data_pack
    from hqzoo.errors import ConfigError

    if args.action == "merge":
        from hqzoo.cli.data_merge import merge_sources

        if args.root is None or args.config is None:
            raise ConfigError("Say which data: hqzoo data merge ROOT -c SOURCES.yaml --out FOLDER.")
        report, code = merge_sources(Path(args.config), args.root, args.out)
        _write(args.json, report)
        return code
    if args.action == "pack" and args.verify:
        report, code = data_pack.verify(args.out)
        _write(args.json, report)
        return code
    if args.root is None and args.config is None:
        raise ConfigError("Say which data set: a folder, a recipe (-c), or both.")
    if args.module is not None and args.config is not None:
        raise ConfigError("A recipe names its data module already: give --module or -c, not both.")
    given = {name: getattr(args, name) for name in NAMES if getattr(args, name) is not None}
    build = _from_recipe(args.config, args.root, given) if args.config else _from_folder(args.root, args.module, given)
    if args.action == "pack":
        report, code = data_pack.pack(build(args.fold), args.out, args.float16, args.workers)
    else:
        report, code = _check(build, args.fold, args.against) if args.action == "check" else _stats(build, args.fold)
    _write(args.json, report)
    return code


def _write(file: Path | None, report: dict[str, Any]) -> None:
    import json

    from hqzoo._files import write_text

    if file is not None:
        write_text(file, json.dumps(report, indent=2) + "\n")


def _from_folder(root: Path, name: str | None, given: dict[str, str]) -> Build:
    """Return what builds a data module of a folder, recognised or named; who names its parts means any folder."""
    from inspect import signature

    from hqzoo.data.checks.inspection import of_any_folder, recognise
    from hqzoo.errors import ConfigError

    found = of_any_folder() if given else None
    module = _find_module(name) if name else found or recognise(root)
    for argument in ("root", *given):
        if argument not in signature(module).parameters:
            raise ConfigError(
                f"{module.__name__} has no argument `{argument}`: describe its data in a recipe and give -c."
            )

    def build(fold: int | None) -> DataModule[Any]:
        chosen = {} if fold is None else {"fold": fold}
        arguments: dict[str, Any] = {"root": str(root), **given, **chosen}
        return module(**arguments)

    return build


def _find_module(name: str) -> type[DataModule[Any]]:
    """Return a data module by its name in ``hqzoo.data`` or its path.

    Raises:
        ConfigError: If there is none, or it is no data module.
    """
    from importlib import import_module

    import hqzoo.data
    from hqzoo.data import DataModule
    from hqzoo.errors import ConfigError, unknown_name

    package, _, cls = name.rpartition(".")
    known = [other for other in hqzoo.data.__all__ if other.endswith("DataModule")]
    if not package and name not in known:
        raise ConfigError(unknown_name("data module", name, known))
    try:
        found = getattr(import_module(package or "hqzoo.data"), cls)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"There is no class {name} to import: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, DataModule)):
        raise ConfigError(f"{name} is no DataModule.")
    return found


def _from_recipe(recipe: str, root: Path | None, names: dict[str, str]) -> Build:
    """Return what builds the data module of a recipe."""
    from hqzoo.cli.parsing import CommandLine
    from hqzoo.cli.recipes import find_recipe
    from hqzoo.data import DataModule
    from hqzoo.errors import ConfigError

    file = find_recipe(recipe)

    def build(fold: int | None) -> DataModule[Any]:
        given = {"root": root, "fold": fold, **names}
        extra = [f"--data.init_args.{key}={value}" for key, value in given.items() if value is not None]
        module = CommandLine("test", ["-c", file, *extra]).datamodule
        if not isinstance(module, DataModule):
            raise ConfigError(f"The data of {file} are a {type(module).__name__}, which is no DataModule.")
        return module

    return build


def _check(build: Build, fold: int | None, against: Path | None) -> tuple[dict[str, Any], int]:
    from hqzoo.data.checks.inspection import inspect

    found = inspect(build, fold, against)
    name = type(build(fold)).__name__
    _print_inspection(name, found)
    report = {
        "module": name,
        "clean": found.clean,
        "images": found.images,
        "masks": found.masks,
        "counted": found.counted,
        "splits": [{"fold": number, **splits} for number, splits in found.splits.items()],
        "sizes": [{"height": h, "width": w, "images": count} for (h, w), count in found.sizes.most_common()],
        "classes": found.classes,
        "ignored": found.ignored,
        "notes": found.notes,
        "missing": found.missing,
        "leaks": found.leaks,
        "unknown": found.unknown,
    }
    return report, 0 if found.clean else 1


def _print_inspection(name: str, found: Inspection) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{name}: {_contents(found)}")
    if found.splits:
        table = Table("fold", "train", "val", "test", title="images")
        for fold, splits in found.splits.items():
            table.add_row("-" if fold is None else str(fold), *(str(splits[s]) for s in ("train", "val", "test")))
        console.print(table)
    if found.classes:
        ignored = f"{found.ignored:.2%} of the pixels ignored" if found.counted == "pixel" else "share of the images"
        shares = Table("class", "share", title=f"classes ({ignored})")
        for label, share in found.classes.items():
            shares.add_row(label, f"{share:.4f}")
        console.print(shares)
    told = {"note": found.notes, "missing": found.missing, "leak": found.leaks, "unknown": found.unknown}
    for kind, sentences in told.items():
        for sentence in sentences[:SHOWN]:
            console.print(f"{kind}: {sentence}", markup=False)
        if len(sentences) > SHOWN:
            console.print(f"{kind}: ... and {len(sentences) - SHOWN} more, which --json FILE lists")
    if found.clean:
        console.print("Nothing is missing, and no split leaks into another.")


def _contents(found: Inspection) -> str:
    """Say how many images and masks there are, and of which sizes."""
    if not found.images:
        return "no image could be looked at"
    sizes = ", ".join(f"{count} of {height} x {width}" for (height, width), count in found.sizes.most_common(5))
    more = f" and {len(found.sizes) - 5} more size(s)" if len(found.sizes) > 5 else ""
    unread = found.images - found.sizes.total()
    parts = [
        f"{found.images} images, {found.masks} {'masks' if found.counted == 'pixel' else 'labelled'}",
        sizes + more,
        f"{unread} refused (see below)" * bool(unread),
    ]
    return "; ".join(part for part in parts if part)


def _stats(build: Build, fold: int | None) -> tuple[dict[str, Any], int]:
    from rich.console import Console
    from rich.table import Table

    module = build(fold)
    module.prepare_data()
    images, statistics = len(module.records("train")), module.measure_statistics()
    for name, sensor in module.sensors.items():
        found = statistics[name]
        title = f"{name}: {images} training images, in {sensor.unit} (full scale {sensor.scale:g})"
        table = Table("band", "mean", "std", title=title)
        for band, mean, std in zip(sensor.bands, found.mean, found.std, strict=True):
            table.add_row(band, f"{mean:.4f}", f"{std:.4f}")
        Console().print(table)
    report = {
        "module": type(module).__name__,
        "fold": getattr(module, "fold", None),
        "images": images,
        "sensors": {name: sensor.to_dict() for name, sensor in module.sensors.items()},
        "statistics": {name: each.to_dict() for name, each in statistics.items()},
    }
    return report, 0
