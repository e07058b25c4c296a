"""One sample of a data set as it is stored, wherever it lies; above all an image with its mask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data.labels import IGNORE_INDEX

__all__ = ["ArrayRecord", "ImageRecord", "Record", "Window"]

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.uint8]
Missing = npt.NDArray[np.bool_]

_CORNER = 64  # pixels


class Window(NamedTuple):
    """A rectangle of an image in pixels."""

    row: int
    col: int
    height: int
    width: int

    def of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the view of ``array (..., H, W)`` inside this window."""
        return array[..., self.row : self.row + self.height, self.col : self.col + self.width]


class Record(ABC):
    """One sample as it is stored. Data sets derive from it, or from :class:`ImageRecord`.

    Args:
        name: Name of the sample, unique in its split; maps and reports carry it.

    Attributes:
        stated: Labels that are told by a table or a folder, and not by the record's own files; plain values.
    """

    stated: Any = None

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Read and decode everything that is worth keeping in memory.

        Returns:
            One image ``(C, H, W)`` of any real dtype in its sensor's unit per sensor, by the sensor's name; whatever
            else belongs to the sample, such as ``"mask"`` or ``"label"``.

        Raises:
            DataError: If a file is missing, damaged, or does not fit the others; the message names the file.
        """

    def stored(self) -> dict[str, npt.NDArray[Any]]:
        """Return what is worth packing of the record, from which :meth:`made_of` makes its arrays.

        These are the arrays themselves, unless they are smaller as they are stored. All records of a data set have
        the same names, types and shapes.

        Raises:
            DataError: As :meth:`arrays` does.
        """
        return self.arrays()

    def made_of(self, stored: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return what :meth:`arrays` does, of what :meth:`stored` returned."""
        return stored

    @property
    def in_memory(self) -> bool:
        """Whether nothing has to be decoded."""
        return False

    @property
    def labelled(self) -> bool:
        """Whether the record has targets."""
        return True

    @property
    def file(self) -> Path | None:
        """The file that the record is read from, where it is one."""
        return None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the record is read from; empty where they are not known, or shared by all records."""
        return () if self.file is None else (self.file,)

    @property
    def placed(self) -> Path | None:
        """The file whose georeference says where the record lies; None: nothing says so."""
        return self.file

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names under which other data sets know the sample."""
        return ()

    @property
    def source(self) -> Record:
        """The record as its files hold it."""
        return self

    @property
    def identity(self) -> tuple[str | int, ...]:
        """What tells this record from another one in fingerprints: plain values that sort."""
        return (self.name,)

    def extent(self) -> int:
        """Return how large the record is compared with others of its data set."""
        return 1

    def bytes_per_extent(self) -> int:
        """Return how many bytes a unit of :meth:`extent` takes once it is decoded."""
        return sum(array.nbytes for array in self.arrays().values())


class ImageRecord(Record):
    """One image with its class mask, which can be read in part.

    Args:
        name: Name of the image, unique in its split; maps and reports carry it.
        height: Height in pixels.
        width: Width in pixels.
    """

    def __init__(self, name: str, height: int, width: int) -> None:
        super().__init__(name)
        self.height, self.width = height, width

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return image and mask; without a mask all pixels are ignored."""
        return dict(zip(("image", "mask"), self.read_labelled(None), strict=True))

    def read_labelled(self, window: Window | None) -> tuple[Image, Mask]:
        """Read as :meth:`read` does; without a mask all pixels are ignored."""
        image, mask = self.read(window)
        return image, np.full(image.shape[-2:], IGNORE_INDEX, np.uint8) if mask is None else mask

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Name, height and width."""
        return (self.name, self.height, self.width)

    def extent(self) -> int:
        """Return the number of pixels."""
        return self.height * self.width

    def bytes_per_extent(self) -> int:
        """Return the bytes of a pixel with its class, as a look at one corner tells."""
        image, mask = self.read_labelled(Window(0, 0, min(self.height, _CORNER), min(self.width, _CORNER)))
        return -(-(image.nbytes + mask.nbytes) // mask.size)

    @abstractmethod
    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read the image and its mask.

        Args:
            window: Part to read; None for all of it.

        Returns:
            Image ``(C, H, W)`` of any real dtype in the sensor's unit, and class indices ``(H, W)`` uint8 in
            ``0..K-1`` or ``IGNORE_INDEX`` (None where the image has no mask).

        Raises:
            DataError: If a file is missing, damaged, or does not fit the others; the message names the file.
        """

    def missing(self, window: Window | None = None) -> Missing | None:
        """Tell where the image has no measurement, as its files declare it: nodata, masks, transparency.

        :meth:`read` returns such pixels filled with a plausible value, and ignored in the mask. Not every ignored pixel
        is missing: a pixel without a label still counts in statistics.

        Args:
            window: Part to look at; None for all of it.

        Returns:
            True where missing, ``(H, W)``; None where nothing is, which data sets without such declarations leave
            it at.
        """
        return None


class ArrayRecord(ImageRecord):
    """An image that is already in memory.

    Args:
        name: Name of the image.
        image: Image ``(C, H, W)`` in the sensor's unit.
        mask: Class indices ``(H, W)`` uint8, or None.
    """

    def __init__(self, name: str, image: Image, mask: Mask | None = None) -> None:
        super().__init__(name, *image.shape[-2:])
        self.image, self.mask = image, mask

    @property
    def in_memory(self) -> bool:
        """Yes."""
        return True

    @property
    def labelled(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Return views of the arrays."""
        if window is None:
            return self.image, self.mask
        return window.of(self.image), None if self.mask is None else window.of(self.mask)
