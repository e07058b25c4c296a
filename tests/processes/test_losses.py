"""The loss of a batch does not depend on how processes share it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from hqzoo.tasks.losses import LOSSES, LossSettings, SegmentationLoss
from tests.processes.launch import on_processes

K = 3


def batch(labelled: float) -> tuple[Tensor, Tensor]:
    """Four images of three classes; of the last two only some pixels are labelled."""
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(4, K, 6, 7, generator=generator, dtype=torch.float64)
    mask = torch.randint(0, K, (4, 6, 7), generator=generator)
    mask[2:][torch.rand(2, 6, 7, generator=generator) >= labelled] = 255
    return logits, mask


def losses(logits: Tensor, mask: Tensor) -> list[tuple[float, npt.NDArray[Any]]]:
    """Return every loss, and its gradient."""
    found = []
    for name in LOSSES:
        leaf = logits.clone().requires_grad_()
        value = SegmentationLoss(LossSettings(name, class_weights=[1.0, 2.0, 0.5]), K).double()(leaf, mask)
        value.backward()
        found.append((value.item(), leaf.grad.numpy()))
    return found


def share(labelled: float) -> list[tuple[float, npt.NDArray[Any]]]:
    torch.distributed.init_process_group("gloo")
    logits, mask = batch(labelled)
    rank = torch.distributed.get_rank()
    return losses(logits[2 * rank :][:2], mask[2 * rank :][:2])


@pytest.mark.parametrize("labelled", [0.4, 0.0])
def test_two_processes_have_the_loss_of_the_whole_batch(labelled: float) -> None:
    whole = losses(*batch(labelled))
    first, second = on_processes(2, share, labelled)
    for (value, gradient), (one, upper), (two, lower) in zip(whole, first, second, strict=True):
        assert one == two == pytest.approx(value, rel=1e-12)
        shares = np.concatenate([upper, lower]) / 2  # what DDP's mean over processes makes of them
        np.testing.assert_allclose(shares, gradient, rtol=0, atol=1e-14)
