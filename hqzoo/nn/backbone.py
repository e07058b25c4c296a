"""Frozen backbones from timm: maps of several depths, of bands and in a scaling that a backbone knows."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.nn.frozen import Frozen
from hqzoo.nn.normalizer import Rescale
from hqzoo.nn.packaged_weights import PACKAGES, read_packaged

__all__ = ["Backbone", "BackboneWeights"]

LEVELS = 4
PYRAMID = (4, 8, 16, 32)  # strides that maps of a plain transformer are brought to, as in DINOv3's adapter
DINOV3_LARGE = (4, 11, 17, 23)  # blocks that DINOv3's authors read for dense tasks, which are not evenly spaced


class BackboneWeights:
    """Where a frozen backbone's weights come from.

    Args:
        source: ``"random"``; ``"pretrained"``: timm's file for the backbone's tag, downloaded once; the name of an
            installed package, see :data:`hqzoo.nn.packaged_weights.PACKAGES`; or the path of a file that timm can read
            (``.safetensors``, ``.pth``).
        seed: Seed of random weights.
        sha256: The weights' digest, as the report of a test and the message of the error name it; None: not compared.
    """

    def __init__(self, source: str = "random", seed: int = 0, sha256: str | None = None) -> None:
        self.source, self.seed, self.sha256 = source, seed, sha256

    @property
    def is_random(self) -> bool:
        """Whether nothing is loaded."""
        return self.source == "random"

    def build(self, name: str, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - timm's own classes
        """Return a model of timm with these weights; torch's generator stays as it is.

        Raises:
            ConfigError: If they are not to be had, or a file lacks some.
        """
        import timm

        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                model = timm.create_model(name, pretrained=self.source == "pretrained", **options)
            if self.source not in ("random", "pretrained"):
                self._load(model, name)
        except (RuntimeError, OSError, KeyError, pickle.UnpicklingError) as error:
            raise ConfigError(
                f"The weights of {name} are not to be had from '{self.source}': {error}. Give backbone_weights the "
                "path of a file of them, or 'random'."
            ) from error
        return model

    def _load(self, model: nn.Module, name: str) -> None:
        # timm itself passes over weights that a file lacks, and over those of a head, which it may well have.
        missing = model.load_state_dict(self._read(name), strict=False).missing_keys
        if missing:
            raise ConfigError(
                f"'{self.source}' lacks {len(missing)} of the weights of {name}, first '{missing[0]}'. Get the file of "
                "this model, as timm saves it."
            )

    def _read(self, name: str) -> Mapping[str, Any]:
        from timm.models import load_state_dict

        if self.source in PACKAGES:
            return read_packaged(self.source, name)
        if not Path(self.source).is_file():
            raise ConfigError(
                f"backbone_weights='{self.source}' is no file. Give the path of one, 'pretrained' (timm downloads "
                f"them), the name of a package ({', '.join(PACKAGES)}) or 'random'."
            )
        weights: Mapping[str, Any] = load_state_dict(self.source, weights_only=True)
        return weights

    def freeze(self, module: nn.Module, name: str) -> Frozen:
        """Return a module with these weights, frozen, and compare their digest.

        Raises:
            ConfigError: If they are other weights than was said.
        """
        if self.is_random:
            frozen = Frozen(module, "random", seed=self.seed)
        else:
            frozen = Frozen(module, f"timm/{name}" if self.source == "pretrained" else Path(self.source).name)
        found = frozen.reference["sha256"]
        if self.sha256 not in (None, found):
            raise ConfigError(
                f"The weights of {name} from '{self.source}' have the digest {found}, not {self.sha256}. "
                "Get the file that is meant, or correct backbone_sha256."
            )
        return frozen


class Backbone(nn.Module):
    """Four maps of a frozen timm model, from normalised images of any sensor that has its bands.

    It runs once for each image, in evaluation mode and under ``no_grad``. A checkpoint refers to its weights
    (:class:`~hqzoo.nn.Frozen`). Plain vision transformers give maps of one stride from four of their blocks, others
    the four deepest maps of their own strides.

    Args:
        name: A model of timm, with or without a tag: ``"vit_large_patch16_dinov3.lvd1689m"``. The tag says how its
            images were scaled.
        bands: Names of the bands of the images, in order.
        mean: What normalised them: means, in the sensor's unit.
        std: Standard deviations, likewise.
        scale: Full scale of the sensor, in its unit.
        offset: Offset of the sensor, in its unit.
        weights: Where its weights come from.
        wanted: Names of the bands that it takes, in its order.
        blocks: Blocks of a plain transformer, or maps of another model, counted from 0, four of them, ascending; None:
            DINOv3's choice for 24 blocks (4, 11, 17, 23), even intervals for other numbers, the deepest maps.
        bf16: Whether it runs in bfloat16 where the device can, whatever is around; its maps are float32 then.
        arguments: Further arguments of ``timm.create_model``.

    Raises:
        ConfigError: If timm has no such model, its weights are not to be had or are others, it has no four maps, or a
            band is missing.

    Attributes:
        channels: Channels of each map.
        strides: Pixels of the image per pixel of each map.
        multiple: What must divide the sides of an image.
    """

    def __init__(
        self,
        name: str,
        bands: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        scale: float,
        offset: float = 0.0,
        *,
        weights: BackboneWeights,
        wanted: Sequence[str] = ("red", "green", "blue"),
        blocks: Sequence[int] | None = None,
        bf16: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name, self.bf16 = name, bf16
        options = {"in_chans": len(wanted), **(arguments or {})}
        known, plain, options = _look_at(name, options)
        self.blocks = _chosen(name, blocks, len(known), plain)
        self.channels = [int(known[index]["num_chs"]) for index in self.blocks]
        self.strides = [int(known[index]["reduction"]) for index in self.blocks]
        self.multiple = self.strides[0] if plain else 1
        self.pyramid = PYRAMID if plain else tuple(self.strides)
        model = weights.build(name, options)
        model.prune_intermediate_layers(self.blocks, prune_norm=not plain)  # what no map depends on
        config = model.pretrained_cfg
        self.rescale = Rescale(bands, mean, std, wanted, config["mean"], config["std"], scale, offset)
        self.net = weights.freeze(_Maps(model, self.blocks, norm=plain), name)

    def check(self, height: int, width: int) -> None:
        """Refuse sizes that patches do not divide.

        Raises:
            ConfigError: If there are such.
        """
        if height % self.multiple or width % self.multiple:
            raise ConfigError(
                f"The backbone {self.name} takes images whose sides its patch of {self.multiple} pixels divides; got "
                f"{height}x{width}. Cut or pad to {-(-height // self.multiple) * self.multiple}x"
                f"{-(-width // self.multiple) * self.multiple}, or choose a backbone of another patch."
            )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps ``(B, channels[i], H / strides[i], W / strides[i])`` of images ``(B, C, H, W)``, float32.

        Raises:
            ConfigError: If the sides of the images are not multiples of its patch.
        """
        self.check(image.shape[-2], image.shape[-1])
        scaled = self.rescale(image)
        if not (self.bf16 and _has_bf16(image.device)):
            return [each.float() for each in self.net(scaled)]
        with torch.autocast(image.device.type, torch.bfloat16):
            return [each.float() for each in self.net(scaled)]


