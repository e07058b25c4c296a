"""Published numbers beside each other, with a line of ours: no number of ours is typed by hand."""

import pytest

from hqzoo.compare.quoted import parse_quoted
from hqzoo.errors import ConfigError

CONTENT = {
    "title": "Probes, published, other protocol",
    "columns": ["data", "theirs", "floor"],
    "lines": [["m-eurosat", 82.59, 86.5]],
    "ours": {"line": "EuroSAT, ours", "table": "probed", "rows": {"floor": "statistics"}},
    "note": "Protocols differ.",
}
ROWS = [{"name": "statistics", "score": {"mean": 0.689}, "intervals": {"accuracy": (0.6607, 0.7177)}}]


def test_published_numbers_and_ours() -> None:
    asked = []

    def summary_of(table: str):
        asked.append(table)
        return {"metric": "accuracy", "rows": ROWS}

    text = parse_quoted(CONTENT).markdown(summary_of)
    assert asked == ["probed"]
    assert text.splitlines() == [
        "## Probes, published, other protocol", "",
        "| data | theirs | floor |", "|---|---|---|",
        "| m-eurosat | 82.59 | 86.5 |", "| EuroSAT, ours |  | 68.9 [66.1, 71.8] |", "",
        "Protocols differ.",
    ]  # fmt: skip
    alone = {key: value for key, value in CONTENT.items() if key != "ours"}
    assert "ours" not in parse_quoted(alone).markdown(summary_of)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colums": []}, "Unknown key of a quoted table 'colums'. Did you mean 'columns'"),
        ({"lines": [["m-eurosat", 1]]}, "3 columns, but a line of 2: m-eurosat, 1"),
        ({"lines": 3}, "lines: of a quoted table is a list, got 3"),
        ({"ours": {"table": "probed", "rows": {"flor": "statistics"}}}, "Unknown column 'flor'. Did you mean 'floor'"),
        ({"ours": {"table": "probed", "rows": ["floor"]}}, "rows: of ours holds columns and rows"),
        ({"ours": {"rowz": {}}}, "Unknown key of ours 'rowz'"),
    ],
)
def test_nonsense_is_named(changes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_quoted({**CONTENT, **changes})


def test_a_row_that_our_table_lacks_is_named() -> None:
    ours = {"line": "x", "table": "probed", "rows": {"floor": "statistic"}}
    with pytest.raises(ConfigError, match=r"Unknown row 'statistic'\. Did you mean 'statistics'"):
        parse_quoted({**CONTENT, "ours": ours}).markdown(lambda _: {"metric": "accuracy", "rows": ROWS})
    with pytest.raises(ConfigError, match="a quoted table holds keys and values"):
        parse_quoted([1])
