"""HQ-UNet (Hossain et al., arXiv 2604.27206): a separable U-Net with a quantum bottleneck."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import CONTROLS, Control, DoubleConv, QuantumBottleneck, Slot, UNetDecoder, UNetEncoder, fill
from hqzoo.quantum import circuits

__all__ = ["HQUNet", "hq_unet"]


class HQUNet(Model):
    """Encoder, bottleneck, decoder and a 1x1 convolution to the classes; see :func:`hq_unet`."""

    def __init__(
        self,
        encoder: UNetEncoder,
        bottleneck: nn.Module,
        decoder: UNetDecoder,
        head: nn.Module,
        size: int | None,
    ) -> None:
        super().__init__()
        self.encoder, self.bottleneck, self.decoder, self.head = encoder, bottleneck, decoder, head
        self.input_size = size

    def compared_parts(self) -> dict[str, nn.Module]:
        """Return what controls replace: the circuit alone (``core``), and the block around it (``bottleneck``)."""
        return {"core": self.quantum_parts().get("bottleneck.core", self.bottleneck), "bottleneck": self.bottleneck}

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return the circuit, or what stands in its place, by its name among the modules; nothing without its block."""
        return {"bottleneck.core": self.bottleneck.core} if isinstance(self.bottleneck, QuantumBottleneck) else {}

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the image is not of the size that the bottleneck was built for.
        """
        if self.input_size is not None and image.shape[-2:] != (self.input_size, self.input_size):
            raise ConfigError(
                f"This HQ-UNet takes {self.input_size}x{self.input_size} patches, because the linear layer behind its "
                f"circuit has a fixed size; got {image.shape[-2]}x{image.shape[-1]}. Cut the image into patches "
                f"(`hqzoo map` does), or build the model with another input_size."
            )
        *skips, deepest = self.encoder(image)
        out: Tensor = self.head(self.decoder(self.bottleneck(deepest), skips))
        return out


@register_model(
    summary="separable U-Net, 16-qubit non-pooling QCNN as bottleneck",
    parameters=2_596_459,
    quantum_parameters=8,
    qubits=16,
    paper="arXiv 2604.27206",
    published={"LandCover.ai": "mIoU .8050, OA 94.76 %"},
    limits={
        "any_size": "the linear layer behind the circuit has a fixed size: images are cut into patches of input_size"
    },
    controls=(*(name for name in CONTROLS if name != "identity"), "double_conv"),
)
def hq_unet(
    in_channels: int = 3,
    num_classes: int = 5,
    width: int = 32,
    control: Control = "quantum",
    control_hidden: int | None = None,
    input_size: int = 128,
    n_layers: int = 1,
    grid: int = 4,
    periodic: bool = False,
    encoding: Literal["rx_ry_rz", "ry_rz", "ry"] = "rx_ry_rz",
    readout: Literal["zx", "z", "x"] = "zx",
    passes: Literal["both", "row", "col"] = "both",
    angle_scale: float = 1.0,
    post: Literal["linear", "linear_4x4_upsample"] = "linear",
    residual: bool = False,
    pool_only: bool = False,
    bn_between: bool = False,
    engine: str = "auto",
) -> HQUNet:
    """Build HQ-UNet.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        width: Channels at full resolution. Not stated: CHOICE 32 (2,596,459 parameters with 5 classes).
        control: ``quantum``; a classical stand-in for the circuit alone (:data:`hqzoo.nn.CONTROLS`); or
            ``double_conv``, the classical block that the whole quantum bottleneck replaces.
        control_hidden: Hidden width of ``mlp_time``.
        input_size: Height and width of the patches; the paper uses 128. Fixed by the linear layer, except for
            ``double_conv``.
        n_layers: Repetitions of the row and column passes. Not mentioned: CHOICE 1.
        grid: Qubits per row and column; the paper uses 4.
        periodic: Whether sweeps close over the edge. Not stated: CHOICE False.
        encoding: Rotations of the encoding (published: ``rx_ry_rz``).
        readout: Observables on every qubit (published: ``zx``).
        passes: Sweeps of a layer (published: ``both``).
        angle_scale: Factor on the tanh features. Not stated: CHOICE 1, the literal reading.
        post: See :class:`hqzoo.nn.QuantumBottleneck`. Not stated: CHOICE ``linear``.
        residual: Whether the bottleneck adds its input. The text says *replaced*: CHOICE False.
        pool_only: Whether the deepest encoder block is pooling alone, so that the quantum block stands in its place.
            Not stated: CHOICE False, four full blocks.
        bn_between: See :class:`hqzoo.nn.DoubleConv`. Not stated: CHOICE False.
        engine: Engine of the circuit.

    Raises:
        ConfigError: If an argument is unknown or does not fit the others.
        CircuitError: If the circuit's options are wrong.
    """
    if input_size % 16 or input_size < 16:
        raise ConfigError(f"input_size={input_size}: four poolings need a multiple of 16.")
    encoder = UNetEncoder(in_channels, width, bn_between=bn_between)
    channels_in = channels = encoder.channels[-1]
    if pool_only:
        encoder.down[-1], channels_in = nn.MaxPool2d(2), channels // 2
    decoder = UNetDecoder(width, bn_between=bn_between)
    head = nn.Conv2d(width, num_classes, 1)
    if control == "double_conv":
        return HQUNet(encoder, DoubleConv(channels_in, channels, bn_between=bn_between), decoder, head, None)
    circuit = circuits.hq_unet(grid, grid, n_layers, periodic, encoding, readout, passes, angle_scale)
    bottleneck = QuantumBottleneck(
        channels_in, channels, input_size // 16, (grid, grid), circuit, post, residual, engine, layer=Slot
    )
    model = HQUNet(encoder, bottleneck, decoder, head, input_size)
    fill(model, control, control_hidden)
    return model
