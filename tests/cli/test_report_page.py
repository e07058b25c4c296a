"""``hqzoo report`` on runs that the command line itself has trained and tested."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hqzoo.cli import EXIT_MISTAKE, main
from tests.cli.conftest import recipe, write_recipe
from tests.cli.test_light_imports import HEAVY, TRAINING
from tests.cli.test_main import imported_by
from tests.fixtures.browser import browser, find_browser
from tests.fixtures.run_folders import ReadPage, write_run

PUBLISHED = Path(__file__).parents[2] / "benchmarks/results/ph2_qu_net"


@pytest.fixture(scope="module")
def runs(finished_run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The finished run, and its control with panels; both tested."""
    root = tmp_path_factory.mktemp("pair")
    quantum, mlp = root / "quantum", root / "mlp"
    shutil.copytree(finished_run, quantum)
    content = recipe(folder, mlp)
    content["model"]["init_args"]["architecture_args"]["control"] = "mlp"
    content["trainer"]["callbacks"] = [{"class_path": "hqzoo.callbacks.PredictionPanel"}]
    assert main(["fit", "-c", str(write_recipe(content, root / "recipe.yaml"))]) == 0
    for run in (quantum, mlp):
        assert main(["test", "--ckpt_path", str(run / "checkpoints/last.ckpt")]) == 0
    return [quantum, mlp]


def test_a_page_of_two_trained_runs(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert main(["report", *map(str, runs), "-o", str(out)]) == 0
    page = ReadPage(out.read_text(encoding="utf-8"))
    cells = " ".join(page.cells)
    for run in runs:
        report = json.loads((run / "test.json").read_text())
        for value in [*report["scores"].values(), *(each["iou"] for each in report["classes"])]:
            assert value is None or f"{value:.4f}" in cells
        assert f"{report['model']['parameters']:,}" in cells
        assert report["data"]["images"] in cells
    assert "two single runs: no verdict" in page.text
    pictures = {str(each["alt"]): str(each["src"]) for each in page.all("img")}
    (circuit,) = (src for alt, src in pictures.items() if "circuit of 16 qubits" in alt)
    assert ElementTree.fromstring(base64.b64decode(circuit.partition(",")[2])).tag.endswith("svg")
    assert "In quantum, bottleneck.core" in page.text
    assert "Engine cone" in page.text
    assert any("mlp predicts, epoch_0001" in alt for alt in pictures)


def test_without_circuits_neither_torch_nor_a_trainer_is_imported(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    code = f"from hqzoo.cli import main; assert main(['report', {str(run)!r}, '-o', {str(tmp_path / 'p.html')!r}]) == 0"
    assert not imported_by(code) & (HEAVY | (TRAINING - {"yaml"}) | {"torch", "matplotlib", "rasterio"})


def test_mistakes_leave_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "a")
    assert main(["report", str(run), "-o", str(tmp_path / "page.pdf")]) == EXIT_MISTAKE
    assert "page.html" in capsys.readouterr().err
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "page.html")]) == EXIT_MISTAKE
    assert str(run) in capsys.readouterr().err
    assert not list(tmp_path.glob("page.*"))


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways_or_network(runs: list[Path], tmp_path: Path, dark: bool) -> None:
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium on this machine: Debian's package is chromium")
    out = tmp_path / "page.html"
    assert main(["report", *map(str, runs), str(PUBLISHED), "-o", str(out)]) == 0
    with browser(program, tmp_path / "profile") as seen:
        for width in (320, 390, 1280):
            seen.show(out, width, dark)
            seen.value("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert seen.value("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
            outside = seen.value(
                "[...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll') && "
                "each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"
            )
            assert outside == []
            assert [each for each in seen.requests if not each.startswith("data:")] == [out.as_uri()]
            assert seen.value("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
            seen.picture(tmp_path / f"{width}.png")
