"""The site builds without a warning, and holds what its pages link to."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with every warning as an error."""
    out = tmp_path_factory.mktemp("site") / "out"
    options = ["--strict", "--quiet", "--config-file", str(ROOT / "docs/mkdocs.yml"), "--site-dir", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("results/index.html", "benchmarks/results/ph2_qu_net/report/index.html"),
        ("results/index.html", "benchmarks/results/ph2_qu_net/report.png"),
        ("results/index.html", "benchmarks/claims/hq_unet/index.html"),
        ("training/index.html", "recipes/hq_unet/folder.yaml"),
    ],
)
def test_what_lies_elsewhere_in_the_repository_is_in_the_site(site: Path, page: str, target: str) -> None:
    assert f'"../{target.removesuffix("index.html")}"' in (site / page).read_text()
    assert (site / target).is_file()


def test_the_api_has_signatures_and_no_markup_of_other_tools(site: Path) -> None:
    text = (site / "api/index.html").read_text()
    for name in ("create_model", "QuantumLayer", "SegmentationTask", "map_scene"):
        assert name in text
    assert ":class:<code" not in text
    assert ":func:<code" not in text
