"""Markup, curves, charts and pictures of the page."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hqzoo.compare.page.charts import COLOURS, Strip, line_chart, strip_chart, ticks
from hqzoo.compare.page.curves import POINTS, read_curves
from hqzoo.compare.page.markup import Markup, from_markdown, inline, join, tag
from hqzoo.compare.page.pictures import LARGEST, WIDEST, picture, png_address
from tests.fixtures.run_folders import ReadPage


@given(st.text())
def test_texts_come_back_as_they_were(text: str) -> None:
    text = text.replace("\r", "").replace("\0", "")
    read = ReadPage(f"<p>{tag('i', text, title=text)}</p>")
    assert read.text == text
    assert read.all("i") == [{"title": text}]
    assert len(read.tags) == 2


def test_markup_is_not_escaped_twice() -> None:
    assert join([tag("b", "<"), "&"]) == "<b>&lt;</b>&amp;"
    assert isinstance(join([]), Markup)


def test_markdown_of_reports() -> None:
    text = "Some `a_b` and **bold**.\n\n| x |  | z |\n|---|---|---|\n| `q` |  | <1 |\n\n* one\n* *two*\n\n![no](p.png)"
    read = ReadPage(from_markdown(text, "T"))
    assert [name for name, _ in read.tags if name in ("p", "table", "ul", "img")] == ["p", "table", "ul"]
    assert read.cells == ["x", "", "z", "q", "", "<1"]
    assert read.text == "Some a_b and bold.T (1)xzq<1onetwo"
    assert inline("5 * 3 * 2 <i>") == "5 * 3 * 2 &lt;i&gt;"


def test_curves_keep_their_means_and_drop_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    values = np.random.default_rng(0).normal(size=10 * POINTS)
    rows = "\n".join(f"{step},0,{value},{'nan' if step else 3}," for step, value in enumerate(values))
    path.write_text(f"step,epoch,train/loss,x,empty\n{rows}\n,,,inf,words\n")
    found = read_curves(path)
    assert set(found) == {"train/loss", "x"}
    assert len(found["train/loss"]) == POINTS
    assert np.mean([value for _, value in found["train/loss"]]) == pytest.approx(values.mean())
    assert list(found["x"]) == [(0.0, 3.0)]
    assert read_curves(tmp_path / "none.csv") == {}


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low: float, width: float) -> None:
    high = low + width
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert 1 <= len(found) <= 8
    assert all(low - slack <= value <= high + slack for value in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[:1], atol=slack, rtol=1e-4)


def test_lines_go_where_their_values_say() -> None:
    curves = {"up": [(0.0, 0.0), (10.0, 1.0)], "down": [(0.0, 1.0), (10.0, 0.0)], "dot": [(5.0, 0.5)]}
    read = ReadPage(line_chart("loss", curves, {"up": 0, "down": COLOURS, "dot": 2}, "step"))
    up, down = (
        [tuple(map(float, place.split(","))) for place in str(each["d"])[1:].split("L")] for each in read.all("path")
    )
    assert up[0][0] < up[1][0]
    assert up[0][1] > up[1][1]  # pixels count downwards
    assert [y for _, y in up] == [y for _, y in reversed(down)]
    (dot,) = read.all("circle")
    assert float(str(dot["cx"])) == pytest.approx(sum(x for x, _ in up) / 2, abs=0.1)
    assert float(str(dot["cy"])) == pytest.approx(sum(y for _, y in up) / 2, abs=0.1)
    assert [each["stroke-dasharray"] for each in read.all("path")] == ["none", "6 3"]  # one colour, told by dashes


def test_strips_show_intervals_and_flat_values() -> None:
    read = ReadPage(strip_chart("d", [Strip("a", [1.0, 3.0], 2.0, 0.0, 4.0), Strip("b", [2.0], 2.0)], 0.5, zero=True))
    interval = next(each for each in read.all("line") if "interval" in str(each["class"]))
    left, right = (float(str(each["cx"])) for each in read.all("circle")[:2])
    assert float(str(interval["x1"])) < left < right < float(str(interval["x2"]))
    assert "a mean 2.0000, interval 0.0000 to 4.0000, 2 values" in str(read.all("svg")[0]["aria-label"])
    assert "NaN" not in strip_chart("d", [Strip("a", [0.0, 0.0], 0.0)]) + line_chart(
        "x", {"a": [(0, 1)]}, {"a": 0}, "s"
    )


def test_pictures_are_no_larger_than_a_page_carries(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    content = base64.b64decode(png_address(tmp_path / "noise.png").removeprefix("data:image/png;base64,"))
    assert len(content) <= LARGEST
    with Image.open(BytesIO(content)) as found:
        assert max(found.size) <= WIDEST
    Image.fromarray(noise[:20, :30]).save(tmp_path / "small.png")
    small = base64.b64decode(png_address(tmp_path / "small.png").partition(",")[2])
    with Image.open(BytesIO(small)) as found:
        assert np.array_equal(np.asarray(found), noise[:20, :30])


def test_damaged_pictures_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    found = picture(tmp_path / "bad.png", "words", "run a")
    assert "bad.png of run a cannot be read" in found
    assert "<img" not in found
