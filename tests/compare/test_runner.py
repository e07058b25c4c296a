"""The order of things around a run: skipping, locks, resuming, what a cell holds. Real runs: tests/cli/test_compare."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hqzoo.compare.cell_files import cell_path, read_cell
from hqzoo.compare.locks import locked
from hqzoo.compare.runner import Runner
from hqzoo.compare.samples import samples_of
from hqzoo.compare.table import Cell, Row, Table
from hqzoo.errors import ConfigError, FailedRunsError
from hqzoo.tasks.metric import MIOU
from hqzoo.tasks.report import Report

TABLE = Table("t", "recipe.yaml", (Row("a"), Row("b", ("--x=1",))), folds=(3,), seeds=(7,), settings=("--y=2",))


class CommandLine:
    """Stands for ``hqzoo``: leaves the files of a run behind, and remembers what it was asked for.

    Args:
        codes: Exit codes of the next calls; then 0.
        best: Whether training leaves a best checkpoint.
    """

    def __init__(self, codes: tuple[int, ...] = (), best: bool = False) -> None:
        self.codes, self.best = list(codes), best
        self.calls: list[list[str]] = []

    def __call__(self, arguments: list[str]) -> int:
        self.calls.append(arguments)
        folder = Path(next(each for each in arguments if "default_root_dir" in each).partition("=")[2])
        code = self.codes.pop(0) if self.codes else 0
        if arguments[0] == "fit":
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            (folder / "checkpoints" / "last.ckpt").touch()
            if self.best:
                (folder / "checkpoints" / "best.ckpt").touch()
            (folder / "metrics.csv").write_text("step,epoch,train/loss\n0,0,1.0\n1,0,0.5\n2,1,0.25\n3,1,\n")
            (folder / "timing.json").write_text('{"step_ms": 4.0}')
        else:
            data = {"class_path": "D", "init_args": {"root": "/secret", "fold": 3}}
            score = 0.6 if arguments[-1].endswith("best") else 0.5
            report = Report(scores={"miou": score}, metrics=(MIOU,), model={"parameters": 5}, costs={"flops": 9},
                            data=data, run={"step": 4}, details={"confusion": [[1]]})  # fmt: skip
            (folder / "test.json").write_text(json.dumps(report.to_dict()))
            np.savez_compressed(folder / "test.npz", name=np.array(["x", "y"]), tp=np.array([[score], [1.0]]))
        return code

    @property
    def verbs(self) -> list[str]:
        return [call[0] for call in self.calls]


def test_cells_are_filled_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = CommandLine()
    Runner(TABLE, tmp_path, main).fill(TABLE.cells())
    assert main.verbs == ["fit", "test", "fit", "test"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 cells, 0 of them finished already."
    assert lines[2].startswith("[2/2] row b, fold 3, seed 7: miou 0.5000; 0 s left")
    Runner(TABLE, tmp_path, main).fill(TABLE.cells())
    assert len(main.calls) == 4
    assert capsys.readouterr().out == "2 cells, 2 of them finished already.\n"


def test_what_is_run_and_what_a_cell_holds(tmp_path: Path) -> None:
    main = CommandLine(best=True)
    local = ("--data.init_args.root=/secret",)
    Runner(TABLE, tmp_path, main, local).fill(TABLE.cells(rows=["b"]))
    folder = tmp_path / "runs" / "b-fold3-seed7"
    seed = Cell("a", 3, 7).run_seed("per_run")  # the same in all rows
    common = ["-c", "recipe.yaml", f"--trainer.default_root_dir={folder}", f"--seed_everything={seed}",
              f"--data.init_args.seed={seed}", "--data.init_args.fold=3", "--y=2", "--x=1", *local]  # fmt: skip
    assert main.calls == [
        ["fit", *common],
        ["test", *common, "--ckpt_path=best"],
        ["test", *common, "--ckpt_path=last"],
    ]
    cell = read_cell(tmp_path, Cell("b", 3, 7))
    last, best = cell.report, cell.best
    assert (last.scores, last.run) == ({"miou": 0.5}, {"step": 4, "checkpoint": "last"})
    assert (best.scores, best.run) == ({"miou": 0.6}, {"step": 4, "checkpoint": "best"})
    assert not any((best.model, best.costs, best.data, best.details))
    assert samples_of(cell, tmp_path)["tp"].tolist() == [[0.5], [1.0]]  # of the last checkpoint, not of the best
    assert cell.losses == (0.75, 0.25)
    assert cell.identity.settings == ("--y=2", "--x=1")
    assert last.costs["flops"] == 9
    assert last.costs["step_ms"] == 4.0
    assert last.costs["training_seconds"] >= 0
    assert "/secret" not in json.dumps(cell.to_dict())
    assert cell.command == " ".join(["hqzoo", "fit", "-c", "recipe.yaml", *common[3:8]])
    assert not (folder / "checkpoints").exists()
    assert (folder / "metrics.csv").is_file()


def test_data_without_folds_are_given_none(tmp_path: Path) -> None:
    main = CommandLine()
    table = Table("t", "recipe.yaml", (Row("a"),))
    Runner(table, tmp_path, main, keep=True).fill(table.cells())
    assert not any("fold=" in each for each in main.calls[0])
    assert f"--data.init_args.seed={Cell('a', 0, 0).run_seed('per_run')}" in main.calls[0]
    assert (tmp_path / "runs" / "a-fold0-seed0" / "checkpoints" / "last.ckpt").is_file()


def test_data_are_given_the_arguments_that_they_have(tmp_path: Path) -> None:
    main = CommandLine()
    shared = replace(TABLE, seed_rule="shared")
    Runner(shared, tmp_path, main, data_arguments=()).fill(TABLE.cells(rows=["a"]))
    assert not any("data." in each for each in main.calls[0])
    assert "--seed_everything=7" in main.calls[0]


def test_every_run_draws_its_own_seed() -> None:
    drawn = {Cell("a", fold, seed).run_seed("per_run") for fold in range(30) for seed in range(30)}
    assert len(drawn) == 900
    assert all(0 <= each < 2**32 for each in drawn)  # what Lightning takes
    assert {Cell("a", fold, 4).run_seed("shared") for fold in range(30)} == {4}


def test_runs_of_two_rules_of_seeds_are_not_one_table(tmp_path: Path) -> None:
    shared = replace(TABLE, seed_rule="shared")
    Runner(shared, tmp_path, CommandLine()).fill(TABLE.cells(rows=["a"]))
    with pytest.raises(ConfigError, match="Say seed_rule: shared"):
        Runner(TABLE, tmp_path, CommandLine()).fill(TABLE.cells())


@pytest.mark.parametrize(
    ("text", "losses"),
    [
        ("step,epoch,val_loss,train_loss\n0,0,9.0,1.0\n1,0,,0.5\n", (0.75,)),  # a module of one's own
        ("epoch,test/loss,train/loss_contrast,train/loss\n0,9,3,1\n", (1.0,)),
        ("epoch,acc\n0,0.5\n", ()),
    ],
)
def test_loss_curves_of_any_module(text: str, losses: tuple[float, ...], tmp_path: Path) -> None:
    def logging(arguments: list[str]) -> int:
        code = main(arguments)
        (Path(arguments[3].partition("=")[2]) / "metrics.csv").write_text(text)
        return code

    main = CommandLine()
    Runner(TABLE, tmp_path, logging).fill(TABLE.cells(rows=["a"]))
    assert read_cell(tmp_path, Cell("a", 3, 7)).losses == losses


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path) -> None:
    main = CommandLine((130,))
    cells = TABLE.cells(rows=["a"])
    with pytest.raises(KeyboardInterrupt):
        Runner(TABLE, tmp_path, main).fill(cells)
    assert not cell_path(tmp_path, cells[0]).exists()
    Runner(TABLE, tmp_path, main).fill(cells)
    assert main.verbs == ["fit", "fit", "test"]
    assert "--ckpt_path=last" not in main.calls[0]
    assert main.calls[1][-1] == "--ckpt_path=last"


def test_an_interrupted_test_does_not_train_again(tmp_path: Path) -> None:
    main = CommandLine((0, 130))
    cells = TABLE.cells(rows=["a"])
    with pytest.raises(KeyboardInterrupt):
        Runner(TABLE, tmp_path, main).fill(cells)
    Runner(TABLE, tmp_path, main).fill(cells)
    assert main.verbs == ["fit", "test", "test"]


def test_a_killed_run_loses_count_of_its_seconds(tmp_path: Path) -> None:
    main = CommandLine((130,))
    cells = TABLE.cells(rows=["a"])
    with pytest.raises(KeyboardInterrupt):
        Runner(TABLE, tmp_path, main).fill(cells)
    note = tmp_path / "runs" / cells[0].name / "compare.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "seconds": None}))  # as it stands while a run lasts
    Runner(TABLE, tmp_path, main).fill(cells)
    assert read_cell(tmp_path, cells[0]).report.costs["training_seconds"] is None


def test_a_run_without_checkpoint_starts_afresh(tmp_path: Path) -> None:
    """A validation may leave best.ckpt before there is a last.ckpt, and `hqzoo fit` refuses such a folder."""
    best = tmp_path / "runs" / "a-fold3-seed7" / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True)
    best.touch()
    main = CommandLine()
    Runner(TABLE, tmp_path, main).fill(TABLE.cells(rows=["a"]))
    assert main.verbs == ["fit", "test"]


def test_a_damaged_note_starts_afresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = CommandLine((130,))
    cells = TABLE.cells(rows=["a"])
    with pytest.raises(KeyboardInterrupt):
        Runner(TABLE, tmp_path, main).fill(cells)
    (tmp_path / "runs" / cells[0].name / "compare.json").write_text('{"row": "a", ')
    Runner(TABLE, tmp_path, main).fill(cells)
    assert "--ckpt_path=last" not in main.calls[1]
    assert "compare.json is damaged" in capsys.readouterr().out


def test_other_settings_are_refused(tmp_path: Path) -> None:
    main = CommandLine((0, 0, 130))
    with pytest.raises(KeyboardInterrupt):
        Runner(TABLE, tmp_path, main).fill(TABLE.cells())
    other = Table("t", "recipe.yaml", TABLE.rows, folds=(3,), seeds=(7,), settings=("--y=3",))
    with pytest.raises(ConfigError, match=r"a-fold3-seed7\.json was made with other settings.*--y=2, --y=3"):
        Runner(other, tmp_path, main).fill(other.cells())
    with pytest.raises(FailedRunsError, match=r"b-fold3-seed7 was made with other settings"):
        Runner(other, tmp_path, main).fill(other.cells(rows=["b"]))
    assert len(main.calls) == 3


def test_a_failing_run_leaves_the_others_alone(tmp_path: Path) -> None:
    main = CommandLine((2,))
    with pytest.raises(FailedRunsError, match=r"1 of 2 cells failed.*\na-fold3-seed7: `hqzoo fit .*with exit code 2"):
        Runner(TABLE, tmp_path, main).fill(TABLE.cells())
    assert main.verbs == ["fit", "fit", "test"]
    assert [(tmp_path / "cells" / f"{row}-fold3-seed7.json").exists() for row in "ab"] == [False, True]


def test_if_the_first_runs_all_fail_the_others_would_too(tmp_path: Path) -> None:
    main = CommandLine((2,) * 9)
    table = Table("t", "recipe.yaml", (Row("a"), Row("b")), folds=(0, 1, 2))
    with pytest.raises(FailedRunsError, match=r"3 of 6 cells failed"):
        Runner(table, tmp_path, main).fill(table.cells())
    assert main.verbs == ["fit"] * 3


def test_failing_cells_do_not_block_a_table_that_has_others(tmp_path: Path) -> None:
    table = Table("t", "recipe.yaml", (Row("a"), Row("b")), folds=(0, 1, 2, 3))
    Runner(table, tmp_path, CommandLine()).fill(table.cells(rows=["b"], folds=[0]))
    main = CommandLine((2,) * 4)
    with pytest.raises(FailedRunsError, match=r"4 of 7 cells failed"):
        Runner(table, tmp_path, main).fill([*table.cells(rows=["a"]), *table.cells(rows=["b"])])
    assert not Runner(table, tmp_path, main).missing(table.cells(rows=["b"]))


def test_a_run_that_breaks_down_leaves_the_others_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def breaking(arguments: list[str]) -> int:
        if "a-fold3" in arguments[3]:
            raise RuntimeError("out of memory")
        return main(arguments)

    main = CommandLine()
    with pytest.raises(FailedRunsError, match=r"1 of 2 cells failed.*\na-fold3-seed7: RuntimeError: out of memory"):
        Runner(TABLE, tmp_path, breaking).fill(TABLE.cells())
    assert main.verbs == ["fit", "test"]
    assert "Traceback" in capsys.readouterr().err


def test_a_recipe_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    """Else the second cell would be said to come from the first one's recipe."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("trainer: {max_epochs: 20}\n")
    main = CommandLine()

    def editing(arguments: list[str]) -> int:
        if main.verbs == ["fit"]:
            recipe.write_text("# a comment alone is no change\ntrainer: {max_epochs: 20}\n")
        if main.verbs == ["fit", "test"]:
            recipe.write_text("trainer: {max_epochs: 5}\n")
        return main(arguments)

    with pytest.raises(FailedRunsError, match=r"b-fold3-seed7: .*recipe\.yaml was changed while cells were run"):
        Runner(TABLE, tmp_path / "out", editing, recipe_file=recipe).fill(TABLE.cells())
    assert read_cell(tmp_path / "out", Cell("a", 3, 7))
    assert read_cell(tmp_path / "out", Cell("b", 3, 7)) is None
    with pytest.raises(ConfigError, match=r"a-fold3-seed7\.json was made before recipe recipe\.yaml was changed"):
        Runner(TABLE, tmp_path / "out", main, recipe_file=recipe).fill(TABLE.cells())


