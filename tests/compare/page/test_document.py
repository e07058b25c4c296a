"""The page as its readers have it: every score is on it, nothing is fetched, and no name is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from hqzoo.compare.page.document import page_of, write_page
from hqzoo.compare.page.folders import read_folders
from hqzoo.compare.page.style import DARK, LIGHT, STYLE
from hqzoo.compare.page.verdicts import SINGLE_RUNS
from hqzoo.errors import ConfigError
from tests.fixtures.run_folders import ReadPage, write_run

PUBLISHED = Path(__file__).parents[3] / "benchmarks/results/ph2_qu_net"
EVIL = "<script>alert(1)</script>"


def page_text(*folders: Path) -> str:
    return page_of(*read_folders(folders))


def test_every_score_of_runs_is_on_the_page(tmp_path: Path) -> None:
    ours = write_run(tmp_path / "ours", miou=0.61234)
    theirs = write_run(tmp_path / "theirs", "mlp", miou=0.58765)
    page = ReadPage(page_text(ours, theirs))
    cells = {cell.strip() for cell in page.cells}
    for value in (0.61234, 0.61334, 0.61434):
        assert f"{value:.4f}" in cells
    assert "0.5877-0.0247 worse" in cells
    assert "0.5887-0.0247 worse" in cells
    assert "0.0321same" in cells
    assert "1.2345same" in cells
    for words in ("7,123", "98,765", "12.5", "300", "Abacus", "0123abc", SINGLE_RUNS, "quantum − mlp: +0.0247 mIoU"):
        assert words in page.text
    assert any(each["aria-label"] == "train/loss by step: ours from 2 to 0.4; theirs from 2 to 0.4"
               for each in page.all("svg") if "aria-label" in each)  # fmt: skip


def test_every_mean_and_verdict_of_a_published_table_is_on_the_page() -> None:
    runs, (found,) = read_folders([PUBLISHED])
    page = ReadPage(page_of(runs, [found]))
    for row in found.summary["rows"]:
        assert f"{row['score']['mean']:.4f} ± {row['score']['sd']:.4f}" in page.text
        for value in row["score"]["units"].values():
            assert f"{value:.4f}" in page.text
    for each in found.summary["comparisons"]:
        interval = each["interval"]
        assert f"{interval['mean']:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]" in page.text
        assert each["verdict"] in page.text


def test_nothing_is_fetched_and_nothing_runs(tmp_path: Path) -> None:
    page = ReadPage(page_text(write_run(tmp_path / "a"), write_run(tmp_path / "b", "mlp"), PUBLISHED))
    addresses = page.addresses()
    assert len(addresses) > 5
    assert all(re.match(r"#|data:image/(png|svg\+xml);base64,", each) for each in addresses), addresses
    assert not page.all("script") + page.all("link") + page.all("iframe")
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert not re.search(r"@import|url\(", STYLE)
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_it_is_well_formed_and_says_what_pictures_and_tables_show(tmp_path: Path) -> None:
    page = ReadPage(page_text(write_run(tmp_path / "a"), write_run(tmp_path / "b", "mlp"), PUBLISHED))
    assert page.unclosed == [""]
    assert page.all("html")[0]["lang"] == "en"
    assert all(each["alt"] for each in page.all("img"))
    assert all(each.get("aria-label") or each.get("aria-hidden") == "true" for each in page.all("svg"))
    assert all(each["scope"] in ("row", "col") for each in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(each["href"]) for each in page.all("a")} == {f"#{each}" for each in ids}


def test_names_are_never_markup(tmp_path: Path) -> None:
    ours = write_run(tmp_path / '"><img src=x onerror=alert(1)>', classes=(EVIL, "a & b"), notes=[EVIL])
    theirs = write_run(tmp_path / "b", f"mlp{EVIL}")
    table = tmp_path / "table"
    table.mkdir()
    content = yaml.safe_load((PUBLISHED / "table.yaml").read_text())
    content["title"] = f"{EVIL} **x** <b>`y`</b>"
    (table / "table.yaml").write_text(yaml.safe_dump(content))
    (table / "cells.jsonl").write_bytes((PUBLISHED / "cells.jsonl").read_bytes())
    page = ReadPage(page_text(ours, theirs, table))
    assert not page.all("script") + page.all("b")
    assert all(str(each["src"]).startswith("data:") for each in page.all("img"))
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(EVIL) > 4
    assert '"><img src=x onerror=alert(1)>' in page.text


def test_runs_without_scores_say_how_to_get_them(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "test.json").unlink()
    page = ReadPage(page_text(run))
    assert "Without scores: a." in page.text
    assert "hqzoo test" in page.text
    assert any("train/loss" in str(each.get("aria-label")) for each in page.all("svg"))


def test_runs_on_other_images_have_no_differences(tmp_path: Path) -> None:
    folders = write_run(tmp_path / "a"), write_run(tmp_path / "b", "mlp", 0.6, images="other")
    page = ReadPage(page_text(*folders))
    assert "0.6000other images" in {cell.strip() for cell in page.cells}
    assert "on other images" in page.text
    assert SINGLE_RUNS not in page.text


def test_settings_that_differ_are_told(tmp_path: Path) -> None:
    page = ReadPage(page_text(write_run(tmp_path / "a"), write_run(tmp_path / "b", lr=0.5)))
    assert "model.optimizer.lr" in page.cells
    assert "trainer.default_root_dir" not in page.cells
    assert "0.5" in page.cells


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs, _ = read_folders([write_run(tmp_path / "x/run"), write_run(tmp_path / "y/run")])
    assert [run.name for run in runs] == ["x/run", "y/run"]


def test_mistakes_are_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs/a")
    out = tmp_path / "page.html"
    with pytest.raises(ConfigError, match="given twice"):
        write_page([run, run / "../a"], out)
    with pytest.raises(ConfigError, match=r"neither a run .* Folders in it do: .*runs/a"):
        write_page([tmp_path / "runs"], out)
    with pytest.raises(ConfigError, match="There is no folder"):
        write_page([tmp_path / "nowhere"], out)
    text = (run / "test.json").read_text()
    for damaged, words in (
        ("{", "is damaged"),
        ("[]", "holds list"),
        (text.replace('"schema": 2', '"schema": 99'), "schema 99"),
        ('{"schema": 2}', "no report of hqzoo test"),
    ):
        (run / "test.json").write_text(damaged)
        with pytest.raises(ConfigError, match=words):
            write_page([run], out)
    assert not out.exists()


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2 of ``#rrggbb``."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_everything_can_be_told_from_its_ground(colours: Mapping[str, str]) -> None:
    """WCAG 2.2, level AA: 4.5 for text; lines of charts, which need 3, have it too."""
    for ground in ("paper", "panel"):
        for name in set(colours) - {"paper", "panel", "line"}:
            bright, dim = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (name, ground)


def test_a_model_without_a_circuit_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    run = write_run(tmp_path / "a/unet")
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["model"]["init_args"]["architecture_args"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert "unet hq_unet, no circuit" in ReadPage(page_text(run)).text


def test_many_settings_are_folded(tmp_path: Path) -> None:
    runs = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    config = yaml.safe_load((runs[1] / "config.yaml").read_text())
    config["trainer"] |= {f"key_{number}": number for number in range(31)}
    (runs[1] / "config.yaml").write_text(yaml.safe_dump(config))
    assert "31 settings differ" in ReadPage(page_text(*runs)).text
