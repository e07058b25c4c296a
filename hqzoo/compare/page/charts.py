"""Charts as SVG inside the page: lines over steps, and strips of points with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hqzoo.compare.page.curves import Curve
from hqzoo.compare.page.markup import Markup, tag

__all__ = ["COLOURS", "Strip", "line_chart", "strip_chart", "swatch", "ticks"]

COLOURS, DASHES = 6, ("", "6 3", "2 3", "9 3 2 3")  # classes c0 to c5 of the style; lines beyond them are dashed
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 240, 54, 16, 12, 36


@dataclass(frozen=True)
class Strip:
    """One line of a strip chart.

    Args:
        label: What stands above it.
        points: Single values.
        mean: Their mean, if there is one.
        low: Lower end of its interval, if it has one.
        high: Upper end.
        style: Number of its colour.
    """

    label: str
    points: Sequence[float]
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    style: int = 0


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about so many round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def line_chart(name: str, curves: Mapping[str, Curve], styles: Mapping[str, int], along: str) -> Markup:
    """Return curves over steps or epochs.

    Args:
        name: What they show.
        curves: By run.
        styles: Number of a run's colour and dashes.
        along: What they run along: ``step`` or ``epoch``.
    """
    xs, ys = zip(*(point for curve in curves.values() for point in curve), strict=True)
    x, y = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT), _Axis(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    parts = [_grid(x, y), tag("text", along, x=WIDTH - RIGHT, y=HEIGHT - 4, text_anchor="end")]
    for run, curve in curves.items():
        places = [f"{x(step):.1f},{y(value):.1f}" for step, value in curve]
        if len(places) == 1:
            cx, cy = places[0].split(",")
            parts.append(tag("circle", cx=cx, cy=cy, r=4, class_=f"dot {_colour(styles[run])}"))
        else:
            parts.append(tag("path", d="M" + "L".join(places), **_stroke(styles[run])))
    told = "; ".join(f"{run} from {curve[0][1]:.4g} to {curve[-1][1]:.4g}" for run, curve in curves.items())
    return _picture(f"{name} by {along}: {told}", HEIGHT, parts)


def strip_chart(name: str, strips: Sequence[Strip], margin: float | None = None, zero: bool = False) -> Markup:
    """Return one line of points for each strip, with its mean and interval.

    Args:
        name: What they show.
        strips: The lines, at least one.
        margin: Half the width of a shaded band around zero; None: there is none.
        zero: Whether zero is marked.
    """
    values = [value for each in strips for value in (*each.points, each.mean, each.low, each.high) if value is not None]
    values += [0.0] * zero + ([-margin, margin] if margin else [])
    height = TOP + 44 * len(strips) + BOTTOM
    x = _Axis(min(values), max(values), 14, WIDTH - 14)
    parts = []
    if margin:
        band = x(margin) - x(-margin)
        parts.append(tag("rect", x=f"{x(-margin):.1f}", y=TOP, width=f"{band:.1f}", height=44 * len(strips),
                         class_="band"))  # fmt: skip
    for value in ticks(x.low, x.high):
        parts.append(_vertical(x(value), TOP, height - BOTTOM, "axis" if zero and value == 0 else "grid"))
        parts.append(tag("text", f"{value:g}", x=f"{x(value):.1f}", y=height - 14, text_anchor="middle"))
    for number, each in enumerate(strips):
        parts += _strip(each, x, TOP + 44 * number)
    return _picture(f"{name}: {'; '.join(map(_told, strips))}", height, parts)


def swatch(style: int) -> Markup:
    """Return a short line in the colour and dashes of a run, for legends."""
    line = tag("path", d="M1,6L31,6", **_stroke(style))
    return tag("svg", line, viewBox="0 0 32 12", class_="swatch", aria_hidden="true")


class _Axis:
    """From values to places in the picture; ends are a little beyond the values."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        room = (high - low) * 0.04 or abs(high) * 0.1 or 0.5
        self.low, self.high, self.start, self.end = low - room, high + room, start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _grid(x: _Axis, y: _Axis) -> Markup:
    parts = []
    for value in ticks(y.low, y.high, 4):
        place = f"{y(value):.1f}"
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=place, y2=place, class_="grid"))
        parts.append(tag("text", f"{value:.6g}", x=LEFT - 6, y=f"{y(value) + 4:.1f}", text_anchor="end"))
    for value in ticks(max(0.0, x.low), x.high, 4):
        parts.append(tag("text", f"{value:g}", x=f"{x(value):.1f}", y=HEIGHT - 19, text_anchor="middle"))
    bottom = HEIGHT - BOTTOM
    return tag("g", *parts, tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis"))


def _strip(strip: Strip, x: _Axis, top: float) -> list[Markup]:
    middle, colour = top + 30, _colour(strip.style)
    parts = [tag("text", strip.label, x=14, y=top + 15, class_="label")]
    if strip.low is not None and strip.high is not None:
        ends = {"x1": f"{x(strip.low):.1f}", "x2": f"{x(strip.high):.1f}", "y1": middle, "y2": middle}
        parts.append(tag("line", **ends, class_=f"interval {colour}"))
    parts += [tag("circle", cx=f"{x(value):.1f}", cy=middle, r=4, class_=f"dot {colour}") for value in strip.points]
    if strip.mean is not None:
        parts.append(_vertical(x(strip.mean), middle - 9, middle + 9, f"mean {colour}"))
    return parts


def _told(strip: Strip) -> str:
    mean = "" if strip.mean is None else f" mean {strip.mean:.4f}"
    ends = "" if strip.low is None else f", interval {strip.low:.4f} to {strip.high:.4f}"
    return f"{strip.label}{mean}{ends}, {len(strip.points)} values"


def _vertical(x: float, top: float, bottom: float, kind: str) -> Markup:
    return tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=top, y2=bottom, class_=kind)


def _colour(style: int) -> str:
    return f"c{style % COLOURS}"


def _stroke(style: int) -> dict[str, str]:
    return {"class_": f"line {_colour(style)}", "stroke_dasharray": DASHES[style // COLOURS % len(DASHES)] or "none"}


def _picture(name: str, height: float, parts: Sequence[str]) -> Markup:
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=name, class_="chart")
