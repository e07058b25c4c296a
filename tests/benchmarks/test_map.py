import json
from pathlib import Path

from benchmarks.map.__main__ import main


def test_it_measures_both_precisions_and_says_what_the_overlap_costs(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    assert main(["--size", "200", "--turns", "1", "--output", str(path)]) == 0
    found = json.loads(path.read_text())
    assert found["machine"]["torch"]
    for precision in ("float32", "bfloat16"):
        row = found[precision]
        assert row["windows"] == 9  # 3 rows of 3: ceil(72 / 64) + 1
        assert row["ratio"] > 0
        assert row["times_without_overlap"] > 0
