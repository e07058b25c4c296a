"""Turn a georeferenced scene of any size into a class map with the scene's grid, colours and class names.

The scene streams through overlapping windows whose predictions are blended; memory does not grow with it.
Missing pixels (nodata, alpha 0) stay missing: 255 in the map. A scene whose bands, unit or values do not fit
the model is refused. The map appears under its name only when it is complete.
"""

from __future__ import annotations

import argparse
import signal

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hqzoo map``."""
    parser.add_argument("scene", metavar="SCENE.tif", help="raster with the bands that the model was trained on")
    parser.add_argument(
        "--checkpoint", required=True, metavar="CKPT", help="checkpoint of hqzoo fit, or its run folder"
    )
    parser.add_argument("-o", "--output", required=True, metavar="MAP.tif", help="class map to write (GeoTIFF)")
    parser.add_argument("--probabilities", metavar="P.tif", help="also write the probabilities, one band per class")
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
        help="side of the windows (default: what the model takes, or 256)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="windows predicted at once (default: 16)"
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, mps, or auto: an accelerator if there is one (default)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Run ``hqzoo map``."""
    # A job scheduler's SIGTERM ends like Ctrl-C: the partial file goes, the exit code is 130.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from hqzoo.scenes.mapping import map_scene
        from hqzoo.weights.checkpoint import load

        map_scene(
            load(args.checkpoint),
            args.scene,
            args.output,
            window=args.window,
            overlap=args.overlap,
            batch_size=args.batch_size,
            probabilities=args.probabilities,
            probability_dtype=args.probability_dtype,
            device=args.device,
            progress=not args.quiet,
        )
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0
