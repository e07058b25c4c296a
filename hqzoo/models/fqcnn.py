"""FQCNN (Kumar et al., public code; the first row of HQ-UNet's table I): cosines of pixels, and a decoder."""

from __future__ import annotations

from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.models.full_scale import shares_of_full_scale
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn.quantum_windows import CosineWindows, WindowDecoder, windows

__all__ = ["FQCNN", "fqcnn"]

CONTROLS = ((), (0, 2), (1, 3), (0, 1))  # position qubits that control the rotation by each pixel of a window


class FQCNN(Model):
    """One number per band and window of 2x2 pixels, then a decoder; see :func:`fqcnn`."""

    size_multiple = (2, 2)

    def __init__(self, pixels: nn.Module, channels: int, num_classes: int) -> None:
        super().__init__()
        self.pixels, self.filter = pixels, CosineWindows(CONTROLS)
        self.decoder = WindowDecoder(channels, 64, num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides even, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others.
        """
        self.check_size(image)
        out: Tensor = self.decoder(self.filter(windows(self.pixels(image))))
        return out


@register_model(
    summary="fixed 2x2 quantum filter of each band in closed form, and a small decoder",
    parameters=3_077,
    paper="github.com/hrithikkmr527/Quantum_ML; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .5326, by HQ-UNet's paper"},
    limits={"any_size": "windows of 2x2 pixels need even sides"},
)
def fqcnn(inputs: Inputs, num_classes: int = 5) -> FQCNN:
    """Build FQCNN as its authors' code runs it.

    The published filter has 24 weights, eight controlled U3 gates. They are controlled on the wire that is read and act
    on another one, so that none of them changes the output, and the authors' code passes them as plain numbers: no
    gradient either. What is left is a fixed feature, computed here in closed form
    (:class:`hqzoo.nn.quantum_windows.CosineWindows`, equal to :func:`hqzoo.quantum.circuits.fqcnn`); there is no
    quantum part to train, and none that a control could replace.

    Args:
        inputs: Sensor and statistics; pixels enter as shares of full scale, in radians, the same filter for all bands.
        num_classes: Classes.
    """
    bands = inputs.single.bands
    return FQCNN(shares_of_full_scale(inputs, bands), len(bands), num_classes)
