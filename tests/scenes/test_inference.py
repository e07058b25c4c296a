from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError, SceneError
from hqzoo.scenes.inference import evaluating, find_device
from tests.fixtures.scenes import MapTask, PixelwiseTask, direct, picture

CPU = torch.device("cpu")


class Trained(MapTask):
    """Dropout, a frozen part in evaluation mode, and a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.frozen = nn.Dropout(0.5), nn.BatchNorm2d(3).eval()
        self.weight = nn.Parameter(torch.ones(()))

    def logits(self, image: Tensor) -> Tensor:
        return self.weight * self.dropout(self.frozen(image / 255))


def test_predicts_probabilities() -> None:
    task, image = PixelwiseTask(), picture(32, 32)
    with evaluating(task, 3, CPU) as predict:
        np.testing.assert_allclose(predict(image[None].astype(np.float32))[0], direct(task, image), atol=1e-6)


def test_evaluation_mode_lasts_as_long_as_the_block_also_after_an_error() -> None:
    task = Trained()
    images = picture(32, 32)[None].astype(np.float32)
    with suppress(KeyboardInterrupt), evaluating(task, 3, CPU) as predict:
        assert not task.training
        np.testing.assert_array_equal(predict(images), predict(images))
        raise KeyboardInterrupt
    assert task.training
    assert task.dropout.training
    assert not task.frozen.training


def test_the_task_can_be_trained_afterwards() -> None:
    task = Trained()
    with evaluating(task, 3, CPU) as predict:
        predict(np.ones((1, 3, 32, 32), dtype=np.float32))
    task(torch.ones(2, 3, 32, 32)).sum().backward()
    assert task.weight.grad is not None


class Broken(MapTask):
    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.value = logits

    def logits(self, image: Tensor) -> Tensor:
        return self.value


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.full((1, 3, 32, 32), torch.nan), "NaN"),
        (torch.full((1, 3, 32, 32), torch.inf), "NaN"),
        (torch.zeros(1, 5, 32, 32), r"\(1, 5, 32, 32\), expected \(1, 3, 32, 32\)"),
        (torch.zeros(1, 3, 8, 8), r"\(1, 3, 8, 8\)"),
    ],
)
def test_broken_logits_are_an_error(logits: Tensor, message: str) -> None:
    with evaluating(Broken(logits), 3, CPU) as predict, pytest.raises(SceneError, match=message):
        predict(np.zeros((1, 3, 32, 32), dtype=np.float32))


def test_devices() -> None:
    assert find_device("cpu") == CPU
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    assert find_device("auto").type == (accelerator.type if accelerator else "cpu")
    with pytest.raises(ConfigError, match=r"'gpu' is no device.*auto, cpu"):
        find_device("gpu")
    with pytest.raises(ConfigError, match="no device 'cuda:64' in this machine; it has: auto, cpu"):
        find_device("cuda:64")
