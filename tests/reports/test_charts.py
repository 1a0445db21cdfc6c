"""Forest plots: real text, the right places, the same bytes each time."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from reports.charts import Axis, Forest, ForestRow, cut, draw_forest, width

FINITE = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


def forest(*rows: ForestRow, limit: float | None = None) -> Forest:
    return Forest("chart", "Profit", "Profit of the arms", rows, lambda value: f"{value:g}", limit, "limit")


@given(st.lists(FINITE, min_size=1, max_size=30))
def test_an_axis_holds_every_value_and_zero_between_few_round_ticks(values: list[float]) -> None:
    axis = Axis.over(values)
    assert axis.low <= min(0.0, *values) + 1e-9
    assert axis.high >= max(0.0, *values) - 1e-9
    assert 2 <= len(axis.ticks) <= 8
    assert any(abs(tick) < 1e-12 for tick in axis.ticks)


def test_marks_stand_where_their_numbers_are() -> None:
    svg = ET.fromstring(draw_forest(forest(ForestRow("care", "+1", 1.0, (0.5, 1.5), (0.0, 2.0)))))
    axis = Axis.over([1.0, 0.5, 1.5, 0.0, 2.0])
    circle = svg.find(".//circle")
    assert circle is not None
    assert circle.get("cx") == axis.place(1.0)
    inner = next(line for line in svg.iter("line") if line.get("class") == "forest-inner")
    assert (inner.get("x1"), inner.get("x2")) == (axis.place(0.5), axis.place(1.5))


def test_an_estimate_whose_interval_holds_zero_is_hollow() -> None:
    svg = ET.fromstring(
        draw_forest(
            forest(
                ForestRow("a", "", 1.0, (0.5, 1.5)),
                ForestRow("b", "", 1.0, (-0.5, 2.5)),
                ForestRow("c", "", 1.0),
            )
        )
    )
    assert [circle.get("class") for circle in svg.iter("circle")] == [
        "forest-sure",
        "forest-unsure",
        "forest-unsure",
    ]


def test_a_limit_is_a_line_with_its_word() -> None:
    text = draw_forest(forest(ForestRow("care", "+1", 1.0, (0.5, 1.5)), limit=3.0))
    assert "forest-limit" in text
    assert ">limit<" in text


def test_labels_are_text_and_markup_in_them_stays_text() -> None:
    hostile = "</svg><script>alert(1)</script>"
    text = draw_forest(forest(ForestRow("关怀 × 500 积分", hostile, 1.0)))
    assert "<script" not in text
    assert "关怀 × 500 积分" in text
    assert ET.fromstring(text).findtext(".//g/title") == f"关怀 × 500 积分: {hostile}"


def test_the_same_chart_is_the_same_bytes() -> None:
    rows = [ForestRow(f"arm {k}", "", k / 3, (k / 3 - 1, k / 3 + 1)) for k in range(5)]
    assert draw_forest(forest(*rows)) == draw_forest(forest(*rows))


def test_a_chart_without_rows_is_nothing() -> None:
    assert draw_forest(forest()) == ""


@given(st.text(max_size=60), st.integers(2, 40))
def test_a_cut_text_fits(text: str, units: int) -> None:
    assert width(cut(text, units)) <= max(units, 1)
