"""Expressions: what the allow-list names passes with its columns, everything else is refused in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from experiments.definition.errors import BadValueError
from experiments.definition.expressions import MAX_LENGTH, DaysBetween, Expression

ALLOWED = {
    "days_since_last_order BETWEEN 181 AND 730 AND sms_opt_in": ("days_since_last_order", "sms_opt_in"),
    "tier IN ('vip', 'svip') OR NOT level IN (1, -2)": ("tier", "level"),
    "mens = 1 AND womens <> 0 AND a != 2": ("mens", "womens", "a"),
    "0.40 * net_revenue - benefit_cost - contact_cost": ("net_revenue", "benefit_cost", "contact_cost"),
    "CASE WHEN a > 1 THEN 'x' WHEN b IS NULL THEN 'y' ELSE NULL END = 'x'": ("a", "b"),
    "CASE a WHEN 1 THEN 2 END": ("a",),
    "COALESCE(a, b, 0) / (c % 7)": ("a", "b", "c"),
    "lower(city) LIKE 'sh%' AND upper(name) IS NOT NULL": ("city", "name"),
    "abs(-x) >= 3": ("x",),
    "joined < DATE '2026-01-31'": ("joined",),
    "Days_Between(joined, DATE '2026-01-31') > 30": ("joined",),
    "会员 = '是' AND \"order\" = 1": ("会员", "order"),
    "sms_opt_in = TRUE": ("sms_opt_in",),
    "a = 1 -- a comment": ("a",),
}

REFUSED = [
    "SELECT 1", "DROP TABLE members", "a; b", "a = 1; DROP TABLE x", "a UNION SELECT 1", "(SELECT max(x) FROM y) > 1",
    "a IN (SELECT b FROM c)", "EXISTS (SELECT 1)", "a = ANY (SELECT 1)", "COUNT(*) > 1", "SUM(a)", "MAX(a) > 1",
    "row_number() OVER ()", "lower(a) OVER (PARTITION BY b)", "SUM(a) FILTER (WHERE b)", "*", "COLUMNS('a')",
    "COLUMNS(*) > 1", "members.a = 1", "a.b.c", "?", ":name", "@name", "$1", "$name", "read_csv('/etc/passwd')",
    "read_text('x')", "getenv('HOME')", "pg_read_file('x')", "random() > 0.5", "now() > a", "current_date > a",
    "CAST(a AS INT)", "a::text", "TRY_CAST(a AS DATE)", "CAST('x' AS DATE)", "DATE '2026-02-30'", "CAST('1' AS INT)",
    "TIMESTAMP '2026-01-01 00:00:00'", "INTERVAL '1' DAY", "a + INTERVAL 1 DAY", "date_diff('day', a, b)",
    "days_between(a)", "days_between(a, b, c)", "if(a, 1, 2)", "nullif(a, 0)", "round(a)", "log(a)", "a || b", "a ** 2",
    "a ILIKE 'x'", "a LIKE b", "a LIKE 'x\\_%'", "a LIKE 'x' ESCAPE '!'", "a LIKE ANY ('x', 'y')", "a SIMILAR TO 'x'",
    "a ~ 'x'", "regexp_matches(a, 'x')", "a IN (b)", "a IN (1, NULL)", "a IN b", "a IN ()", "a IN (1 + 1)",
    "a = NULL", "NULL", "a + NULL", "COALESCE(a, NULL)", "a IS TRUE", "a IS NOT DISTINCT FROM b", "a IS b",
    "a BETWEEN SYMMETRIC 1 AND 2", "ABS(DISTINCT a)", "[1, 2]", "{'a': 1}", "a[1]", "(a, b) = (1, 2)", "x -> x + 1",
    "a AT TIME ZONE 'UTC'", "a COLLATE \"C\"", "EXTRACT(year FROM a)", "a AS b", "a b", "DISTINCT a", "a & 1", "a << 1",
    "1e999", "x'00ff'", "b'01'", "N'x'", "'a' 'b'", "a =", "(a", "a)", "'a", "", "   ", "--", "/* */", "a ORDER BY b",
    "a LIMIT 1", "a = 1 WHERE b", "{{ a }}", "a DIV 2", "a = ALL (1)", "struct(a)", "a::INTEGER[]", "CONCAT(a, b)",
]  # fmt: skip


@pytest.mark.parametrize(("text", "columns"), ALLOWED.items(), ids=list(ALLOWED))
def test_what_is_allowed_passes_with_its_columns(text: str, columns: tuple[str, ...]) -> None:
    expression = Expression.parse(f"  {text} ")
    assert expression.columns == columns
    assert str(expression) == text
    assert expression == Expression.parse(text)
    assert not any(node.comments for node in expression.tree.walk())


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_allowed_is_refused(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BadValueError) as caught:
        Expression.parse(text)
    assert caught.value.cause
    assert caught.value.remedy
    assert "Traceback" not in str(caught.value)
    assert not caplog.records


def test_days_between_is_a_node_of_its_own() -> None:
    tree = Expression.parse("days_between(a, days_between(b, c))").tree
    assert isinstance(tree, DaysBetween)
    assert isinstance(tree.expression, DaysBetween)
    assert not list(tree.find_all(exp.Anonymous))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1900 + "a" + ")" * 1900,
        "NOT " * 900 + "a",
        "-" * 3000 + "a",
        " + ".join(["a"] * 500),
        "CASE WHEN " * 300 + "a",
        "a" * (MAX_LENGTH + 1),
        "COALESCE(" * 400 + "a" + ")" * 400,
    ],
    ids=["brackets", "not", "minus", "sum", "case", "length", "coalesce"],
)
def test_deep_and_long_expressions_are_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        Expression.parse(text)


def test_what_passes_can_be_rendered() -> None:
    longest = " OR ".join(f"city = 'c{number}'" for number in range(90))
    assert Expression.parse(longest).tree.sql(dialect="duckdb").count("OR") == 89


WORDS = st.sampled_from(
    ["a", "会员", '"x y"', "1", "-2.5", "'t'", "NULL", "TRUE", "(", ")", ",", "=", "<>", "+", "-", "*", "/", "%", "AND",
     "OR", "NOT", "IN", "BETWEEN", "IS", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "END", "DATE", "'2026-01-01'", "ABS(",
     "COALESCE(", "days_between(", "SUM(", "SELECT", "FROM", "OVER", ";", "?", "::", ".", "[", "{", "--", "/*", "$$"]
)  # fmt: skip

PASSABLE = {
    *(
        "And",
        "Or",
        "Not",
        "EQ",
        "NEQ",
        "GT",
        "GTE",
        "LT",
        "LTE",
        "In",
        "Between",
        "Is",
        "Null",
        "Case",
        "If",
        "Add",
    ),
    *(
        "Sub",
        "Mul",
        "Div",
        "Mod",
        "Neg",
        "Paren",
        "Like",
        "Coalesce",
        "Abs",
        "Lower",
        "Upper",
        "Cast",
        "DataType",
    ),
    *("DaysBetween", "Column", "Identifier", "Literal", "Boolean"),
}


@settings(deadline=None)
@given(st.one_of(st.lists(WORDS, max_size=25).map(" ".join), st.text(max_size=60)))
def test_any_text_is_a_checked_tree_or_a_refusal(text: str) -> None:
    try:
        expression = Expression.parse(text)
    except BadValueError:
        return
    assert {type(node).__name__ for node in expression.tree.walk()} <= PASSABLE
    assert expression.tree.sql(dialect="duckdb")
