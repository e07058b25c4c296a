"""Encoders that TorchGeo carries weights for, by TorchGeo's names, of bands and in a scaling that they know."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo.data.sensor import Inputs, plain_name
from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.models.band_scaling import WHITE, Unit, Wanted, rescale_to
from hqzoo.models.encoder import ScaledEncoder
from hqzoo.models.registry import register_model
from hqzoo.nn.given_weights import load_named, read_plain, settle
from hqzoo.nn.torchgeo_nets import HEADS, MicrometresOf, net_of, wavelengths_of

__all__ = ["TorchGeoEncoder", "torchgeo_encoder", "torchgeo_weights"]

COLOURS = ("red", "green", "blue")
SIDE = 224
FAMILIES = "ResNet|ViT|ScaleMAE|Swin_V2|DOFA"
# Left out: numbers whose unit TorchGeo does not state; bands of Landsat that are called as Sentinel-2's others are;
# transforms of SeCo, which scale by 255 twice; and a band that is an index.
LEFT_OUT = "SENTINEL1_(MI|SI)_SATLAS|SENTINEL1_GRD_(GEO)?CLOSP|LANDSAT_.*(TOA|SATLAS)|RGB_SECO|NDVI"
PROBE = 10_000.0


class TorchGeoEncoder(ScaledEncoder):
    """See :func:`torchgeo_encoder`; its features are those that TorchGeo's model pools."""

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return its last map, or its patch tokens behind the last norm, ``(B, D, h, w)``."""
        out: Tensor = self.net(self.prepared(images), maps=True).float()
        return out


@register_model(
    summary="an encoder that TorchGeo carries weights for (DINO, MoCo, DeCUR, Satlas, DOFA, ScaleMAE, MAE)",
    kind="features",
    parameters=23_508_032,
)
def torchgeo_encoder(
    inputs: Inputs,
    name: str = "ResNet50_Weights.SENTINEL2_RGB_MOCO",
    weights: str = "random",
    seed: int = 0,
    sha256: str | None = None,
    frozen: bool = True,
    size: int | None = None,
    white: float = WHITE,
    impute: Mapping[str, str] | None = None,
    wavelengths: MicrometresOf | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> TorchGeoEncoder:
    """Build an encoder of TorchGeo's list.

    Bands are found by name. Values are brought to the unit of the weights (reflectance x 1e4, dB, or 8 bits) and
    through the normalisation of TorchGeo's own transforms, which are read from TorchGeo. Instead of their resizing and
    cropping, a whole image is resized to the side that they end at: what lies at the margin of a small image counts.
    DOFA, for which TorchGeo has no normalisation, sees images as the data's statistics normalised them.

    Args:
        inputs: One sensor and its statistics.
        name: TorchGeo's name of a set of weights, see :func:`torchgeo_weights`; it says which network, which bands and
            which scaling.
        weights: ``"random"``; ``"pretrained"``: the file that TorchGeo names, downloaded once; or that file's path.
        seed: Seed of random weights.
        sha256: Digest of the weights, as reports of tests name it; others are refused.
        frozen: Whether they stay as they are; checkpoints refer to them then.
        size: Side that images are resized to (bilinear, antialiased); None: that of the weights' own transforms, 224
            where they have none. The positions in a vision transformer's file are of no other.
        white: Reflectance x 1e4 that full scale of 8-bit colours stands for. CHOICE 2750, EuroSAT's; ESA's true
            colours, on which Satlas was trained, have 3558 at level 1C.
        impute: Band that the data lack to the one that stands in for it, or to ``"zero"``: 0 in the network's own
            scaling; such as ``{"B10": "zero"}`` for level 2A. None: a missing band is an error.
        wavelengths: For DOFA, the centres of bands that are not Sentinel's, in micrometres by name.
        arguments: Further arguments of TorchGeo's model, such as ``{"res": 10.0}`` of ScaleMAE.

    Raises:
        ConfigError: If TorchGeo has no such weights, they cannot be had or are others, or a band is missing.
    """
    weight, model = _look_up(name)
    sensor, statistics = inputs.single, next(iter(inputs.statistics.values()))
    side = size or _side(weight)
    options = {**_sized(model, side), **(arguments or {})}
    if model.startswith("dofa"):
        centres = wavelengths_of(sensor.bands, [plain_name(band) for band in sensor.bands], wavelengths)
        rescale: nn.Module = nn.Identity()
        bands = len(sensor)
    else:
        wanted = _wanted(name, weight)
        rescale, centres, bands = rescale_to(sensor, statistics, wanted, name, white, impute), [], len(wanted.bands)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = net_of(model, bands, centres, options)
    source = weights
    if weights == "pretrained":
        _load(net.net, model, _download(name, weight), str(weight.url), name)
        source = f"torchgeo/{name}"
    elif weights != "random":
        path = Path(weights).expanduser()
        _load(net.net, model, read_plain(path), str(path), name)
        source = path.name
    settled, started = settle(net, name, source, seed, sha256, frozen)
    return TorchGeoEncoder(settled, rescale, side, net.width, started)


def torchgeo_weights() -> dict[str, str]:
    """Return TorchGeo's names of weights that are encoders here, and the model that each is of.

    Raises:
        ConfigError: If TorchGeo is not installed.
    """
    if find_spec("torchgeo") is None:
        raise ConfigError(
            "torchgeo_encoder takes its networks from TorchGeo, which is not installed: pip install torchgeo."
        )
    from torchgeo.models import get_model_weights, list_models

    found: dict[str, str] = {}
    for model in list_models():
        try:
            known = get_model_weights(model)
        except KeyError:  # TorchGeo has weights of some of its models only
            continue
        found |= {str(each): model for each in known if re.match(FAMILIES, str(each))}
    return {name: model for name, model in found.items() if not re.search(LEFT_OUT, name)}


def _look_up(name: str) -> tuple[Any, str]:
    """Return TorchGeo's entry of that name, and the name of its model."""
    from torchgeo.models import get_weight

    known = torchgeo_weights()
    if name not in known:
        raise ConfigError(
            f"TorchGeo has no encoder '{name}'.{did_you_mean(name, known)} "
            "hqzoo.models.torchgeo_encoder.torchgeo_weights() lists them."
        )
    return get_weight(name), known[name]


