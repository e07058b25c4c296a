"""Blocks that architectures share."""

from hqzoo.nn.controls import CONTROLS, build_core
from hqzoo.nn.normalizer import Normalizer
from hqzoo.nn.quantum_bottleneck import QuantumBottleneck
from hqzoo.nn.unet import DoubleConv, UNetDecoder, UNetEncoder

__all__ = [
    "CONTROLS",
    "DoubleConv",
    "Normalizer",
    "QuantumBottleneck",
    "UNetDecoder",
    "UNetEncoder",
    "build_core",
]
