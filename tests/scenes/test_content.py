import numpy as np
import pytest

from hqzoo.errors import ConfigError
from hqzoo.scenes.content import (
    NODATA,
    class_content,
    class_pixels,
    probability_content,
    probability_pixels,
)

PROBABILITIES = np.array([[[0.2, 0.5, 1.0]], [[0.8, 0.5, 0.0]]], dtype=np.float32)
VALID = np.array([[True, False, True]])


def test_class_pixels_are_the_most_probable_class_and_255_where_missing() -> None:
    pixels = class_pixels(PROBABILITIES, VALID)
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[[1, NODATA, 0]]]


def test_probability_pixels_in_both_types() -> None:
    floats = probability_pixels(PROBABILITIES, VALID, "float32")
    assert np.isnan(floats[:, ~VALID]).all()
    np.testing.assert_array_equal(floats[:, VALID], PROBABILITIES[:, VALID])
    stored = probability_pixels(PROBABILITIES, VALID, "uint8")
    content = probability_content(("a", "b"), "uint8")
    assert stored[:, 0, 1].tolist() == [content.nodata] * 2
    assert stored[:, 0, 2].tolist() == [254, 0]
    np.testing.assert_allclose(stored[:, VALID] * content.scale, PROBABILITIES[:, VALID], atol=0.5 / 254)


def test_rounding_above_one_does_not_become_nodata() -> None:
    slightly_more = np.full((1, 1, 1), 1.003, dtype=np.float32)
    assert probability_pixels(slightly_more, np.ones((1, 1), bool), "uint8").item() == 254


def test_names_are_escaped_and_counted() -> None:
    content = class_content(("wood & meadow", "<road>"), None)
    assert content.colours == {}
    assert content.tags == {"CLASS_0": "wood & meadow", "CLASS_1": "<road>"}
    assert content.sidecar is not None
    assert "wood &amp; meadow" in content.sidecar
    with pytest.raises(ConfigError, match="256"):
        class_content([str(index) for index in range(256)], None)


def test_other_types_are_refused() -> None:
    with pytest.raises(ConfigError, match="int16"):
        probability_content(("a",), "int16")
