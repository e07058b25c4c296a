"""Reading and writing the file of tensors: its digest is compared each time, and nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hqzoo import __version__
from hqzoo._files import replacing, write_text
from hqzoo.errors import CheckpointError, WriteError
from hqzoo.weights.spec import SPEC_FILE, TENSOR_FILE

if TYPE_CHECKING:
    from torch import Tensor

    from hqzoo.weights.catalogue import Found
    from hqzoo.weights.spec import WeightSpec

__all__ = ["check_version", "read_tensors", "to_bytes", "verified", "write_weights"]

PICKLES = (b"\x80", b"PK\x03\x04")  # a bare pickle, and torch's archive of one


def read_tensors(found: Found) -> dict[str, Tensor]:
    """Return the tensors by name, from bytes whose digest is the stated one.

    Raises:
        CheckpointError: If the file is missing or another one than was published, or is no safetensors file.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    check_version(found.spec)
    content = verified(found)
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{found.tensors} is no safetensors file{_looks_like(content)}: {error}.") from error


def verified(found: Found) -> bytes:
    """Return the content of the file of tensors.

    Raises:
        CheckpointError: If it is missing, or its size or digest is not the stated one.
    """
    try:
        content = found.tensors.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"The weights '{found.spec.name}' in {found.origin} cannot be read: {error}. Mend it: {found.again}."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != found.spec.sha256:
        raise CheckpointError(
            f"The weights '{found.spec.name}' in {found.origin} are not those that were published: {found.tensors} has "
            f"{len(content)} bytes with the SHA-256 {digest}, expected {found.spec.size} bytes with "
            f"{found.spec.sha256}. Nothing was loaded. Mend it: {found.again}."
        )
    if content.startswith(PICKLES):
        raise CheckpointError(f"{found.tensors} is no safetensors file{_looks_like(content)}. Nothing was loaded.")
    return content


def check_version(spec: WeightSpec) -> None:
    """Refuse weights that this version of hqzoo is too old for.

    Raises:
        CheckpointError: If it is.
    """
    if _release(__version__) < _release(spec.min_hqzoo):
        raise CheckpointError(
            f"The weights '{spec.name}' need hqzoo {spec.min_hqzoo} or newer; this is {__version__}. "
            "pip install --upgrade hqzoo."
        )


def to_bytes(tensors: Mapping[str, Tensor], name: str) -> bytes:
    """Return tensors as the content of a safetensors file."""
    import safetensors.torch

    plain = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    return safetensors.torch.save(plain, metadata={"hqzoo": name})  # one key: their order in the file is not settled


def write_weights(folder: Path, spec: WeightSpec, tensors: bytes) -> None:
    """Write both files into a folder: a folder with a spec is complete.

    Raises:
        WriteError: If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"Cannot write weights into {folder}: {error.strerror or error}. Choose another folder (for the cache: "
            "HQZOO_CACHE), or mend its permissions."
        ) from error
    with replacing(folder / TENSOR_FILE) as beside:
        beside.write_bytes(tensors)
    write_text(folder / SPEC_FILE, json.dumps(spec.to_dict(), indent=2, ensure_ascii=False) + "\n")


def _looks_like(content: bytes) -> str:
    return ", but looks like a pickle, which could run code" if content.startswith(PICKLES) else ""


def _release(version: str) -> tuple[int, ...]:
    digits = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, digits[0].split("."))) if digits else ()
