"""TorchGeo's networks as modules that give a vector, or a map of vectors, for each image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError

__all__ = ["HEADS", "MicrometresOf", "net_of", "wavelengths_of"]

HEADS = ("head.", "fc.", "fc_norm.", "norm.")
"""Beginnings of weights that files lack where pretraining had another head, or hold though none is used."""

MicrometresOf = Mapping[str, float]

# Centres of bands in micrometres: Sentinel-2's (ESA), also for colours of cameras that say no more, and the number that
# DOFA's authors give to both bands of Sentinel-1.
_SENTINEL2 = {
    "b1": 0.443, "b2": 0.490, "b3": 0.560, "b4": 0.665, "b5": 0.705, "b6": 0.740, "b7": 0.783, "b8": 0.842,
    "b8a": 0.865, "b9": 0.945, "b10": 1.375, "b11": 1.610, "b12": 2.190,
}  # fmt: skip
WAVELENGTHS: MicrometresOf = {
    **_SENTINEL2, "vv": 5.405, "vh": 5.405, "red": 0.665, "green": 0.560, "blue": 0.490, "nir": 0.842,
}  # fmt: skip


class _Timm(nn.Module):
    """A model of timm without its head."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.width = int(net.num_features)  # type: ignore[arg-type]

    def forward(self, image: Tensor, maps: bool = False) -> Tensor:
        if not maps:
            pooled: Tensor = self.net(image)
            return pooled
        found: list[Tensor] = self.net.forward_intermediates(  # type: ignore[operator]
            image, indices=1, norm=True, intermediates_only=True
        )
        return found[-1]


class _Swin(nn.Module):
    """A Swin transformer of torchvision, whose head is taken off."""

    def __init__(self, net: Any) -> None:  # noqa: ANN401 - torchvision's own class
        super().__init__()
        self.width = int(net.head.in_features)
        net.head = nn.Identity()
        self.net = net

    def forward(self, image: Tensor, maps: bool = False) -> Tensor:
        out: Tensor = self.net.permute(self.net.norm(self.net.features(image))) if maps else self.net(image)
        return out


class _Dofa(nn.Module):
    """DOFA, which makes its patch embedding from the wavelengths of the bands."""

    def __init__(self, net: Any, wavelengths: Sequence[float]) -> None:  # noqa: ANN401 - torchgeo's own class
        super().__init__()
        self.net, self.wavelengths, self.width = net, list(wavelengths), int(net.embed_dim)

    def forward(self, image: Tensor, maps: bool = False) -> Tensor:
        if not maps:
            pooled: Tensor = self.net(image, self.wavelengths)
            return pooled
        net, side = self.net, int(self.net.num_patches**0.5)
        tokens, _ = net.patch_embed(image, torch.tensor(self.wavelengths, device=image.device))
        first = (net.cls_token + net.pos_embed[:, :1]).expand(len(image), -1, -1)
        tokens = torch.cat([first, tokens + net.pos_embed[:, 1:]], 1)
        for block in net.blocks:
            tokens = block(tokens)
        return net.fc_norm(tokens[:, 1:]).mT.unflatten(2, (side, side))  # type: ignore[no-any-return]


def net_of(model: str, bands: int, wavelengths: Sequence[float], arguments: Mapping[str, Any]) -> _Timm | _Swin | _Dofa:
    """Return a network of TorchGeo with fresh weights, without a head.

    Args:
        model: TorchGeo's name of it.
        bands: Bands of its images.
        wavelengths: Their wavelengths in micrometres, for DOFA.
        arguments: Further arguments of its constructor.

    Raises:
        ConfigError: If it gives no vector for an image.
    """
    from torchgeo.models import get_model

    if re.match("resnet|vit|scalemae", model):
        return _Timm(get_model(model, num_classes=0, in_chans=bands, **arguments))
    if model.startswith("swin"):
        net: Any = get_model(model, **arguments)
        first = net.features[0][0]
        if bands != first.in_channels:
            net.features[0][0] = nn.Conv2d(bands, first.out_channels, first.kernel_size, first.stride)
        return _Swin(net)
    if model.startswith("dofa"):
        return _Dofa(get_model(model, num_classes=0, **arguments), wavelengths)
    raise ConfigError(f"TorchGeo's {model} is none of those that give a vector for each image here: ResNet, ViT, "
                      "ScaleMAE, Swin, DOFA.")  # fmt: skip


def wavelengths_of(bands: Sequence[str], words: Sequence[str], given: MicrometresOf | None) -> list[float]:
    """Return the wavelength of each band in micrometres.

    Args:
        bands: Names of the bands.
        words: The same names as words for bands, see :func:`hqzoo.data.sensor.plain_name`.
        given: Wavelengths by name, which come first.

    Raises:
        ConfigError: If one is not known.
    """
    known = {**WAVELENGTHS, **{band.casefold(): float(value) for band, value in (given or {}).items()}}
    found = [known.get(band.casefold(), known.get(word)) for band, word in zip(bands, words, strict=True)]
    for band, value in zip(bands, found, strict=True):
        if value is None:
            raise ConfigError(
                f"DOFA needs the wavelength of every band, and that of '{band}' is not known: give it in micrometres, "
                f"wavelengths={{{band}: ...}}."
            )
    return [value for value in found if value is not None]
