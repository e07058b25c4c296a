"""``hqzoo models``."""

import pytest

from hqzoo.cli import main
from hqzoo.models import list_models, model_info


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
    assert main(["models", "hq_"]) == 0
    out = capsys.readouterr().out
    assert "hq_unet" in out
    assert "smp_unet" not in out
    assert main(["models", "hq_unit"]) == 2
    assert "Did you mean 'hq_unet'?" in capsys.readouterr().err


ZOO = [name for name in list_models() if model_info(name).build.__module__.startswith("hqzoo.")]  # toys are none


@pytest.mark.parametrize("name", ZOO)
def test_one_architecture_shows_its_controls_limits_and_arguments(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", name]) == 0
    out, info = capsys.readouterr().out, model_info(name)
    for text in (info.summary, info.paper, *info.controls, *info.limits.values(), f"{info.parameters:,} parameters"):
        assert text in out
    for argument in info.arguments:
        assert f"    {argument}:" in out
