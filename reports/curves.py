"""Curves as SVG: a line over two axes with the planned point and the level asked for, real text, and no fixed width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree as ET

from reports.charts import Axis

HEIGHT = 220
TOP = 30
BOTTOM = 46
_LEFT = 12
"""Percent of the width that the labels of the upright axis take."""


@dataclass(frozen=True)
class Curve:
    """A falling or rising line.

    Attributes:
        name: An ASCII slug.
        title: What is drawn.
        summary: The same in a sentence, for those who cannot see it.
        points: x and y, x ascending.
        x_tick: Writes a figure of the lying axis.
        y_tick: Writes a figure of the upright one.
        x_title: What lies.
        at: x of the plan, and its words.
        level: y that was asked for, and its words; None where nothing was.
    """

    name: str
    title: str
    summary: str
    points: Sequence[tuple[float, float]]
    x_tick: Callable[[float], str]
    y_tick: Callable[[float], str]
    x_title: str
    at: tuple[float, str]
    level: tuple[float, str] | None = None


def draw_curve(curve: Curve, *, alone: bool = False) -> str:
    """The chart as one `<svg>` element, or `alone` as a whole file; empty with fewer than two points."""
    if len(curve.points) < 2:
        return ""
    levels = [] if curve.level is None else [curve.level[0]]
    across = Axis.over([x for x, _ in curve.points] + [curve.at[0]])
    upward = Axis.over([y for _, y in curve.points] + levels)
    svg = ET.Element(
        "svg",
        {
            **({"xmlns": "http://www.w3.org/2000/svg"} if alone else {}),
            "class": "forest curve",
            "width": "100%",
            "height": str(HEIGHT + TOP + BOTTOM),
            "role": "img",
            "aria-labelledby": f"{curve.name}-title {curve.name}-summary",
            "font-size": "13",
        },
    )
    ET.SubElement(svg, "title", id=f"{curve.name}-title").text = curve.title
    ET.SubElement(svg, "desc", id=f"{curve.name}-summary").text = curve.summary
    plot = _Plot(svg, across, upward)
    plot.axes(curve)
    for start, end in pairwise(curve.points):
        plot.line(start, end, "curve-line")
    for x, y in curve.points:
        words = f"{curve.x_tick(x)}: {curve.y_tick(y)}"
        plot.mark(x, y, words, planned=x == curve.at[0])
    return ET.tostring(svg, encoding="unicode")


@dataclass(frozen=True)
class _Plot:
    """Where figures stand: across in percent of the width, upward in pixels."""

    svg: ET.Element
    across: Axis
    upward: Axis

    def x(self, value: float) -> str:
        share = (value - self.across.low) / (self.across.high - self.across.low)
        return f"{_LEFT + (96 - _LEFT) * share:.3f}%"

    def y(self, value: float) -> str:
        share = (value - self.upward.low) / (self.upward.high - self.upward.low)
        return f"{TOP + HEIGHT * (1 - share):.1f}"

    def axes(self, curve: Curve) -> None:
        """Grid, ticks, the plan's place and the level asked for."""
        low, high = (self.across.low, self.across.high), (self.upward.low, self.upward.high)
        for tick in self.upward.ticks:
            self.line((low[0], tick), (low[1], tick), "forest-grid")
            self.text(f"{_LEFT - 1}%", float(self.y(tick)) + 4, curve.y_tick(tick), "forest-tick", "end")
        for tick in self.across.ticks:
            self.text(self.x(tick), TOP + HEIGHT + 18, curve.x_tick(tick), "forest-tick", "middle")
        self.text("96%", TOP + HEIGHT + 38, curve.x_title, "forest-tick", "end")
        place, words = curve.at
        self.line((place, high[0]), (place, high[1]), "forest-zero")
        self.text(self.x(place), TOP - 10, words, "forest-tick", "middle")
        if curve.level is not None:
            level, words = curve.level
            self.line((low[0], level), (low[1], level), "forest-limit")
            self.text("96%", float(self.y(level)) - 6, words, "forest-limit-label", "end")

    def line(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
        places = {"x1": self.x(start[0]), "y1": self.y(start[1]), "x2": self.x(end[0]), "y2": self.y(end[1])}
        ET.SubElement(self.svg, "line", {**places, "class": kind, "stroke": "currentColor"})

    def mark(self, x: float, y: float, words: str, *, planned: bool) -> None:
        """A point that says its figures; the plan's own is filled and large."""
        kind, radius = ("forest-sure", "5") if planned else ("curve-point", "2.5")
        circle = ET.SubElement(
            self.svg, "circle", {"cx": self.x(x), "cy": self.y(y), "r": radius, "class": kind}
        )
        ET.SubElement(circle, "title").text = words

    def text(self, x: str, y: float, text: str, kind: str, anchor: str) -> None:
        ET.SubElement(
            self.svg, "text", {"x": x, "y": f"{y:.1f}", "class": kind, "text-anchor": anchor}
        ).text = text
