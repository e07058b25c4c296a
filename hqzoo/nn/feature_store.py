"""What a frozen part makes of a sample, kept on disk: a file for each sample, named by all that it depends on."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo._files import replacing
from hqzoo.errors import ConfigError, DataError

__all__ = ["FeatureStore"]

FORMAT = 1  # of the files
DIGEST = 32  # bytes of the SHA-256 of the rest, with which a file begins


class FeatureStore:
    """Calls a frozen part for samples that it has not seen yet, and reads what it made of the others.

    A sample is known by the values that reach the part, after bands, crop, augmentation and scaling: whatever changes
    them makes it another one. Besides, a file's name depends on weights and form of the part, on the options of the
    call, and on the kind of device, the precision and the version of torch. What is read equals what was written bit
    for bit. Files appear whole or not at all, so that any number of processes may share a folder; each begins with a
    digest of the rest, and one that was damaged is computed anew, with a warning.

    A file holds the part's outputs for one sample as they are: 4.2 MB for the four maps of a ViT-L at 256 x 256 pixels.
    Digests look at all values of the images, for which an accelerator is waited for in each step. CPU time an image of
    one core, computed and read: 1722 and 4.1 ms for that ViT-L, 34 and 0.45 ms for a ViT-S at 128 x 128, 1.8 and 0.38
    ms for timm's smallest ResNet (``test_resnet``), whose files take 1.5 ms to write: hardly worth it there.

    Args:
        folder: Where the files are.
        part: Digest of weights and form of the part.
        training: Whether samples of training are kept, too.
    """

    def __init__(self, folder: Path, part: str, training: bool = False) -> None:
        self.folder, self.part, self.training = folder, part, training

    def __call__(self, module: nn.Module, *inputs: Tensor, **options: Any) -> Any:  # noqa: ANN401 - what the part returns
        """Return what the part returns for samples ``(B, ...)``: a tensor ``(B, ...)``, or a list of such.

        Raises:
            ConfigError: If it takes or returns anything else.
            DataError: If a file cannot be read.
            WriteError: If a file cannot be written.
        """
        if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
            raise ConfigError(
                f"Features of a frozen {type(module).__name__} cannot be kept: it takes {len(inputs)} inputs, and one "
                "tensor is expected. Leave the FeatureCache out."
            )
        samples = inputs[0]
        paths = [self.folder / name[:2] / name for name in self._names(samples, options)]
        found = [_read(path) for path in paths]
        if missing := [k for k, known in enumerate(found) if known is None]:
            made = _by_sample(module, module(samples[missing], **options))
            for k, tensors in zip(missing, made, strict=True):
                _write(paths[k], tensors)
                found[k] = tensors
        whole = [known for known in found if known is not None]
        levels = {name: torch.stack([known[name] for known in whole]).to(samples.device) for name in whole[0]}
        return levels["only"] if "only" in levels else [levels[str(k)] for k in range(len(levels))]

    def _names(self, samples: Tensor, options: dict[str, Any]) -> Iterator[str]:
        """Yield the name of the file of each sample."""
        device = samples.device.type
        around = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        common = [
            FORMAT, self.part, sorted(options.items()), device, around, samples.dtype, samples.shape[1:],
            torch.get_float32_matmul_precision(), torch.__version__,
        ]  # fmt: skip
        start = hashlib.sha256(json.dumps(common, default=str).encode())
        for sample in samples.detach().cpu().contiguous():
            digest = start.copy()
            digest.update(sample.reshape(-1).view(torch.uint8).numpy().data)
            yield digest.hexdigest()


def _by_sample(module: nn.Module, outputs: Any) -> list[dict[str, Tensor]]:  # noqa: ANN401 - what the part returns
    """Return the outputs of each sample by name, on the host: ``only``, or the numbers of a list."""
    several = isinstance(outputs, Sequence)
    named = {str(k): each for k, each in enumerate(outputs)} if several else {"only": outputs}
    if not named or not all(isinstance(each, Tensor) for each in named.values()):
        raise ConfigError(
            f"Features of a frozen {type(module).__name__} cannot be kept: it returns a {type(outputs).__name__}, and "
            "a tensor or a list of tensors is expected. Leave the FeatureCache out."
        )
    on_host = {name: each.detach().cpu() for name, each in named.items()}
    return [
        {name: each[k].contiguous() for name, each in on_host.items()} for k in range(len(next(iter(on_host.values()))))
    ]


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    import safetensors.torch  # here: most runs keep no features

    content = safetensors.torch.save(tensors)
    with replacing(path) as beside:
        beside.write_bytes(hashlib.sha256(content).digest() + content)


def _read(path: Path) -> dict[str, Tensor] | None:
    """Return the tensors of a file; None where there is none, or it is not what was written."""
    import safetensors.torch

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(
            f"Cannot read the features {path}: {error.strerror}. Choose another folder for them."
        ) from error
    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        warnings.warn(f"The features {path} are damaged and computed anew.", stacklevel=2)
        return None
    return safetensors.torch.load(content[DIGEST:])
