"""Bricks of queries as sqlglot trees: every name is quoted, every number keeps its digits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlglot import exp

from experiments.engines.protocol import Engine


def column(name: str, table: str | None = None) -> exp.Column:
    """A column, quoted, of a relation or its alias."""
    return exp.column(name, table=table, quoted=True)


def relation(name: str, alias: str | None = None) -> exp.Table:
    """A relation of the session, quoted."""
    found = exp.Table(this=exp.to_identifier(name, quoted=True))
    if alias is not None:
        found.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    return found


def named(value: exp.Expr, name: str) -> exp.Expr:
    """A projected value under a quoted name."""
    return exp.alias_(value, name, quoted=True)


def as_double(value: exp.Expr) -> exp.Expr:
    """A value as a double."""
    return exp.cast(value, exp.DataType.build("double"))


def double(value: float) -> exp.Expr:
    """A double with every digit: engines read a decimal literal as a decimal of their own precision, text as it is.

    >>> double(0.1).sql("duckdb")
    "CAST('0.1' AS DOUBLE)"
    """
    return as_double(exp.Literal.string(repr(float(value))))


def number(value: int) -> exp.Expr:
    """An integer."""
    return exp.Literal.number(value)


def when(condition: exp.Expr, then: exp.Expr, otherwise: exp.Expr | None = None) -> exp.Case:
    """`CASE WHEN condition THEN then ELSE otherwise END`."""
    case = exp.Case().when(exp.paren(condition), then)
    return case if otherwise is None else case.else_(otherwise)


def count_where(condition: exp.Expr) -> exp.Expr:
    """How many rows meet a condition; 0 over no rows."""
    return coalesce(exp.Sum(this=when(condition, number(1))), number(0))


def coalesce(value: exp.Expr, default: exp.Expr) -> exp.Expr:
    """`value`, or `default` where it is NULL."""
    return exp.Coalesce(this=value, expressions=[default])


def is_null(value: exp.Expr) -> exp.Expr:
    """`value IS NULL`."""
    return exp.Is(this=value, expression=exp.Null())


def all_of(conditions: Iterable[exp.Expr]) -> exp.Expr:
    """The conjunction of conditions; true where there are none."""
    found = [exp.paren(condition) for condition in conditions]
    return exp.and_(*found) if found else exp.true()


Row = Mapping[str, Any]
"""One row of a small result, by column."""


def fetch_rows(engine: Engine, query: exp.Query) -> list[Row]:
    """The rows of a small result."""
    names = query.named_selects
    return [dict(zip(names, row, strict=True)) for row in engine.rows(query)]
