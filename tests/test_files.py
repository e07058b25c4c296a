"""Files are complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from hqzoo._files import replacing, write_text
from hqzoo.errors import WriteError


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file.txt"
    write_text(path, "old")

    def interrupted() -> None:
        with replacing(path) as beside:
            beside.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"

    def full() -> None:
        with replacing(path) as beside:
            beside.write_text("begin")
            raise OSError(28, "No space left on device")

    with pytest.raises(WriteError, match=r"Cannot write .*file\.txt: No space left"):
        full()
    assert not list(tmp_path.iterdir())


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="Cannot write"):
        write_text(tmp_path / "file" / "inner.json", "{}")
