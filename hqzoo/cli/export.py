"""Write a trained model for other programs: an ONNX model, a program of torch.export (.pt2), or bare tensors.

    hqzoo export NAME --format onnx -o MODEL.onnx
    hqzoo export RUN/checkpoints/best.ckpt --format torch -o MODEL.pt2

ONNX models and programs take raw images (B, C, H, W) in the sensor's unit and return probabilities; they normalise by
themselves. ONNX models of class maps hold the metadata that the QGIS plugin Deepness reads. What a reader must know
(bands, unit, statistics, classes) lies in the file: ONNX metadata 'hqzoo', hqzoo.json of torch.export, the header of
safetensors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hqzoo.cli.own_code import add_own_architecture

__all__ = ["add_arguments", "run"]

FORMATS = ("onnx", "torch", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the format and the file."""
    parser.add_argument("model", metavar="NAME", help="published weights, a checkpoint, or a run folder")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="default: onnx")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE")
    parser.add_argument(
        "--window", type=int, metavar="PIXELS",
        help="side of the images (default: what the model takes, else what it was trained on, else 256)",
    )  # fmt: skip
    add_own_architecture(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``hqzoo export``."""
    from hqzoo.weights.checkpoint import load
    from hqzoo.weights.exporting import export

    task = load(args.model, own_architecture=args.own_architecture)
    export(task, args.output, args.format, args.window)
    sys.stdout.write(f"Written: {args.output} ({args.output.stat().st_size / 1e6:.2f} MB)\n")
    return 0
