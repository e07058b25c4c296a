"""Blocks that architectures share."""

from hqzoo.nn.controls import CONTROLS, Control
from hqzoo.nn.filter_unet import FilterDecoder, FilterEncoder
from hqzoo.nn.frozen import Frozen, frozen_parts
from hqzoo.nn.normalizer import Normalizer, Rescale
from hqzoo.nn.processes import several_processes, sum_over_processes
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
    "Frozen",
    "Normalizer",
    "QuFeX",
    "QuantumBottleneck",
    "Rescale",
    "Slot",
    "UNetDecoder",
    "UNetEncoder",
    "fill",
    "frozen_parts",
    "several_processes",
    "sum_over_processes",
]
