"""Qu-Net (Jain and Kalev, arXiv 2501.13165): a small U-Net with QuFeX in its bottleneck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import CONTROLS, Control, FilterDecoder, FilterEncoder, QuFeX, Slot, fill
from hqzoo.nn.filter_unet import convolution, keras_defaults
from hqzoo.nn.qufex_sizes import sizes_in_words

__all__ = ["QuNet", "qu_net"]

PLACES = {"bottleneck": ("bottleneck",), "skip": ("skip",), "both": ("bottleneck", "skip")}


class QuNet(Model):
    """Encoder, bottleneck, what the deepest skip connection passes, decoder and head; see :func:`qu_net`.

    Attributes:
        size_multiple: Height and width of images are multiples of these.
    """

    def __init__(
        self, encoder: FilterEncoder, bottleneck: nn.Module, skip: nn.Module, decoder: FilterDecoder, head: nn.Module
    ) -> None:
        super().__init__()
        self.encoder, self.bottleneck, self.skip, self.decoder, self.head = encoder, bottleneck, skip, decoder, head
        self.depth = len(encoder.blocks)
        multiples = [(2**self.depth, 2**self.depth)]
        multiples += [(step * block.patch_height, step * block.patch_width) for step, block in self._filters().values()]
        heights, widths = zip(*multiples, strict=True)
        self.size_multiple: tuple[int, int] = (math.lcm(*heights), math.lcm(*widths))

    def _filters(self) -> dict[str, tuple[int, QuFeX]]:
        """Return by place the QuFeX blocks, and how many pixels of the image are one of their maps."""
        places = {"bottleneck": (2**self.depth, self.bottleneck), "skip": (2 ** (self.depth - 1), self.skip)}
        return {name: (step, block) for name, (step, block) in places.items() if isinstance(block, QuFeX)}

    def compared_parts(self) -> dict[str, nn.Module]:
        """Return what controls replace: the circuits alone (``core``), and the blocks around them by place."""
        blocks: dict[str, nn.Module] = {name: block for name, (_, block) in self._filters().items()}
        if not blocks:
            return {"core": self.bottleneck, "bottleneck": self.bottleneck}
        return {"core": nn.ModuleList(core for _, block in self._filters().values() for core in block.cores), **blocks}

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return the circuits, or what stands in their places, by their names among the modules."""
        blocks = self._filters()
        return {
            f"{place}.cores.{k}": core for place, (_, block) in blocks.items() for k, core in enumerate(block.cores)
        }

    def circuit_evaluations(self, height: int, width: int) -> int:
        """Return how often circuits run for an image of this size.

        Raises:
            ConfigError: If the model does not take images of this size.
        """
        self._check(height, width)
        return sum(block.evaluations(height // step, width // step) for step, block in self._filters().values())

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides multiples of ``size_multiple``, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the model does not take images of this size.
        """
        self._check(image.shape[-2], image.shape[-1])
        skips, deepest = self.encoder(image)
        skips[-1] = self.skip(skips[-1])
        out: Tensor = self.head(self.decoder(self.bottleneck(deepest), skips))
        return out

    def _check(self, height: int, width: int) -> None:
        rows, columns = self.size_multiple
        if height % rows or width % columns:
            raise ConfigError(
                f"This Qu-Net takes images of a height that {rows} divides and a width that {columns} divides, "
                f"because {self.depth} poolings must leave whole patches; got {height}x{width}. Resize or pad to "
                f"{-(-height // rows) * rows}x{-(-width // columns) * columns}{self._other_patches(height, width)}."
            )

    def _other_patches(self, height: int, width: int) -> str:
        """Return which patches would fit an image, in words; nothing where it is the poolings that do not fit."""
        filters = self._filters().values()
        if height % 2**self.depth or width % 2**self.depth or not filters:
            return ""
        step, block = max(filters, key=lambda pair: pair[0])  # what divides the smaller map divides the larger, too
        size = height // step, width // step
        patches = ", ".join(map(str, block.patches_for(*size)))
        return f", or choose a patch that divides the map of {size[0]}x{size[1]}: {patches}" if patches else ""


@register_model(
    summary="small plain U-Net, 4-qubit QuFeX filters on patches of the bottleneck",
    parameters=84_185,
    quantum_parameters=4,
    qubits=4,
    paper="arXiv 2501.13165",
    published={
        "PH2": "soft IoU .5711 (4-1-1) to .6775 (6-1-2), U-Net .5783",
        "ISBI-2012": "IoU .8257 (12-2-1), U-Net .7545",
    },
    limits={"any_size": "poolings must leave whole patches: sides are multiples of 2^len(filters) times the patch's"},
    controls=(*CONTROLS, "conv"),
)
def qu_net(
    in_channels: int = 3,
    num_classes: int = 1,
    filters: Sequence[int] = (8, 16, 32, 16, 8),
    patch: tuple[int, int] = (2, 2),
    maps: int = 1,
    n_filters: int = 1,
    n_layers: int = 1,
    placement: Literal["bottleneck", "skip", "both"] = "bottleneck",
    residual_weight: float = 1.0,
    squash: Literal["none", "tanh"] = "none",
    control: Control = "quantum",
    control_hidden: int | None = None,
    engine: str = "auto",
) -> QuNet:
    """Build Qu-Net; the authors' names are (qubits of one map)-(filters)-(maps mixed), by default 4-1-1.

    Convolutions start as Keras draws them (the authors' code names no initialiser): Glorot-uniform, biases zero.

    Args:
        in_channels: Bands of the image.
        num_classes: Logits; the paper has one, before a sigmoid.
        filters: Channels of each level, finest first (published for PH2: the default, and 9 last with ``maps=3``). The
            list for ISBI-2012 is not stated; (8, 16, 32, 64, 8) yields the published total.
        patch: Height and width of a patch (published: (2, 2), (3, 2), (3, 4)).
        maps: Neighbouring feature maps that a circuit mixes (published: 1, 2, 3).
        n_filters: Filters (published: 1, 2).
        n_layers: Repetitions of the circuit's layers (published: 1).
        placement: Where QuFeX stands: in the bottleneck (published); on the deepest skip connection, while the
            bottleneck keeps U-Net's convolution; or in both places. The latter two are CHOICES of ours.
        residual_weight: Factor on the input in QuFeX's sum (published: 1).
        squash: What becomes of values before they are encoded (published: ``none``), see :class:`hqzoo.nn.QuFeX`.
        control: ``quantum``; a stand-in for the circuits alone (:data:`hqzoo.nn.CONTROLS`; ``zero`` leaves the
            residual); or ``conv``, the U-Net of the paper: no QuFeX anywhere, one convolution with twice the last
            filters in the bottleneck.
        control_hidden: Hidden width of ``mlp_time``.
        engine: Engine of the circuits.

    Raises:
        ConfigError: If an argument is unknown or does not fit the others.
        CircuitError: If the circuit's options are wrong.
    """
    _check_arguments(filters, placement)
    places = () if control == "conv" else PLACES[placement]
    last = filters[-1]
    at_skip = n_filters * last if "skip" in places else last
    deepest = n_filters * last if "bottleneck" in places else 2 * last
    encoder = FilterEncoder(in_channels, filters)
    bottleneck = nn.Identity() if "bottleneck" in places else nn.Sequential(*convolution(last, deepest))
    decoder = FilterDecoder(deepest, filters, [*filters[:-1], at_skip])
    head = nn.Conv2d(filters[0], num_classes, 1)
    around = nn.ModuleList([encoder, bottleneck, decoder, head])
    keras_defaults(around)
    sizes = (last, patch, maps, n_filters, n_layers)
    blocks = {place: QuFeX(*sizes, residual_weight, squash, engine, layer=Slot) for place in places}
    model = QuNet(encoder, blocks.get("bottleneck", bottleneck), blocks.get("skip", nn.Identity()), decoder, head)
    with sizes_in_words(*sizes, engine):
        fill(model, control, control_hidden)
    return model


def _check_arguments(filters: Sequence[int], placement: str) -> None:
    if not isinstance(filters, Sequence) or not filters or min(filters) < 1:
        raise ConfigError(f"filters={filters}: give the channels of at least one level, each at least 1.")
    if placement not in PLACES:
        raise ConfigError(f"placement='{placement}' is not one of {', '.join(PLACES)}.")
