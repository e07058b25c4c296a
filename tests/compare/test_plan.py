"""Plans: closed forms where there are some, simulated tables where there are none, and the command itself."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from hqzoo.compare.cells import read_cells
from hqzoo.compare.components import Components, estimate
from hqzoo.compare.families import Family, mean_of_pair
from hqzoo.compare.plan import Stated, least_seeds, plan, power_of_design, read_stated
from hqzoo.compare.table import Row
from hqzoo.compare.table_file import dump_table
from hqzoo.errors import ConfigError
from tests.compare.conftest import SCORES, table, write_cells

# Power ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "folds", "seeds"), [(2, 5, math.inf), (4, 7, math.inf), (2, 5, 1), (3, 1, 4)])
def test_one_mean_square_has_the_power_of_a_t_test(rows: int, folds: int, seeds: float) -> None:
    """Row x fold alone, or runs of one split alone: the non-central t distribution."""
    overlap = 0.0 if folds == 1 else 1 / (folds - 1)
    parts = Components(None, None, 0.02**2) if folds == 1 else Components(0.02**2, None, 0.0)
    error = 0.02 * math.sqrt(2 / seeds if folds == 1 else 2 * (1 / folds + overlap))
    degrees = (rows - 1) * ((seeds if folds == 1 else folds) - 1)
    critical = stats.t.ppf(0.975, degrees)
    for margin in (0.01, 0.03, 0.08):
        found = power_of_design(parts, folds, seeds, rows, "a difference", margin, 0.05, overlap)
        assert found == pytest.approx(stats.nct.sf(critical, degrees, margin / error), abs=1e-4)


def test_equivalence_has_the_power_of_two_one_sided_tests() -> None:
    """Phillips 1990, integrated over the spread: with 7 folds and 2 rows."""
    error, margin, degrees = 0.02 * math.sqrt(2 * (1 / 7 + 1 / 6)), 0.05, 6
    critical = stats.t.ppf(0.95, degrees)

    def inside(root: float) -> float:  # root: estimated over true error
        room = (margin - critical * root * error) / error
        return max(2 * stats.norm.cdf(room) - 1, 0) * stats.chi.pdf(root * math.sqrt(degrees), degrees)

    integral = math.sqrt(degrees) * integrate.quad(inside, 0, 5, limit=500)[0]
    parts = Components(0.02**2, None, 0.0)
    found = power_of_design(parts, 7, math.inf, 2, "equivalence", margin, 0.05, 1 / 6)
    assert found == pytest.approx(integral, abs=1e-4)


@pytest.mark.parametrize("fold_sd", [0.0, 0.3, 2.0])
@pytest.mark.parametrize(("goal", "true"), [("a difference", 1.0), ("equivalence", 0.0)])
def test_a_table_finds_what_its_plan_says(fold_sd: float, goal: str, true: float) -> None:
    """Simulated tables of 3 rows x 5 folds x 4 seeds, judged as the tables of cells are."""
    generator, hits, repeats, rho, overlap = np.random.default_rng(5), 0, 600, 1 / 5, 1 / 4
    for _ in range(repeats):
        folds = math.sqrt(1 - rho) * generator.normal(size=(3, 5, 1)) + math.sqrt(rho) * generator.normal(
            size=(3, 1, 1)
        )
        values = fold_sd * folds + generator.normal(size=(3, 5, 4))
        values[0] += true
        scores = {f"r{row}": {key: float(values[(row, *key)]) for key in np.ndindex(5, 4)} for row in range(3)}
        mean = mean_of_pair(scores["r0"], scores["r1"], Family(tuple(scores), estimate(scores)), overlap)[0]
        if goal == "equivalence":
            hits += mean.p_of_equivalence(1.0) < 0.05
        else:
            hits += mean.p_of_difference() < 0.05 and mean.value > 0
    said = power_of_design(Components(fold_sd**2, None, 1.0), 5, 4, 3, goal, 1.0, 0.05, overlap)
    assert hits / repeats == pytest.approx(said, abs=0.05)


def test_the_fewest_seeds_are_the_fewest() -> None:
    parts = Components(0.005**2, None, 0.03**2)
    seeds = least_seeds(parts, 10, 4, "a difference", 0.02, 0.05, 1 / 9)
    powers = [power_of_design(parts, 10, s, 4, "a difference", 0.02, 0.05, 1 / 9) for s in (seeds - 1, seeds)]
    assert powers[0] < 0.8 <= powers[1]
    assert least_seeds(Components(0.03**2, None, 0.0), 5, 4, "a difference", 0.01, 0.05, 1 / 4) is None
    assert least_seeds(Components(0.0, None, 0.0), 5, 2, "equivalence", 0.01, 0.05, 1 / 4) == 1


# Plans ----------------------------------------------------------------------------------------------------------------


def test_the_plan_of_cells(out: Path) -> None:
    """Two families of two rows; ten runs of each row are there, or five."""
    baselines, controls = (plan(table(), read_cells(table(), out))[place] for place in (0, -1))
    assert (baselines.family, baselines.rows) == ("baselines", ("hybrid", "unet"))
    assert (controls.family, controls.rows) == ("controls", ("hybrid", "mlp"))
    assert (controls.margin, controls.alpha) == (0.01, 0.05)
    for option in controls.options:
        if option.seeds is None:
            continue
        assert option.runs == 2 * option.folds * option.seeds
        assert option.new_runs == option.runs - (20 if option.folds == 5 else 0)
        assert option.hours == pytest.approx(option.new_runs * 12.0 / 3600)  # 10 s to 14 s
    assert {each.folds for each in controls.options} == {5, 10, 20}
    shown = controls.grid()
    assert shown.head[1] == "to tell, by 0.01"
    assert len(shown.rows) == 6


def test_one_seed_per_fold_has_two_plans(out: Path) -> None:
    """Nothing tells what the luck of runs is: all of it, or nothing."""
    first, second, _ = plan(table(), read_cells(table(), out))
    assert "if all of it is row x fold" in first.source
    assert "if all of it is the luck of single runs" in second.source
    assert (first.components.residual, second.components.fold) == (None, None)
    assert first.components.fold == second.components.residual
    assert "no number of seeds is enough" in first.sentences()[1]


def test_a_table_of_shared_seeds_is_planned_anew(tmp_path: Path) -> None:
    write_cells(tmp_path, seed_rule="shared")
    own = table(seed_rule="shared")
    found = plan(own, read_cells(own, tmp_path))[-1]
    assert "planned for a new table" in found.source
    assert all(option.new_runs == option.runs for option in found.options)


def test_stated_components_need_no_cells() -> None:
    own = replace(table(), metric="miou", margin=0.02)
    parts = read_stated(["fold=0.005,residual=0.02", "seconds=360"])
    found = plan(own, {name: {} for name in own.row_names}, parts)
    assert [each.source for each in found] == ["as stated", "as stated"]
    for option in found[0].options:
        assert option.hours == pytest.approx(option.runs / 10)
    assert plan(own, {name: {} for name in own.row_names}, Stated(parts.components))[0].options[0].hours is None


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fold=0.1"], "needs residual=SD as well"),
        (["fold=0.1", "residul=0.1"], "Did you mean 'residual'"),
        (["fold=x", "residual=0.1"], "'fold=x' states no component"),
        (["fold=-1", "residual=0.1"], "'fold=-1' states no component"),
    ],
)
def test_mistakes_in_stated_components(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_stated(texts)


def test_families_that_were_not_run_are_told(tmp_path: Path) -> None:
    write_cells(tmp_path, {row: SCORES[row] for row in ("hybrid", "mlp")})
    baselines, controls = plan(table(), read_cells(table(), tmp_path))
    assert baselines.sentences() == ["baselines: hybrid, unet. No plan: the cells are too few to tell components."]
    assert (baselines.options, len(controls.options)) == ((), 6)


def test_too_little_to_plan_from(tmp_path: Path) -> None:
    write_cells(tmp_path, {"hybrid": {0: (0.5,)}, "mlp": {0: (0.4,)}})
    with pytest.raises(ConfigError, match=r"too few to tell components.*--plan-components"):
        plan(table(), read_cells(table(), tmp_path))
    alone = table(rows=(Row("hybrid"),))
    with pytest.raises(ConfigError, match="compares no rows"):
        plan(alone, read_cells(alone, tmp_path))


# The command ----------------------------------------------------------------------------------------------------------


def hqzoo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hqzoo", "compare", *arguments]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_a_plan_and_leaves_the_folder_alone(out: Path) -> None:
    (out / "table.yaml").write_text(dump_table(table()))
    before = sorted(path.relative_to(out) for path in out.rglob("*"))
    done = hqzoo("--out", str(out), "--plan")
    assert done.returncode == 0, done.stderr
    assert "controls: hybrid, mlp. Standard deviations: row x fold" in done.stdout
    assert "to tell, by 0.01" in done.stdout
    option = plan(table(), read_cells(table(), out))[-1].options[-1]
    cells = [each.strip() for each in done.stdout.strip().splitlines()[-2].strip("│").split("│")]
    assert cells == ["20", "equivalence", str(option.seeds), str(option.runs), str(option.new_runs),
                     f"{option.hours:.1f}"]  # fmt: skip
    assert sorted(path.relative_to(out) for path in out.rglob("*")) == before
    done = hqzoo("--out", str(out), "--plan-components", "fold=0.1", "residual=0.1")
    assert done.returncode == 2
    assert "give --plan as well" in done.stderr
