"""Weights on the Hugging Face hub, always at a commit: a name or a branch there may mean something else tomorrow."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hqzoo.errors import CheckpointError
from hqzoo.weights.cache import keep
from hqzoo.weights.catalogue import Found, in_folder
from hqzoo.weights.files import verified
from hqzoo.weights.spec import SPEC_FILE, TENSOR_FILE, WeightSpec

__all__ = ["fetch", "files_to_push", "is_hub", "push"]

PREFIX = "hf:"
PLACE = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
CARD = "README.md"
PUBLIC = (SPEC_FILE, TENSOR_FILE, CARD, "panel.png", "stac.json")
PIPELINES = {"mask": "image-segmentation", "label": "image-classification", "multilabel": "image-classification"}


def is_hub(given: str) -> bool:
    """Return whether a hub is asked for."""
    return given.startswith(PREFIX)


def fetch(given: str) -> Found:
    """Download weights into the cache.

    Args:
        given: ``hf:OWNER/REPOSITORY@COMMIT``, the commit in full.

    Raises:
        CheckpointError: If no commit is named, the hub does not answer, or the tensors are not those of the spec.
        WriteError: If the cache cannot be written.
    """
    repository, revision = _place(given)
    if revision is None or not COMMIT.fullmatch(revision):
        raise CheckpointError(
            f"'{given}' names no commit: what a branch or a tag holds can change. Give all 40 digits: "
            f"hf:{repository}@COMMIT."
        )
    with _told(given), tempfile.TemporaryDirectory() as folder:
        from huggingface_hub import hf_hub_download

        for name in (SPEC_FILE, TENSOR_FILE):
            hf_hub_download(repository, name, revision=revision, local_dir=folder)
        return keep(in_folder(Path(folder)))


def push(found: Found, given: str) -> str:
    """Upload weights, with card, panel and STAC item where they lie beside them, and return the commit.

    Args:
        found: The weights.
        given: ``hf:OWNER/REPOSITORY``, or ``hf:OWNER/REPOSITORY@BRANCH``. It is made where there is none.

    Raises:
        CheckpointError: If the tensors are not those of the spec, or the hub refuses.
    """
    repository, branch = _place(given)
    files = files_to_push(found, given)
    with _told(given):
        from huggingface_hub import CommitOperationAdd, HfApi

        hub = HfApi()
        hub.create_repo(repository, exist_ok=True)
        contents = {path.name: path.read_bytes() for path in files}
        contents[CARD] = _front_matter(found.spec).encode() + contents.get(CARD, b"")
        done = hub.create_commit(
            repository,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=f"{found.spec.name} {found.spec.version}",
            revision=branch,
        )
        return str(done.oid)


def files_to_push(found: Found, given: str) -> list[Path]:
    """Return the files that :func:`push` uploads.

    Raises:
        CheckpointError: If the tensors are not those of the spec, or ``given`` is no place on the hub.
    """
    _place(given)
    verified(found)
    return [found.folder / name for name in PUBLIC if (found.folder / name).is_file()]


def _front_matter(spec: WeightSpec) -> str:
    """Return what the hub reads at the head of a card."""
    pipeline = PIPELINES[spec.targets.kind] if spec.targets else "image-feature-extraction"
    return (
        f"---\nlibrary_name: hqzoo\nlicense: other\nlicense_name: {json.dumps(spec.licence)}\n"
        f"pipeline_tag: {pipeline}\ntags: [remote-sensing, quantum]\n---\n\n"
    )


def _place(given: str) -> tuple[str, str | None]:
    place = PLACE.fullmatch(given)
    if place is None:
        raise CheckpointError(f"'{given}' is no place on the hub; hf:OWNER/REPOSITORY@COMMIT is.")
    return place["repository"], place["revision"]


@contextmanager
def _told(given: str) -> Iterator[None]:
    """Word what the hub's client raises."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of whichever client it uses

    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"The hub did not do what {given} needs: {reason}") from error
