"""HQF-Net (Hossain et al., arXiv 2604.06715): a U-Net guided by a frozen DINOv3, with quantum skips and experts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import CONTROLS, Control, DoubleConv, Slot, UNetDecoder, UNetEncoder, fill
from hqzoo.nn.backbone import Backbone, BackboneWeights
from hqzoo.nn.dmcaf import DMCAFusion
from hqzoo.nn.expert_watch import ExpertWatch
from hqzoo.nn.experts import QMoE
from hqzoo.nn.pointwise_fusion import PointwiseFusion
from hqzoo.nn.qskip import QSkip
from hqzoo.quantum import QuantumLayer, circuits

__all__ = ["HQFNet", "hqf_net"]

FUSIONS = ("dmcaf", "add", "multiply", "none")
POOLINGS = 4


class HQFNet(Model):
    """Encoder, fusion with a frozen backbone, bottleneck, skips, decoder and head; see :func:`hqf_net`.

    Attributes:
        size_multiple: Height and width of images are multiples of these.
    """

    def __init__(
        self,
        encoder: UNetEncoder,
        backbone: Backbone | None,
        fusion: nn.Module | None,
        qskip: Sequence[QSkip],
        bottleneck: nn.Module,
        decoder: UNetDecoder,
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.encoder, self.backbone, self.fusion = encoder, backbone, fusion
        self.qskip = nn.ModuleList(qskip)
        is_quantum = isinstance(bottleneck, QMoE)
        self.bottleneck = nn.Identity() if is_quantum else bottleneck
        self.qmoe = bottleneck if is_quantum else nn.Identity()
        self.decoder, self.head = decoder, head
        side = math.lcm(2**POOLINGS, backbone.multiple if backbone is not None else 1)
        self.size_multiple: tuple[int, int] = (side, side)

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return the circuits, or what stands in their places, by their names among the modules."""
        skips: dict[str, nn.Module] = {
            f"qskip.{level}.core": self._skip(level).core for level in range(len(self.qskip))
        }
        experts = self.qmoe.experts.items() if isinstance(self.qmoe, QMoE) else ()
        return {**skips, **{f"qmoe.{name}_expert": expert for name, expert in experts}}

    def _skip(self, level: int) -> QSkip:
        return self.qskip[level]  # type: ignore[return-value]

    def compared_parts(self) -> dict[str, nn.Module]:
        """Return what controls replace: the circuits alone (``core``), and the blocks around them by name."""
        parts = super().compared_parts()
        blocks = {"qskip": self.qskip if len(self.qskip) else None, "qmoe": self.qmoe}
        return {**parts, **{k: v for k, v in blocks.items() if isinstance(v, nn.ModuleList | QMoE)}}

    def circuit_evaluations(self, height: int, width: int) -> int:
        """Return how often circuits run for an image of this size: once for each cell of a skip, once for each expert.

        Raises:
            ConfigError: If the model does not take images of this size.
        """
        self._check(height, width)
        levels = [(level, self._skip(level)) for level in range(len(self.qskip))]
        cells = [
            math.prod(skip.grid(height >> level, width >> level))
            for level, skip in levels
            if isinstance(skip.core, QuantumLayer)
        ]
        experts = self.qmoe.experts.values() if isinstance(self.qmoe, QMoE) else ()
        return sum(cells) + sum(isinstance(expert, QuantumLayer) for expert in experts)

    def watch(self) -> ExpertWatch | None:
        """Start to look on at the experts' shares and at how alike their outputs are."""
        return self.qmoe.watch() if isinstance(self.qmoe, QMoE) else None

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides multiples of ``size_multiple``, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the model does not take images of this size.
        """
        height, width = image.shape[-2:]
        self._check(height, width)
        features = self.encoder(image)
        if self.backbone is not None and self.fusion is not None:
            features = [features[0], *self.fusion(features[1:], self.backbone(image), (height, width))]
        *skips, deepest = features
        for level, block in enumerate(self.qskip):
            skips[level] = block(skips[level])
        out: Tensor = self.head(self.decoder(self.qmoe(self.bottleneck(deepest)), skips))
        return out

    def _check(self, height: int, width: int) -> None:
        if self.backbone is not None:
            self.backbone.check(height, width)
        side = self.size_multiple[0]
        if height % side or width % side:
            raise ConfigError(
                f"This HQF-Net takes images whose sides {side} divides, because of its {POOLINGS} poolings and its "
                f"backbone's patch; got {height}x{width}. Resize or pad to "
                f"{-(-height // side) * side}x{-(-width // side) * side}."
            )


@register_model(
    summary="U-Net guided by a frozen DINOv3: deformable fusion, quantum skips, mixture of quantum experts",
    parameters=314_416_574,
    quantum_parameters=88,
    qubits=16,
    paper="arXiv 2604.06715",
    published={
        "LandCover.ai": "mIoU .8568, OA 96.87 %",
        "OpenEarthMap": "mIoU .7182",
        "SeasoNet": "mIoU .5528, OA 99.37 %",
    },
    limits={
        "any_size": "four poolings and the backbone's patches need sides that they divide",
        "any_bands": "the frozen backbone takes red, green and blue, by these names; backbone_bands names others",
    },
    controls=tuple(name for name in CONTROLS if name != "identity"),
)
def hqf_net(
    inputs: Inputs,
    num_classes: int = 5,
    width: int = 64,
    backbone: str = "vit_large_patch16_dinov3.lvd1689m",
    backbone_weights: str = "random",
    backbone_seed: int = 0,
    backbone_sha256: str | None = None,
    backbone_bands: Sequence[str] = ("red", "green", "blue"),
    backbone_blocks: Sequence[int] | None = None,
    backbone_bf16: bool = False,
    backbone_args: Mapping[str, Any] | None = None,
    fusion: Literal["dmcaf", "add", "multiply", "none"] = "dmcaf",
    fusion_dim: int = 256,
    fusion_heads: int = 8,
    fusion_points: int = 4,
    qskip: bool = True,
    qskip_layers: int = 2,
    qskip_cells: int = 8,
    qskip_mode: Literal["add", "gate"] = "add",
    qmoe: bool = True,
    experts: Sequence[Literal["local", "global", "diagonal"]] = ("local", "global", "diagonal"),
    periodic: bool = True,
    router: Literal["adaptive", "uniform", "permuted"] = "adaptive",
    temperature: float = 1.0,
    gamma: float = 0.1,
    conv: Literal["separable", "standard"] = "separable",
    control: Control = "quantum",
    control_hidden: int | None = None,
    engine: str = "auto",
) -> HQFNet:
    """Build HQF-Net, or a row of its ablation.

    The paper's full text was not available: its abstract and a summary name the parts, and nothing of their inner
    workings. Every default below is a CHOICE, but for the backbone and the parts themselves.

    The six rows of the ablation, in its order: ``fusion="multiply"`` and ``fusion="add"``, both with ``qskip=False,
    qmoe=False``; ``qskip=False, qmoe=False``; ``qmoe=False``; ``qskip=False``; and the defaults. What "complementary
    experts" is worth: ``experts=("local",)``, ``router="uniform"``, ``router="permuted"``; reports of tests hold the
    experts' shares and the similarity of their outputs.

    Args:
        inputs: Sensor and statistics of the images.
        num_classes: Classes.
        width: Channels at full resolution.
        backbone: Model of timm whose four maps guide the U-Net. Published: DINOv3 ViT-L/16, without saying which
            weights; ``.sat493m`` was trained on satellite images. Vision transformers and convolutional networks of any
            strides will do.
        backbone_weights: ``"random"``, which needs no download; ``"pretrained"``: as timm downloads them for the tag
            (DINOv3's have a licence of their own); the name of an installed package of weights; or a file's path.
        backbone_seed: Seed of random weights.
        backbone_sha256: Digest of the backbone's weights, as reports of tests name it; other weights are refused.
        backbone_bands: Bands that the backbone takes, in its order, as the data name them.
        backbone_blocks: Blocks whose maps are read; None: DINOv3's own choice, see :class:`hqzoo.nn.backbone.Backbone`.
        backbone_bf16: Whether the backbone runs in bfloat16 where the device can, whatever is around.
        backbone_args: Further arguments of ``timm.create_model``.
        fusion: ``dmcaf``; ``add`` or ``multiply`` of the resized maps; ``none``: no backbone at all.
        fusion_dim: Channels in which DMCAF looks.
        fusion_heads: Its heads.
        fusion_points: Places in each map that a head looks at.
        qskip: Whether skips have circuits. Without, they are passed on as they are.
        qskip_layers: Layers of their circuit.
        qskip_cells: Rows and columns of their cells.
        qskip_mode: See :class:`hqzoo.nn.qskip.QSkip`.
        qmoe: Whether the bottleneck is the mixture of quantum experts. Without, it is a U-Net's two convolutions.
        experts: Which experts there are, each at most once.
        periodic: Whether the global expert's sweeps close over the edge.
        router: See :class:`hqzoo.nn.experts.QMoE`.
        temperature: Temperature of the router's softmax.
        gamma: Weight at first of what DMCAF, skips and mixture add.
        conv: Kind of the U-Net's convolutions; ``separable`` as in the same group's HQ-UNet.
        control: ``quantum``; a stand-in for all circuits (:data:`hqzoo.nn.CONTROLS`); or stand-ins by part, such as
            ``{"qskip": "mlp", "qmoe": "constant"}`` or ``{"qmoe.local_expert": "separable"}``.
        control_hidden: Hidden width of ``mlp_time``.
        engine: Engine of the circuits.

    Raises:
        ConfigError: If an argument is unknown or does not fit the others, or the backbone is not to be had or lacks a
            band.
        CircuitError: If the circuits' options are wrong.
    """
    if not (qskip or qmoe) and control != "quantum":
        raise ConfigError(f"control={control!r} has nothing to replace: qskip=False and qmoe=False leave no circuit.")
    sensor = inputs.single
    statistics = next(iter(inputs.statistics.values()))
    encoder = UNetEncoder(len(sensor), width, conv=conv)
    guide = None
    if fusion != "none":
        guide = Backbone(
            backbone, sensor.bands, statistics.mean, statistics.std, sensor.scale, sensor.offset,
            weights=BackboneWeights(backbone_weights, backbone_seed, backbone_sha256), wanted=backbone_bands,
            blocks=backbone_blocks, bf16=backbone_bf16, arguments=backbone_args,
        )  # fmt: skip
    fused = _fusion(fusion, encoder.channels[1:], guide, fusion_dim, fusion_heads, fusion_points, gamma)
    skip = circuits.qskip(qskip_layers)
    skips = [
        QSkip(channels, skip, qskip_cells, qskip_mode, gamma, engine, layer=Slot)
        for channels in (encoder.channels[:-1] if qskip else ())
    ]
    deepest = encoder.channels[-1]
    bottleneck = (
        QMoE(
            deepest, _experts(experts, periodic), router=router, temperature=temperature, gamma=gamma, engine=engine,
            layer=Slot,
        )
        if qmoe
        else DoubleConv(deepest, deepest, conv)
    )  # fmt: skip
    decoder = UNetDecoder(width, conv=conv)
    model = HQFNet(encoder, guide, fused, skips, bottleneck, decoder, nn.Conv2d(width, num_classes, 1))
    fill(model, control, control_hidden)
    return model


def _fusion(
    kind: str, channels: Sequence[int], guide: Backbone | None, dim: int, heads: int, points: int, gamma: float
) -> nn.Module | None:
    if kind not in FUSIONS:
        raise ConfigError(f"fusion='{kind}' is not one of {', '.join(FUSIONS)}.")
    if guide is None:
        return None
    if kind == "dmcaf":
        return DMCAFusion(channels, guide.channels, guide.pyramid, dim, heads, points, gamma)
    return PointwiseFusion(channels, guide.channels, "add" if kind == "add" else "multiply")


def _experts(names: Sequence[Literal["local", "global", "diagonal"]], periodic: bool) -> dict[str, Any]:
    if len(set(names)) != len(names):
        raise ConfigError(f"experts={list(names)}: each of them at most once.")
    return {name: circuits.qmoe(name, periodic if name == "global" else None) for name in names}
