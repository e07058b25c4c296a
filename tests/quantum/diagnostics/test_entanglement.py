"""Meyer-Wallach: product, GHZ and W states, and a circle of Bell pairs."""

import math

import pytest
import torch

from hqzoo.quantum import Circuit, Pauli, circuits, separable, weight
from hqzoo.quantum.diagnostics import entangling_capability, meyer_wallach
from hqzoo.quantum.gates import CNOT, CRY, RY, H, X

NONE = torch.zeros(1, 0, dtype=torch.float64)
NO_WEIGHTS = torch.zeros(0, dtype=torch.float64)


def q(n, gates, weights=NO_WEIGHTS):
    return float(meyer_wallach(Circuit(n, gates, [Pauli("Z", 0)]), NONE, weights))


def test_product_states_are_not_entangled():
    assert q(3, [H(0), RY(0.3, 1), X(2)]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_ghz_states_are_as_entangled_as_can_be(n):
    assert q(n, [H(0), *(CNOT(k, k + 1) for k in range(n - 1))]) == pytest.approx(1)


def test_a_pair_beside_idle_wires_counts_by_its_share():
    assert q(4, [H(1), CNOT(1, 3)]) == pytest.approx(0.5)


def test_w_state():
    first, second = 2 * math.acos(1 / math.sqrt(3)), math.pi / 2
    gates = [RY(first, 0), CRY(second, 0, 1), CNOT(1, 2), CNOT(0, 1), X(0)]
    assert q(3, gates) == pytest.approx(8 / 9)  # 4 (n - 1) / n^2


def test_an_angle():
    """RY(θ) and a CNOT: both Bloch vectors are (0, 0, cos θ), so Q = sin^2 θ, on average 1/2."""
    gates = [RY(weight(0), 0), CNOT(0, 1)]
    assert q(2, gates, torch.tensor([0.7], dtype=torch.float64)) == pytest.approx(math.sin(0.7) ** 2)
    assert entangling_capability(Circuit(2, gates, [Pauli("Z", 0)]), draws=400) == pytest.approx(0.5, abs=0.06)


def test_hq_unet_entangles_only_with_its_entanglers():
    assert entangling_capability(circuits.hq_unet(2, 2), draws=20) > 0.5
    assert entangling_capability(separable(circuits.hq_unet(2, 2)), draws=5) == pytest.approx(0, abs=1e-12)
