"""Weights on a hub: its own client talks HTTP to a hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hqzoo.errors import CheckpointError
from hqzoo.weights.catalogue import cache_folder, find_weights, in_folder
from hqzoo.weights.hub import fetch, is_hub
from tests.fixtures.hub import Hub, running_hub
from tests.fixtures.weights import NAME, flip_a_byte

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as server:
        yield server


def hqzoo(hub: Hub | str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line: the client reads its hub's address when it is imported."""
    url = hub if isinstance(hub, str) else hub.url
    environment = os.environ | {"HF_ENDPOINT": url, "HF_TOKEN": "hf_test", "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-m", "hqzoo", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_weights_come_from_a_commit_into_the_cache(hub: Hub, folder: Path) -> None:
    commit = hub.commit(content(folder))
    done = hqzoo(hub, "weights", "install", f"hf:me/toys@{commit}")
    assert done.returncode == 0, done.stderr
    spec = in_folder(folder).spec
    assert find_weights(NAME).folder == cache_folder() / spec.sha256
    files = [each for each in hub.asked if "/resolve/" in each]
    assert files
    assert all(f"/resolve/{commit}/" in each for each in files)
    asked = len(hub.asked)
    done = hqzoo(hub, "weights", "verify", NAME)
    assert (done.returncode, len(hub.asked)) == (0, asked)  # names alone never ask a hub


@pytest.mark.parametrize("revision", ["", "@main", "@v1.0", f"@{COMMIT[:12]}"])
def test_what_can_change_is_refused(revision: str) -> None:
    with pytest.raises(CheckpointError, match="names no commit"):
        fetch(f"hf:me/toys{revision}")


def test_no_place_at_all() -> None:
    assert not is_hub("toys")
    with pytest.raises(CheckpointError, match="no place on the hub"):
        fetch("hf:toys")


def test_other_tensors_than_the_spec_says_are_not_kept(hub: Hub, folder: Path, tmp_path: Path) -> None:
    flip_a_byte(folder / "weights.safetensors")
    done = hqzoo(hub, "weights", "install", f"hf:me/toys@{hub.commit(content(folder))}")
    assert done.returncode == 2
    assert "not those that were published" in done.stderr
    assert not (tmp_path / "cache").exists()


def check_refusal(where: Hub | str) -> None:
    done = hqzoo(where, "weights", "install", f"hf:me/toys@{COMMIT}")
    assert done.returncode == 2, done.stderr
    assert f"The hub did not do what hf:me/toys@{COMMIT} needs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_commit_that_is_not_there(hub: Hub) -> None:
    check_refusal(hub)


@pytest.mark.slow  # its client tries for twenty seconds
def test_a_hub_that_is_not_there() -> None:
    check_refusal("http://127.0.0.1:9")


def test_pushed_weights_are_those_that_are_fetched(hub: Hub, folder: Path) -> None:
    done = hqzoo(hub, "weights", "push", folder, "hf:me/toys@next")
    assert done.returncode == 0, done.stderr
    (commit,) = hub.commits
    assert f"hqzoo weights install hf:me/toys@{commit}" in done.stdout
    assert hub.branches == ["next"]
    pushed, own = hub.commits[commit], content(folder)
    assert set(pushed) == {"weights.json", "weights.safetensors", "README.md", "stac.json"}
    head, front, card = pushed.pop("README.md").decode().split("---\n", 2)
    assert (head, card.strip()) == ("", own["README.md"].decode().strip())
    assert yaml.safe_load(front)["license_name"] == "CC-BY-4.0"
    assert all(own[name] == data for name, data in pushed.items())
    assert hqzoo(hub, "weights", "install", f"hf:me/toys@{commit}").returncode == 0
    assert find_weights(NAME).spec == in_folder(folder).spec


def test_a_dry_run_asks_nobody(hub: Hub, folder: Path) -> None:
    done = hqzoo(hub, "weights", "push", folder, "hf:me/toys", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "weights.safetensors" in done.stdout
    assert "Nothing was uploaded" in done.stdout
    assert not hub.asked


def test_damaged_weights_are_not_pushed(hub: Hub, folder: Path) -> None:
    flip_a_byte(folder / "weights.safetensors")
    assert hqzoo(hub, "weights", "push", folder, "hf:me/toys").returncode == 2
    assert not hub.asked


def test_a_hub_that_refuses(folder: Path) -> None:
    done = hqzoo("http://127.0.0.1:9", "weights", "push", folder, "hf:me/toys")
    assert done.returncode == 2
    assert "The hub did not do what hf:me/toys needs" in done.stderr
