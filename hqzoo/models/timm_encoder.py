"""Any image model of timm as an encoder, of bands and in a scaling that it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return its last map ``(B, D, h, w)``."""
        image = self.prepared(images)
        net = self.net.module if isinstance(self.net, Frozen) else self.net
        found = net.forward_intermediates(image, indices=1, intermediates_only=True)[-1]  # type: ignore[operator]
        out: Tensor = found.float()
        return out


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
    return TimmEncoder(settled, rescale, size, int(getattr(net, "head_hidden_size", net.num_features)), started)
