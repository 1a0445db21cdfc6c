"""Every node that an expression may have means the same on every engine; the values are written down by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlglot import exp

from experiments.definition.expressions import Expression
from experiments.engines.case_mapping import capitals, small_letters
from experiments.engines.protocol import ColumnType, Engine
from experiments.engines.translate import check_types, kind_of, translate
from tests.engines.conftest import Opened

SHANGHAI = ZoneInfo("Asia/Shanghai")


def text(value: str) -> exp.Expr:
    return exp.Literal.string(value)


ROW: dict[str, exp.Expr] = {
    "n": exp.cast(exp.Literal.number(7), "INTEGER"),
    "tiny": exp.cast(exp.Literal.number(100), "SMALLINT"),
    "zero": exp.cast(exp.Literal.number(0), "INTEGER"),
    "minus": exp.cast(text("-7"), "BIGINT"),
    "price": exp.cast(text("10.10"), "DECIMAL(18,2)"),
    "rate": exp.cast(text("0.5"), "DOUBLE"),
    "none": exp.cast(exp.null(), "INTEGER"),
    "no_text": exp.cast(exp.null(), "TEXT"),
    "tier": text("svip"),
    "会员 名": text("Ünal"),
    "path": text(r"a\b"),
    "percent": text("100%"),
    "empty": text(""),
    "padded": text("vip "),
    "yes": exp.true(),
    "no": exp.false(),
    "unknown": exp.cast(exp.null(), "BOOLEAN"),
    "day": exp.cast(text("2026-11-25"), "DATE"),
    "no_day": exp.cast(exp.null(), "DATE"),
    "local": exp.cast(text("2026-11-25 23:30:00"), "TIMESTAMP"),
    # 2026-11-26 00:30 in Shanghai, still the 25th in UTC
    "moment": exp.cast(text("2026-11-25 16:30:00+00:00"), "TIMESTAMPTZ"),
}

LOGIC = {
    "yes AND yes": True,
    "yes AND no": False,
    "yes AND unknown": None,
    "no AND yes": False,
    "no AND no": False,
    "no AND unknown": False,
    "unknown AND yes": None,
    "unknown AND no": False,
    "unknown AND unknown": None,
    "yes OR yes": True,
    "yes OR no": True,
    "yes OR unknown": True,
    "no OR yes": True,
    "no OR no": False,
    "no OR unknown": None,
    "unknown OR yes": True,
    "unknown OR no": None,
    "unknown OR unknown": None,
    "NOT yes": False,
    "NOT no": True,
    "NOT unknown": None,
    "NOT yes AND unknown": False,
    "NOT yes OR unknown": None,
    "unknown IS NULL": True,
    "no IS NULL": False,
    "n IS NOT NULL": True,
    "none IS NOT NULL": False,
    "empty IS NULL": False,
    "yes = TRUE": True,
    "no = TRUE": False,
    "yes <> no": True,
    "unknown = TRUE": None,
}

COMPARISONS = {
    "none = 7": None,
    "none <> 7": None,
    "NOT (none = 7)": None,
    "none > none": None,
    "n = 7.0": True,
    "n <> 7": False,
    "n >= 7 AND n <= 7 AND NOT n > 7 AND NOT n < 7": True,
    "n < 7.5": True,
    "rate = 0.5": True,
    "price = 10.1": True,
    "price > 10.09": True,
    "none IN (7, 8)": None,
    "n IN (-7, 7)": True,
    "n IN (1, 2.5)": False,
    "n NOT IN (7, 8)": False,
    "none NOT IN (7, 8)": None,
    "tier IN ('vip', 'svip')": True,
    "none BETWEEN 1 AND 9": None,
    "n BETWEEN 7 AND 8": True,
    "n BETWEEN 6 AND 7": True,
    "n BETWEEN 8 AND 6": False,
    "n BETWEEN -1 AND 6": False,
    "n NOT BETWEEN 8 AND 9": True,
    "tier BETWEEN 'a' AND 'svip'": True,
}

ARITHMETIC = {
    "7 / 2": 3.5,
    "n / 2": 3.5,
    "n / 3": 7 / 3,
    "n / zero": None,
    "1.0 / 0": None,
    "0 / zero": None,
    "rate / zero": None,
    "price / 4": 2.525,
    "n % 4": 3,
    "minus % 4": -3,
    "n % -4": 3,
    "minus % -4": -3,
    "-n % 4": -3,
    "n % zero": None,
    "none % 4": None,
    "tiny + tiny": 200,
    "tiny * tiny * tiny * tiny": 100_000_000,
    "n * 1000000 * 1000000": 7_000_000_000_000,
    "n - none": None,
    "n - 2 - 1": 4,
    "n - (2 - 1)": 6,
    "2 + 3 * n": 23,
    "(2 + 3) * n": 35,
    "-(n - 8)": 1,
    "-minus": 7,
    "price - 0.05": Decimal("10.05"),
    "price + price": Decimal("20.20"),
    "price * 2": 20.2,
    "price * 0.5": 5.05,
    "rate + price": 10.6,
    "2.5 + 0.25": Decimal("2.75"),
    "ABS(0 - n)": 7,
    "ABS(minus)": 7,
    "ABS(rate - 2)": 1.5,
    "ABS(none)": None,
    "ABS(0 - price)": Decimal("10.10"),
}

TEXTS = {
    "tier LIKE 'sv%'": True,
    "tier LIKE '%ip'": True,
    "tier LIKE '%i%'": True,
    "tier LIKE 'svip'": True,
    "tier LIKE 'vip'": False,
    "tier LIKE '_vip'": True,
    "tier LIKE 'SV%'": False,
    "tier NOT LIKE 'sv%'": False,
    "no_text LIKE '%'": None,
    "empty LIKE '%'": True,
    "empty LIKE '_'": False,
    "\"会员 名\" LIKE '_nal'": True,
    "'会员' LIKE '_员'": True,
    # A backslash in the data is a backslash; in a pattern it is refused.
    "path LIKE 'a_b'": True,
    r"path = 'a\b'": True,
    r"path = 'a\\b'": False,
    "percent LIKE '100%'": True,
    "percent = '100%'": True,
    "tier LIKE '100%' OR tier = '50\\%'": False,
    "'it''s' = 'it''s'": True,
    # Bytes, not a language's order: capitals, small letters, accents, Chinese; no space is passed over.
    "tier < 't' AND 'Z' < tier": True,
    "'a' < 'B'": False,
    "'é' > 'z'": True,
    "'张' < '李'": True,
    "'é' = 'e'": False,
    "padded = 'vip'": False,
    "padded > 'vip'": True,
    "'a-b' < 'aa'": True,
    "'' < 'a'": True,
    # A letter's case, one character for one; what has no such case stays.
    "LOWER(tier) = 'svip'": True,
    "UPPER(tier) = 'SVIP'": True,
    "LOWER(\"会员 名\") = 'ünal'": True,
    "UPPER(\"会员 名\") = 'ÜNAL'": True,
    "LOWER('ΑΣ') = 'ας'": False,
    "LOWER('ΑΣ') = 'ασ'": True,
    "LOWER('İ') = 'i'": True,
    "UPPER('ı') = 'I'": True,
    "UPPER('straße') = 'STRAẞE'": True,
    "UPPER('ﬁ') = 'ﬁ'": True,
    "LOWER('ЖÉ会') = 'жé会'": True,
    "LOWER(no_text) = 'a'": None,
    "UPPER(empty) = ''": True,
}

CHOICES = {
    "CASE WHEN unknown THEN 1 WHEN yes THEN 2 ELSE 3 END": 2,
    "CASE WHEN no THEN 1 WHEN unknown THEN 2 ELSE 3 END": 3,
    "CASE WHEN no THEN 1 END": None,
    "CASE tier WHEN 'vip' THEN 1 WHEN 'svip' THEN 2 END": 2,
    "CASE tier WHEN 'vip' THEN 1 END": None,
    "CASE none WHEN 1 THEN 1 ELSE 0 END": 0,
    "CASE n WHEN 7.0 THEN 1 ELSE 0 END": 1,
    "CASE n WHEN none THEN 1 WHEN 7 THEN 2 END": 2,
    "CASE moment WHEN DATE '2026-11-26' THEN 1 ELSE 0 END": 0,
    "CASE WHEN n = 7 THEN n ELSE rate END / 2": 3.5,
    "CASE WHEN n = 7 THEN NULL ELSE n END": None,
    "CASE WHEN n > 6 THEN yes ELSE no END": True,
    "COALESCE(none, zero, n)": 0,
    "COALESCE(none, rate)": 0.5,
    "COALESCE(none, none)": None,
    "COALESCE(unknown, no)": False,
    "COALESCE(no_text, tier) = 'svip'": True,
    "COALESCE(price, 0)": Decimal("10.10"),
}

TIMES = {
    "days_between(day, moment)": 1,
    "days_between(day, local)": 0,
    "days_between(moment, local)": -1,
    "days_between(moment, DATE '2026-11-25')": -1,
    "days_between(DATE '2024-02-28', DATE '2024-03-01')": 2,
    "days_between(day, DATE '2027-01-01')": 37,
    "days_between(DATE '2027-01-01', day)": -37,
    "days_between(day, no_day)": None,
    "days_between(day, moment) + n": 8,
    "moment >= DATE '2026-11-26'": True,
    "moment < DATE '2026-11-26'": False,
    "local < DATE '2026-11-26'": True,
    "local < moment": True,
    "day = DATE '2026-11-25'": True,
    "day < moment": True,
    "day BETWEEN DATE '2026-11-25' AND DATE '2026-11-26'": True,
    "no_day < DATE '2026-11-26'": None,
}

TABLES = {**LOGIC, **COMPARISONS, **ARITHMETIC, **TEXTS, **CHOICES, **TIMES}


@pytest.fixture(scope="module")
def found(opened: Opened) -> dict[str, object]:
    """Every expression of the tables, computed in one query."""
    with opened.open() as engine:
        make_row(engine)
        values = [exp.alias_(translated(engine, each), f"v{place}") for place, each in enumerate(TABLES)]
        (row,) = engine.rows(exp.select(*values).from_("one"))
    return dict(zip(TABLES, row, strict=True))


def make_row(engine: Engine) -> None:
    engine.create("one", exp.select(*(value.as_(name, quoted=True) for name, value in ROW.items())))


def translated(engine: Engine, expression: str) -> exp.Expr:
    return translate(
        Expression.parse(expression),
        lambda name: exp.column(name, "one", quoted=True),
        engine.columns("one"),
        engine,
        SHANGHAI,
    )


@pytest.mark.parametrize(("expression", "value"), TABLES.items())
def test_an_expression_means_the_same_on_every_engine(
    found: dict[str, object], expression: str, value: object
) -> None:
    seen = found[expression]
    assert seen == (pytest.approx(value, rel=1e-15) if isinstance(value, float) else value)
    assert type(seen) is type(value)


def test_every_node_of_the_tables_passes_the_type_check(opened: Opened) -> None:
    with opened.open() as engine:
        make_row(engine)
        kinds = engine.columns("one")
    for expression, value in TABLES.items():
        parsed = Expression.parse(expression)
        root = "boolean" if kind_of(parsed, kinds) is ColumnType.BOOLEAN else "numeric"
        assert check_types(parsed, kinds, root) == ()  # type: ignore[arg-type]
        if value is not None:
            assert (root == "boolean") == isinstance(value, bool)


def test_a_wide_chain_of_conditions_is_no_recursion(opened: Opened) -> None:
    chain = " OR ".join(f"n = {number}" for number in range(90))
    with opened.open() as engine:
        make_row(engine)
        assert engine.rows(exp.select(translated(engine, chain)).from_("one")) == [(True,)]


def test_rows_give_aware_instants_and_plain_values(opened: Opened) -> None:
    with opened.open() as engine:
        make_row(engine)
        found = engine.rows(exp.select("moment", "day", "price", "tier", "local").from_("one"))
    assert found == [
        (
            datetime(2026, 11, 25, 16, 30, tzinfo=UTC),
            date(2026, 11, 25),
            Decimal("10.10"),
            "svip",
            datetime(2026, 11, 25, 23, 30),  # noqa: DTZ001 - a time without zone
        )
    ]


def test_case_is_mapped_alike_for_every_character_of_unicode(opened: Opened) -> None:
    """DuckDB maps by itself, others by the tables that they are given."""
    points = [point for point in range(1, 0x20000) if not 0xD800 <= point < 0xE000]
    chunks = ["".join(map(chr, points[at : at + 16_000])) for at in range(0, len(points), 16_000)]
    with opened.open() as engine:
        texts = exp.values(
            [(place, chunk) for place, chunk in enumerate(chunks)], alias="t", columns=["n", "v"]
        )
        query = exp.select("n", engine.lower(exp.column("v")), engine.upper(exp.column("v"))).from_(texts)
        found = sorted(engine.rows(query))
    before, after = small_letters()
    small = str.maketrans(before, after)
    before, after = capitals()
    large = str.maketrans(before, after)
    assert found == [
        (place, chunk.translate(small), chunk.translate(large)) for place, chunk in enumerate(chunks)
    ]
