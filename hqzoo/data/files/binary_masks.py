"""Masks of one thing before its background, in every way that files write two values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hqzoo.data.labels import ClassMap
from hqzoo.errors import DataError

__all__ = ["BinaryClassMap"]


class BinaryClassMap(ClassMap):
    """Two classes in masks that hold 0 and 1, 0 and 255, one bit a pixel, or black and white as RGB.

    The first class is 0 or black, the second 1, 255 or white.
    """

    def encode(
        self, mask: npt.NDArray[np.generic], source: object, nodata: Sequence[int] = ()
    ) -> npt.NDArray[np.uint8]:
        """Turn a raw mask into class indices.

        Args:
            mask: Raw mask ``(H, W)`` of booleans or integers, or ``(H, W, 3)`` of equal channels.
            source: File that the mask was read from, for the error message.
            nodata: Without effect: 0, 1 and 255 are classes.

        Returns:
            Class indices ``(H, W)`` uint8, 0 or 1.

        Raises:
            DataError: If the mask holds anything else; the message names the file and the values.
        """
        raw = mask[..., 0] if mask.ndim == 3 and (mask == mask[..., :1]).all() else mask
        values = np.unique(raw)
        if raw.ndim != 2 or not (np.isin(values, (0, 1)).all() or np.isin(values, (0, 255)).all()):
            shown = "colours" if raw.ndim == 3 else ", ".join(map(str, values[:10].tolist()))
            raise DataError(
                f"The mask {source} holds {'' if raw.ndim == 3 else 'the values '}{shown}"
                f"{', ...' if values.size > 10 else ''}. Expected 0 ({self.names[0]}) and 1 or 255 ({self.names[1]}). "
                "JPEG and smooth resizing blur masks: take the original file."
            )
        encoded: npt.NDArray[np.uint8] = np.asarray(raw != 0).astype(np.uint8)
        return encoded
