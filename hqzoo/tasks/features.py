"""Features of a split, computed once by a frozen encoder and kept on disk."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hqzoo._files import replacing
from hqzoo.data._progress import progress
from hqzoo.data.base import DataModule, Split
from hqzoo.data.contents import FileDigests, content_of_split
from hqzoo.data.processes import found_by_all, found_once, processes
from hqzoo.nn.frozen import form_digest, tensor_digest
from hqzoo.tasks.samples import Samples

__all__ = ["Features", "extract_features", "features_key", "stored_features"]

FORMAT = 3  # of the files


@dataclass(frozen=True)
class Features:
    """Vectors or maps of the images of a split, with what is true of them.

    Args:
        names: Names of the images, sorted, ``(N,)``.
        vectors: ``(N, D)`` or ``(N, D, h, w)`` float32.
        truth: Labels ``(N,)`` int64 or multi-hot ``(N, K)``, or masks ``(N, H, W)`` uint8.
    """

    names: npt.NDArray[np.str_]
    vectors: npt.NDArray[np.float32]
    truth: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.names)

    def by_name(self) -> dict[str, Tensor]:
        """Return the vector or map of every image by its name."""
        return dict(zip(map(str, self.names), torch.from_numpy(self.vectors), strict=True))

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return vectors and truth on a device."""
        return torch.from_numpy(self.vectors).to(device), torch.from_numpy(self.truth).to(device)


@torch.no_grad()
def extract_features(
    encode: Callable[[Mapping[str, Any]], Tensor],
    loader: DataLoader[Any],
    device: torch.device,
    description: str,
    truth: Literal["label", "mask"] = "label",
) -> Features:
    """Return the features of all images of a loader, of all processes together, each image once.

    Args:
        encode: From a batch on the device to vectors ``(B, D)`` or maps ``(B, D, h, w)``.
        loader: Batches with ``name`` and the truth.
        device: Where the encoder is.
        description: What the progress bar says.
        truth: What the truth is called.
    """
    found = Samples()
    batches: Iterable[dict[str, Any]] = progress(loader, description)  # type: ignore[arg-type]  # it has a length
    for batch in batches:
        there = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
        known = batch[truth].to(torch.uint8) if truth == "mask" else batch[truth]  # classes and the ignored value fit
        found.add(batch["name"], vector=encode(there).float(), truth=known)
    columns = found.gather()
    return Features(columns["name"], columns["vector"].astype(np.float32, copy=False), columns["truth"])


def features_key(
    encoder: nn.Module,
    data: DataModule[Any],
    split: Split,
    digests: FileDigests,
    *others: Any,  # noqa: ANN401
) -> str:
    """Return what features and truth depend on as a digest: weights and form of the encoder, images, labels, sizes.

    Args:
        encoder: The encoder, with all of its weights.
        data: The data module.
        split: The split.
        digests: Knows the data's files.
        *others: What else counts: sensors and statistics, the truth's name, precision and device, as plain values.
    """
    parts = [
        FORMAT,
        tensor_digest(encoder),
        form_digest(encoder),
        data.fingerprint(split),
        content_of_split(data, split, digests),
        data.sample_shapes(),
        torch.__version__,
        *others,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def stored_features(folder: Path | None, key: Callable[[], str], compute: Callable[[], Features]) -> Features:
    """Return features from a file named by their key, or compute them and write it, whole or not at all.

    A file that cannot be read is written anew. On several processes all have to call it; each reads, the first writes.

    Args:
        folder: Where such files are; None: nothing is kept.
        key: Returns what they depend on, see :func:`features_key`.
        compute: Computes them.
    """
    if folder is None:
        return compute()
    path = folder / f"features_{found_once(key)}.npz"
    known = _read(path)
    if found_by_all(known is not None) and known is not None:
        return known
    found = compute()  # on all processes, or on none: they gather it together
    if processes().rank == 0:
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, names=found.names, vectors=found.vectors, truth=found.truth)
    return found


def _read(path: Path) -> Features | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Features(arrays["names"], arrays["vectors"], arrays["truth"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):  # not whole, or something else: made anew
        return None
