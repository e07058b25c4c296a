"""Masks as functions of seed, epoch, step and sample."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqzoo.errors import ConfigError
from hqzoo.nn.block_masks import BlockMasks
from hqzoo.nn.keyed_random import keyed_uniform


def test_sizes_of_blocks_are_those_of_the_published_ranges() -> None:
    """Shares that were counted over 20,000 draws of the published rule, for targets of .15 to .2 and .2 to .3."""
    shares = {(5, 5): 0.42, (6, 4): 0.25, (4, 5): 0.20, (6, 5): 0.13}
    masks = BlockMasks()
    counted = Counter(masks.sizes(step)[1] for step in range(4000))
    assert set(counted) == set(shares)
    assert all(abs(counted[size] / 4000 - share) < 0.03 for size, share in shares.items())
    assert {masks.sizes(step)[0] for step in range(100)} == {(11, 11)}
    larger = BlockMasks(target_scale=(0.2, 0.3))
    assert {larger.sizes(step)[1] for step in range(500)} == {(6, 6), (5, 6), (7, 5), (8, 5), (7, 6)}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31), st.integers(0, 50), st.integers(0, 10_000), st.sampled_from(["fixed", "batch_min"]),
    st.booleans(),
)  # fmt: skip
def test_blocks_are_rectangles_apart_from_the_context(seed, epoch, step, tokens, inclusive) -> None:
    masks = BlockMasks(seed=seed, context_tokens=tokens, inclusive=inclusive)
    (_, (height, width)), found = masks.sizes(step), masks.draw(torch.arange(5) - 2, epoch, step)
    assert found.targets.shape == (5, 4, height * width)
    for context, targets in zip(found.context.tolist(), found.targets.tolist(), strict=True):
        assert context == sorted(set(context))
        assert not set(context) & {patch for block in targets for patch in block}
        for block in targets:
            rows, columns = sorted({patch // 12 for patch in block}), sorted({patch % 12 for patch in block})
            assert (rows[-1] - rows[0], columns[-1] - columns[0]) == (height - 1, width - 1)
            assert inclusive or (rows[-1] < 11 and columns[-1] < 11)


def test_a_sample_has_the_same_mask_in_every_batch() -> None:
    masks, keys = BlockMasks(seed=3), torch.randint(-(2**62), 2**62, (64,), generator=torch.Generator().manual_seed(0))
    whole = masks.draw(keys, 2, 7)
    parts = [masks.draw(part, 2, 7) for part in (keys[::2], keys[1::2])]
    assert torch.equal(whole.context[::2], parts[0].context)
    assert torch.equal(whole.targets[1::2], parts[1].targets)
    assert not torch.equal(whole.targets, masks.draw(keys, 3, 7).targets)


def test_contexts_lie_everywhere() -> None:
    """No patch is context more than 1.5 times as often as the mean; only the centre, mostly target, is less."""
    masks, used = BlockMasks(), torch.zeros(144)
    for step in range(20):
        used += torch.bincount(masks.draw(torch.arange(2000) + 5000 * step, 0, step).context.flatten(), minlength=144)
    share = (used / used.mean()).view(12, 12)
    assert share.max() < 1.5
    assert share.min() > 0.4
    assert (share.mean(1) - share.mean(1).flip(0)).abs().max() < 0.03  # upper rows as lower ones


def test_the_official_form_leaves_the_lower_rows_out() -> None:
    masks = BlockMasks(context_tokens="batch_min", inclusive=False)
    used = torch.zeros(144)
    for step in range(60):
        found = masks.draw(torch.arange(64) + 1000 * step, 0, step)
        assert found.context.shape[1] > 10
        used += torch.bincount(found.context.flatten(), minlength=144)
    rows = used.view(12, 12).mean(1) / (60 * 64)
    assert rows[0] > 0.3
    assert rows[10] < 0.06
    assert rows[11] == 0  # its upper bound is exclusive


def test_numbers_are_uniform_and_independent() -> None:
    numbers = keyed_uniform(torch.arange(400), 250, 1, 2).double()
    counts = torch.histc(numbers, 20, 0, 1)
    assert ((counts - 5000) ** 2 / 5000).sum() < 45  # chi-squared with 19 degrees of freedom, p < .001
    assert torch.corrcoef(numbers).fill_diagonal_(0).abs().max() < 0.35
    assert torch.corrcoef(numbers.T).fill_diagonal_(0).abs().max() < 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": (1, 12)}, "at least 2 x 2"),
        ({"target_scale": (0.3, 0.2)}, "target_scale"),
        ({"context_tokens": "all"}, "context_tokens='all'"),
        ({"target_aspect": (0.0, 1.0)}, "target_aspect"),
    ],
)
def test_what_makes_no_sense_is_named(arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        BlockMasks(**arguments)
