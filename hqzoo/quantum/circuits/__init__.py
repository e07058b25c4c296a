"""The circuits of the published hybrid networks, by name: one file a paper."""

from __future__ import annotations

from collections.abc import Callable

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.circuits.baselines import coqcnn, fqcnn, mqcnn
from hqzoo.quantum.circuits.hq_jepa import fidelity, swap_test
from hqzoo.quantum.circuits.hq_unet import hq_unet
from hqzoo.quantum.circuits.hqf_net import qmoe, qskip
from hqzoo.quantum.circuits.qcnn import qcnn
from hqzoo.quantum.circuits.quanvolution import quanvolution
from hqzoo.quantum.circuits.qufex import qufex

__all__ = [
    "coqcnn", "fidelity", "fqcnn", "hq_unet", "mqcnn", "named", "qcnn", "qmoe", "qskip", "quanvolution", "qufex",
    "swap_test",
]  # fmt: skip


def named() -> dict[str, Callable[..., Circuit]]:
    """Return all named circuits: name and function, each of which needs no argument."""
    functions = (
        hq_unet, qufex, qskip, qmoe, swap_test, fidelity, fqcnn, mqcnn, coqcnn, quanvolution, qcnn,
    )  # fmt: skip
    return {function.__name__: function for function in functions}
