"""Galileo Nano (Tseng et al. 2025, arXiv 2502.09356), pretrained on Sentinel-1 and Sentinel-2, as an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.models.band_scaling import WHITE, Unit, Wanted, find_bands, rescale_to
from hqzoo.models.encoder import Encoder
from hqzoo.models.registry import register_model
from hqzoo.nn.galileo import GROUPS, REFERENCE_GSD, GalileoEncoder
from hqzoo.nn.given_weights import load_named, read_plain, settle

__all__ = ["GalileoNano", "galileo_nano"]

# Mean and deviation over Galileo's pretraining data, in dB and reflectance x 1e4 (normalization.json, beside its
# weights); its images are (x - mean + 2 std) / (4 std).
STATISTICS = {
    "VV": (-11.728724389184965, 4.887145774840316),
    "VH": (-18.85558188024017, 5.730270320384293),
    "B02": (1395.3408730676722, 917.7041440370853),
    "B03": (1338.4026921784578, 913.2988423581528),
    "B04": (1343.09883810357, 1092.678723527555),
    "B05": (1543.8607982512297, 1047.2206083460424),
    "B06": (2186.2022069512263, 1048.0101611156767),
    "B07": (2525.0932853316694, 1143.6903026819996),
    "B08": (2410.3377187373408, 1098.979177731649),
    "B8A": (2750.2854646886753, 1204.472755085893),
    "B11": (2234.911100061487, 1145.9774063078878),
    "B12": (1474.5311266077113, 980.2429840007796),
}
NAME = "Galileo Nano"
FILE = "encoder.pt"
# Of inputs that no token is made of here.
OTHER_INPUTS = (
    "sp_channel_embed", "t_channel_embed", "st_channel_embed", "space_embed.", "time_embed.", "static_embed.",
    "space_time_embed.",
)  # fmt: skip


class GalileoNano(Encoder):
    """See :func:`galileo_nano`.

    Args:
        net: From images in Galileo's scaling to tokens ``(B, G, h, w, D)``.
        rescale: By sensor, from its normalisation to Galileo's.
        patch: Side of a patch.
        width: Channels D.
        started: Where its weights come from, where they are trained on.
    """

    def __init__(
        self, net: nn.Module, rescale: dict[str, nn.Module], patch: int, width: int, started: dict[str, dict[str, str]]
    ) -> None:
        super().__init__()
        self.net, self.width, self.started = net, width, started
        self.rescale = nn.ModuleDict(rescale)
        self.size_multiple = (patch, patch)

    def starting_weights(self) -> dict[str, dict[str, str]]:
        """Return where the weights come from, unless they are frozen or random."""
        return self.started

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the mean of all tokens, ``(B, D)``.

        Raises:
            ConfigError: If the patch does not divide the sides of the images.
        """
        return self._tokens(images).mean((1, 2, 3))

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the mean over groups of bands of each patch's tokens, ``(B, D, h, w)``."""
        return self._tokens(images).mean(1).movedim(-1, 1)

    def _tokens(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        named = {next(iter(self.rescale)): images} if isinstance(images, Tensor) else images
        scaled = torch.cat([rescale(named[name]) for name, rescale in self.rescale.items()], 1)
        self.check_size(scaled)
        out: Tensor = self.net(scaled).float()
        return out


@register_model(
    summary="Galileo Nano, pretrained on Sentinel-1 and Sentinel-2; bands that are absent are masked",
    kind="features",
    parameters=819_424,
    paper="arXiv 2502.09356",
    limits={"any_size": "sides are multiples of the patch", "any_bands": "a group of its bands is there as a whole"},
)
def galileo_nano(
    inputs: Inputs,
    weights: str = "random",
    seed: int = 0,
    sha256: str | None = None,
    frozen: bool = True,
    patch: int = 4,
    month: int = 6,
    white: float = WHITE,
) -> GalileoNano:
    """Build Galileo Nano.

    It takes what it can of the data's bands, by name, whatever their order: VV and VH together; B02, B03, B04 (or blue,
    green, red); B05, B06, B07; B08; B8A; B11 and B12. A group of which a band is missing is masked, as in its training.
    The forward pass is written for a single date and checked against that of the package ``rslearn``.

    Args:
        inputs: Sensors and statistics.
        weights: ``"random"``, or its published file ``encoder.pt`` or the folder that holds it.
        seed: Seed of random weights.
        sha256: Digest of the weights, as reports of tests name it; others are refused.
        frozen: Whether its weights stay as they are; checkpoints refer to them then.
        patch: Side of a patch in pixels, 1 to 8; it divides the sides of the images. CHOICE 4.
        month: Month of the images, 1 to 12. CHOICE 6 where it is not known, as its authors have it.
        white: Reflectance x 1e4 that full scale of 8-bit colours stands for. CHOICE 2750: the authors of EuroSAT mapped
            0 to 2750 to 1 to 255. ESA's own true colours of level 1C end at 3558.

    Raises:
        ConfigError: If no group of bands is there, a number is out of range, or weights cannot be had or are others.
    """
    if not 1 <= patch <= 8 or not 1 <= month <= 12:
        raise ConfigError(f"patch={patch} is 1 to 8, and month={month} is 1 to 12.")
    chosen = _groups(inputs)
    gsd = next((inputs.sensors[name].gsd for name in chosen if inputs.sensors[name].gsd), None) or REFERENCE_GSD
    groups = tuple(group for each in chosen.values() for group in each)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = GalileoEncoder(groups, patch, month, gsd)
    source = "random"
    if weights != "random":
        path = Path(weights).expanduser()
        path = path / FILE if path.is_dir() else path
        # Some of its files carry a ".backbone" in their names.
        tensors = {name.replace(".backbone", ""): value for name, value in read_plain(path).items()}
        load_named(net, tensors, path, NAME, may_have=OTHER_INPUTS)
        source = f"galileo_nano/{path.name}"
    width = net.norm.normalized_shape[0]
    settled, started = settle(net, NAME, source, seed, sha256, frozen)
    rescale = {
        name: rescale_to(inputs.sensors[name], inputs.statistics[name], _wanted(each), NAME, white)
        for name, each in chosen.items()
    }
    return GalileoNano(settled, dict(rescale), patch, width, started)


def _groups(inputs: Inputs) -> dict[str, list[str]]:
    """Return the groups of bands that each sensor has as a whole; of several sensors the first that has it."""
    chosen: dict[str, list[str]] = {}
    left = [group for group in GROUPS if group != "NDVI"]  # which its authors mask too, and other bands tell
    for name, sensor in inputs.sensors.items():
        found = [group for group in left if None not in find_bands(sensor.bands, GROUPS[group])]
        left = [group for group in left if group not in found]
        if found:
            chosen[name] = found
    if not chosen:
        have = ", ".join(band for sensor in inputs.sensors.values() for band in sensor.bands)
        wanted = "; ".join(", ".join(GROUPS[group]) for group in left)
        raise ConfigError(
            f"{NAME} takes groups of bands, each as a whole: {wanted}. The images have {have}. Name the bands of the "
            "data as Sentinel's."
        )
    return chosen


def _wanted(groups: list[str]) -> Wanted:
    bands = tuple(band for group in groups for band in GROUPS[group])
    units: tuple[Unit, ...] = tuple("dB" if band in GROUPS["S1"] else "reflectance x 1e4" for band in bands)
    mean, std = zip(*(STATISTICS[band] for band in bands), strict=True)
    low = tuple(m - 2 * s for m, s in zip(mean, std, strict=True))
    return Wanted(bands, units, low, tuple(4 * s for s in std))
