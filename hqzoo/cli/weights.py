"""Published weights: list, look at and verify what is installed, install, pack and push.

    hqzoo weights list
    hqzoo weights info NAME                      what they are, what they reach, what they rest on
    hqzoo weights verify [NAME]                  compare the digests of all of them, or of one
    hqzoo weights install hf:OWNER/REPOSITORY@COMMIT
    hqzoo weights pack RUN --name NAME --about ABOUT.yaml -o checkpoints
    hqzoo weights pack NAME --name NAME --about ABOUT.yaml -o checkpoints      the same tensors, another card
    hqzoo weights push NAME hf:OWNER/REPOSITORY --dry-run

NAME is looked for in the folders of HQZOO_WEIGHTS_DIR, then in installed wheels, then in the cache (HQZOO_CACHE).
Nothing is ever downloaded unless a hub is named.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the things to do."""
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verbs.add_parser("list", help="the weights that this machine has")
    info = verbs.add_parser("info", help="the card of some weights")
    info.add_argument("name", metavar="NAME")
    how = info.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="the spec as it lies in the file")
    how.add_argument("--stac", action="store_true", help="as a STAC item with the MLM extension")
    verify = verbs.add_parser("verify", help="compare digests")
    verify.add_argument("name", metavar="NAME", nargs="?", help="default: all")
    install = verbs.add_parser("install", help="copy weights into the cache")
    install.add_argument("source", metavar="SOURCE", help="hf:OWNER/REPOSITORY@COMMIT, a wheel, or a folder")
    _add_pack(verbs.add_parser("pack", help="make a wheel of a checkpoint"))
    push = verbs.add_parser("push", help="upload weights to a hub")
    push.add_argument("name", metavar="NAME", help="name, or folder")
    push.add_argument("target", metavar="hf:OWNER/REPOSITORY[@BRANCH]")
    push.add_argument("--dry-run", action="store_true", help="say what would be uploaded")


def _add_pack(parser: argparse.ArgumentParser) -> None:
    from hqzoo.cli.own_code import add_own_architecture

    parser.add_argument(
        "checkpoint",
        metavar="CKPT",
        help="checkpoint of hqzoo fit, its run folder, or published weights, of which something else is to be said",
    )
    parser.add_argument("--name", required=True, help="what the weights are called")
    about = "YAML: summary, licence, training_data; and scores, control, out_of_domain, caveats, command, version, ..."
    parser.add_argument("--about", required=True, type=Path, metavar="ABOUT.yaml", help=about)
    parser.add_argument("--panel", type=Path, metavar="PANEL.png", help="a picture for the card")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("checkpoints"), metavar="FOLDER",
        help="where the project FOLDER/NAME goes, with the wheel in its dist/ (default: checkpoints)",
    )  # fmt: skip
    add_own_architecture(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    actions = {
        "list": _list, "info": _info, "verify": _verify, "install": _install, "pack": _pack, "push": _push,
    }  # fmt: skip
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from hqzoo.weights.catalogue import Found, all_weights

    found = list(all_weights())
    table = Table()
    for heading in ("name", "version", "architecture", "score", "licence", "size", "from"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")  # names are copied
    for each in found:
        if isinstance(each, Found):
            spec = each.spec
            score = f"{spec.scores[0].label or spec.scores[0].metric} {spec.scores[0].value:.4f}" if spec.scores else ""
            size = f"{spec.size / 1e6:.1f} MB"
            table.add_row(spec.name, spec.version, spec.architecture, score, spec.licence, size, each.origin)
    if table.row_count:
        Console().print(table)
    else:
        sys.stdout.write("No weights are installed.\n")
    for fault in (each for each in found if not isinstance(each, Found)):
        sys.stderr.write(f"Not usable: {fault}\n")
    return 0


def _info(args: argparse.Namespace) -> int:
    import json

    from hqzoo.weights.card import card
    from hqzoo.weights.published import find_published
    from hqzoo.weights.stac import to_stac

    found = find_published(args.name)
    if args.json or args.stac:
        plain = to_stac(found.spec) if args.stac else found.spec.to_dict()
        sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"{card(found.spec)}- here: {found.origin}\n")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from hqzoo.cli import EXIT_MISTAKE
    from hqzoo.errors import CheckpointError
    from hqzoo.weights.catalogue import Found, all_weights
    from hqzoo.weights.files import check_version, verified
    from hqzoo.weights.published import find_published

    failed = 0
    for each in [find_published(args.name)] if args.name else list(all_weights()):
        try:
            if not isinstance(each, Found):
                raise each
            check_version(each.spec)
            verified(each)
            sys.stdout.write(f"{each.spec.name} {each.spec.version}: as published ({each.origin})\n")
        except CheckpointError as error:
            failed += 1
            sys.stderr.write(f"hqzoo: error: {error}\n")
    return EXIT_MISTAKE if failed else 0


def _install(args: argparse.Namespace) -> int:
    from hqzoo.weights.cache import keep, keep_wheel
    from hqzoo.weights.published import find_published

    is_wheel = args.source.endswith(".whl")
    found = keep_wheel(Path(args.source)) if is_wheel else keep(find_published(args.source))
    sys.stdout.write(f"{found.spec.name} {found.spec.version} ({found.spec.sha256}) is in {found.folder}\n")
    return 0


def _pack(args: argparse.Namespace) -> int:
    from hqzoo.errors import CheckpointError
    from hqzoo.weights.describe import describe, describe_again, read_about
    from hqzoo.weights.pack import build_wheel, write_project
    from hqzoo.weights.published import find_published, is_published

    about = read_about(args.about)
    if is_published(args.checkpoint):
        found = find_published(args.checkpoint)
        if found.spec.name != args.name:
            raise CheckpointError(f"The weights '{found.spec.name}' keep their name, got --name {args.name}.")
        spec, tensors = describe_again(found, about)
    else:
        spec, tensors = describe(args.checkpoint, args.name, about, own_architecture=args.own_architecture)
    project = write_project(spec, tensors, args.output, args.panel)
    wheel = build_wheel(project)
    sys.stdout.write(f"Project: {project}\nWheel:   {wheel}\nInstall: pip install {wheel}\n")
    return 0


def _push(args: argparse.Namespace) -> int:
    from hqzoo.weights.hub import files_to_push, push
    from hqzoo.weights.published import find_published

    found = find_published(args.name)
    if args.dry_run:
        for path in files_to_push(found, args.target):
            sys.stdout.write(f"{path.name}  {path.stat().st_size:,} bytes\n")
        sys.stdout.write(f"Nothing was uploaded to {args.target}.\n")
        return 0
    commit = push(found, args.target)
    place = args.target.partition("@")[0]
    sys.stdout.write(f"Uploaded. For others: hqzoo weights install {place}@{commit}\n")
    return 0
