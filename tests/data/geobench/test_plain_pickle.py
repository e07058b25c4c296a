"""Pickles of plain data are read; of all others, nothing is run and the name is told."""

from __future__ import annotations

import datetime
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqzoo.data.geobench.plain_pickle import Array, Description, load_plain
from hqzoo.errors import DataError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


class Runs:
    """A pickle that calls a function with arguments when it is loaded."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@given(PLAIN, st.sampled_from([3, 4, 5]))
def test_plain_data_come_back(value: object, protocol: int) -> None:
    assert load_plain(pickle.dumps(value, protocol), "file") == value
    assert load_plain(str(pickle.dumps(value, protocol)), "file") == value


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", ">i4", "bool"])
def test_arrays_and_numbers_of_numpy(dtype: str, protocol: int) -> None:
    array = (np.arange(6) % 4).reshape(2, 3).astype(dtype)
    for stored in (array, np.asfortranarray(array), array[:, 1:]):
        found = load_plain(pickle.dumps(stored, protocol), "file")
        assert isinstance(found, Array)
        np.testing.assert_array_equal(found.values, stored)
    found = load_plain(pickle.dumps({"label": array[1, 2]}, protocol), "file")["label"]
    assert found == array[1, 2]
    assert type(found) in (int, float, bool)


def test_nothing_of_a_hostile_pickle_is_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = pickle.dumps({"label": 1, "more": Runs(os.system, f"touch {canary}")})
    pickle.loads(hostile)
    assert canary.exists()  # the pickle does what it is meant to
    canary.unlink()
    for text in (hostile, str(hostile)):
        with pytest.raises(DataError, match=r"my\.hdf5 is refused, and nothing of it was run: it names '\w+\.system'"):
            load_plain(text, "my.hdf5")
    assert not canary.exists()


@pytest.mark.parametrize(
    "function", [eval, exec, getattr, __import__, print, open, np.load, np.frombuffer, os.remove, bytearray]
)
def test_functions_are_refused(function: object) -> None:
    with pytest.raises(DataError, match="is no plain data"):
        load_plain(pickle.dumps(Runs(function, "1")), "file")


def test_described_classes_are_kept_still() -> None:
    stored = b"\x80\x04\x8c\x08geobench\x8c\x05Thing\x93)\x81}\x8c\x04name\x8c\x04blues" + b"b."
    with pytest.raises(DataError, match=r"names 'geobench\.Thing'"):
        load_plain(stored, "file")
    found = load_plain(stored, "file", frozenset({"geobench.Thing"}))
    assert type(found) is Description
    assert vars(found) == {"name": "blue"}


def test_classes_that_stand_for_others_cannot_be_changed() -> None:
    # Sets an attribute of the class itself, which would outlive this pickle: STACK_GLOBAL, (None, {"x": "y"}), BUILD.
    stored = b"\x80\x04\x8c\x08geobench\x8c\x05Thing\x93N}\x8c\x01x\x8c\x01ys\x86b."
    with pytest.raises(DataError, match="it sets 'x' of a class"):
        load_plain(stored, "file", frozenset({"geobench.Thing"}))
    assert not hasattr(Description, "x")


@pytest.mark.parametrize(
    "stored",
    [
        b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93N}\x8c\x01x\x8c\x01ys\x86b.",  # the same of an array
        # Reaches through a class with a dotted name.
        b"\x80\x04\x8c\x05numpy\x8c\x19ndarray.__init__.__globals__\x93.",
        b"\x80\x04\x8c\x0ddatetime.date\x8c\x05today\x93)R.",
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0
        b"(S'true'\nios\nsystem\n.",  # INST
        b"\x80\x02\x82\x01.",  # a number of the registry of extensions
        b"\x80\x04Pid\n.",  # a persistent id
        pickle.dumps(np.array([object()], dtype=object)),
        pickle.dumps(np.array(["2020"], dtype="datetime64[D]")),
        pickle.dumps([1, 2])[:-2],
        b"",
        "os.system('true')",
        "b'",
        "[1, 2]",
    ],
)
def test_tricks_and_damage_are_named_errors(stored: str | bytes) -> None:
    before = dict(vars(Array))
    with pytest.raises(DataError, match="nothing of it was run"):
        load_plain(stored, "file")
    assert dict(vars(Array)) == before


def test_dates_are_dates() -> None:
    day = datetime.date(2019, 11, 5)
    assert load_plain(pickle.dumps(day), "file") == day


@pytest.mark.real_data
def test_every_real_sample_is_described_in_plain_data(real_data: Path) -> None:
    import h5py

    names = ("Sentinel2", "CloudProbability", "SegmentationClasses")
    described = frozenset(f"geobench.io.dataset.{name}" for name in names)
    files = sorted((real_data / "geobench_v1").rglob("*.hdf5"))
    assert len(files) == 10
    for path in files:
        with h5py.File(path) as file:
            found = load_plain(file.attrs["pickle"], path, described)
            assert set(found["bands_order"]) == set(file)
        assert vars(found["08 - NIR"]["band_info"])["wavelength"] == 0.842
