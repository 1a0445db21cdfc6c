"""Truth tables of every allowed node, run on the real engine; types that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlglot import exp

from experiments.definition.expressions import Expression
from experiments.engines.connect import connect
from experiments.engines.protocol import ColumnType, Engine
from experiments.engines.translate import check_types, translate

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = connect()
    one = {
        "n": exp.cast(exp.Literal.number(7), "INTEGER"),
        "tiny": exp.cast(exp.Literal.number(100), "TINYINT"),
        "zero": exp.cast(exp.Literal.number(0), "INTEGER"),
        "price": exp.cast(exp.Literal.string("10.10"), "DECIMAL(18,2)"),
        "rate": exp.cast(exp.Literal.string("0.5"), "DOUBLE"),
        "none": exp.cast(exp.null(), "INTEGER"),
        "no_text": exp.cast(exp.null(), "TEXT"),
        "tier": exp.Literal.string("svip"),
        "会员 名": exp.Literal.string("Ünal"),
        "yes": exp.true(),
        "unknown": exp.cast(exp.null(), "BOOLEAN"),
        "day": exp.cast(exp.Literal.string("2026-11-25"), "DATE"),
        "local": exp.cast(exp.Literal.string("2026-11-25 23:30:00"), "TIMESTAMP"),
        # 2026-11-26 00:30 in Shanghai, still the 25th in UTC
        "moment": exp.cast(exp.Literal.string("2026-11-25 16:30:00+00:00"), "TIMESTAMPTZ"),
    }
    engine.create("one", exp.select(*(value.as_(name, quoted=True) for name, value in one.items())))
    yield engine
    engine.cancel_and_close()


def translated(engine: Engine, text: str) -> exp.Expr:
    return translate(
        Expression.parse(text),
        lambda name: exp.column(name, "one", quoted=True),
        engine.columns("one"),
        engine,
        SHANGHAI,
    )


def evaluate(engine: Engine, text: str) -> object:
    (row,) = engine.rows(exp.select(translated(engine, text)).from_("one"))
    return row[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # three-valued logic
        ("yes AND unknown", None),
        ("NOT yes AND unknown", False),
        ("yes OR unknown", True),
        ("NOT yes OR unknown", None),
        ("NOT unknown", None),
        ("unknown IS NULL", True),
        ("n IS NOT NULL", True),
        ("none = 7", None),
        ("NOT (none = 7)", None),
        ("none IN (7, 8)", None),
        ("n NOT IN (7, 8)", False),
        ("none BETWEEN 1 AND 9", None),
        ("yes = TRUE", True),
        # comparisons
        ("n = 7.0", True),
        ("n <> 7", False),
        ("n >= 7 AND n <= 7 AND NOT n > 7 AND NOT n < 7", True),
        ("n BETWEEN 7 AND 8", True),
        ("n BETWEEN -1 AND 6", False),
        ("price = 10.1", True),
        ("n IN (-7, 7)", True),
        ("tier IN ('vip', 'svip')", True),
        ("tier < 't' AND 'Z' < tier", True),
        ("'é' > 'z'", True),
        # arithmetic
        ("7 / 2", 3.5),
        ("n / 2", 3.5),
        ("n / zero", None),
        ("1.0 / 0", None),
        ("price / 4", 2.525),
        ("n % 4", 3),
        ("-n % 4", -3),
        ("n % zero", None),
        ("tiny + tiny", 200),
        ("tiny * tiny * tiny * tiny", 100_000_000),
        ("n - none", None),
        ("n - 2 - 1", 4),
        ("n - (2 - 1)", 6),
        ("2 + 3 * n", 23),
        ("(2 + 3) * n", 35),
        ("-(n - 8)", 1),
        ("price - 0.05", Decimal("10.05")),
        ("price * 2", 20.2),
        ("rate + price", 10.6),
        ("ABS(0 - n)", 7),
        ("ABS(rate - 2)", 1.5),
        # text
        ("tier LIKE 'sv%'", True),
        ("tier LIKE '_vip'", True),
        ("tier LIKE 'SV%'", False),
        ("no_text LIKE '%'", None),
        ("\"会员 名\" LIKE '_nal'", True),
        ("LOWER(\"会员 名\") = 'ünal'", True),
        ("UPPER(tier) = 'SVIP'", True),
        ("tier LIKE '100%' OR tier = '50\\%'", False),
        # CASE and COALESCE
        ("CASE WHEN unknown THEN 1 WHEN yes THEN 2 ELSE 3 END", 2),
        ("CASE tier WHEN 'vip' THEN 1 WHEN 'svip' THEN 2 END", 2),
        ("CASE tier WHEN 'vip' THEN 1 END", None),
        ("CASE none WHEN 1 THEN 1 ELSE 0 END", 0),
        ("CASE n WHEN 7.0 THEN 1 ELSE 0 END", 1),
        ("CASE n WHEN none THEN 1 WHEN 7 THEN 2 END", 2),
        ("CASE moment WHEN DATE '2026-11-26' THEN 1 ELSE 0 END", 0),
        ("CASE WHEN n = 7 THEN n ELSE rate END / 2", 3.5),
        ("COALESCE(none, zero, n)", 0),
        ("COALESCE(none, rate)", 0.5),
        ("COALESCE(no_text, tier) = 'svip'", True),
        # time in the definition's zone
        ("days_between(day, moment)", 1),
        ("days_between(day, local)", 0),
        ("days_between(moment, DATE '2026-11-25')", -1),
        ("days_between(day, DATE '2027-01-01')", 37),
        ("moment >= DATE '2026-11-26'", True),
        ("local < DATE '2026-11-26'", True),
        ("local < moment", True),
        ("day = DATE '2026-11-25'", True),
        ("day < moment", True),
    ],
)
def test_node_means_the_same_everywhere(engine: Engine, text: str, value: object) -> None:
    found = evaluate(engine, text)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)
    assert isinstance(found, float) == isinstance(value, float)


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


def test_a_wide_chain_of_conditions_is_no_recursion(engine: Engine) -> None:
    text = " OR ".join(f"n = {number}" for number in range(90))
    assert evaluate(engine, text) is True


@pytest.mark.parametrize(
    "around",
    ["CASE ({}) WHEN 7 THEN 0 WHEN 0 THEN 7 END", "CASE WHEN ({}) BETWEEN 1 AND 7 THEN 0 ELSE 1 END"],
)
def test_nesting_grows_with_the_text_and_not_beyond(engine: Engine, around: str) -> None:
    """Each operand is built once: what doubled on every level would be a million times as long."""
    text = "n"
    for _ in range(20):
        text = around.format(text)
    assert len(translated(engine, text).sql("duckdb")) < 20 * len(text)


def test_rows_give_aware_instants_and_plain_values(engine: Engine) -> None:
    ((moment, day),) = engine.rows(exp.select("moment", "day").from_("one"))
    assert moment == datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
    assert day == date(2026, 11, 25)
