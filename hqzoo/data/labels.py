"""Classes of a segmentation set: from the raw values of its masks to class indices, names and colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hqzoo.errors import ConfigError, DataError

__all__ = ["IGNORE_INDEX", "ClassMap", "colour_value", "default_palette", "raw_values"]

IGNORE_INDEX = 255
"""Class index of pixels that neither losses nor metrics count."""

Colour = tuple[int, int, int]

_UNKNOWN = 254  # marks raw values without a class inside look-up tables; hence at most 254 classes
_LUT_BITS = 16
_FIRST_HUE, _LAST_HUE = 0.09, 0.87  # from orange through green and blue to purple


@dataclass(frozen=True)
class ClassMap:
    """Maps the raw values of masks to class indices ``0..K-1``.

    A raw value is a grey or index value, or for RGB masks the colour as the number ``red * 65536 + green *
    256 + blue`` (see :func:`colour_value`).

    Args:
        names: Name of each class.
        values: Raw mask value of each class; None for ``0..K-1``.
        palette: Colour of each class for maps and figures; None for distinct hues.
        ignore: Raw values of pixels that are not counted. They become :data:`IGNORE_INDEX`.
        colours: Raw value to mask colour for RGB masks, ignored values included; empty when masks are grey or
            indexed.

    Raises:
        ConfigError: If lengths differ, values repeat, or a value is both a class and ignored.
    """

    names: tuple[str, ...]
    values: tuple[int, ...] | None = None
    palette: tuple[Colour, ...] | None = None
    ignore: tuple[int, ...] = ()
    colours: dict[int, Colour] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        values = tuple(range(len(names))) if self.values is None else tuple(int(value) for value in self.values)
        palette = default_palette(len(names)) if self.palette is None else tuple(map(_colour, self.palette))
        for key, value in (("names", names), ("values", values), ("palette", palette)):
            object.__setattr__(self, key, value)
        object.__setattr__(self, "ignore", tuple(int(value) for value in self.ignore))
        if not 1 <= len(names) <= _UNKNOWN:
            raise ConfigError(f"A class map holds 1 to {_UNKNOWN} classes, got {len(names)}.")
        if not len(names) == len(values) == len(palette):
            raise ConfigError(
                f"Each class needs one value and one colour: got {len(names)} names, {len(values)} values, "
                f"{len(palette)} colours."
            )
        if len(set(values)) != len(values) or len(set(names)) != len(names):
            raise ConfigError(
                f"Class names and mask values must be distinct, got {list(zip(values, names, strict=True))}."
            )
        if both := sorted(set(values) & set(self.ignore)):
            raise ConfigError(f"Mask values {both} are both a class and ignored; remove them from one of the two.")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def codes(self) -> tuple[int, ...] | None:
        """Raw value of each class where these are codes of their own; None for class indices, and for colours."""
        plain = self.colours or self.values == tuple(range(len(self.names)))
        return None if plain else self.values

    def encode(
        self, mask: npt.NDArray[np.generic], source: object, nodata: Sequence[int] = ()
    ) -> npt.NDArray[np.uint8]:
        """Turn a raw mask into class indices.

        Args:
            mask: Raw mask ``(H, W)`` of integers or booleans, or ``(H, W, 3)`` uint8 colours.
            source: File that the mask was read from, for the error message.
            nodata: Raw values that this file declares as nodata; ignored where they are no class.

        Returns:
            Class indices ``(H, W)`` uint8 in ``0..K-1`` or :data:`IGNORE_INDEX`.

        Raises:
            DataError: If the mask is no such array, or holds a value that is neither a class nor ignored.
        """
        raw = raw_values(mask, source)
        if (mask.ndim == 3) != bool(self.colours):
            raise DataError(
                f"The mask {source} holds {'colours' if mask.ndim == 3 else 'numbers'}, but the classes of its data "
                f"set are told by {'colours' if self.colours else 'numbers'}. Save all masks in one way: class numbers "
                "in one band, or colours in three."
            )
        if raw.dtype == np.uint8:
            encoded: npt.NDArray[np.uint8] = self._table[:256][raw]
        elif raw.size and raw.min() >= 0 and raw.max() < len(self._table):
            encoded = self._table[raw]
        else:
            encoded = self._search(raw)
        unknown = encoded == _UNKNOWN
        if unknown.any() and nodata:
            encoded[unknown & np.isin(raw, nodata)] = IGNORE_INDEX
            unknown = encoded == _UNKNOWN
        if unknown.any():
            self._refuse(raw[unknown], mask.ndim == 3, source)
        return encoded

    @cached_property
    def _pairs(self) -> dict[int, int]:
        """Raw value (or colour as a number) to class index."""
        pairs = {value: index for index, value in enumerate(self.values or ())}
        pairs.update(dict.fromkeys(self.ignore, IGNORE_INDEX))
        if self.colours:
            return {colour_value(colour): pairs[value] for value, colour in self.colours.items() if value in pairs}
        return pairs

    @cached_property
    def _table(self) -> npt.NDArray[np.uint8]:
        table = np.full(1 << _LUT_BITS, _UNKNOWN, np.uint8)
        for value, index in self._pairs.items():
            if 0 <= value < len(table):
                table[value] = index
        return table

    def _search(self, raw: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """Look up values that no table of moderate size can hold: 24-bit colours, negative or large codes."""
        known = np.array(sorted(self._pairs), dtype=np.int64)
        codes = np.array([self._pairs[int(value)] for value in known] or [_UNKNOWN], dtype=np.uint8)
        place = np.searchsorted(known, raw).clip(0, len(known) - 1)
        return np.where(known[place] == raw, codes[place], np.uint8(_UNKNOWN))

    def _refuse(self, unknown: npt.NDArray[np.integer], coloured: bool, source: object) -> None:
        values, counts = np.unique(unknown, return_counts=True)
        shown = [str(_to_colour(int(value))) if coloured else str(value) for value in values[:10]]
        known = ", ".join(f"{value} {name}" for value, name in zip(self.values or (), self.names, strict=True))
        raise DataError(
            f"The mask {source} holds {'colours' if coloured else 'values'} {', '.join(shown)}"
            f"{', ...' if len(values) > 10 else ''} ({counts.sum()} pixels) that are no class. "
            f"Known: {known}; ignored: {list(self.ignore) or 'none'}. "
            "Add them to `classes`, or to `ignore` if these pixels are not to be counted."
        )


def default_palette(count: int) -> tuple[Colour, ...]:
    """Return ``count`` distinct colours: hues by the golden angle, alternating in lightness.

    None is red: that is the colour of what is wrong, in panels, and of nothing that grows.
    """
    hues = (_FIRST_HUE + (index * 0.618034) % 1 * (_LAST_HUE - _FIRST_HUE) for index in range(count))
    rgb = (colorsys.hls_to_rgb(hue, 0.42 + 0.2 * (index % 2), 0.65) for index, hue in enumerate(hues))
    return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in rgb)


def colour_value(colour: Sequence[int]) -> int:
    """Return a colour as one number, ``red * 65536 + green * 256 + blue``."""
    red, green, blue = _colour(colour)
    return red << 16 | green << 8 | blue


def _to_colour(value: int) -> Colour:
    return value >> 16, value >> 8 & 255, value & 255


def _colour(colour: Sequence[int]) -> Colour:
    parts = tuple(int(part) for part in colour)
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        raise ConfigError(f"A colour is three numbers from 0 to 255, got {list(colour)}.")
    return parts[0], parts[1], parts[2]


def raw_values(mask: npt.NDArray[np.generic], source: object) -> npt.NDArray[np.integer]:
    """Return the raw values ``(H, W)`` of a mask: its own numbers, or its colours as numbers.

    Args:
        mask: Integers or booleans ``(H, W)``, or colours ``(H, W, 3)`` of 8 bits a channel.
        source: File that the mask was read from, for the error message.

    Raises:
        DataError: If the mask is no such array.
    """
    if mask.dtype == np.bool_:
        mask = mask.astype(np.uint8)
    if not np.issubdtype(mask.dtype, np.integer):
        raise DataError(
            f"The mask {source} holds values of type {mask.dtype}; class masks hold integers. "
            "Save it as an 8-bit PNG or an integer TIFF."
        )
    if mask.ndim == 3 and mask.shape[2] == 3:
        colour = mask.astype(np.int64)
        if colour.size and not 0 <= colour.min() <= colour.max() <= 255:
            raise DataError(
                f"The mask {source} holds colours with values up to {colour.max()}; expected 0 to 255. "
                "Save it with 8 bits a channel, or as class numbers in one band."
            )
        return np.asarray(colour[..., 0] << 16 | colour[..., 1] << 8 | colour[..., 2])
    if mask.ndim != 2:
        raise DataError(f"The mask {source} has shape {mask.shape}; expected (H, W), or (H, W, 3) colours.")
    return mask  # type: ignore[return-value]
