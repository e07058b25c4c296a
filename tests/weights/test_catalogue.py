"""Names find weights in a fixed order, never by importing anything, and never two at once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hqzoo.errors import CheckpointError
from hqzoo.weights import Found, all_weights, find_weights
from hqzoo.weights.cache import keep, keep_wheel
from hqzoo.weights.catalogue import cache_folder, in_folder
from hqzoo.weights.files import read_tensors
from hqzoo.weights.pack import build_wheel
from tests.cli.test_main import imported_by
from tests.fixtures.weights import NAME, edit_spec, fake_wheel, installed, package, unpack

HEAVY = {"torch", "lightning", "numpy", "rasterio", "safetensors", "huggingface_hub", "PIL", "matplotlib", "scipy"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def another(folder: Path, target: Path, version: str) -> Path:
    """Copy weights and change them: another version with another tensor file."""
    shutil.copytree(folder, target)
    tensors = target / "weights.safetensors"
    tensors.write_bytes(
        tensors.read_bytes().replace(b'"hqzoo":"squares-toy"', b'"hqzoo":"squares-%3s"' % version.encode())
    )

    edit_spec(target, version=version, sha256=hashlib.sha256(tensors.read_bytes()).hexdigest())
    return target


def test_the_order_is_folders_then_wheels_then_the_cache(
    project: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = another(package(project), tmp_path / "third", "0.3")
    cached = keep(in_folder(third)).folder
    assert find_weights(NAME).folder == cached
    wheel = installed(project, site)
    assert find_weights(NAME).folder == wheel
    first = another(package(project), tmp_path / "mine" / "any name", "0.1")
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(first.parent))
    assert find_weights(NAME).folder == first
    assert [each.folder for each in all_weights() if isinstance(each, Found)] == [first, wheel, cached]
    for found in (find_weights(NAME), *(each for each in all_weights() if isinstance(each, Found))):
        assert read_tensors(found)


def test_a_folder_of_projects_and_several_folders(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", os.pathsep.join([str(tmp_path / "nowhere"), str(project.parent)]))
    assert find_weights(NAME).folder == package(project)


def test_one_name_in_two_wheels_is_refused_until_digits_say_which(project: Path, site: Path, tmp_path: Path) -> None:
    own = installed(project, site)
    other = another(own, tmp_path / "other", "2.0")
    files = {f"other_pkg/{path.name}": path.read_bytes() for path in other.iterdir() if path.is_file()}
    fake_wheel(site, "somebody-elses-weights", {NAME: "other_pkg"}, files)
    digits = in_folder(own).spec.sha256[:8]
    with pytest.raises(
        CheckpointError, match=f"Several.*{NAME}@{digits} in the wheel hqzoo-weights-squares-toy 1"
    ) as told:
        find_weights(NAME)
    assert "somebody-elses-weights 1.0.0" in str(told.value)
    assert find_weights(f"{NAME}@{digits}").folder == own
    assert find_weights(f"{NAME}@{in_folder(other).spec.sha256[:12]}").folder == site / "other_pkg"
    with pytest.raises(CheckpointError, match="no weights 'squares-toy@00000000'"):
        find_weights(f"{NAME}@00000000")
    with pytest.raises(CheckpointError, match="8 or more digits"):
        find_weights(f"{NAME}@12")


def test_the_same_weights_in_two_wheels_are_no_question(project: Path, site: Path) -> None:
    own = installed(project, site)
    files = {f"copy_pkg/{path.name}": path.read_bytes() for path in own.iterdir() if path.is_file()}
    fake_wheel(site, "a-copy", {NAME: "copy_pkg"}, files)
    assert find_weights(NAME).spec == in_folder(own).spec


@pytest.mark.parametrize("lie", ["json", "os.path", "../outside", "hqzoo.weights", "not an identifier"])
def test_an_entry_point_that_lies_about_its_folder_is_refused_by_name(
    project: Path, site: Path, tmp_path: Path, lie: str
) -> None:
    shutil.copytree(package(project), tmp_path / "outside")
    fake_wheel(site, "a-liar", {NAME: lie}, {"a_liar.py": ""})
    with pytest.raises(CheckpointError, match=r"wheel a-liar 1\.0\.0 says.*pip uninstall a-liar"):
        find_weights(NAME)
    assert [str(each) for each in all_weights() if "a-liar" in str(each)]


def test_a_wheel_that_points_at_the_folder_of_another_is_refused(project: Path, site: Path) -> None:
    own = installed(project, site)
    fake_wheel(site, "a-parasite", {"stolen": own.name}, {"a_parasite.py": ""})
    with pytest.raises(CheckpointError, match=r"a-parasite.*no such files are its own"):
        find_weights("stolen")
    assert find_weights(NAME).folder == own


def test_a_wheel_that_names_its_weights_otherwise_is_refused(project: Path, site: Path) -> None:
    files = {f"renamed/{path.name}": path.read_bytes() for path in package(project).iterdir() if path.is_file()}
    fake_wheel(site, "renamed", {"state-of-the-art": "renamed"}, files)
    with pytest.raises(
        CheckpointError, match="calls its weights 'state-of-the-art', but they call themselves 'squares-toy'"
    ):
        find_weights("state-of-the-art")


def test_nothing_in_a_wheel_is_imported(project: Path, site: Path, tmp_path: Path) -> None:
    folder = installed(project, site)
    (folder / "__init__.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")
    assert read_tensors(find_weights(NAME))
    assert folder.name not in sys.modules
    assert not (tmp_path / "was run").exists()


def test_what_is_broken_hides_nothing_else(
    project: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = installed(project, site)
    broken = Path(shutil.copytree(folder, tmp_path / "mine" / "broken"))
    (broken / "weights.json").write_text("{")
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(broken.parent))
    with pytest.warns(UserWarning, match="Passed over: .*broken"):
        assert find_weights(NAME).folder == folder
    found = list(all_weights())
    assert [isinstance(each, Found) for each in found] == [False, True]
    assert str(broken) in str(found[0])


def test_the_cache_goes_by_digest_and_never_by_name(project: Path) -> None:
    kept = keep(in_folder(package(project)))
    assert kept.folder == cache_folder() / kept.spec.sha256
    kept.folder.rename(kept.folder.with_name("f" * 64))
    with pytest.warns(UserWarning, match="Remove the folder"), pytest.raises(CheckpointError, match="no weights"):
        find_weights(NAME)


def test_a_wheel_is_kept_without_being_installed(project: Path, tmp_path: Path) -> None:
    wheel = build_wheel(project)
    kept = keep_wheel(wheel)
    assert find_weights(NAME) == kept
    assert kept.folder.parent == cache_folder()
    (tmp_path / "no.whl").write_bytes(wheel.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"no\.whl cannot be read"):
        keep_wheel(tmp_path / "no.whl")


def test_unknown_names_have_a_nearest_one_and_a_remedy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"no weights 'hq-unet' here.*Installed: none.*pip install hqzoo"):
        find_weights("hq-unet")
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(project.parent))
    with pytest.raises(CheckpointError, match="Did you mean 'squares-toy'"):
        find_weights("square-toy")
    with pytest.raises(CheckpointError, match="no name for weights"):
        find_weights("Squares Toy")


def test_twenty_wheels_are_found_without_one_heavy_module(project: Path, tmp_path: Path) -> None:
    site = tmp_path / "twenty"
    spec = (package(project) / "weights.json").read_text()
    for number in range(20):
        files = {
            f"pkg_{number}/weights.json": spec.replace(f'"{NAME}"', f'"toy-{number}"'),
            f"pkg_{number}/weights.safetensors": b"",
            f"pkg_{number}/__init__.py": "raise SystemError",
        }
        fake_wheel(site, f"hqzoo-weights-toy-{number}", {f"toy-{number}": f"pkg_{number}"}, files)
    code = f"""
import sys; sys.path.insert(0, {str(site)!r})
from hqzoo.weights import all_weights, find_weights
assert sum(each.spec.name.startswith("toy-") for each in all_weights()) == 20
assert find_weights("toy-7").spec.architecture == "hq_unet"
"""
    assert not imported_by(code) & (HEAVY | {"rich", "yaml", *(f"pkg_{n}" for n in range(20))})
    listing = f"import sys; sys.path.insert(0, {str(site)!r}); from hqzoo.cli import main; main(['weights', 'list'])"
    assert not imported_by(listing) & HEAVY


def test_no_home_no_cache_is_no_error(tmp_path: Path) -> None:
    code = "from hqzoo.weights import all_weights; print(len(list(all_weights())))"
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(tmp_path / "none")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_unpacking_is_what_an_installer_does(project: Path, site: Path) -> None:
    assert unpack(build_wheel(project), site) == site / "hqzoo_weights_squares_toy"
