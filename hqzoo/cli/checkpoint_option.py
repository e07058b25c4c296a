"""The two ways to say which trained model is meant: a checkpoint's path, or the name of published weights."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

__all__ = ["WEIGHTS_HELP", "add_checkpoint", "chosen_checkpoint", "results_folder", "taken_weights"]

WEIGHTS_HELP = (
    "published weights instead: a name of `hqzoo weights list`, NAME@DIGITS of its SHA-256, or "
    "hf:OWNER/REPOSITORY@COMMIT"
)


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint`` and ``--weights``, of which one must be given."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--checkpoint", metavar="CKPT", help="checkpoint of hqzoo fit, or its run folder")
    group.add_argument("--weights", metavar="NAME", help=WEIGHTS_HELP)


def taken_weights(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of ``--weights``, and the arguments without it.

    A verb whose checkpoint has no ``--checkpoint`` in front, and that passes unknown options on, takes it out first:
    else a value of an option that it does not know would be the checkpoint.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--weights")
    args, rest = parser.parse_known_args(argv)
    return args.weights, rest


def chosen_checkpoint(checkpoint: str | None, weights: str | None) -> Path:
    """Return the file that is meant.

    Args:
        checkpoint: Path of a checkpoint or of a run folder.
        weights: Published weights.

    Raises:
        CheckpointError: If there are none, or published weights are not those that were published.
    """
    from hqzoo.weights.checkpoint import find_checkpoint
    from hqzoo.weights.files import verified
    from hqzoo.weights.published import find_published

    if not weights:
        return find_checkpoint(str(checkpoint))
    found = find_published(weights)
    verified(found)  # here, where it is known how to get them again
    return found.tensors


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
