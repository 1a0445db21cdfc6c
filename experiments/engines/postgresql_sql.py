"""Trees as PostgreSQL's SQL, where what sqlglot writes by itself would mean another thing there."""

from __future__ import annotations

import hashlib

from sqlglot import exp

_LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts longer names without a word, so that two of them can become one."""


def postgresql_sql(tree: exp.Expr) -> str:
    """A tree as text, with every name in it fitted.

    Whole division stays within integers, where sqlglot would compute in numerics; the bounds of BETWEEN stand in brackets,
    since PostgreSQL takes no collation there.

    >>> print(postgresql_sql(exp.select(exp.IntDiv(this=exp.column("n"), expression=exp.Literal.number(2)))))
    SELECT n / 2
    """
    root = exp.Paren(this=tree.copy())
    for select in root.find_all(exp.Select):
        _order_by_values(select)
    # From the leaves upwards, so that what is replaced holds replaced parts already.
    for node in reversed(list(root.find_all(exp.IntDiv, exp.Between, exp.Identifier))):
        if isinstance(node, exp.Identifier):
            node.set("this", fitted(node.name))
        elif isinstance(node, exp.Between):
            for bound in ("low", "high"):
                node.set(bound, exp.paren(node.args[bound]))
        else:
            node.replace(exp.Div(this=node.this, expression=node.expression, typed=True))
    return str(root.this.sql("postgres"))


def _order_by_values(select: exp.Select) -> None:
    """Write out what a name of the result stands for where ORDER BY computes with it: there PostgreSQL knows input columns only."""
    order = select.args.get("order")
    values = {each.alias: each.this for each in select.selects if isinstance(each, exp.Alias)}
    for ordered in order.expressions if order is not None else ():
        value = ordered.this if isinstance(ordered, exp.Ordered) else ordered
        for column in [] if isinstance(value, exp.Column) else list(value.find_all(exp.Column)):
            if not column.table and column.name in values:
                column.replace(values[column.name].copy())


def fitted(name: str) -> str:
    """A name that PostgreSQL keeps whole: one that is too long ends in the hash of itself.

    >>> fitted("tier"), len(fitted("x" * 200))
    ('tier', 63)
    """
    written = name.encode()
    if len(written) <= _LONGEST_NAME:
        return name
    mark = hashlib.md5(written).hexdigest()[:16]
    return f"{written[: _LONGEST_NAME - 1 - len(mark)].decode(errors='ignore')}~{mark}"
