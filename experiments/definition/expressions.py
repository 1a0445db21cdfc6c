"""SQL expressions of the definition: parsed once, allowed node by node, and never joined as strings.

Conditions and values are the portable part of SQL whose meaning every engine shares. A tree holds only what `_ALLOWED`
names, so a statement, a subquery, a window, an aggregate, a star, a placeholder or an unknown function cannot pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NoReturn

import sqlglot
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from sqlglot import exp
from sqlglot.errors import SqlglotError

from experiments.definition.errors import BadValueError

OTHERWISE = "otherwise"
"""What the last segment says instead of a condition."""

MAX_LENGTH = 4_000
MAX_DEPTH = 100
"""Deeper trees would come near the interpreter's recursion limit when a query is rendered."""

DAYS_BETWEEN = "days_between"


class DaysBetween(exp.Expression, exp.Func):
    """`days_between(this, expression)`: whole calendar days from the first day to the second; each engine builds it."""

    arg_types = {"this": True, "expression": True}  # noqa: RUF012 - sqlglot's own way to declare a node


_OPERATOR = frozenset({"this", "expression"})
_ALLOWED: Mapping[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys((exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _OPERATOR),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Like, exp.Is, DaysBetween), _OPERATOR),
    **dict.fromkeys(
        (exp.Not, exp.Neg, exp.Paren, exp.Abs, exp.Lower, exp.Upper, exp.Boolean), frozenset({"this"})
    ),
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true"}),
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.DataType: frozenset({"this"}),
    exp.Column: frozenset({"this"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Null: frozenset(),
}
_KNOWN = (
    "AND, OR, NOT, comparisons, IN with a list of literals, BETWEEN, IS NULL, CASE, + - * / %, LIKE, "
    "COALESCE, ABS, LOWER, UPPER, DATE 'YYYY-MM-DD' and days_between(a, b) may be used"
)


@dataclass(frozen=True)
class Expression:
    """One condition or value, as it was written and as a checked tree; equal when the text is equal.

    Attributes:
        text: As written, without the white space around it.
        tree: The tree; shared, so copy it before you change it.
        columns: The columns that it reads, each once, in the order of the text.
    """

    text: str
    tree: exp.Expr = field(compare=False, repr=False)
    columns: tuple[str, ...] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Parse and check one expression.

        Raises:
            BadValueError: It is empty, too long, not SQL, or holds what is not on the allow-list.

        >>> Expression.parse("tier IN ('vip', 'svip') AND days_between(joined, DATE '2026-11-25') > 30").columns
        ('tier', 'joined')
        >>> Expression.parse("count(*) > 3")
        Traceback (most recent call last):
        experiments.definition.errors.BadValueError: `COUNT(*)` may not stand in an expression; ...
        """
        text = text.strip()
        if not text:
            raise BadValueError(
                "the expression is empty", "write a condition or a value, or leave the key out"
            )
        if len(text) > MAX_LENGTH:
            raise BadValueError(
                f"the expression has {len(text)} characters, {MAX_LENGTH} are allowed",
                "move what it computes into a column of the data",
            )
        try:
            tree = _plain_not(_mark_days_between(sqlglot.parse_one(text, into=exp.Condition)))
            nodes = _nodes(tree)
        except (SqlglotError, RecursionError, ValueError) as error:
            raise _not_sql(text, error) from None
        for node in nodes:
            _check(node)
            node.comments = None
        columns = dict.fromkeys(node.name for node in tree.dfs() if isinstance(node, exp.Column))
        return cls(text, tree, tuple(columns))

    @property
    def quoted(self) -> frozenset[str]:
        """The names that stand in double quotes, as a text does in some other languages."""
        return frozenset(name.name for name in self.tree.find_all(exp.Identifier) if name.args.get("quoted"))

    def __str__(self) -> str:
        """The text as written."""
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A field of this type reads text and is written as text."""
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """To an editor an expression is text."""
        return {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}

    @classmethod
    def _read(cls, value: object) -> Expression:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise BadValueError(
                "is not a text with a SQL expression", "write the expression, in quotes if need be"
            )
        return cls.parse(value)


def _not_sql(text: str, error: Exception) -> BadValueError:
    if isinstance(error, BadValueError):
        return error
    if isinstance(error, RecursionError):
        return BadValueError(
            "the expression is nested too deeply", "write it flatter, for example with IN (...)"
        )
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return BadValueError(
        f"`{shown}` is not one SQL condition or value",
        "check brackets, quotes (text in single, a column that is a SQL word in double quotes) and operators",
    )


def _mark_days_between(tree: exp.Expr) -> exp.Expr:
    for node in list(tree.find_all(exp.Anonymous)):
        if str(node.this).lower() != DAYS_BETWEEN:
            continue
        if len(node.expressions) != 2:
            raise BadValueError(
                f"days_between has {len(node.expressions)} arguments",
                "give it two days: days_between(from, to)",
            )
        marked = DaysBetween(this=node.expressions[0], expression=node.expressions[1])
        tree = marked if node is tree else tree
        node.replace(marked)
    return tree


def _plain_not(tree: exp.Expr) -> exp.Expr:
    """`a NOT LIKE b` as `NOT a LIKE b`, as the parser itself reads NOT IN and NOT BETWEEN."""
    for node in list(tree.find_all(exp.Like)):
        if node.args.get("negate"):
            negated = exp.Not(this=exp.Like(this=node.this, expression=node.expression))
            tree = negated if node is tree else tree
            node.replace(negated)
    return tree


def _nodes(tree: exp.Expr) -> list[exp.Expr]:
    nodes: list[exp.Expr] = []
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RecursionError
        nodes.append(node)
        waiting.extend((child, depth + 1) for child in node.iter_expressions())
    return nodes


def _check(node: exp.Expr) -> None:
    allowed = _ALLOWED.get(type(node))
    if allowed is None:
        _refuse(node, f"may not stand in an expression; {_KNOWN}")
    if any(value for name, value in node.args.items() if name not in allowed):
        _refuse(node, f"has a part that may not stand in an expression; {_KNOWN}")
    if isinstance(node, exp.Column):
        if node.name.startswith("$") or not isinstance(node.this, exp.Identifier):
            _refuse(node, "is not the name of a column; write the column's name")
    elif isinstance(node, exp.Literal):
        _check_literal(node)
    elif isinstance(node, exp.Null):
        _check_null(node)
    elif isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        _refuse(node, "is not portable; write CASE WHEN ... THEN ... ELSE ... END")
    elif isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null):
        _refuse(node, "compares with IS; write IS NULL, IS NOT NULL or =")
    elif isinstance(node, exp.In) and not (node.expressions and all(map(_is_literal, node.expressions))):
        _refuse(node, "needs a list of literals after IN; write IN ('a', 'b')")
    elif isinstance(node, exp.Like) and not _is_plain_pattern(node.expression):
        _refuse(node, "needs a text without backslash after LIKE; write LIKE 'begins%'")
    elif isinstance(node, exp.Cast):
        _check_date(node)


def _check_literal(node: exp.Literal) -> None:
    if not node.is_string and not math.isfinite(float(node.name)):
        _refuse(node, "is not a finite number; write a smaller one")


def _check_null(node: exp.Null) -> None:
    if not isinstance(node.parent, exp.Is | exp.If | exp.Case):
        _refuse(node, "never equals anything; test with IS NULL or IS NOT NULL")


def _check_date(node: exp.Cast) -> None:
    if not isinstance(node.this, exp.Literal) or not node.this.is_string or not node.is_type(exp.DType.DATE):
        _refuse(node, f"changes a type, which engines do in different ways; {_KNOWN}")
    try:
        date.fromisoformat(node.this.name)
    except ValueError:
        _refuse(node, "is not a day; write DATE 'YYYY-MM-DD'")


def _is_literal(node: exp.Expr) -> bool:
    return isinstance(node.this if isinstance(node, exp.Neg) else node, exp.Literal)


def _is_plain_pattern(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and "\\" not in node.name


def _refuse(node: exp.Expr, why: str) -> NoReturn:
    text = node.sql()
    cause, _, remedy = why.partition("; ")
    raise BadValueError(f"`{text if len(text) <= 60 else text[:57] + '...'}` {cause}", remedy)
