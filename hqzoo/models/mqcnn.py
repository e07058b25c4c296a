"""MQCNN (Kumar et al., public code; the second row of HQ-UNet's table I): cosines of pixels of three bands."""

from __future__ import annotations

from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.models.full_scale import shares_of_full_scale
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn.quantum_windows import CosineWindows, WindowDecoder, windows

__all__ = ["MQCNN", "mqcnn"]

BANDS = ("red", "green", "blue")
# Position qubits that control the rotation by each pixel, band by band.
CONTROLS = ((), (0, 2), (1, 3), (0, 1), (), (0, 3), (0, 2), (2, 3), (), (2, 3), (0, 3), (1, 3))


class MQCNN(Model):
    """One number per window of 2x2 pixels of three bands, then a decoder; see :func:`mqcnn`."""

    size_multiple = (2, 2)

    def __init__(self, pixels: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.pixels, self.filter = pixels, CosineWindows(CONTROLS)
        self.decoder = WindowDecoder(1, 128, num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides even, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others.
        """
        self.check_size(image)
        pixels = windows(self.pixels(image)).movedim(1, -2).flatten(-2)
        out: Tensor = self.decoder(self.filter(pixels)[:, None])
        return out


@register_model(
    summary="fixed 2x2 quantum filter of three bands in closed form, and a small decoder",
    parameters=3_845,
    paper="github.com/hrithikkmr527/Quantum_ML; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .3900, by HQ-UNet's paper"},
    limits={
        "any_size": "windows of 2x2 pixels need even sides",
        "any_bands": "its filter is one of red, green and blue",
    },
)
def mqcnn(inputs: Inputs, num_classes: int = 5) -> MQCNN:
    """Build MQCNN as its authors' code runs it.

    As in :func:`hqzoo.models.fqcnn.fqcnn`, the 72 weights of the published filter change nothing: it is a fixed
    feature, computed here in closed form, equal to :func:`hqzoo.quantum.circuits.mqcnn`.

    Args:
        inputs: Sensor and statistics; red, green and blue enter as shares of full scale, in radians.
        num_classes: Classes.

    Raises:
        ConfigError: If the images lack one of the three bands.
    """
    return MQCNN(shares_of_full_scale(inputs, BANDS), num_classes)
