"""A policy's tree as SVG, for people: questions above, offers below, left where the answer is yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from reports.charts import cut
from uplift.documents import TreeNode

_LEVEL = 74
_TOP = 24


@dataclass(frozen=True)
class TreeChart:
    """A tree: its nodes from the root on, the words of both answers, and how members are written."""

    name: str
    title: str
    summary: str
    nodes: Sequence[TreeNode]
    answers: tuple[str, str]
    members: Sequence[str]


@dataclass(frozen=True)
class _Place:
    """Where a node stands: across in percent, its depth, and how much room it has across."""

    across: float
    depth: int
    room: float


def draw_tree(chart: TreeChart) -> str:
    """The tree as one `<svg>` element; empty without nodes."""
    if not chart.nodes:
        return ""
    places = _places(chart.nodes)
    height = _TOP + _LEVEL * (1 + max(place.depth for place in places))
    svg = ET.Element(
        "svg",
        {
            "class": "forest tree",
            "width": "100%",
            "height": str(height),
            "role": "img",
            "aria-labelledby": f"{chart.name}-title {chart.name}-summary",
            "font-size": "12",
        },
    )
    ET.SubElement(svg, "title", id=f"{chart.name}-title").text = chart.title
    ET.SubElement(svg, "desc", id=f"{chart.name}-summary").text = chart.summary
    for place, node in zip(places, chart.nodes, strict=True):
        for child, answer in zip(node.children, chart.answers, strict=False):
            _draw_way(svg, place, places[child], answer)
    for place, node, members in zip(places, chart.nodes, chart.members, strict=True):
        _draw_node(svg, place, node, members)
    return ET.tostring(svg, encoding="unicode")


def _places(nodes: Sequence[TreeNode]) -> list[_Place]:
    """Leaves at equal distances, each question above the middle of its answers."""
    leaves = sum(1 for node in nodes if not node.children)
    found: dict[int, _Place] = {}
    placed = 0

    def put(at: int, depth: int) -> float:
        nonlocal placed
        node = nodes[at]
        if not node.children:
            across = (placed + 0.5) / leaves
            placed += 1
        else:
            across = sum([put(child, depth + 1) for child in node.children]) / len(node.children)
        found[at] = _Place(100 * across, depth, 1.0 / leaves if not node.children else 0.6)
        return across

    put(0, 0)
    return [found[at] for at in range(len(nodes))]


def _draw_way(svg: ET.Element, start: _Place, end: _Place, answer: str) -> None:
    top, bottom = _height(start) + 22, _height(end) - 16
    ends = {"x1": f"{start.across:.2f}%", "y1": str(top), "x2": f"{end.across:.2f}%", "y2": str(bottom)}
    ET.SubElement(svg, "line", {**ends, "class": "forest-grid", "stroke": "currentColor"})
    middle = (start.across + end.across) / 2
    _text(svg, middle, (top + bottom) // 2 + 4, answer, "forest-tick")


def _draw_node(svg: ET.Element, place: _Place, node: TreeNode, members: str) -> None:
    group = ET.SubElement(svg, "g")
    ET.SubElement(group, "title").text = f"{node.words}: {members}"
    kind = "forest-label" if node.children else "forest-heading"
    _text(group, place.across, _height(place), cut(node.words, max(int(110 * place.room), 10)), kind)
    _text(group, place.across, _height(place) + 16, members, "forest-tick")


def _height(place: _Place) -> int:
    return _TOP + _LEVEL * place.depth


def _text(parent: ET.Element, across: float, y: int, text: str, kind: str) -> None:
    places = {"x": f"{across:.2f}%", "y": str(y), "class": kind, "text-anchor": "middle"}
    ET.SubElement(parent, "text", places).text = text
