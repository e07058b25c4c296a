"""Fixtures shared by all tests."""

import os
import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Workers of pytest-xdist ignore SIGINT, and would hand that down to the processes that tests interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery, named by ``HQZOO_REAL_DATA``; tests that need it skip where it is unset."""
    folder = os.environ.get("HQZOO_REAL_DATA")
    if not folder:
        pytest.skip("HQZOO_REAL_DATA is not set: no real imagery on this machine")
    return Path(folder)
