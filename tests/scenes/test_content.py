import numpy as np
import pytest

from hqzoo.errors import ConfigError
from hqzoo.scenes.content import (
    NODATA,
    ClassPixels,
    class_content,
    most_probable,
    probability_content,
    probability_pixels,
)

PROBABILITIES = np.array([[[0.2, 0.5, 1.0]], [[0.8, 0.5, 0.0]]], dtype=np.float32)
VALID = np.array([[True, False, True]])


def test_class_pixels_are_the_most_probable_class_and_255_where_missing() -> None:
    pixels = ClassPixels.of(2).of_probabilities(PROBABILITIES, VALID)
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[[1, NODATA, 0]]]


def test_the_most_probable_class_is_that_of_argmax_also_among_equals() -> None:
    probabilities = np.random.default_rng(0).integers(0, 4, (5, 40, 30)).astype(np.float32)
    np.testing.assert_array_equal(most_probable(probabilities), probabilities.argmax(axis=0))


@pytest.mark.parametrize(
    ("codes", "dtype", "missing"),
    [
        ((0, 1), "uint8", 255),
        ((0, 255), "uint8", 254),  # black and white masks
        ((255, 254), "uint8", 253),
        ((1, 300), "uint16", 65535),
        ((-1, 5), "int32", 2**31 - 1),
        ((5, 2**16), "int32", 2**31 - 1),
    ],
)
def test_codes_of_masks_are_kept_in_a_type_that_holds_them(codes: tuple, dtype: str, missing: int) -> None:
    pixels = ClassPixels.of(2, codes)
    assert (pixels.dtype, pixels.missing) == (dtype, missing)
    assert pixels.of_probabilities(PROBABILITIES, VALID).tolist() == [[[codes[1], missing, codes[0]]]]
    content = class_content(("a", "b"), ((1, 2, 3), (4, 5, 6)), pixels)
    assert content.tags == {f"CLASS_{codes[0]}": "a", f"CLASS_{codes[1]}": "b"}
    if dtype != "int32":  # GeoTIFF has no colour table for it
        assert content.colours[codes[1]] == (4, 5, 6, 255)
        assert content.colours[missing] == (0, 0, 0, 0)


def test_codes_that_no_map_holds() -> None:
    with pytest.raises(ConfigError, match="32-bit"):
        ClassPixels.of(2, (0, 2**40))


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
    many = class_content([str(index) for index in range(256)], None)
    assert (many.dtype, many.nodata, many.sidecar) == ("uint16", 65535, None)


def test_other_types_are_refused() -> None:
    with pytest.raises(ConfigError, match="int16"):
        probability_content(("a",), "int16")
