import pytest

from hqzoo.callbacks.files import write_whole


def test_a_finished_file_replaces_the_old_one_and_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "map.png"
    for content in (b"old", b"new"):
        write_whole(path, lambda file, content=content: file.write(content))
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["map.png"]


def test_a_failed_write_leaves_nothing(tmp_path):
    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "map.png", fail)
    assert not list(tmp_path.iterdir())
