"""COQCNN (Kumar et al., public code; the fourth row of HQ-UNet's table I): a trainable 2x2 quantum filter."""

from __future__ import annotations

from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.models.full_scale import shares_of_full_scale
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import CONTROLS, Control, Slot, fill
from hqzoo.nn.quantum_windows import WindowDecoder, windows
from hqzoo.quantum import QuantumLayer, circuits

__all__ = ["COQCNN", "coqcnn"]

BANDS = ("red", "green", "blue")


class COQCNN(Model):
    """A circuit on every window of 2x2 pixels of three bands, then a decoder; see :func:`coqcnn`."""

    size_multiple = (2, 2)

    def __init__(self, pixels: nn.Module, core: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.pixels, self.core = pixels, core
        self.decoder = WindowDecoder(1, 128, num_classes)

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return the circuit, or what stands in its place."""
        return {"core": self.core}

    def circuit_evaluations(self, height: int, width: int) -> int:
        """Return the number of windows of an image, where a circuit runs on them."""
        return height // 2 * (width // 2) if isinstance(self.core, QuantumLayer) else 0

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides even, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others.
        """
        self.check_size(image)
        pixels = windows(self.pixels(image)).movedim(1, -2).flatten(-2)
        out: Tensor = self.decoder(self.core(pixels).movedim(-1, 1).to(image.dtype))
        return out


@register_model(
    summary="trainable 5-qubit filter on windows of 2x2 pixels, and a small decoder",
    parameters=3_860,
    quantum_parameters=15,
    qubits=5,
    paper="github.com/hrithikkmr527/Quantum_ML; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .3665, by HQ-UNet's paper"},
    limits={"any_size": "windows of 2x2 pixels need even sides", "any_bands": "its circuit takes red, green and blue"},
    controls=tuple(name for name in CONTROLS if name != "identity"),
)
def coqcnn(
    inputs: Inputs,
    num_classes: int = 5,
    control: Control = "quantum",
    control_hidden: int | None = None,
    engine: str = "auto",
) -> COQCNN:
    """Build COQCNN with trainable weights.

    The authors' code turns the 15 weights into plain numbers, so that nothing trains them: ``control="frozen"`` is the
    published model, and training them a CHOICE. Four of them, the last band's, are phases before a read-out that does
    not see them: inert (see :func:`hqzoo.quantum.circuits.coqcnn`).

    Args:
        inputs: Sensor and statistics; red, green and blue enter as shares of full scale, in radians.
        num_classes: Classes.
        control: ``quantum``, or a stand-in for the circuit (:data:`hqzoo.nn.CONTROLS`).
        control_hidden: Hidden width of ``mlp_time``.
        engine: Engine of the circuit.

    Raises:
        ConfigError: If an argument is unknown, or the images lack one of the three bands.
    """
    model = COQCNN(shares_of_full_scale(inputs, BANDS), Slot(circuits.coqcnn(), engine), num_classes)
    fill(model, control, control_hidden)
    for layer in model.modules():
        if isinstance(layer, QuantumLayer):
            nn.init.normal_(layer.weights)  # as published
    return model
