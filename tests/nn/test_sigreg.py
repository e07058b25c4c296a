"""SIGReg against the integral in closed form, and against lightly's implementation."""

import pytest
import torch
from lightly.loss import SIGReg as Lightly

from hqzoo.errors import ConfigError
from hqzoo.nn.sigreg import SIGReg, epps_pulley, exact_epps_pulley


@pytest.mark.parametrize("form", ["package", "listing"])
def test_it_is_the_integral(form) -> None:
    vectors = torch.randn(300, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1.4 + 0.3
    module = SIGReg(8, form=form).double()
    exact = torch.stack([exact_epps_pulley(each) for each in (vectors @ module.directions(4, 5).double().mT).T]).mean()
    assert module(vectors, 5).item() == pytest.approx(exact.item(), rel=2e-3)
    assert SIGReg(8, form=form, normalize_by_n=True).double()(vectors, 5).item() == pytest.approx(
        exact.item() / 300, rel=2e-3
    )


def test_the_closed_form_is_the_integral() -> None:
    numbers = torch.randn(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    places = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    weights = torch.exp(-(places**2) / 2) * (places[1] - places[0])
    assert exact_epps_pulley(numbers).item() == pytest.approx(epps_pulley(numbers[:, None], places, weights).item())


def test_it_is_lightlys(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = SIGReg(32), Lightly(num_vectors=32)
    vectors = torch.randn(64, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    monkeypatch.setattr(theirs, "_generate_unit_vectors", lambda *_, **__: ours.directions(8, 3).mT)
    own, other = ours(vectors, 3), theirs(vectors)
    torch.testing.assert_close(own, other)
    torch.testing.assert_close(*(torch.autograd.grad(each, vectors)[0] for each in (own, other)))


def test_normal_vectors_score_low_and_collapsed_ones_high() -> None:
    module, generator = SIGReg(64), torch.Generator().manual_seed(3)
    normal = module(torch.randn(512, 16, generator=generator), 0)
    assert normal < 2
    assert module(torch.zeros(512, 16), 0) > 50 * normal


def test_directions_follow_from_seed_and_step() -> None:
    module = SIGReg(4, seed=1)
    assert torch.equal(module.directions(6, 2), SIGReg(4, seed=1).directions(6, 2))
    assert not torch.equal(module.directions(6, 2), module.directions(6, 3))
    torch.testing.assert_close(module.directions(6, 2).norm(dim=1), torch.ones(4))


def test_what_makes_no_sense_is_named() -> None:
    with pytest.raises(ConfigError, match="form='gauss'"):
        SIGReg(form="gauss")
    with pytest.raises(ConfigError, match="batch of 1 has none"):
        SIGReg(4)(torch.randn(1, 4), 0)
