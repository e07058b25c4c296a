"""Heads on vectors of images: what they compute, and that checkpoints bring them back."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hqzoo.nn.heads import HybridHead, LinearHead, NeighbourHead, Standardise
from hqzoo.nn.slots import fill
from hqzoo.quantum import circuits, compile_circuit


def vectors(count: int, width: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_standardised_vectors_have_mean_0_and_deviation_1_and_constants_stay() -> None:
    given = 5 + 3 * vectors(50)
    given[:, 2] = 7.0
    layer = Standardise(6)
    layer.fit(given)
    found = layer(given)
    torch.testing.assert_close(found.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std(0, unbiased=False)[[0, 1, 3, 4, 5]], torch.ones(5))
    assert (found[:, 2] == 0).all()


def test_a_hybrid_head_is_its_formula() -> None:
    circuit = circuits.qskip(2)
    head = HybridHead(6, 3, circuit, scale=0.7)
    fill(head)
    given = vectors(4)
    angles = 0.7 * torch.tanh(given @ head.reduce.weight.T + head.reduce.bias)
    measured = compile_circuit(circuit)(angles, head.core.weights)
    torch.testing.assert_close(head(given), measured @ head.expand.weight.T + head.expand.bias)


@pytest.mark.parametrize("several", [False, True])
def test_neighbours_vote_by_their_cosine(several: bool) -> None:
    known, asked = vectors(30), vectors(7, seed=1)
    rng = np.random.default_rng(0)
    targets = torch.from_numpy(rng.integers(0, 2, (30, 4)) if several else np.eye(4)[rng.integers(0, 4, 30)]).float()
    head = NeighbourHead(6, 4, neighbours=5, temperature=0.2)
    head.fit(known, targets)
    for logits, vector in zip(head(asked), asked, strict=True):
        cosines = F.cosine_similarity(vector[None], known).numpy()
        nearest = np.argsort(-cosines)[:5]
        votes = np.exp(cosines[nearest] / 0.2)
        share = (votes[:, None] * targets[nearest].numpy()).sum(0) / votes.sum()
        np.testing.assert_allclose(logits.sigmoid(), share.clip(1e-6, 1 - 1e-6), rtol=1e-4)


def test_neighbours_come_back_from_a_state_dict() -> None:
    head, other = NeighbourHead(6, 2, 3), NeighbourHead(6, 2, 20)
    assert not head(vectors(2)).any()  # nobody votes yet
    head.fit(vectors(9), torch.eye(2).repeat(5, 1)[:9])
    other.make_room(9)
    other.load_state_dict(head.state_dict())
    assert torch.equal(head(vectors(4, seed=2)), other(vectors(4, seed=2)))
    assert int(other.chosen) == 3


def test_a_linear_head_is_linear_in_standardised_vectors() -> None:
    head = LinearHead(6, 3)
    head.standardise.fit(10 * vectors(20))
    z = (vectors(4) - (10 * vectors(20)).mean(0)) / (10 * vectors(20)).std(0, unbiased=False)
    torch.testing.assert_close(head(vectors(4)), z @ head.linear.weight.T + head.linear.bias)
