"""Linear CKA: cases with a known answer; and the watch over experts, against it."""

import pytest
import torch
from torch import nn

from hqzoo.nn.cka import linear_cka
from hqzoo.nn.expert_watch import ExpertWatch


def test_rotations_shifts_and_factors_change_nothing():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=generator)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator))[0]
    assert linear_cka(x, 3 * x @ rotation + 2) == pytest.approx(1)
    assert 0 < linear_cka(x, torch.randn(40, 7, generator=generator)) < 0.6


def test_one_dimension_each_is_the_squared_correlation():
    x, y = torch.tensor([1.0, 2.0, 4.0, 3.0]), torch.tensor([2.0, 1.0, 5.0, 7.0])
    correlation = torch.corrcoef(torch.stack([x, y]))[0, 1]
    assert linear_cka(x[:, None], y[:, None]) == pytest.approx(float(correlation**2), abs=1e-6)


def test_a_known_share_in_closed_form():
    """Of two uncorrelated signals a, b of variance 1, (a, b) against (a): 1 / sqrt(2); a against b: 0."""
    a, b = torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.tensor([1.0, -1.0, 1.0, -1.0])
    assert linear_cka(torch.stack([a, b], 1), a[:, None]) == pytest.approx(2**-0.5)
    assert linear_cka(a[:, None], b[:, None]) == pytest.approx(0)
    assert linear_cka(a[:, None], torch.full((4, 3), 0.7)) is None


class Shares(nn.Module):
    def forward(self, x):
        return x[:, :3].softmax(-1)


def test_the_watch_says_what_happened_over_all_batches_in_evaluation():
    torch.manual_seed(0)
    experts = nn.ModuleDict({"a": nn.Linear(6, 4), "b": nn.Linear(6, 4), "c": nn.Linear(6, 4)})
    router = Shares()
    watch = ExpertWatch(dict(experts.items()), router, 4, torch.device("cpu"))

    def run(x):
        outputs = [expert(x) for expert in experts.values()]
        return outputs, router(x)

    batches = [torch.randn(n, 6) for n in (5, 1, 8)]
    router.eval()
    with torch.inference_mode():
        found = [run(x) for x in batches]
    router.train()
    run(torch.randn(50, 6))  # costs are measured in training mode, on images that are tested too
    report = watch.report()
    shares = torch.cat([gates for _, gates in found])
    assert report["images"] == 14
    for k, name in enumerate("abc"):
        expected = {
            "share": float(shares[:, k].mean()),
            "share_std": float(shares[:, k].std(correction=0)),
            "largest": float((shares.argmax(1) == k).float().mean()),
        }
        assert report["experts"][name] == pytest.approx(expected, abs=1e-6)
    a, b, c = (torch.cat([outputs[k] for outputs, _ in found]) for k in range(3))
    assert report["cka"] == pytest.approx(
        {"a, b": linear_cka(a, b), "a, c": linear_cka(a, c), "b, c": linear_cka(b, c)}, abs=1e-6
    )
    assert not any(module._forward_hooks for module in (*experts.values(), router))


def test_a_watch_that_saw_nothing_says_nothing():
    assert ExpertWatch({"a": nn.Linear(2, 2)}, Shares(), 2, torch.device("cpu")).report() == {}
