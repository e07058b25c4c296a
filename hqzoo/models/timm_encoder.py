"""Any image model of timm as an encoder, of bands and in a scaling that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.models.encoder import ScaledEncoder
from hqzoo.models.registry import register_model
from hqzoo.nn.backbone import BackboneWeights
from hqzoo.nn.frozen import Frozen
from hqzoo.nn.given_weights import settle
from hqzoo.nn.normalizer import Rescale

__all__ = ["TimmEncoder", "timm_encoder"]


class TimmEncoder(ScaledEncoder):
    """See :func:`timm_encoder`."""

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the network's pooled features ``(B, D)``.

        Raises:
            ConfigError: If it takes images of another size.
        """
        with _sizes_told():
            return super().forward(images)

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return its last map, or its patch tokens behind the last norm, ``(B, D, h, w)``.

        Raises:
            ConfigError: If it takes images of another size, or timm knows of no maps of it.
        """
        image = self.prepared(images)
        net: Any = self.net.module if isinstance(self.net, Frozen) else self.net
        if not hasattr(net, "forward_intermediates"):
            raise ConfigError(f"timm knows of no maps of a {type(net).__name__}. Choose another model.")
        with _sizes_told():
            found = net.forward_intermediates(image, indices=1, norm=True, intermediates_only=True)[-1]
        out: Tensor = found.float()
        return out


@contextmanager
def _sizes_told() -> Iterator[None]:
    """Say what helps where a model refuses the size of images."""
    try:
        yield
    except AssertionError as error:  # how timm refuses them
        raise ConfigError(
            f"This model takes images of another size ({error}). Give encoder_args the side it takes as `size`, to "
            "which images are resized; or have a vision transformer interpolate its positions: "
            "`arguments: {dynamic_img_size: true}`."
        ) from error


@register_model(
    summary="an image model of timm, pretrained or not, frozen or fine-tuned",
    kind="features",
    parameters=3_371_008,
)
def timm_encoder(
    inputs: Inputs,
    name: str = "tf_efficientnet_lite0.in1k",
    weights: str = "random",
    seed: int = 0,
    sha256: str | None = None,
    bands: Sequence[str] = ("red", "green", "blue"),
    size: int | None = None,
    frozen: bool = True,
    arguments: Mapping[str, Any] | None = None,
) -> TimmEncoder:
    """Build a model of timm as an encoder.

    Args:
        inputs: One sensor and its statistics.
        name: The model, with a tag that says how its images were scaled.
        weights: ``"random"``; ``"pretrained"``: timm's own, downloaded once; the name of an installed package of
            weights, see :data:`hqzoo.nn.packaged_weights.PACKAGES`; or a file's path.
        seed: Seed of random weights.
        sha256: Digest of frozen weights, as reports of tests name it; others are refused.
        bands: Bands that it takes, in its order, as the data name them.
        size: Side that images are resized to, in pixels (bilinear, antialiased); None: as they are.
        frozen: Whether its weights stay as they are; checkpoints refer to them then.
        arguments: Further arguments of ``timm.create_model``.

    Raises:
        ConfigError: If timm has no such model, weights are not to be had or are others, or a band is missing.
    """
    import timm  # half a second that other models need not wait for

    options = {"num_classes": 0, "in_chans": len(bands), **(arguments or {})}
    if not timm.is_model(name.split(".")[0]):
        raise ConfigError(
            f"timm has no model '{name}'.{did_you_mean(name.split('.')[0], timm.list_models())} "
            "timm.list_models() lists them."
        )
    net = BackboneWeights(weights, seed).build(name, options)
    sensor, statistics, config = inputs.single, next(iter(inputs.statistics.values())), net.pretrained_cfg
    rescale = Rescale(
        sensor.bands, statistics.mean, statistics.std, bands, config["mean"], config["std"], sensor.scale, sensor.offset
    )
    tag = f"timm/{name}" if weights == "pretrained" else weights
    settled, started = settle(net, name, tag, seed, sha256, frozen)
    model = TimmEncoder(settled, rescale, size, int(getattr(net, "head_hidden_size", net.num_features)), started)
    if stages := getattr(net, "feature_info", None):
        model.map_width = int(stages[-1]["num_chs"])  # some widen the last map before they pool it
        model.size_multiple = (int(stages[-1]["reduction"]),) * 2 if size is None else (1, 1)
    return model
