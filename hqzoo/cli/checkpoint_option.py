"""The two ways to say which trained model is meant: a checkpoint's path, or the name of published weights."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["WEIGHTS_HELP", "add_checkpoint", "chosen_checkpoint", "results_folder"]

WEIGHTS_HELP = (
    "published weights instead: a name of `hqzoo weights list`, NAME@DIGITS of its SHA-256, or "
    "hf:OWNER/REPOSITORY@COMMIT"
)


def add_checkpoint(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """Add the checkpoint and ``--weights``; one of the two must be given.

    Args:
        parser: Parser of the verb.
        positional: Whether the checkpoint is an argument without ``--checkpoint`` in front.
    """
    group = parser.add_mutually_exclusive_group(required=True)
    text = "checkpoint of hqzoo fit, or its run folder"
    if positional:
        group.add_argument("checkpoint", metavar="CKPT", nargs="?", help=text)
    else:
        group.add_argument("--checkpoint", metavar="CKPT", help=text)
    group.add_argument("--weights", metavar="NAME", help=WEIGHTS_HELP)


def chosen_checkpoint(checkpoint: str | None, weights: str | None) -> Path:
    """Return the file that is meant.

    Args:
        checkpoint: Path of a checkpoint or of a run folder.
        weights: Published weights.

    Raises:
        CheckpointError: If there are none.
    """
    from hqzoo.weights.checkpoint import find_checkpoint
    from hqzoo.weights.published import find_published

    return find_published(weights).tensors if weights else find_checkpoint(str(checkpoint))


def results_folder(checkpoint: Path) -> Path:
    """Return where results of a checkpoint go: the folder of its run, ``runs/NAME`` of published weights, else beside.

    Args:
        checkpoint: What :func:`chosen_checkpoint` returned.
    """
    from hqzoo.weights.spec import SPEC_FILE, read_spec

    folder = checkpoint.parent
    if folder.name == "checkpoints":
        return folder.parent
    return Path("runs") / read_spec(folder).name if (folder / SPEC_FILE).is_file() else folder
