"""Tables with one run a row: their images tell rows apart, in reports, overviews and claims alike."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from hqzoo.cli import main
from hqzoo.compare import compare_units, read_table, units_of_row, write_claims
from hqzoo.compare.cell_files import write_cell
from hqzoo.compare.cells import read_cells
from hqzoo.compare.report import brief, overview, sentence, write_report
from hqzoo.compare.statistics import holm
from hqzoo.compare.table import Cell, Row, Table
from hqzoo.compare.table_file import dump_table
from hqzoo.compare.training import barely_trained
from hqzoo.compare.unit_verdicts import summarize_table
from hqzoo.errors import ConfigError
from hqzoo.tasks.label_scores import label_scores
from hqzoo.tasks.metric import ACCURACY, ECE, F1, MACRO_F1, MICRO_F1, MICRO_F1_CHOSEN
from hqzoo.tasks.report import Report
from tests.compare.conftest import result

CLASSES = ("water", "wood", "town")
SKILL = {"floor": 0.4, "encoder": 0.9, "other": 0.88, "majority": 0.0}
ROWS = (
    Row("majority"),
    Row("floor", against=("majority",)),
    Row("encoder", against=("floor",), pretrained_on="10 scenes of Sentinel-2", in_domain=True),
    Row("other", against=("encoder",), pretrained_on="photographs"),
)
WEIGHTS = {"model.encoder.net": {"source": "somewhere", "sha256": "0123456789abcdef" * 4}}


def table(**changes) -> Table:
    return Table("made_up", "classifier/eurosat_rgb", ROWS, metric="accuracy", **{"units": "accuracy", **changes})


def summarised(of: Table, out: Path) -> dict:
    return summarize_table(of, out, read_cells(of, out))


def columns(row: str, images: int = 200) -> dict[str, np.ndarray]:
    truth = np.random.default_rng(0).integers(0, 3, images)
    generator = np.random.default_rng(len(row))
    guess = generator.integers(0, 3, images) if SKILL[row] else np.zeros(images, int)
    prediction = np.where(generator.random(images) < SKILL[row], truth, guess)
    names = np.array([f"image {n}" for n in range(images)])
    return {"name": names, "truth": truth, "prediction": prediction, "probability": np.eye(3)[prediction]}


def write(out: Path, row: str, found: dict[str, np.ndarray], beside: Path, fold: int = 0) -> None:
    scores, classes = label_scores(found["truth"], found["probability"], CLASSES)
    model = {"parameters": 9, "quantum_parameters": 0, "frozen": WEIGHTS if row == "encoder" else {}}
    metrics = (ACCURACY, MACRO_F1, MICRO_F1, MICRO_F1_CHOSEN, ECE, F1)
    report = Report(
        scores={**scores, "micro_f1_chosen": 0.5}, metrics=metrics, classes=tuple(classes), model=model, run={"step": 0}
    )
    np.savez_compressed(beside / "test.npz", **found)
    cell = Cell(row, fold, 0)
    write_cell(out, result(report, cell, recipe="classifier/eurosat_rgb", losses=()), beside / "test.npz")


@pytest.fixture
def probed(tmp_path: Path) -> Path:
    """A table of four rows with one run each."""
    for row in SKILL:
        write(tmp_path / "probed", row, columns(row), tmp_path)
    (tmp_path / "probed" / "table.yaml").write_text(dump_table(table()))
    return tmp_path / "probed"


def test_one_run_a_row_is_told_by_its_images(probed: Path) -> None:
    summary = summarised(table(), probed)
    found = {(each["row"], each["against"]): each for each in summary["comparisons"]}
    right = {row: columns(row)["truth"] == columns(row)["prediction"] for row in SKILL}
    runs = {row: units_of_row(table(), probed, row) for row in SKILL}
    pairs = [("floor", "majority"), ("encoder", "floor"), ("other", "encoder")]
    direct = [compare_units(runs[a], runs[b], "accuracy") for a, b in pairs]
    for pair, expected, p in zip(pairs, direct, holm([each.p for each in direct]), strict=True):
        own = found[pair]
        assert own["interval"]["mean"] == pytest.approx(np.mean(right[pair[0]]) - np.mean(right[pair[1]]))
        assert (own["interval"]["low"], own["interval"]["high"]) == (expected.low, expected.high)
        assert own["p"] == pytest.approx(p)
        assert own["interval"]["n"] == 200
    assert found["encoder", "floor"]["verdict"] == "better for these two checkpoints"
    assert found["other", "encoder"]["verdict"] == "undecided"
    # without the table's word for it, nothing is told
    alone = summarised(table(units=""), probed)["comparisons"]
    assert {each["verdict"] for each in alone} == {"undecided: one pair"}


def test_a_row_has_the_interval_of_its_images(probed: Path) -> None:
    rows = {row["name"]: row for row in summarised(table(), probed)["rows"]}
    score = rows["floor"]["score"]["mean"]
    assert set(rows["floor"]["intervals"]) == {"accuracy", "macro_f1", "micro_f1", "ece"}
    low, high = rows["floor"]["intervals"]["accuracy"]
    assert low < score < high
    assert (high - low) / 2 == pytest.approx(1.96 * (score * (1 - score) / 200) ** 0.5, rel=0.1)


def test_reports_written_again_say_the_same(probed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["compare", "--out", str(probed), "--report-only"]) == 0
    first = (probed / "report.md").read_text()
    assert "**better for these two checkpoints** | these two checkpoints (200 units)" in first
    assert "one pair" not in first
    assert "10 scenes of Sentinel-2 (**in-domain**) | 0123456789ab |" in first
    assert "In-domain: pretrained on images of the sensor that took the images tested here" in first
    assert re.search(r"\| 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\] \|", first)  # macro F1, with its interval
    assert "photographs (**in-domain**)" not in first
    summary = write_report(read_table(probed / "table.yaml"), probed)  # as `hqzoo bench report` does
    assert (probed / "report.md").read_text() == first
    line = overview({"report.md": summary}).splitlines()[-1]
    assert "| 200 images |" in line
    assert "2 better for these two checkpoints, 1 undecided" in line
    assert "**better for these two checkpoints**" in brief(summary, "picture", "report")
    told = sentence(summary["comparisons"][0], "accuracy", "seed")
    assert told.startswith("floor − majority, paired over 200 images")
    assert main(["compare", "--out", str(probed), "--report-only", "--units"]) == 0
    assert (probed / "report.md").read_text() == first  # asked for once more, it is not told twice


def test_claims_have_the_verdict_with_its_scope(probed: Path, tmp_path: Path) -> None:
    claims = tmp_path / "claims.yaml"
    lines = [
        {"claim": "It sees", "published": "90 %", "table": "probed", "row": "encoder", "against": "floor"},
        {"claim": "F1", "published": "", "table": "probed", "row": "encoder", "against": "floor", "metric": "macro_f1"},
        {"claim": "At thresholds", "published": "", "table": "probed", "row": "encoder", "against": "floor",
         "metric": "micro_f1_chosen"},
    ]  # fmt: skip
    ours = {"line": "made up, ours", "table": "probed", "rows": {"theirs": "encoder"}}
    quoted = {"title": "Published", "columns": ["data", "theirs"], "lines": [["m-eurosat", "82.6"]], "ours": ours}
    claims.write_text(yaml.safe_dump({"title": "T", "claims": lines, "quoted": [quoted]}))
    text = write_claims(claims, tmp_path, tmp_path / "claims.md").splitlines()
    right = 100 * np.mean(columns("encoder")["truth"] == columns("encoder")["prediction"])
    assert text[-4:-1] == ["| data | theirs |", "|---|---|", "| m-eurosat | 82.6 |"]
    assert text[-1].startswith(f"| made up, ours | {right:.1f} [")
    verdicts = [line.split(" | ")[-1] for line in text if line.startswith(("| It sees", "| F1", "| At"))]
    # a score of counts has its bootstrap; one that no image has stays with the runs
    assert verdicts == [
        "**better for these two checkpoints** |", "**better for this checkpoint** |", "**undecided: one pair** |",
    ]  # fmt: skip


def test_folds_with_a_run_each_are_told_by_their_images(tmp_path: Path) -> None:
    folds = table(folds=(0, 1))
    for row in SKILL:
        found = columns(row)
        for fold, part in enumerate((slice(0, 100), slice(100, 200))):
            write(tmp_path / "out", row, {name: values[part] for name, values in found.items()}, tmp_path, fold)
    each = summarised(folds, tmp_path / "out")["comparisons"][1]
    assert each["verdict"] == "better for these checkpoints, one in each of 2 folds"
    assert each["interval"]["n"] == 200


def test_a_table_file_says_it(probed: Path, tmp_path: Path) -> None:
    assert read_table(probed / "table.yaml") == table()
    assert table().scored_by("macro_f1").units == "macro_f1"
    with pytest.raises(ConfigError, match=r"units: accuracy .*compares 'macro_f1'\. Say metric: accuracy"):
        Table("made_up", "r", ROWS, metric="macro_f1", units="accuracy")
    content = yaml.safe_load(dump_table(table()))
    for changes, message in (
        ({"units": "acuracy"}, "Unknown score of units 'acuracy'.*'accuracy'"),
        ({"rows": {"a": {"in_domain": True}}}, "'a' is in_domain: say in pretrained_on"),
        ({"rows": {"a": {"in_domain": "yes", "pretrained_on": "x"}}}, "in_domain of row 'a': must be true or false"),
    ):
        (tmp_path / "wrong.yaml").write_text(yaml.safe_dump({**content, **changes}))
        with pytest.raises(ConfigError, match=message):
            read_table(tmp_path / "wrong.yaml")


def test_heads_that_are_fitted_are_not_barely_trained(probed: Path) -> None:
    summary = summarised(table(), probed)
    assert not any(row["barely_trained"] for row in summary["rows"])  # majority never finds two classes


def test_nothing_is_held_against_rows_without_runs() -> None:
    assert barely_trained([]) == []
