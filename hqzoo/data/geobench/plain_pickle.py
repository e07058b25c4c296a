"""Reads pickles of plain data without running anything that they name.

A pickle is a program: it may call whatever it names. Here a name stands for a class of this file, which keeps what it
is given and does nothing, or for a date; every other name is refused before it is looked up.
"""

from __future__ import annotations

import ast
import datetime
import io
import pickle
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.errors import DataError

__all__ = ["Array", "Description", "load_plain"]

_LARGEST = 2**22  # bytes; a sample's description has a few thousand. CHOICE

# All that the C and Python unpicklers raise on malformed or refused input.
_FAULTS = (
    pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, ImportError, LookupError, MemoryError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip


class _Sealed(type):
    """A class whose attributes no pickle can set."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"it sets '{name}' of a class")


class Description(metaclass=_Sealed):
    """Stands for an object that describes something, such as a band; what it held is in its ``__dict__``."""

    def __new__(cls, *_: object) -> Description:
        """Return an empty one, whatever it is built of."""
        return super().__new__(cls)


class Array(metaclass=_Sealed):
    """Stands for an array of NumPy; ``values`` holds it once its state is set."""

    values: npt.NDArray[Any]

    def __new__(cls, *_: object) -> Array:
        """Return one without values; NumPy's own function for it makes an empty array as well."""
        return super().__new__(cls)

    def __setstate__(self, state: tuple[object, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _, shape, dtype, column_major, raw = state
        self.values = _values(raw, dtype).reshape(shape, order="F" if column_major else "C")


class _ArrayOfBuffer(metaclass=_Sealed):
    """Stands for the function that newer pickles build arrays with."""

    def __new__(cls, raw: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> Array:  # type: ignore[misc]
        array = Array()
        array.values = _values(raw, dtype).reshape(shape, order="F" if order == "F" else "C")
        return array


class _Scalar(metaclass=_Sealed):
    """Stands for the function that builds numbers of NumPy; makes plain ones."""

    def __new__(cls, dtype: _Dtype, raw: bytes) -> Any:  # noqa: ANN401 - a number
        return _values(raw, dtype)[0].item()


class _Dtype(metaclass=_Sealed):
    """Stands for a type of numbers."""

    def __init__(self, code: str, *_: object) -> None:
        if not re.fullmatch(r"[biuf][1248]", code):
            raise pickle.UnpicklingError(f"it holds an array of the type '{code}', which is no plain number")
        self.code = code

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"it holds numbers of the byte order {state[1]!r}")
        self.code = f"{state[1]}{self.code}"


def _values(raw: bytes, dtype: _Dtype) -> npt.NDArray[Any]:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it holds an array without a type of numbers")
    return np.frombuffer(raw, np.dtype(dtype.code))


_NUMPY: Mapping[str, type] = {
    "multiarray._reconstruct": Array,
    "multiarray.scalar": _Scalar,
    "numeric._frombuffer": _ArrayOfBuffer,
}
_STANDS_FOR: Mapping[str, type] = {
    "numpy.ndarray": Array,
    "numpy.dtype": _Dtype,
    **{f"numpy.{core}.{name}": stand for core in ("core", "_core") for name, stand in _NUMPY.items()},
    "datetime.date": datetime.date,
    "datetime.datetime": datetime.datetime,
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, raw: bytes, described: frozenset[str]) -> None:
        super().__init__(io.BytesIO(raw))
        self.described = described

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the base
        """Return what stands for a name; nothing is imported."""
        known = f"{module}.{name}"
        if known in self.described:
            return Description
        if known not in _STANDS_FOR:
            raise pickle.UnpicklingError(f"it names '{known}', which is no plain data")
        return _STANDS_FOR[known]


def load_plain(text: str | bytes, source: object, described: frozenset[str] = frozenset()) -> Any:  # noqa: ANN401
    """Read a pickle of numbers, texts, dates, lists, tuples, dictionaries and arrays of numbers.

    Args:
        text: The pickle, or the text ``b'...'`` that Python shows of it.
        source: File that it comes from, for the error message.
        described: Full names of classes whose objects become a :class:`Description`.

    Returns:
        What it holds; arrays of NumPy as :class:`Array`, its numbers as plain ones.

    Raises:
        DataError: If it names anything else, which is not looked up and not run, or is damaged.
    """
    try:
        if len(text) > 4 * _LARGEST:
            raise pickle.UnpicklingError(f"its {len(text)} bytes are more than a description needs")
        raw = ast.literal_eval(text) if isinstance(text, str) and text[:2] in ("b'", 'b"') else text
        if not isinstance(raw, bytes):
            raise pickle.UnpicklingError("it is no text of bytes (b'...')")
        return _PlainUnpickler(raw, described).load()
    except (SyntaxError, *_FAULTS) as error:
        raise DataError(
            f"The pickle in {source} is refused, and nothing of it was run: {error or type(error).__name__}. Expected "
            "numbers, texts, lists, dictionaries and arrays of numbers only. Get the file again from its publisher."
        ) from error