def test_a_diverged_run_stays_missing(tmp_path: Path) -> None:
    def diverging(arguments: list[str]) -> int:
        code = main(arguments)
        folder = Path(arguments[3].partition("=")[2])
        if folder.name.startswith("a-"):
            (folder / "metrics.csv").write_text("step,epoch,train/loss\n0,0,1.0\n1,1,nan\n")
        return code

    main = CommandLine()
    for _ in range(2):  # the second time, it is not trained again
        with pytest.raises(
            FailedRunsError, match=r"a-fold3-seed7: its training diverged, with a loss of nan in epoch 2"
        ):
            Runner(TABLE, tmp_path, diverging).fill(TABLE.cells())
    assert main.verbs == ["fit", "fit", "test"]
    assert read_cell(tmp_path, Cell("a", 3, 7)) is None
    assert read_cell(tmp_path, Cell("b", 3, 7)).report.scores["miou"] == 0.5


def test_a_cell_that_another_process_is_at_is_left_to_it(tmp_path: Path) -> None:
    cells = TABLE.cells()
    code = (
        "import sys; from pathlib import Path; from hqzoo.compare.locks import locked\n"
        "with locked(Path(sys.argv[1]), sys.argv[2]) as mine: print(mine, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path), cells[0].name]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"True\n"
    main = CommandLine()
    Runner(TABLE, tmp_path, main).fill(cells)
    assert [Path(call[3].partition("=")[2]).name for call in main.calls] == ["b-fold3-seed7"] * 2
    other.kill()  # a process that dies holds no lock
    other.wait()
    Runner(TABLE, tmp_path, main).fill(cells)
    assert read_cell(tmp_path, cells[0])


def test_a_lock_is_one_processs_at_a_time(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path, "x") as mine, locked(tmp_path, "x") as second, locked(tmp_path, "y") as other:
            assert (mine, second, other) == (True, False, True)
    assert [each.name for each in tmp_path.iterdir()] == ["runs"]  # which no repository keeps
