"""Markdown, picture and claim pages."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import yaml
from PIL import Image

from hqzoo.compare.claims import write_claims
from hqzoo.compare.grids import Grid, deciding_p, result_grid, row_grid
from hqzoo.compare.report import brief, overview, put_between_marks, sentence, write_report
from hqzoo.compare.table import Cell, Row
from hqzoo.compare.table_file import dump_table
from hqzoo.errors import ConfigError
from hqzoo.tasks.metric import Metric
from tests.compare.conftest import SCORES, put, report, result, table, write_cells


def test_report_says_what_the_summary_found(out: Path) -> None:
    summary = write_report(table(), out)
    text = (out / "report.md").read_text()
    hybrid, (against_unet, _) = summary["rows"][1], summary["comparisons"]
    for number in (hybrid["score"]["mean"], hybrid["score"]["sd"], hybrid["published"]["mean"], hybrid["seed_sd"],
                   against_unet["interval"]["low"], against_unet["smallest_detectable"]):  # fmt: skip
        assert f"{abs(number):.4f}" in text
    for words in ("*Replicated: the authors", "`unet` U-Net", "**better**", "(n=5)", "85,889",
                  "boundary IoU", "ECE", "2.5", "12.5", "own published scores", "25 cells of 20 steps",
                  "Bootstrap over folds"):  # fmt: skip
        assert words in text
    for absent in ("recall", "best epoch", "GPU peak", "still missing", "None", "nan"):
        assert absent not in text
    ours = [f"{fmean(values):.4f}" for values in SCORES["hybrid"].values()]
    published = [f"{value:.4f}" for value in table().row("hybrid").published.values()]
    cells = " | ".join(f"{own} ({theirs})" for own, theirs in zip(ours, published, strict=True))
    assert f"| `hybrid` | {cells} |" in text
    with Image.open(out / "report.png") as picture:
        assert min(picture.size) > 200


def test_rendering_again_changes_nothing(out: Path) -> None:
    def state() -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir() if path.is_file()}

    first = write_report(table(), out)
    before = state()
    assert sorted(before) == ["report.md", "report.png", "summary.json"]
    assert write_report(table(), out) == first
    assert state() == before
    stored = json.loads((out / "summary.json").read_text())
    assert stored["rows"] == json.loads(json.dumps(first["rows"]))


def test_a_table_with_gaps_can_be_reported(tmp_path: Path) -> None:
    write_cells(tmp_path, {"hybrid": {0: (0.5,)}, "mlp": {0: (0.4,)}})
    summary = write_report(table(), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "23 cells are still missing" in text
    assert "Not run yet: `unet`." in text
    assert "2 cells of 20 steps, recipe `hq_unet/landscapes`, seed 0;" in text
    assert "**unfinished: 1 of 10 runs**" in text
    assert sentence(summary["comparisons"][0], "miou", "fold") == "hybrid − unet: not run."
    assert sentence(summary["comparisons"][1], "miou", "fold") == (
        "hybrid − mlp: +0.1000 miou in one fold; one pair proves nothing."
    )


def test_one_split_is_said_to_be_one(tmp_path: Path) -> None:
    write_cells(tmp_path, {"hybrid": {0: (0.5, 0.52)}, "mlp": {0: (0.4, 0.46)}})
    summary = write_report(table(folds=()), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "of the one split's test images; mean ± standard deviation over seeds (n)" in text
    assert "say nothing about other scenes" in text
    assert "Fold by fold" not in text
    assert "plain t-test" not in text.partition("own published scores")[0]
    assert sentence(summary["comparisons"][1], "miou", "seed").startswith("hybrid − mlp, paired over 2 seeds: +0.0800 ")
    assert "| replicated | 4 of 5 | 2 seeds | 1 undecided |" in overview({"report.md": summary})


@pytest.mark.filterwarnings("error")
def test_scores_that_do_not_exist(tmp_path: Path) -> None:
    write_cells(tmp_path, {row: SCORES[row] for row in ("hybrid", "mlp")})
    summary = write_report(table(metric="iou/hair"), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "Not run yet: `unet`. Run, but without a score (iou/hair does not exist there): `hybrid`, `mlp`." in text
    assert "|  |" not in text.partition("own published")[0]
    assert "seeds none" in brief(summary, "p.png", "r.md")


def test_rows_without_a_common_run(tmp_path: Path) -> None:
    write_cells(tmp_path, {"mlp": {0: (0.5,), 1: (0.4,)}})
    hybrid, mlp = Row("hybrid", repeats=(1,)), Row("mlp", control_of="hybrid", repeats=(0,))
    for fold in (0, 1):
        cell = Cell("hybrid", fold, 1)
        put(tmp_path, result(report(cell, 0.6), cell))
    write_report(table(rows=(hybrid, mlp), folds=(0, 1)), tmp_path)
    assert "Without a fold and seed in common: `hybrid` − `mlp`." in (tmp_path / "report.md").read_text()


def test_a_score_with_a_unit_and_no_margin(tmp_path: Path) -> None:
    write_cells(tmp_path, metric=Metric("delay", "min", unit="s"))
    own = table(title="Alarms")
    write_report(own, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "Score: delay (s) of the fold left out, 5 folds, seeds averaged within each fold, lower is better;" in text
    assert "Nothing is called equivalent: no difference in delay is known that nobody would mind." in text
    assert "±0.01" not in text
    assert "**worse**" in text
    assert "| row | published | delay, last epoch | " in text
    (tmp_path / "table.yaml").write_text(dump_table(own))
    claims = {**CLAIMS, "claims": [{**CLAIMS["claims"][0], "table": tmp_path.name}]}
    page = write_claims(write(tmp_path / "claims.yaml", claims), tmp_path.parent, tmp_path / "page.md")
    assert "**worse**" in page
    assert "told from" not in page


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no finished cell of table 'made_up'"):
        write_report(table(), tmp_path)


def test_the_short_form_has_every_row_once_with_its_difference(out: Path) -> None:
    summary = write_report(table(), out)
    against_unet, against_mlp = summary["comparisons"]
    grid = result_grid(summary)
    assert [row[0] for row in grid.rows] == ["`unet` U-Net", "`hybrid`", "`mlp`"]
    assert grid.head[3] == "at seed 0 alone"
    assert grid.rows[1][3].startswith(f"{fmean(values[0] for values in SCORES['hybrid'].values()):.4f} ± ")
    assert [row[4] for row in grid.rows] == ["", "`hybrid` − `unet`", "`hybrid` − `mlp`"]
    assert grid.head[5] == "published difference"
    gain = against_unet["published_gain"]
    where = f"{'inside' if gain['inside'] else 'outside'} [{gain['low']:+.2f}, {gain['high']:+.2f}]"
    assert [row[5] for row in grid.rows] == ["", f"{against_unet['published']:+.4f}, {where}", ""]
    assert [row[6].endswith(" †") for row in grid.rows] == [False, True, False]  # U-Net has one seed, the hybrid two
    assert [row[8].strip("*") for row in grid.rows] == ["", against_unet["verdict"], against_mlp["verdict"]]
    text = brief(summary, "a/report.png", "a/report.md")
    assert "](a/report.png)" in text
    assert "](a/report.md)" in text
    families = "`p` is corrected (Holm) within families: baselines (1), controls (1)."
    assert f"Differences: 2 better; {families} Rule of errors: components: " in text
    assert "(2 from the family). In 1 of them no fold has several runs" in text
    assert "p < .001 (Holm, baselines (1)): better." in sentence(against_unet, "miou", "fold")
    assert "† over the runs that both rows have" in text
    least, most = sorted(each["smallest_detectable"] for each in summary["comparisons"])
    assert f"four tables of five: {least:.4f} to {most:.4f}, by line." in text


def test_a_row_with_two_differences_has_two_lines(out: Path) -> None:
    unet, hybrid, mlp = table().rows
    two = table(rows=(unet, replace(hybrid, against=("unet", "mlp")), replace(mlp, control_of=None)))
    rows = result_grid(write_report(two, out)).rows
    assert [row[0] for row in rows] == ["`unet` U-Net", "`hybrid`", "", "`mlp`"]
    assert [row[4] for row in rows] == ["", "`hybrid` − `unet`", "`hybrid` − `mlp`", ""]


def test_rows_of_unequal_budgets_are_marked(out: Path) -> None:
    for fold in range(5):
        cell = Cell("unet", fold, 0)
        put(out, result(report(cell, 0.5, run={"step": 999}), cell))
    text = brief(write_report(table(), out), "a/report.png", "a/report.md")
    assert "‡ between rows that were trained for different numbers of steps." in text
    assert "] † ‡ |" in text
    grid = row_grid(write_report(table(), out))
    assert [row[grid.head.index("steps")] for row in grid.rows] == ["999", "20", "20"]


def test_equivalence_shows_the_p_that_it_rests_on() -> None:
    assert deciding_p({"verdict": "equivalent at one seed", "p": 0.9, "p_equivalence": 0.032}) == ".032 (equivalence)"
    assert deciding_p({"verdict": "undecided", "p": 0.9, "p_equivalence": 0.032}) == ".900"


def test_overview_has_a_line_per_table(out: Path, tmp_path: Path) -> None:
    whole = write_report(table(), out)
    write_cells(tmp_path / "part", {"hybrid": {0: (0.5,)}, "unet": {0: (0.4,)}})
    part = write_report(table(title="Half done", grade=""), tmp_path / "part")
    lines = overview({"a/report.md": whole, "b/report.md": part}).splitlines()
    assert lines[2] == "| [made_up](a/report.md) | replicated | 25 | 5 folds | 1 better | 1 better |"
    assert lines[3] == "| [Half done](b/report.md) |  | 2 of 25 | 5 folds |  | 1 unfinished |"


def test_grid_leaves_out_empty_columns() -> None:
    grid = Grid(["a", "b", "c"], [["1", "", "x"], ["2", "", ""]])
    assert grid.without_empty_columns().markdown() == "| a | c |\n|---|---|\n| 1 | x |\n| 2 |  |"


def test_between_marks() -> None:
    text = "top\n<!-- begin a -->\nold\n<!-- end a -->\nbottom"
    new = put_between_marks(text, "a", r"new \1")
    assert new == "top\n<!-- begin a -->\nnew \\1\n<!-- end a -->\nbottom"
    assert put_between_marks(new, "a", r"new \1") == new
    with pytest.raises(ConfigError, match="put <!-- begin b -->"):
        put_between_marks(text, "b", "")


# Claims ---------------------------------------------------------------------------------------------------------------

CLAIMS = {
    "title": "A paper",
    "paper": "arXiv 0000.00000",
    "claims": [
        {"claim": "Beats U-Net", "published": "0.52 against 0.41", "table": "made_up", "row": "hybrid",
         "against": "unet"},
        {"claim": "Varies less", "published": "said in words", "table": "made_up", "row": "hybrid", "against": "mlp",
         "about": "spread", "grade": "tested in kind"},
        {"claim": "Finds lesions", "published": "0.4", "table": "made_up", "row": "hybrid", "against": "unet",
         "metric": "iou/lesion"},
        {"claim": "Runs on hardware", "published": "", "note": "no access"},
    ],
}  # fmt: skip


def write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def results(out: Path) -> Path:
    (out / "table.yaml").write_text(dump_table(table()))
    return out.parent


def test_claims_beside_what_was_run(results: Path, tmp_path: Path) -> None:
    text = write_claims(write(tmp_path / "claims.yaml", CLAIMS), results, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == text
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    summary = write_report(table(), results / "made_up")
    interval = summary["comparisons"][0]["interval"]
    hybrid = summary["rows"][1]["score"]["mean"]
    assert lines[0][:2] == ["Beats U-Net", "0.52 against 0.41"]
    spread = summary["rows"][1]["score"]["sd"]
    assert lines[0][2] == f"hybrid: miou {hybrid:.4f} ± {spread:.4f} (5 folds, 2 seeds)"
    assert lines[0][3].startswith("U-Net: miou 0.4100 ± ")
    assert lines[0][3].endswith("(5 folds, 1 seed)")
    assert lines[0][4] == f"{interval['mean']:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]"
    assert lines[0][5:] == ["< .001", "replicated", "**better**"]
    assert lines[1][4].startswith(f"sd over runs of a fold {summary['comparisons'][1]['sd_row']:.4f} against ")
    assert lines[1][5].endswith(" (Pitman-Morgan)")
    assert lines[1][6:] == ["tested in kind", "**undecided**"]
    assert lines[2][3].startswith("U-Net: iou/lesion 0.3100 ± ")
    assert "Runs on hardware (no access)" in lines[3][0]
    assert "not tested" in lines[3]


def test_a_claim_that_nobody_ran_is_implemented(results: Path, tmp_path: Path) -> None:
    for path in (results / "made_up" / "cells").glob("unet-*"):
        path.unlink()
    text = write_claims(write(tmp_path / "claims.yaml", CLAIMS), results, tmp_path / "page.md")
    assert "| implemented | **not run** |" in text
    assert "told from ±0.01 of the score" in text


def test_claims_about_published_folds_and_about_costs(results: Path, tmp_path: Path) -> None:
    own = {"claim": "c", "published": "p", "table": "made_up", "row": "hybrid", "against": "unet"}
    claims = [
        {**own, "source": "published"},
        {**own, "source": "published", "about": "spread"},
        {**own, "about": "cost", "metric": "circuit_evaluations"},
        {**own, "against": "mlp", "about": "cost", "metric": "training_seconds"},
    ]
    for fold in range(5):
        costs = {"circuit_evaluations": 0, "training_seconds": 24.0}
        for seed in (0, 1):
            cell = Cell("mlp", fold, seed)
            put(results / "made_up", result(report(cell, SCORES["mlp"][fold][seed], costs=costs), cell))
    path = write(tmp_path / "claims.yaml", {"title": "x", "claims": claims})
    text = write_claims(path, results, tmp_path / "page.md")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    published = [list(row.published.values()) for row in table().rows[:2]]
    assert lines[0][2] == "hybrid, its authors' folds: miou 0.5160 ± 0.0777 (n=5)"
    assert lines[0][3].startswith("U-Net, its authors' folds: miou 0.4140 ± ")
    gap = fmean(published[1]) - fmean(published[0])
    assert lines[0][4].startswith(f"{gap:+.4f} [")
    assert lines[0][6:] == ["recomputed", "**better**"]
    assert lines[1][4].startswith("sd over folds 0.0777 against ")
    assert lines[1][6:] == ["recomputed", "**undecided**"]
    assert lines[2][2:] == ["hybrid: 48 circuit evaluations", "U-Net: 48 circuit evaluations", "1.00 times as many", "",
                            "replicated", "**equal**"]  # fmt: skip
    assert lines[3][2:5] == ["hybrid: 12 training seconds", "mlp: 24 training seconds", "0.50 times as many"]
    assert lines[3][7] == "**less**"


@pytest.mark.parametrize(("factor", "word"), [(50.0, "less steady"), (0.01, "steadier")])
def test_spread_has_a_direction(factor: float, word: str, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "made_up"
    wide = {fold: tuple(0.5 + factor * (value - 0.5) / 5 for value in values) for fold, values in SCORES["mlp"].items()}
    write_cells(folder, {**SCORES, "hybrid": wide})
    (folder / "table.yaml").write_text(dump_table(table()))
    text = write_claims(write(tmp_path / "claims.yaml", CLAIMS), tmp_path / "results", tmp_path / "page.md")
    assert f"**{word}**" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": "mlp", "against": "unet"}, "does not compare mlp against unet. It compares: hybrid against unet"),
        ({"table": "other"}, "Cannot read the table file"),
        ({"rows": "mlp"}, "Unknown key of a claim 'rows'. Did you mean 'row'"),
        ({"about": "spred"}, "Did you mean 'spread'"),
        ({"grade": "proven"}, "Unknown grade 'proven'"),
        ({"against": ""}, "also needs 'row' and 'against'"),
        ({"source": "theirs"}, "Unknown source 'theirs'"),
        ({"about": "cost"}, "it needs a 'table' of ours, and a 'metric'"),
        ({"about": "cost", "metric": "parametres"}, "Did you mean 'parameters'"),
        ({"row": "hybrids"}, "Did you mean 'hybrid'"),
    ],
)
def test_mistakes_in_claims(change: dict[str, str], message: str, results: Path, tmp_path: Path) -> None:
    content = {**CLAIMS, "claims": [{**CLAIMS["claims"][0], **change}]}
    with pytest.raises(ConfigError, match=message):
        write_claims(write(tmp_path / "claims.yaml", content), results, tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [([], "holds no claims"), ({"title": "x", "claims": ["y"]}, "holds keys and values"),
     ({"title": "x", "claims": [{"claim": "y"}]}, "needs 'published'")],
)  # fmt: skip
def test_mistakes_in_claims_files(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        write_claims(write(tmp_path / "claims.yaml", content), tmp_path, tmp_path / "page.md")


def test_scores_of_the_fixture_are_what_the_table_says() -> None:
    assert set(SCORES) == set(table().row_names)
