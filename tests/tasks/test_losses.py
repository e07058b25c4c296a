import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hqzoo.errors import ConfigError
from hqzoo.tasks.losses import LOSSES, LossSettings, SegmentationLoss

K = 4
IGNORE = 255


def batch(seed=0, ignored=0.2, size=(3, 9, 11), classes=K):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(size[0], K, *size[1:], generator=generator)
    mask = torch.randint(0, classes, size, generator=generator)
    mask[torch.rand(size, generator=generator) < ignored] = IGNORE
    return logits.requires_grad_(), mask


def probabilities(logits):
    """Softmax in numpy, (B, K, H, W) float64."""
    z = logits.detach().double().numpy()
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def dice_by_loops(logits, mask):
    p, y = probabilities(logits), mask.numpy()
    losses = []
    for k in range(K):
        if not (y == k).any():
            continue
        overlap = p[:, k][y == k].sum()
        size = p[:, k][y != IGNORE].sum() + (y == k).sum()
        losses.append(1 - (2 * overlap + 1) / (size + 1))
    return np.mean(losses)


def focal_by_loops(logits, mask, gamma, weights):
    p, total, norm = probabilities(logits), 0.0, 0.0
    for b, i, j in np.argwhere(mask.numpy() != IGNORE):
        k = int(mask[b, i, j])
        true = p[b, k, i, j]
        total -= weights[k] * (1 - true) ** gamma * np.log(true)
        norm += weights[k]
    return total / norm


@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 3.0, 2.0]])
def test_cross_entropy_is_torch_s_weighted_mean(weights):
    logits, mask = batch()
    loss = SegmentationLoss(LossSettings("ce", class_weights=weights), K)(logits, mask)
    weight = None if weights is None else torch.tensor(weights)
    torch.testing.assert_close(loss, F.cross_entropy(logits, mask, weight, ignore_index=IGNORE))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 3.0, 2.0]])
def test_focal_is_its_formula_pixel_by_pixel(gamma, weights):
    logits, mask = batch(1)
    loss = SegmentationLoss(LossSettings("focal", gamma=gamma, class_weights=weights), K)(logits, mask)
    assert loss.item() == pytest.approx(focal_by_loops(logits, mask, gamma, weights or [1.0] * K), rel=1e-5)


def test_focal_without_focus_is_cross_entropy_with_the_same_gradient():
    logits, mask = batch(2)
    focal = SegmentationLoss(LossSettings("focal", gamma=0.0), K)(logits, mask)
    entropy = SegmentationLoss(LossSettings("ce"), K)(logits, mask)
    torch.testing.assert_close(focal, entropy)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (focal, entropy)))


@given(seed=st.integers(0, 1000), ignored=st.sampled_from([0.0, 0.3, 0.9]), classes=st.integers(1, K))
@settings(max_examples=30, deadline=None)
def test_dice_is_its_formula_over_the_classes_that_are_there(seed, ignored, classes):
    logits, mask = batch(seed, ignored, classes=classes)
    if (mask == IGNORE).all():
        return
    loss = SegmentationLoss(LossSettings("dice"), K)(logits, mask)
    assert loss.item() == pytest.approx(dice_by_loops(logits, mask), abs=1e-5)


@pytest.mark.parametrize("pixelwise", ["ce", "focal"])
def test_sums_are_sums(pixelwise):
    logits, mask = batch(3)

    def loss(name):
        return SegmentationLoss(LossSettings(name, dice_weight=0.7), K)(logits, mask)

    torch.testing.assert_close(loss(f"{pixelwise}_dice"), loss(pixelwise) + 0.7 * loss("dice"))


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_a_perfect_prediction_costs_nothing_and_a_wrong_one_much(self, name):
        _, mask = batch(4)
        right = 40 * F.one_hot(mask.where(mask != IGNORE, 0), K).movedim(-1, 1).float()
        loss = SegmentationLoss(LossSettings(name), K)
        assert loss(right, mask).item() < 1e-3
        assert loss(-right, mask).item() > 0.5

    def test_ignored_pixels_do_not_matter(self, name):
        logits, mask = batch(5)
        loss = SegmentationLoss(LossSettings(name), K)
        ignored = (mask == IGNORE).unsqueeze(1)
        torch.testing.assert_close(loss(logits, mask), loss(logits + 7 * ignored * torch.randn(K, 1, 1), mask))
        gradient = torch.autograd.grad(loss(logits, mask), logits)[0]
        assert not (gradient * ignored).any()
        assert gradient.any()

    @pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0, 4.0]])
    def test_a_batch_without_labels_gives_zero_and_no_gradient(self, name, weights):
        logits, mask = batch(6)
        loss = SegmentationLoss(LossSettings(name, class_weights=weights), K)(logits, torch.full_like(mask, IGNORE))
        assert loss.item() == 0
        assert not torch.autograd.grad(loss, logits)[0].any()

    def test_other_ignore_index(self, name):
        logits, mask = batch(7)
        other = mask.where(mask != IGNORE, -1)
        expected = SegmentationLoss(LossSettings(name), K)(logits, mask)
        torch.testing.assert_close(SegmentationLoss(LossSettings(name, ignore_index=-1), K)(logits, other), expected)

    def test_bf16_logits_in_any_memory_order_give_a_float32_loss(self, name):
        logits, mask = batch(8)
        loss = SegmentationLoss(LossSettings(name), K)
        half = logits.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(half.contiguous(memory_format=torch.channels_last), mask)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(half.float(), mask))

    def test_gradient_is_finite_where_the_model_is_certain(self, name):
        _, mask = batch(9)
        certain = (1e4 * F.one_hot(mask.where(mask != IGNORE, 0), K).movedim(-1, 1).float()).requires_grad_()
        value = SegmentationLoss(LossSettings(name, gamma=0.5), K)(certain, mask)
        assert torch.autograd.grad(value, certain)[0].isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ce_dise"}, "Did you mean 'ce_dice'"),
        ({"class_weights": [1.0, 2.0]}, "2 numbers, but there are 4 classes"),
        ({"class_weights": [1.0, 2.0, 0.0, 1.0]}, "positive finite"),
        ({"class_weights": [1.0, 2.0, float("nan"), 1.0]}, "positive finite"),
        ({"gamma": -1.0}, r"gamma \(-1.0\)"),
        ({"dice_weight": -1.0}, "dice_weight"),
    ],
)
def test_nonsense_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        SegmentationLoss(LossSettings(**arguments), K)


def test_class_weights_are_no_weights_of_the_model():
    assert not SegmentationLoss(LossSettings(class_weights=[1.0] * K), K).state_dict()
