"""Types that are refused, and the size of what is built; what expressions mean stands in the truth tables."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from sqlglot import exp

from experiments.definition.expressions import Expression
from experiments.engines.connect import connect
from experiments.engines.protocol import ColumnType
from experiments.engines.translate import check_types, translate

KINDS = {
    "tier": ColumnType.TEXT,
    "n": ColumnType.INTEGER,
    "rate": ColumnType.FLOAT,
    "yes": ColumnType.BOOLEAN,
    "day": ColumnType.DATE,
    "moment": ColumnType.INSTANT,
    "blob": ColumnType.OTHER,
}


@pytest.mark.parametrize(
    ("text", "root", "named"),
    [
        ("tier = 1", "boolean", "tier"),
        ("tier IN (1, 2)", "boolean", "tier"),
        ("n BETWEEN 'a' AND 'b'", "boolean", "n"),
        ("yes + 1", "numeric", "yes"),
        ("yes", "numeric", "yes"),
        ("yes > FALSE", "boolean", "yes"),
        ("n", "boolean", "n"),
        ("n AND yes", "boolean", "n"),
        ("NOT n", "boolean", "n"),
        ("-tier", "numeric", "tier"),
        ("tier / 2", "numeric", "tier"),
        ("rate % 2", "numeric", "rate"),
        ("n LIKE '7%'", "boolean", "n"),
        ("LOWER(n) = 'a'", "boolean", "n"),
        ("moment > '2026-01-01'", "boolean", "moment"),
        ("days_between(tier, day) > 3", "boolean", "tier"),
        ("CASE WHEN n THEN 1 END", "numeric", "n"),
        ("CASE WHEN yes THEN 1 ELSE 'a' END", "numeric", "'a'"),
        ("CASE tier WHEN 1 THEN 1 END", "numeric", "tier"),
        ("COALESCE(n, tier)", "numeric", "tier"),
        ("CASE WHEN yes THEN NULL END", "numeric", "NULL"),
        ("day", "numeric", "day"),
        ("blob IS NULL", "boolean", "blob"),
    ],
)
def test_types_that_engines_would_treat_differently_are_refused(text: str, root: str, named: str) -> None:
    problems = check_types(Expression.parse(text), KINDS, root)  # type: ignore[arg-type]
    assert len(problems) == 1
    cause, _, remedy = problems[0].partition("; ")
    assert named in cause
    assert remedy


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("tier = 'vip' AND (n > 3 OR rate / n < 0.5) AND yes", "boolean"),
        ("CASE WHEN yes THEN 1 ELSE 2.5 END * rate", "numeric"),
        ("moment BETWEEN DATE '2026-01-01' AND day", "boolean"),
        ("yes = TRUE", "boolean"),
        ("CASE WHEN n = 1 THEN NULL ELSE n END", "numeric"),
    ],
)
def test_sound_types_pass(text: str, root: str) -> None:
    assert check_types(Expression.parse(text), KINDS, root) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "around",
    ["CASE ({}) WHEN 7 THEN 0 WHEN 0 THEN 7 END", "CASE WHEN ({}) BETWEEN 1 AND 7 THEN 0 ELSE 1 END"],
)
def test_nesting_grows_with_the_text_and_not_beyond(around: str) -> None:
    """Each operand is built once: what doubled on every level would be a million times as long."""
    text = "n"
    for _ in range(20):
        text = around.format(text)
    tree = translate(
        Expression.parse(text), exp.column, {"n": ColumnType.INTEGER}, connect(), ZoneInfo("UTC")
    )
    assert len(tree.sql("duckdb")) < 20 * len(text)
