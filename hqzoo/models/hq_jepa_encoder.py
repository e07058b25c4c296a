"""What HQ-JEPA's pretraining leaves: its teacher, or its student, as an encoder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.models.band_scaling import WHITE, Unit, Wanted, pick_bands, rescale_to
from hqzoo.models.encoder import Encoder
from hqzoo.models.hq_jepa import hq_jepa
from hqzoo.models.registry import register_model
from hqzoo.nn.given_weights import load_named, read_plain, read_published, settle
from hqzoo.nn.token_encoder import TokenEncoder, hybrid_pattern

__all__ = ["HQJEPAEncoder", "hq_jepa_encoder"]

NAME = "HQ-JEPA's encoder"
OF_THE_ENCODER = ("image_size", "patch", "width", "heads", "depth", "pattern")


@dataclass(frozen=True)
class _Pretrained:
    """What a checkpoint, or the folder of published weights, says of the encoder in it."""

    path: Path
    arguments: Mapping[str, Any]
    main: str
    sensor: Sensor
    statistics: Statistics
    tensors: Mapping[str, Tensor]


class HQJEPAEncoder(Encoder):
    """See :func:`hq_jepa_encoder`.

    Args:
        net: From images ``(B, C, S, S)`` to tokens ``(B, P, D)``.
        rescale: From the data's bands and normalisation to its own.
        sensor: Name of the sensor that it looks at.
        grid: Rows and columns of patches.
        side: Side S of an image.
        width: Channels D.
        started: Where its weights come from, where they are trained on.
    """

    def __init__(
        self, net: nn.Module, rescale: nn.Module, sensor: str, grid: tuple[int, int], side: int, width: int,
        started: dict[str, dict[str, str]],
    ) -> None:  # fmt: skip
        super().__init__()
        self.net, self.rescale, self.sensor = net, rescale, sensor
        self.grid, self.side, self.width, self.started = grid, side, width, started

    def starting_weights(self) -> dict[str, dict[str, str]]:
        """Return where the weights come from, unless they are frozen or random."""
        return self.started

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the mean of all tokens, ``(B, D)`` (the paper's eq. 3 averages so)."""
        return self._tokens(images).mean(1)

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return tokens as a map ``(B, D, h, w)``."""
        return torch.unflatten(self._tokens(images).mT, 2, self.grid)

    def _tokens(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        image: Tensor = self.rescale(images if isinstance(images, Tensor) else images[self.sensor])
        size = (self.side, self.side)
        if image.shape[-2:] != size:
            image = F.interpolate(image, size, mode="bilinear", antialias=True)
        out: Tensor = self.net(image).float()
        return out


@register_model(
    summary="the teacher or student of a pretrained HQ-JEPA",
    kind="features",
    parameters=23_397_888,
    paper="arXiv 2605.31068",
)
def hq_jepa_encoder(
    inputs: Inputs,
    weights: str = "random",
    seed: int = 0,
    sha256: str | None = None,
    frozen: bool = True,
    part: Literal["teacher", "student"] = "teacher",
    statistics: Literal["data", "checkpoint"] = "data",
    impute: Mapping[str, str] | None = None,
    white: float = WHITE,
    size: int | None = None,
    architecture_args: Mapping[str, Any] | None = None,
) -> HQJEPAEncoder:
    """Build the encoder of a checkpoint of :class:`hqzoo.tasks.HQJEPATask`, or a fresh one.

    Images are resized to the size that it was trained on (bilinear, antialiased), or to ``size``, and bands found by
    name.

    Args:
        inputs: Sensors and statistics; of several sensors it looks at the one that it was trained on, by name.
        weights: ``"random"``, the path of a checkpoint, or the folder of published weights (``weights.json`` and
            ``weights.safetensors``).
        seed: Seed of random weights.
        sha256: Digest of the weights, as reports of tests name it; others are refused.
        frozen: Whether they stay as they are; checkpoints refer to them then.
        part: Which encoder. Which one the paper evaluates is not stated: CHOICE the teacher, as I-JEPA.
        statistics: What images are normalised by: the ``data``'s own statistics, or, with the data's values brought to
            its sensor's unit, those of the ``checkpoint``. CHOICE the data's: each band then has the mean and deviation
            that the encoder was trained on, whatever the processing level, the season and the unit.
        impute: Band that the data lack to the one that stands in for it, or to ``"zero"``: the mean, once normalised.
            The specification's for 10 bands is ``{"B01": "B02", "B09": "B8A"}``. None: a missing band is an error.
        white: With ``statistics="checkpoint"``, the reflectance x 1e4 that full scale of 8-bit colours stands for.
        size: Side that images are resized to, in pixels, a multiple of the patch; the positions of its patches lie
            between those that it was trained on. The specification's for segmentation is 240, of images of 256. None:
            the side that it was trained on.
        architecture_args: Of a fresh encoder, arguments of :func:`hqzoo.models.hq_jepa.hq_jepa`: ``image_size``,
            ``patch``, ``width``, ``heads``, ``depth``, ``pattern``. A checkpoint has its own.

    Raises:
        ConfigError: If the checkpoint is not to be had or another model's, or a band is missing.
    """
    if part not in ("teacher", "student") or statistics not in ("data", "checkpoint"):
        raise ConfigError(f"part='{part}' is teacher or student; statistics='{statistics}' is data or checkpoint.")
    if weights == "random":
        return _fresh(inputs, seed, sha256, frozen, statistics, size, architecture_args or {})
    if architecture_args:
        raise ConfigError("A checkpoint says itself which architecture it holds: leave out architecture_args.")
    known = _read(Path(weights).expanduser(), part)
    name = _main(inputs, known.main)
    sensor = inputs.sensors[name]
    if statistics == "data":
        rescale = pick_bands(sensor.bands, known.sensor.bands, NAME, impute)
    else:
        rescale = rescale_to(sensor, inputs.statistics[name], _wanted(known), NAME, white, impute)
    net = _build(len(known.sensor), known.arguments, size)
    load_named(net, known.tensors, known.path, f"{NAME} of {len(known.sensor)} bands")
    settled, started = settle(net, NAME, f"hq_jepa/{part} of {known.path.name}", seed, sha256, frozen)
    return HQJEPAEncoder(settled, rescale, name, net.grid, net.grid[0] * net.patch, net.width, started)


def _fresh(
    inputs: Inputs, seed: int, sha256: str | None, frozen: bool, statistics: str, size: int | None,
    arguments: Mapping[str, Any],
) -> HQJEPAEncoder:  # fmt: skip
    if statistics == "checkpoint":
        raise ConfigError("statistics='checkpoint' needs a checkpoint: random weights have none. Give weights.")
    for key in arguments:
        if key not in OF_THE_ENCODER:
            raise ConfigError(unknown_name("argument of HQ-JEPA's encoder", key, OF_THE_ENCODER))
    name = _main(inputs, "s2")
    bands = inputs.sensors[name].bands
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _build(len(bands), arguments, size)
    settled, _ = settle(net, NAME, "random", seed, sha256, frozen)
    return HQJEPAEncoder(
        settled, pick_bands(bands, bands, NAME), name, net.grid, net.grid[0] * net.patch, net.width, {}
    )


def _build(bands: int, arguments: Mapping[str, Any], size: int | None) -> TokenEncoder:
    """Return an encoder as :func:`hqzoo.models.hq_jepa.hq_jepa` builds it, for images of a size."""
    defaults = {key: each.default for key, each in inspect.signature(hq_jepa).parameters.items()}
    said = {key: arguments.get(key, defaults[key]) for key in OF_THE_ENCODER}
    if said["image_size"] % said["patch"]:
        raise ConfigError(f"patch={said['patch']} does not divide image_size={said['image_size']}.")
    if size is not None and (size < 1 or size % said["patch"]):
        raise ConfigError(f"size={size} is no multiple of the patch of {NAME}, which is {said['patch']} pixels.")
    known, side = (each // said["patch"] for each in (said["image_size"], size or said["image_size"]))
    pattern = said["pattern"] or hybrid_pattern(said["depth"])
    grids = (side, side), (known, known)
    return TokenEncoder(bands, grids[0], said["patch"], said["width"], said["heads"], pattern, grids[1])


def _main(inputs: Inputs, trained_on: str) -> str:
    if len(inputs.sensors) == 1:
        return next(iter(inputs.sensors))
    if trained_on not in inputs.sensors:
        raise ConfigError(
            f"{NAME} looks at the sensor '{trained_on}'; the data have {', '.join(inputs.sensors)}. Give one sensor."
        )
    return trained_on


def _read(path: Path, part: str) -> _Pretrained:
    said: Any
    state: Any
    if path.is_dir():
        said, state = read_published(path)
    else:
        stored = read_plain(path)
        said, state = stored.get("hyper_parameters"), stored.get("state_dict")
    if not isinstance(said, Mapping) or not isinstance(state, Mapping) or said.get("architecture") != "hq_jepa":
        held = f", but of '{said['architecture']}'" if isinstance(said, Mapping) and "architecture" in said else ""
        raise ConfigError(
            f"{path} is no checkpoint of HQ-JEPA{held}. Give one that `hqzoo fit` wrote with HQJEPATask "
            "(checkpoints/best.ckpt or last.ckpt in the run's folder), or a folder of published weights of one."
        )
    arguments = dict(said.get("architecture_args") or {})
    main = str(arguments.get("main", inspect.signature(hq_jepa).parameters["main"].default))
    sensors, statistics = (said.get(key) or {} for key in ("sensors", "statistics"))
    if main not in sensors or main not in statistics:
        raise ConfigError(f"{path} does not say what the bands of its sensor '{main}' are, or how it normalised them.")
    start = f"model.{part}."
    tensors = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
    sensor, mean = Sensor.from_dict(sensors[main]), Statistics.from_dict(statistics[main])
    return _Pretrained(path, arguments, main, sensor, mean, tensors)


def _wanted(known: _Pretrained) -> Wanted:
    """Return the bands and the normalisation of a checkpoint, in a unit that others convert to."""
    units: Mapping[str, tuple[Unit, float]] = {
        "reflectance x 1e4": ("reflectance x 1e4", 1.0),
        "reflectance": ("reflectance x 1e4", 1e4),
        "dB": ("dB", 1.0),
        "digital number": ("8 bit", 255 / known.sensor.scale),
    }
    if known.sensor.unit not in units:
        raise ConfigError(f"{known.path} was trained on values in '{known.sensor.unit}', which do not convert to "
                          f"others: leave statistics='data'. Known: {', '.join(units)}.")  # fmt: skip
    unit, factor = units[known.sensor.unit]
    bands = known.sensor.bands
    mean = tuple(factor * (each - known.sensor.offset) for each in known.statistics.mean)
    return Wanted(bands, (unit,) * len(bands), mean, tuple(factor * each for each in known.statistics.std))
