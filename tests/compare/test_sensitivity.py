"""Tables that cannot tell a part that helps from one that does not."""

from dataclasses import replace

import pytest

from hqzoo.compare.sensitivity import assays, is_blind, sensitivity_sentences
from hqzoo.compare.table import Row, Table
from hqzoo.tasks.metric import LOSS, MIOU

CONTROLS = ("quantum", "mlp", "constant", "zero")


def table(*controls: str) -> Table:
    return Table.of_controls("hq_unet/folder", controls, (0, 1), (0,))


def scores(**means: float) -> dict[str, dict[tuple[int, int], float]]:
    return {name: {(0, 0): mean - 0.1, (1, 0): mean + 0.1} for name, mean in means.items()}


def verdicts(word: str) -> list[dict[str, str]]:
    return [{"row": "quantum", "against": "zero", "verdict": word}]


@pytest.mark.parametrize(
    ("quantum", "mlp", "word", "state"),
    [
        (0.505, 0.504, "equivalent", "blind"),
        (0.505, 0.53, "equivalent", "not shown"),  # something in its place may matter, if not the circuit
        (0.6, 0.5, "undecided", "not shown"),
        (0.6, 0.5, "better", "sensitive"),
        (0.4, 0.4, "worse", "blind"),  # nothing is better than nothing
    ],
)
def test_states(quantum: float, mlp: float, word: str, state: str) -> None:
    found = assays(
        table(*CONTROLS), scores(quantum=quantum, mlp=mlp, constant=0.5, zero=0.5), verdicts(word), MIOU, 0.01
    )
    assert [each["state"] for each in found] == [state]
    summary = {"assays": found, "margin": 0.01}
    assert is_blind(summary) == (state == "blind")
    assert bool(sensitivity_sentences(summary)) == (state != "sensitive")


def test_lower_is_better() -> None:
    found = assays(
        table(*CONTROLS), scores(quantum=0.3, mlp=0.5, constant=0.5, zero=0.5), verdicts("undecided"), LOSS, 0.01
    )
    assert found[0]["best"] == "quantum"
    assert found[0]["gain"] == pytest.approx(0.2)


def test_constants_stand_in_for_nothing_and_without_either_it_is_untested() -> None:
    values = scores(quantum=0.5, mlp=0.5, constant=0.5)
    found = assays(table("quantum", "mlp", "constant"), values, [], MIOU, 0.01)
    assert (found[0]["nothing"], found[0]["state"]) == ("constant", "blind")
    found = assays(table("quantum", "mlp"), values, [], MIOU, 0.01)
    assert found[0]["state"] == "untested"
    assert "no row has nothing in the place" in sensitivity_sentences({"assays": found, "margin": 0.01})[0]


def test_rows_without_controls_are_not_asked() -> None:
    plain = replace(table(*CONTROLS), rows=(Row("a"), Row("b", against=("a",))))
    assert assays(plain, scores(a=0.5, b=0.6), [], MIOU, 0.01) == []
    assert not is_blind({"assays": []})
