"""Turn georeferenced scenes of any size into class maps with the scene's grid, colours, class names and overviews.

    hqzoo map SCENE.tif --checkpoint CKPT -o MAP.tif
    hqzoo map FOLDER "tiles/**/*.tif" --checkpoint CKPT -o MAPS/
    hqzoo map SCENE.tif --weights NAME -o MAP.tif

A scene streams through overlapping windows whose predictions are blended; memory does not grow with it.
Missing pixels (nodata, alpha 0) stay missing: nodata in the map, which is 255 where no class has that code. With the
default overlap every pixel is predicted four times; --overlap 0 takes a quarter of the time and shows the windows'
borders. A scene whose bands, unit or values do not fit
the model is refused. A map appears under its name only when it is complete.
All scenes are looked at before the first one is mapped.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from hqzoo.cli.checkpoint_option import add_checkpoint, chosen_checkpoint
from hqzoo.cli.own_code import add_own_architecture

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hqzoo map``."""
    parser.add_argument(
        "scenes",
        metavar="SCENE",
        nargs="+",
        help="rasters with the bands that the model was trained on: files, folders, or globs in quotes",
    )
    add_checkpoint(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="MAP.tif",
        help="class map to write (GeoTIFF), or a folder for one map per scene, named like it",
    )
    parser.add_argument(
        "--probabilities", metavar="P.tif", help="also write the probabilities, one band per class: a file or a folder"
    )
    parser.add_argument(
        "--pixels",
        choices=("codes", "indices"),
        default="codes",
        help="what the map holds: the codes of the training masks where these had such (default), or class indices",
    )
    parser.add_argument(
        "--probability-dtype",
        choices=("float32", "uint8"),
        default="float32",
        help="uint8: a quarter of the disk, 0 to 254 with a GDAL scale of 1/254 (default: float32)",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of a window that its neighbour covers too (default: 0.5)",
    )
    parser.add_argument(
        "--window",
        type=int,
        metavar="PIXELS",
        help="side of the windows (default: what the model takes, else what it was trained on, else 256)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="windows predicted at once (default: 16)"
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, mps, or auto: an accelerator if there is one (default)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        help="precision of the model (default: the one that it was trained in)",
    )
    add_own_architecture(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Run ``hqzoo map``."""
    # A job scheduler's SIGTERM ends like Ctrl-C: the partial file goes, the exit code is 130.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _map(args)
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _map(args: argparse.Namespace) -> None:
    from hqzoo.scenes.collection import find_scenes, map_names
    from hqzoo.scenes.fitting import check_scene
    from hqzoo.scenes.inference import known_data
    from hqzoo.scenes.mapping import map_scene
    from hqzoo.scenes.scene import open_scene
    from hqzoo.weights.checkpoint import load

    scenes = find_scenes(args.scenes)
    maps = map_names(scenes, args.output)
    chances = map_names(scenes, args.probabilities, "--probabilities") if args.probabilities else [None] * len(scenes)
    task = load(chosen_checkpoint(args.checkpoint, args.weights), own_architecture=args.own_architecture)
    sensor, _ = known_data(task)
    for scene in scenes if len(scenes) > 1 else ():
        with open_scene(scene, sensor) as opened:
            check_scene(opened, sensor)
    for folder in {args.output, args.probabilities} - {str(path) for path in (*maps, *chances)} - {None}:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for scene, output, probabilities in zip(scenes, maps, chances, strict=True):
        map_scene(
            task,
            scene,
            output,
            window=args.window,
            overlap=args.overlap,
            batch_size=args.batch_size,
            probabilities=probabilities,
            probability_dtype=args.probability_dtype,
            codes=args.pixels == "codes",
            device=args.device,
            precision=args.precision,
            progress=not args.quiet,
        )
