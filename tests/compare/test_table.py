"""Table files: what they mean, and mistakes told by name."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hqzoo.compare.overrides import is_local, setting
from hqzoo.compare.table import Cell, Comparison, Row, Table, recipe_name
from hqzoo.compare.table_file import dump_table, read_table
from hqzoo.errors import ConfigError
from hqzoo.tasks.metric import Metric

TABLES = sorted((Path(__file__).parents[2] / "benchmarks" / "results").glob("*/table.yaml"))

CONTENT = {
    "name": "small",
    "recipe": "hq_unet/landscapes",
    "folds": [1, 2],
    "seeds": [5, 3, 4],
    "set": ["trainer.max_steps=2"],
    "rows": {
        "unet": {"repeats": 1, "published": {1: 0.5, 2: 0.6}},
        "hybrid": {"set": ["--model.init_args.a=1"], "against": ["unet"], "published": 0.7, "repeats": 2},
        "mlp": {"control_of": "hybrid", "against": ["hybrid"], "repeats": [4]},
    },
}


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "table.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_table_file(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, CONTENT))
    assert table.row_names == ("unet", "hybrid", "mlp")
    assert table.settings_of("hybrid") == ["--trainer.max_steps=2", "--model.init_args.a=1"]
    assert table.row("unet").published == {1: 0.5, 2: 0.6}
    assert table.row("hybrid").published == 0.7
    assert [table.seeds_of(row) for row in table.rows] == [(5,), (5, 3), (4,)]
    assert (table.metric, table.margin, table.grade) == ("", None, "")


def test_all_rows_of_a_fold_come_before_the_next(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, CONTENT))
    names = [cell.name for cell in table.cells()]
    assert names == ["unet-fold1-seed5", "hybrid-fold1-seed5", "unet-fold2-seed5", "hybrid-fold2-seed5",
                     "hybrid-fold1-seed3", "hybrid-fold2-seed3", "mlp-fold1-seed4", "mlp-fold2-seed4"]  # fmt: skip
    assert table.cells(rows=["hybrid"], folds=[2]) == [Cell("hybrid", 2, 5), Cell("hybrid", 2, 3)]
    assert [cell.row for cell in table.cells(seeds=[4])] == ["mlp", "mlp"]


def test_differences_are_row_minus_baseline_and_model_minus_control(tmp_path: Path) -> None:
    """A control that is also listed under against is compared once."""
    table = read_table(write(tmp_path, CONTENT))
    assert table.comparisons() == [
        Comparison("hybrid", "unet", "baselines"),
        Comparison("hybrid", "mlp", "controls", of_control=True),
    ]


def test_a_difference_asked_for_twice_is_compared_once() -> None:
    rows = (Row("q", against=("u",)), Row("u", control_of="q"))
    assert Table("t", "r", rows).comparisons() == [Comparison("q", "u", "controls", of_control=True)]


def test_a_question_of_its_own_is_a_family_of_its_own(tmp_path: Path) -> None:
    rows = {"unet": {}, "a": {"against": ["unet"]}, "check": {"against": ["unet"], "family": "precision"}}
    table = read_table(write(tmp_path, changed(rows=rows)))
    assert [each.family for each in table.comparisons()] == ["baselines", "precision"]
    assert read_table(write(tmp_path, dump_table(table))) == table


def test_dump_and_read_again(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, {**CONTENT, "grade": "replicated", "title": "A", "margin": 0.02}))
    assert read_table(write(tmp_path, dump_table(table))) == table


def test_a_score_of_ones_own(tmp_path: Path) -> None:
    metric = {"name": "depth/sea", "direction": "min", "unit": "m", "margin": 0.5}
    table = read_table(write(tmp_path, changed(metric=metric)))
    assert (table.metric, table.margin) == ("depth/sea", None)
    assert table.meaning == Metric("depth", "min", unit="m", margin=0.5)
    assert read_table(write(tmp_path, dump_table(table))) == table
    assert table.scored_by("loss").meaning is None
    with pytest.raises(ConfigError, match="compares 'miou', but says what 'depth' means"):
        replace(table, metric="miou")


def test_the_repository_has_tables() -> None:
    assert len(TABLES) >= 7


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_tables_of_the_repository(path: Path, tmp_path: Path) -> None:
    table = read_table(path)
    assert table.cells()
    assert table.comparisons()
    assert table.grade, "every table of the repository is graded"
    assert table.name == path.parent.name
    assert read_table(write(tmp_path, dump_table(table))) == table


def test_controls_without_a_file() -> None:
    table = Table.of_controls("recipes/hq_unet/landscapes.yaml", ["mlp", "quantum", "constant"], [0, 1], [0, 1])
    assert table.name == "hq_unet-landscapes"
    assert table.settings_of("mlp") == ["--model.init_args.architecture_args.control=mlp"]
    assert [(each.row, each.against) for each in table.comparisons()] == [("quantum", "mlp"), ("quantum", "constant")]
    assert len(table.cells()) == 3 * 2 * 2
    without = Table.of_controls("r", ["frozen", "mlp"])
    assert [(each.row, each.against) for each in without.comparisons()] == [("frozen", "mlp")]
    assert without.cells() == [Cell("frozen", 0, 0), Cell("mlp", 0, 0)]


@pytest.mark.parametrize(
    ("recipe", "name"),
    [("hq_unet/ph2", "hq_unet/ph2"), ("recipes/hq_unet/ph2.yaml", "hq_unet/ph2"), ("./mine.yaml", "mine"),
     ("/a/recipes/qu_net/ph2.yaml", "qu_net/ph2"), ("../b/mine.yml", "b/mine")],
)  # fmt: skip
def test_short_names_of_recipes(recipe: str, name: str) -> None:
    assert recipe_name(recipe) == name


def test_another_score_stands_beside_nothing_published(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, {**CONTENT, "metric": "miou", "margin": 0.02}))
    assert table.scored_by("miou") == table
    other = table.scored_by("oa")
    assert (other.metric, other.margin) == ("oa", None)
    assert not any(row.published for row in other.rows)


def test_more_of_the_same_table() -> None:
    first = Table.of_controls("hq_unet/ph2", ["quantum", "mlp"], [0, 1]).with_settings(["--trainer.max_epochs=1"])
    more = Table.of_controls("recipes/hq_unet/ph2.yaml", ["mlp", "constant"], [2], [1])
    with pytest.raises(ConfigError, match=r"has the overrides --trainer\.max_epochs=1, this one \(none\)"):
        more.widened(first)
    more = replace(more, settings=first.settings)
    wider = more.widened(first)
    assert wider.row_names == ("quantum", "mlp", "constant")
    assert (wider.folds, wider.seeds, wider.settings) == ((0, 1, 2), (0, 1), first.settings)
    assert [each.row for each in wider.comparisons()] == ["quantum", "quantum"]
    for other in (Table.of_controls("qu_net/ph2", ["quantum"], [0]), replace(first, grade="replicated")):
        with pytest.raises(ConfigError, match="another table already"):
            more.widened(other)


def test_overrides() -> None:
    assert setting("trainer.max_steps=2") == "--trainer.max_steps=2"
    assert setting("--a.b={x: 1}\n") == "--a.b={x: 1}\n"
    assert is_local("--data.init_args.root=/x")
    assert is_local("data.root=/x")
    assert is_local("--data.init_args.sources=[/x/a.npz]")
    assert is_local("--trainer.logger.save_dir=x")
    assert not is_local("--data.init_args.roots=/x")
    assert not is_local("--data.init_args.crop_size=64")


def test_a_table_keeps_what_and_leaves_out_where() -> None:
    table = Table("t", "r", (Row("a"),), settings=("--trainer.max_steps=2",))
    further = table.with_settings(["--trainer.max_steps=2", "--data.init_args.root=x", "--data.init_args.crop_size=8"])
    assert further.settings == ("--trainer.max_steps=2", "--data.init_args.crop_size=8")


def changed(**changes: object) -> dict[str, object]:
    return {key: value for key, value in {**CONTENT, **changes}.items() if value is not None}


def row(**content: object) -> dict[str, object]:
    return changed(rows={"unet": {}, "x": content})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "no YAML"),
        ("- 1", "holds keys and values"),
        (changed(recipe=None), "needs 'recipe'"),
        (changed(row={}), "Unknown key of a table 'row'. Did you mean 'rows'"),
        (changed(rows=["a"]), "rows: holds the rows by name"),
        (changed(rows={}), "needs 'rows'"),
        (changed(seeds=[]), "no seeds"),
        (changed(seeds=0), r"seeds: must be a list"),
        (changed(folds=[0, 0]), "names one twice"),
        (changed(folds=[-1]), "whole numbers from 0, got -1"),
        (changed(folds=[True]), "whole numbers"),
        (changed(grade="replicate"), "Unknown grade 'replicate'. Did you mean 'replicated'"),
        (changed(metric={"name": "x"}), "needs 'direction', such as metric: {name: val_acc, direction: max"),
        (changed(metric={"direction": "max"}), "needs 'name'"),
        (changed(metric={"name": "x", "direction": "up"}), "direction of metric 'x' is max or min, got 'up'"),
        (changed(metric={"name": "x", "directoin": "max"}), "Unknown key of metric 'directoin'. Did you mean 'direct"),
        (changed(metric={"name": "x", "direction": "max", "margin": "small"}), "margin of metric: must be a number"),
        (changed(metric={"name": "x", "direction": "max", "margin": -1}), "margin of metric 'x' is a positive number"),
        (changed(margin="x"), "margin: must be a number"),
        (changed(margin=0), "must be positive"),
        (changed(name="a/b"), "'a/b' names files"),
        (row(sett=[]), "Unknown key of row 'x' 'sett'. Did you mean 'set'"),
        (row(against=["unnet"]), "Unknown row 'unnet'. Did you mean 'unet'"),
        (row(against="unet"), "against of row 'x': must be a list"),
        (row(against=["x"]), "cannot be compared with itself"),
        (row(control_of="y"), "Unknown row 'y'"),
        (row(repeats=4), r"repeats 4 times, but the table has 3 seeds"),
        (row(repeats=0), "repeats 0 times"),
        (row(repeats="all"), "whole numbers"),
        (row(published="high"), "must be a number, got 'high'"),
        (row(published={"f1": 0.5}), "whole numbers from 0, got 'f1'"),
        (row(set=["--trainer.max_steps", "2"]), "is no override: write KEY=VALUE"),
        (row(set=[{"trainer.max_steps": 2}]), "is no override"),
        (row(set=["--data.init_args.fold=1"]), r"sets data\.fold for every cell"),
        (row(set=["seed_everything=1"]), "sets seed_everything for every cell"),
        (row(set=["--data.init_args={fold: 2}"]), r"sets data\.seed, data\.fold for every cell"),
    ],
)
def test_mistakes_are_named(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_table(write(tmp_path, content))
    assert str(tmp_path / "table.yaml") in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read the table file"):
        read_table(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"rows": ["hybird"]}, "Did you mean 'hybrid'"),
        ({"folds": [7]}, "Unknown fold of table small '7'"),
        ({"seeds": [0]}, "Known: 3, 4, 5"),
    ],
)
def test_parts_must_exist(part: dict[str, list], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_table(write(tmp_path, CONTENT)).cells(**part)


@pytest.mark.parametrize("controls", [[], ["mlp", "mlp"]])
def test_controls_differ(controls: list[str]) -> None:
    with pytest.raises(ConfigError, match="different controls"):
        Table.of_controls("r", controls)
