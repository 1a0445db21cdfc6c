"""Curves as SVG: points where their figures are, text as text, a file that stands alone."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from reports.curves import Curve, draw_curve

SVG = "{http://www.w3.org/2000/svg}"


def curve(
    points: list[tuple[float, float]], level: tuple[float, str] | None = (0.5, "worth <finding>")
) -> Curve:
    return Curve(
        name="c",
        title="效果",
        summary="From 1 to 2",
        points=points,
        x_tick=lambda value: f"{value:,.0f}",
        y_tick=lambda value: f"{value:.2f} pp",
        x_title="Members",
        at=(2000.0, "as planned"),
        level=level,
    )


def test_a_point_stands_higher_where_its_figure_is_larger_and_says_it() -> None:
    svg = ET.fromstring(draw_curve(curve([(1000, 1.4), (2000, 1.0), (4000, 0.7)]), alone=True))
    circles = svg.findall(f"{SVG}circle")
    assert [float(c.get("cx", "").rstrip("%")) for c in circles] == sorted(
        float(c.get("cx", "").rstrip("%")) for c in circles
    )
    heights = [float(c.get("cy", "")) for c in circles]
    assert heights == sorted(heights)
    # Half way down from the top of the axis (1.5) to zero is half of its height.
    top, bottom = 30, 250
    assert heights[1] == round(bottom - (bottom - top) * 1.0 / 1.5, 1)
    assert circles[1].get("class") == "forest-sure"
    assert circles[0].findtext(f"{SVG}title") == "1,000: 1.40 pp"


def test_words_are_words_and_the_file_stands_alone() -> None:
    text = draw_curve(curve([(1000, 1.4), (4000, 0.7)]), alone=True)
    assert "://" not in draw_curve(curve([(1000, 1.4), (4000, 0.7)]))
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "效果" in text
    assert "worth &lt;finding&gt;" in text
    assert ">as planned<" in text
    assert 'stroke="currentColor"' in text


def test_one_point_is_no_curve() -> None:
    assert draw_curve(curve([(1000, 1.4)])) == ""


def test_nothing_asked_draws_no_level() -> None:
    assert "forest-limit" not in draw_curve(curve([(1000, 1.4), (4000, 0.7)], level=None))