class _Maps(nn.Module):
    """A model of timm as a module whose output is its maps."""

    def __init__(self, model: nn.Module, blocks: Sequence[int], norm: bool) -> None:
        super().__init__()
        self.model, self.blocks, self.norm = model, list(blocks), norm

    def forward(self, image: Tensor) -> list[Tensor]:
        # Class and register tokens are left out; the last norm is applied to all, as DINOv3's own heads read them.
        maps: list[Tensor] = self.model.forward_intermediates(  # type: ignore[operator]
            image, indices=self.blocks, norm=self.norm, intermediates_only=True
        )
        return maps


def _look_at(name: str, options: Mapping[str, Any]) -> tuple[list[dict[str, Any]], bool, dict[str, Any]]:
    """Return a model's maps, whether it is a plain transformer, and the options that let it take any size."""
    import timm  # half a second that other models need not wait for

    try:
        with torch.device("meta"):  # sizes without weights
            model: Any = timm.create_model(name, **options)
    except RuntimeError as error:
        nearest = "" if "Did you mean" in str(error) else did_you_mean(name.split(".")[0], timm.list_models())
        raise ConfigError(f"timm cannot build backbone='{name}': {error}.{nearest}") from error
    if not hasattr(model, "forward_intermediates"):
        raise ConfigError(f"backbone='{name}' cannot give its intermediate maps in timm. Choose another model.")
    known = [dict(each) for each in model.feature_info]
    plain = len({each["reduction"] for each in known}) == 1
    accepted = inspect.signature(type(model).__init__).parameters
    more = {"dynamic_img_size": True} if "dynamic_img_size" in accepted else {}
    return known, plain, {"num_classes": 0, **more, **options}


def _chosen(name: str, blocks: Sequence[int] | None, number: int, plain: bool) -> list[int]:
    if number < LEVELS:
        raise ConfigError(f"backbone='{name}' gives {number} maps; at least {LEVELS} are needed.")
    if blocks is None:
        if not plain:
            return list(range(number - LEVELS, number))
        return list(DINOV3_LARGE) if number == 24 else [number * k // LEVELS - 1 for k in range(1, LEVELS + 1)]
    if len(blocks) != LEVELS or sorted(set(blocks)) != list(blocks) or blocks[0] < 0 or blocks[-1] >= number:
        raise ConfigError(
            f"backbone_blocks={list(blocks)}: give {LEVELS} of 0 to {number - 1}, ascending; '{name}' has no others."
        )
    return list(blocks)


def _has_bf16(device: torch.device) -> bool:
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