def _wanted(name: str, weight: Any) -> Wanted:  # noqa: ANN401 - torchvision's enumeration
    bands = tuple(weight.meta.get("bands") or COLOURS)
    mean, std = _normalisation(weight.transforms, len(bands))
    return Wanted(bands, tuple(_unit(name, each) for each in std), mean, std, sentinel2="SENTINEL2" in name)


def _unit(name: str, std: float) -> Unit:
    """Return the unit of a band, given what its transform divides by; Satlas has colours of 8 bits beside others."""
    if "SENTINEL1" in name:
        return "dB"
    if "SENTINEL2" not in name or (name.endswith("SATLAS") and std <= 256):
        return "8 bit"
    return "reflectance x 1e4"


def _normalisation(transforms: Any, bands: int) -> tuple[tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401
    """Return means and deviations of the affine map that transforms are apart from resizing, measured at two values."""
    low, high = (
        transforms(torch.full((1, bands, SIDE, SIDE), value, dtype=torch.float64))[0, :, SIDE // 2, SIDE // 2]
        for value in (0.0, PROBE)
    )
    std = PROBE / (high - low)
    return tuple((-low * std).tolist()), tuple(std.tolist())


def _sized(model: str, side: int) -> dict[str, int]:
    """Return what tells a network with learned or stored positions the side of its images."""
    return {"img_size": side} if re.match("vit|scalemae|dofa", model) else {}


def _side(weight: Any) -> int:  # noqa: ANN401 - torchvision's enumeration
    """Return the side that the weights' own transforms end at."""
    sizes: list[Any] = [each.size for each in weight.transforms.modules() if hasattr(each, "size")]
    if not sizes:
        return SIDE
    return int(sizes[-1] if isinstance(sizes[-1], int) else sizes[-1][0])


def _load(net: nn.Module, model: str, tensors: Mapping[str, Any], origin: str, name: str) -> None:
    # ScaleMAE's file is a whole autoencoder's, of which TorchGeo takes what it knows.
    load_named(net, tensors, origin, name, may_lack=HEADS, may_have=("",) if model.startswith("scalemae") else HEADS)


def _download(name: str, weight: Any) -> Mapping[str, Any]:  # noqa: ANN401 - torchvision's enumeration
    """Return the weights that TorchGeo names, of which nothing is run, if their digest is the one in the file's name.

    The digest is compared here, because torch compares it after a download only, and not that of a file in its cache.
    """
    try:
        found: Mapping[str, Any] = weight.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ConfigError(
            f"The weights {name} cannot be had from {weight.url}: {error}. Give their file's path as weights=, or "
            "'random'."
        ) from error
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weight.url).name
    expected = re.search("-([0-9a-f]{8,})[.]", file.name)
    with file.open("rb") as stored:
        digest = hashlib.file_digest(stored, "sha256").hexdigest()
    if expected and not digest.startswith(expected[1]):
        raise ConfigError(
            f"{file} is not the file of {name}: its digest is {digest}, not {expected[1]}... Delete it, and it is "
            "downloaded again."
        )
    return found
