"""Weights of other people's networks: read without running anything, and either frozen or trained on."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo._files import SPEC_FILE, TENSOR_FILE
from hqzoo.errors import ConfigError
from hqzoo.nn.frozen import Frozen, tensor_digest

__all__ = ["load_named", "read_plain", "read_published", "settle"]


def read_plain(path: Path) -> Mapping[str, Any]:
    """Return the dictionary that a file of torch holds: tensors and plain types. Nothing in it is executed.

    Raises:
        ConfigError: If there is no such file, it is damaged, or it holds anything else.
    """
    if not path.is_file():
        raise ConfigError(f"weights='{path}' is no file. Give the path of one, or 'random'.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError, ValueError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ConfigError(
            f"{path} holds no weights, or more than tensors and plain types; nothing of it was run ({reason}). Get the "
            "file of weights that its authors publish."
        ) from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path} holds a {type(found).__name__}; a dictionary of tensors by name is expected.")
    return found


def read_published(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    """Return what published weights of hqzoo say of themselves, and their tensors by name. Nothing is unpickled.

    Raises:
        ConfigError: If the folder does not hold both files, one is damaged, or the tensors are not those described.
    """
    import safetensors.torch

    try:
        said = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
        content = (folder / TENSOR_FILE).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The folder {folder} holds no published weights, {SPEC_FILE} and {TENSOR_FILE}: {error}."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    wanted = said.get("sha256") if isinstance(said, Mapping) else None
    if found != wanted:
        raise ConfigError(
            f"{folder / TENSOR_FILE} has the SHA-256 {found}, but {SPEC_FILE} describes {wanted}. Get both files anew."
        )
    try:
        return said, safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ConfigError(f"{folder / TENSOR_FILE} is no safetensors file: {error}.") from error


def load_named(
    net: nn.Module, tensors: Mapping[str, Any], path: Path | str, network: str, may_lack: tuple[str, ...] = (),
    may_have: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Load tensors by name, all of them and nothing else.

    Args:
        net: The network.
        tensors: Its weights by name.
        path: Where they are from, for errors.
        network: Its name, likewise.
        may_lack: Beginnings of names of weights that may stay as they are.
        may_have: Beginnings of names that are passed over.

    Raises:
        ConfigError: If weights are missing, of other shapes, or another network's.
    """
    own = net.state_dict()
    given = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
    missing = [name for name in own if name not in given and not name.startswith(may_lack)]
    others = [name for name in given if name not in own and not name.startswith(may_have)]
    if missing or others:
        told = f"lacks {len(missing)} of its weights, first '{missing[0]}'" if missing else f"has '{others[0]}'"
        raise ConfigError(f"{path} holds no weights of {network}: it {told}. Get the file of this network.")
    for name, value in given.items():
        if name in own and value.shape != own[name].shape:
            raise ConfigError(
                f"'{name}' in {path} is {tuple(value.shape)}; {network} needs {tuple(own[name].shape)}: weights of "
                "another number of bands, or of another size."
            )
    net.load_state_dict({name: value for name, value in given.items() if name in own}, strict=False)


def settle(
    net: nn.Module, network: str, source: str, seed: int, sha256: str | None, frozen: bool
) -> tuple[nn.Module, dict[str, dict[str, str]]]:
    """Freeze a network, or say where its training starts, and compare the digest of its weights.

    Args:
        net: The network with its weights.
        network: Its name, for errors.
        source: ``"random"``, or where the weights are from.
        seed: Seed of random weights.
        sha256: Their digest; None: not compared.
        frozen: Whether it is not trained.

    Returns:
        The network, frozen or as it is, and what :meth:`hqzoo.models.Model.starting_weights` answers.

    Raises:
        ConfigError: If they are other weights than was said.
    """
    found = tensor_digest(net)
    if sha256 not in (None, found):
        raise ConfigError(
            f"The weights of {network} from '{source}' have the digest {found}, not {sha256}. Get the file that is "
            "meant, or correct sha256."
        )
    if frozen:
        return Frozen(net, source, seed=seed if source == "random" else None), {}
    return net, {} if source == "random" else {"encoder": {"source": source, "sha256": found}}
