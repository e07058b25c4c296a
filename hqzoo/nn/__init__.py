"""Blocks that architectures share."""

from hqzoo.nn.controls import CONTROLS, Control
from hqzoo.nn.filter_unet import FilterDecoder, FilterEncoder
from hqzoo.nn.normalizer import Normalizer
from hqzoo.nn.quantum_bottleneck import QuantumBottleneck
from hqzoo.nn.qufex import QuFeX
from hqzoo.nn.slots import Slot, fill
from hqzoo.nn.unet import DoubleConv, UNetDecoder, UNetEncoder

__all__ = [
    "CONTROLS",
    "Control",
    "DoubleConv",
    "FilterDecoder",
    "FilterEncoder",
    "Normalizer",
    "QuFeX",
    "QuantumBottleneck",
    "Slot",
    "UNetDecoder",
    "UNetEncoder",
    "fill",
]
