"""Forest plots as SVG: estimates with their intervals, real text, and no fixed width.

A chart has no view box: across, everything is placed in percent of the width that the page gives it, so that text keeps
its size on a phone and on a wide screen. Colours are the page's own (CSS classes), with fallbacks for a file that stands
alone; the same chart therefore follows light, dark and print. Nothing in it depends on the time or on chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

ROW_HEIGHT = 46
TOP = 8
AXIS_HEIGHT = 30
LINE_HEIGHT = 18
HEADING_HEIGHT = 30
WIDE_UNITS, NARROW_UNITS = 60, 48
"""How much text fits on one line of a wide chart and of a phone, in Latin letters: a label and its figure."""


@dataclass(frozen=True)
class ForestRow:
    """One estimate: its label, the figure as text, and the marks.

    `inner` is the interval of the estimate; `outer` the wider one, corrected for the family. Either may be missing.
    """

    label: str
    figure: str
    estimate: float
    inner: tuple[float, float] | None = None
    outer: tuple[float, float] | None = None
    heading: str = ""
    """Starts a group of rows: drawn above this row."""


@dataclass(frozen=True)
class Forest:
    """A chart: its rows on one axis with a line at zero, and where there is one, a line at a limit."""

    name: str
    title: str
    summary: str
    rows: tuple[ForestRow, ...]
    tick: Callable[[float], str]
    limit: float | None = None
    limit_label: str = ""

    @property
    def has_outer(self) -> bool:
        """Whether any row has a corrected interval, which a legend then explains."""
        return any(row.outer is not None for row in self.rows)


@dataclass(frozen=True)
class Axis:
    """A linear axis over round ticks, zero included, in percent of the width."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Sequence[float], ticks: int = 5) -> Axis:
        """The axis that holds all values and zero, with a step of 1, 2 or 5 times a power of ten.

        >>> Axis.over([-0.3, 1.7]).ticks
        (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
        """
        low, high = min(0.0, *values), max(0.0, *values)
        if low == high:
            low, high = -1.0, 1.0
        raw = (high - low) / (ticks - 1)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return cls(first * step, last * step, tuple(k * step for k in range(first, last + 1)))

    def place(self, value: float) -> str:
        """Where a value stands, inset from both edges so that marks and tick labels are not cut."""
        share = (value - self.low) / (self.high - self.low)
        return f"{4 + 92 * share:.3f}%"


def draw_forest(chart: Forest) -> str:
    """The chart as one `<svg>` element; empty where it has no rows."""
    if not chart.rows:
        return ""
    headings = sum(bool(row.heading) for row in chart.rows)
    bottom = TOP + ROW_HEIGHT * len(chart.rows) + HEADING_HEIGHT * headings
    axis = Axis.over(
        [value for row in chart.rows for value in _values(row)]
        + ([] if chart.limit is None else [chart.limit])
    )
    svg = ET.Element(
        "svg",
        {
            "class": "forest",
            "width": "100%",
            "height": str(bottom + AXIS_HEIGHT + (0 if chart.limit is None else LINE_HEIGHT)),
            "role": "img",
            "aria-labelledby": f"{chart.name}-title {chart.name}-summary",
            "font-size": "13",
        },
    )
    ET.SubElement(svg, "title", id=f"{chart.name}-title").text = chart.title
    ET.SubElement(svg, "desc", id=f"{chart.name}-summary").text = chart.summary
    _draw_axis(svg, axis, chart, bottom)
    top = TOP
    for row in chart.rows:
        if row.heading:
            _text(svg, "0", top + 18, row.heading, "forest-heading")
            top += HEADING_HEIGHT
        _draw_row(svg, axis, row, top)
        top += ROW_HEIGHT
    return ET.tostring(svg, encoding="unicode")


def _values(row: ForestRow) -> list[float]:
    return [row.estimate, *(row.inner or ()), *(row.outer or ())]


def _draw_axis(svg: ET.Element, axis: Axis, chart: Forest, bottom: int) -> None:
    for tick in axis.ticks:
        across = axis.place(tick)
        kind = "forest-zero" if abs(tick) < 1e-12 else "forest-grid"
        _line(svg, across, TOP, across, bottom, kind)
        _text(svg, across, bottom + 18, chart.tick(tick), "forest-tick", "middle")
    if chart.limit is not None:
        across = axis.place(chart.limit)
        _line(svg, across, TOP, across, bottom, "forest-limit")
        _text(svg, across, bottom + 18 + LINE_HEIGHT, chart.limit_label, "forest-limit-label", "middle")


def _draw_row(svg: ET.Element, axis: Axis, row: ForestRow, top: int) -> None:
    group = ET.SubElement(svg, "g")
    ET.SubElement(group, "title").text = f"{row.label}: {row.figure}"
    middle = top + 33
    wide, narrow = (
        cut(row.label, max(units - width(row.figure), 12)) for units in (WIDE_UNITS, NARROW_UNITS)
    )
    _text(group, "0", top + 16, wide, "forest-label" if wide == narrow else "forest-label only-wide")
    if narrow != wide:
        _text(group, "0", top + 16, narrow, "forest-label only-narrow")
    _text(group, "100%", top + 16, row.figure, "forest-figure", "end")
    for interval, kind in ((row.outer, "forest-outer"), (row.inner, "forest-inner")):
        if interval is not None:
            _line(group, axis.place(interval[0]), middle, axis.place(interval[1]), middle, kind)
    decided = row.inner is not None and (row.inner[0] > 0 or row.inner[1] < 0)
    mark = {"cx": axis.place(row.estimate), "cy": str(middle), "r": "5"}
    ET.SubElement(group, "circle", {**mark, "class": "forest-sure" if decided else "forest-unsure"})


def _line(parent: ET.Element, x1: str, y1: int, x2: str, y2: int, kind: str) -> None:
    places = {"x1": x1, "y1": str(y1), "x2": x2, "y2": str(y2)}
    ET.SubElement(parent, "line", {**places, "class": kind, "stroke": "currentColor"})


def _text(parent: ET.Element, x: str, y: int, text: str, kind: str, anchor: str = "start") -> None:
    ET.SubElement(parent, "text", {"x": x, "y": str(y), "class": kind, "text-anchor": anchor}).text = text


def width(text: str) -> int:
    """The width of a text in Latin letters; a Chinese character is two of them wide."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def cut(text: str, units: int) -> str:
    """A text that is at most so many Latin letters wide; what is cut off leaves an ellipsis.

    >>> cut("关怀短信与积分", 9), cut("care", 9)
    ('关怀短信…', 'care')
    """
    if width(text) <= units:
        return text
    kept, used = 0, 1
    while used + width(text[kept]) <= units:
        used += width(text[kept])
        kept += 1
    return text[:kept].rstrip() + "…"
