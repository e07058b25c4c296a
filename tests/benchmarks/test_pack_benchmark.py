"""The benchmark of formats: a small one runs, which also shows that all formats give the same batches."""

import json

from benchmarks.pack import __main__ as pack


def test_a_few_pairs_are_measured(tmp_path, capsys):
    given = ["--pairs", "3", "--turns", "1", "--workers", "0", "--folder", str(tmp_path)]
    assert pack.main([*given, "--out", str(tmp_path / "pack.json")]) == 0
    found = json.loads((tmp_path / "pack.json").read_text())
    formats = found["sources"]["generated"]["formats"]
    assert {"tiff", "pack", "lmdb + safetensors", "zarr"} < set(formats)
    for name, each in formats.items():
        rate = each["warm, 0 workers"]["pairs_per_second"]
        hours = found["projected_hours"]["hours"][name]["warm, 0 workers"]
        assert abs(hours * rate * 3600 - 237_871 * 400) < 0.01 * 237_871 * 400
    shown = capsys.readouterr().out
    assert all(f"| {name} |" in shown for name in formats)
    assert [path.name for path in tmp_path.iterdir()] == ["pack.json"]
