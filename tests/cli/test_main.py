"""The dispatcher: instant, helpful, and with the exit codes it promises."""

import subprocess
import sys
from pathlib import Path

import pytest

from hqzoo import __version__, cli
from hqzoo.cli import VERBS, main
from hqzoo.errors import DataError

HEAVY = ("torch", "lightning", "pytorch_lightning", "numpy", "rasterio", "torchgeo", "wandb", "rich", "PIL")


def imported_by(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has imported after ``code``."""
    tail = "\nimport sys; sys.stderr.write('|' + ' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stderr.rsplit("|", 1)[1].split())


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("import hqzoo", HEAVY),
        ("from hqzoo.cli import main; main(['--help'])", HEAVY),
        ("from hqzoo.cli import main; main(['models', '--help'])", HEAVY),
        ("from hqzoo.cli import main; main(['map', '--help'])", HEAVY),
        ("from hqzoo.cli import main; main(['models'])", ("lightning", "rasterio", "torchgeo")),
        ("from hqzoo.cli import main; main(['fit', '--help'])", ("torchgeo", "rasterio", "wandb", "timm")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_imports_nothing_it_does_not_need(code: str, light: tuple[str, ...]) -> None:
    assert not imported_by(code) & set(light)


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and "--" not in line[:5]] == list(VERBS)


def test_no_verb_is_a_mistake_that_shows_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: hqzoo VERB" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hqzoo {__version__}\n"


@pytest.mark.parametrize(("given", "nearest"), [("fti", "fit"), ("tests", "test"), ("modles", "models")])
def test_unknown_verb_names_the_nearest(given: str, nearest: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([given]) == 2
    assert f"Unknown verb '{given}'. Did you mean '{nearest}'?" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if not verb.lightning])
def test_small_verbs_have_help_and_refuse_unknown_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"usage: hqzoo {verb}" in capsys.readouterr().out
    assert main([verb, "--no-such-option"]) == 2


def test_a_mistake_is_one_message_unless_the_traceback_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: list[str]) -> int:
        raise DataError("There is no folder x.")

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert main(["models"]) == 2
    assert capsys.readouterr().err == "hqzoo: error: There is no folder x.\n"
    with pytest.raises(DataError):
        main(["models", "--traceback"])


def test_ctrl_c_in_a_small_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", interrupt)
    assert main(["map"]) == 130


def test_installed_command(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("hqzoo")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "Hybrid quantum-classical networks" in done.stdout
