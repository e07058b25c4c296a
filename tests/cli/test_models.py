"""``hqzoo models``."""

import pytest

from hqzoo.cli import main
from hqzoo.models import list_models


def test_lists_every_architecture_with_its_sizes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in list_models())
    (row,) = [line for line in out.splitlines() if " hq_unet " in line]
    assert [cell.strip() for cell in row.strip("│").split("│")][:4] == ["hq_unet", "2,596,459", "8", "16"]
    assert ".8050" in row


def test_filter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "hq_unet"]) == 0
    out = capsys.readouterr().out
    assert "hq_unet" in out
    assert "smp_unet" not in out
    assert main(["models", "hq_unit"]) == 2
    assert "Did you mean 'hq_unet'?" in capsys.readouterr().err
