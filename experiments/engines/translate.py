"""Expressions of the definition as trees that mean the same on every engine, and the types that they need.

Engines disagree on division, on remainders by zero, on narrow integers, on text against numbers and on time
without a zone. Here each node is checked for its operands' types and rebuilt so that nothing is left to an
engine's habits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.definition.expressions import DaysBetween, Expression
from experiments.engines.protocol import ColumnType, Engine

Root = Literal["boolean", "numeric"]
Kinds = Mapping[str, ColumnType]

_Comparison = exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE
_FAMILIES: Mapping[ColumnType, str] = {
    ColumnType.TEXT: "text",
    ColumnType.INTEGER: "a number",
    ColumnType.DECIMAL: "a number",
    ColumnType.FLOAT: "a number",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.DATE: "a time",
    ColumnType.TIMESTAMP: "a time",
    ColumnType.INSTANT: "a time",
}
_DOUBLE = exp.DType.DOUBLE


def check_types(expression: Expression, kinds: Kinds, root: Root) -> tuple[str, ...]:
    """What is wrong with the types of an expression, as `cause; remedy` each; empty when nothing is.

    Args:
        expression: The expression; each of its columns must be in `kinds`.
        kinds: The types of the columns that it may read.
        root: Whether it must be a condition (`boolean`) or a number (`numeric`); booleans are not numbers.

    >>> check_types(Expression.parse("tier = 1"), {"tier": ColumnType.TEXT}, "boolean")
    ('`tier = 1` mixes text (tier) and a number (1); use values of one type',)
    """
    problems: list[str] = []
    kind = _Checker(kinds, problems).kind(expression.tree)
    wanted = "true or false" if root == "boolean" else "a number"
    if not problems and _family(kind) != wanted:
        remedy = "write a condition, such as a comparison" if root == "boolean" else "write a number"
        problems.append(f"`{expression.text}` is {_family(kind) or 'always NULL'}, not {wanted}; {remedy}")
    return tuple(dict.fromkeys(problems))


def kind_of(expression: Expression, kinds: Kinds) -> ColumnType:
    """The type of an expression whose types have been checked; NULL alone counts as a floating number."""
    return _Checker(kinds, []).kind(expression.tree) or ColumnType.FLOAT


def translate(
    expression: Expression, resolve: Callable[[str], exp.Expr], kinds: Kinds, engine: Engine, zone: ZoneInfo
) -> exp.Expr:
    """The tree of an expression for an engine.

    `/` is over doubles and NULL where the divisor is 0, `%` is NULL there; integers are 64 bits wide; a
    product is a double unless both factors are integers; sums and differences of decimals stay decimals;
    texts compare by their UTF-8 bytes, and change case character for character; times without zone are local in `zone`;
    `days_between` counts calendar days in `zone`.

    Args:
        expression: An expression that `check_types` found nothing wrong with.
        resolve: Gives the engine's column for a name of the expression.
        kinds: The types of the columns.
        engine: Supplies the builders that differ between engines.
        zone: The definition's time zone.
    """
    return _Builder(resolve, kinds, engine, zone).build(expression.tree)


def calendar_day(value: exp.Expr, kind: ColumnType | None, engine: Engine, zone: ZoneInfo) -> exp.Expr:
    """The calendar day of a time value in `zone`."""
    if kind is ColumnType.INSTANT:
        return engine.local_date(value, zone)
    return value if kind is ColumnType.DATE else exp.cast(value, exp.DType.DATE)


def _family(kind: ColumnType | None) -> str | None:
    return None if kind is None else _FAMILIES.get(kind, "of a type that cannot be used")


def _branches(node: exp.Expr) -> Iterator[exp.Expr]:
    """The values that a CASE or a COALESCE may give."""
    if isinstance(node, exp.Coalesce):
        yield from (node.this, *node.expressions)
        return
    yield from (when.args["true"] for when in node.args["ifs"])
    if node.args.get("default") is not None:
        yield node.args["default"]


def _widest(kinds: Sequence[ColumnType]) -> ColumnType | None:
    """The type that can hold values of all the kinds, which are of one family."""
    widening = (
        (ColumnType.FLOAT, ColumnType.DECIMAL, ColumnType.INTEGER),
        (ColumnType.INSTANT, ColumnType.TIMESTAMP, ColumnType.DATE),
    )
    for wide in (kind for family in widening for kind in family):
        if wide in kinds:
            return wide
    return kinds[0] if kinds else None


@dataclass(frozen=True)
class _Checker:
    """Walks a tree; the kind of NULL, which fits everywhere, is None."""

    kinds: Kinds
    problems: list[str]

    def kind(self, node: exp.Expr) -> ColumnType | None:
        if isinstance(node, exp.Paren):
            return self.kind(node.this)
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Literal):
            return self._literal(node)
        if isinstance(node, exp.Boolean):
            return ColumnType.BOOLEAN
        if isinstance(node, exp.Cast):
            return ColumnType.DATE
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Coalesce):
            return self._one_family(node, list(_branches(node)))
        return self._operation(node)

    def _operation(self, node: exp.Expr) -> ColumnType | None:
        if isinstance(node, exp.And | exp.Or | exp.Not):
            self._need(node, "true or false")
            return ColumnType.BOOLEAN
        if isinstance(node, exp.Is):
            self.kind(node.this)
            return ColumnType.BOOLEAN
        if isinstance(node, exp.In | exp.Between | exp.Like | _Comparison):
            self._compare(node)
            return ColumnType.BOOLEAN
        if isinstance(node, exp.Lower | exp.Upper):
            self._need(node, "text")
            return ColumnType.TEXT
        if isinstance(node, DaysBetween):
            self._need(node, "a time")
            return ColumnType.INTEGER
        if isinstance(node, exp.Null):
            return None
        return self._arithmetic(node)

    def _arithmetic(self, node: exp.Expr) -> ColumnType:
        found = self._need(node, "a number")
        if isinstance(node, exp.Mod):
            if any(kind is not ColumnType.INTEGER for kind in found):
                self._report(node, "takes the remainder of numbers that are not whole", "use % on integers")
            return ColumnType.INTEGER
        if isinstance(node, exp.Div):
            return ColumnType.FLOAT
        if isinstance(node, exp.Mul) and ColumnType.DECIMAL in found:
            return ColumnType.FLOAT
        return _widest([kind for kind in found if kind is not None and kind.is_numeric]) or ColumnType.FLOAT

    def _need(self, node: exp.Expr, family: str) -> list[ColumnType | None]:
        """The kinds of a node's operands; reports those that are not of the family."""
        operands = [part for part in (node.this, node.args.get("expression")) if part is not None]
        found = [self.kind(operand) for operand in operands]
        for operand, kind in zip(operands, found, strict=True):
            if kind is not None and _family(kind) != family:
                self._report(
                    node, f"needs {family}, and {_shown(operand)} is {_family(kind)}", _remedy(kind, family)
                )
        return found

    def _compare(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Between):
            operands = [node.this, node.args["low"], node.args["high"]]
        elif isinstance(node, exp.In):
            operands = [node.this, *node.expressions]
        else:
            operands = [node.this, node.expression]
        kind = self._one_family(node, operands)
        if isinstance(node, exp.Like) and kind not in {ColumnType.TEXT, None}:
            self._report(node, f"needs text, and {_shown(node.this)} is {_family(kind)}", "use LIKE on text")
        if kind is ColumnType.BOOLEAN and not isinstance(node, exp.EQ | exp.NEQ | exp.In):
            self._report(node, "orders true and false", "use the column itself, NOT or =")

    def _one_family(self, node: exp.Expr, parts: list[exp.Expr]) -> ColumnType | None:
        """The widest kind of parts that must be of one family; reports where they are not."""
        kinds = [(part, kind) for part in parts if (kind := self.kind(part)) is not None]
        for part, kind in kinds[1:]:
            first, first_kind = kinds[0]
            if _family(kind) != _family(first_kind):
                is_time = "a time" in {_family(kind), _family(first_kind)}
                self._report(
                    node,
                    f"mixes {_family(first_kind)} ({_shown(first)}) and {_family(kind)} ({_shown(part)})",
                    "write a day as DATE 'YYYY-MM-DD'" if is_time else "use values of one type",
                )
                return None
        return _widest([kind for _, kind in kinds])

    def _case(self, node: exp.Case) -> ColumnType | None:
        if node.this is not None:
            self._one_family(node, [node.this, *(when.this for when in node.args["ifs"])])
            return self._one_family(node, list(_branches(node)))
        for when in node.args["ifs"]:
            if self.kind(when.this) not in {ColumnType.BOOLEAN, None}:
                self._report(
                    node, f"tests {_shown(when.this)}, which is not true or false", "write a condition"
                )
        return self._one_family(node, list(_branches(node)))

    def _column(self, node: exp.Column) -> ColumnType:
        kind = self.kinds[node.name]
        if kind is ColumnType.OTHER:
            self._report(node, "is of a type that cannot be used", "give text, numbers, true/false or times")
        return kind

    def _literal(self, node: exp.Literal) -> ColumnType:
        if node.is_string:
            return ColumnType.TEXT
        if node.name.isdigit():
            return ColumnType.INTEGER
        return ColumnType.FLOAT if "e" in node.name.lower() else ColumnType.DECIMAL

    def _report(self, node: exp.Expr, cause: str, remedy: str) -> None:
        self.problems.append(f"`{_short(node)}` {cause}; {remedy}")


def _short(node: exp.Expr) -> str:
    text = node.sql()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shown(node: exp.Expr) -> str:
    """An operand with the column in it named."""
    column = node if isinstance(node, exp.Column) else node.find(exp.Column)
    return column.name if column is not None else _short(node)


def _remedy(kind: ColumnType, family: str) -> str:
    if kind is ColumnType.BOOLEAN and family == "a number":
        return "write CASE WHEN it THEN 1 ELSE 0 END"
    if kind.is_numeric and family == "true or false":
        return "compare it, for example with = 1"
    return "use a column of that type"


@dataclass(frozen=True)
class _Builder:
    """Builds the engine's tree from a checked one, node by node."""

    resolve: Callable[[str], exp.Expr]
    kinds: Kinds
    engine: Engine
    zone: ZoneInfo

    def build(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Paren):
            return self.build(node.this)
        if isinstance(node, exp.Column):
            return self.resolve(node.name)
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Cast):
            return node.copy()
        if isinstance(node, exp.And | exp.Or):
            return exp.paren(type(node)(this=self.build(node.this), expression=self.build(node.expression)))
        if isinstance(node, exp.Not):
            return exp.paren(exp.Not(this=exp.paren(self.build(node.this))))
        if isinstance(node, exp.Is):
            return exp.paren(exp.Is(this=exp.paren(self.build(node.this)), expression=exp.null()))
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Coalesce):
            first, *others = self._unified(list(_branches(node)))
            return exp.Coalesce(this=first, expressions=others)
        if isinstance(node, exp.Lower | exp.Upper):
            mapped = self.engine.lower if isinstance(node, exp.Lower) else self.engine.upper
            return mapped(self.build(node.this))
        if isinstance(node, DaysBetween):
            return self.engine.days_between(self._day(node.this), self._day(node.expression))
        if isinstance(node, exp.In | exp.Between | exp.Like | _Comparison):
            return self._comparison(node)
        return self._arithmetic(node)

    def _kind(self, node: exp.Expr) -> ColumnType | None:
        return _Checker(self.kinds, []).kind(node)

    def _comparison(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Between):
            value, low, high = self._comparable([node.this, node.args["low"], node.args["high"]])
            return exp.paren(exp.Between(this=value, low=low, high=high))
        if isinstance(node, exp.In):
            value, *literals = self._comparable([node.this, *node.expressions])
            return exp.paren(exp.In(this=value, expressions=literals))
        left, right = self._comparable([node.this, node.expression])
        return exp.paren(type(node)(this=left, expression=right))

    def _comparable(self, parts: list[exp.Expr]) -> list[exp.Expr]:
        """Parts of one family, so that comparing them needs no rule of the engine's own."""
        built = self._unified(parts)
        if ColumnType.TEXT in map(self._kind, parts):
            return [self.engine.collated(part) for part in built]
        return built

    def _unified(self, parts: list[exp.Expr]) -> list[exp.Expr]:
        """Parts of one family as values of one type."""
        kinds = [self._kind(part) for part in parts]
        widest = _widest([kind for kind in kinds if kind is not None])
        return [self._as(self.build(part), kind, widest) for part, kind in zip(parts, kinds, strict=True)]

    def _as(self, built: exp.Expr, kind: ColumnType | None, wanted: ColumnType | None) -> exp.Expr:
        if kind is None or kind is wanted:
            return built
        if wanted is ColumnType.FLOAT:
            return exp.cast(built, _DOUBLE)
        if wanted is ColumnType.INSTANT:
            return self.engine.instant(built, kind, self.zone)
        return exp.cast(built, exp.DType.TIMESTAMP) if wanted is ColumnType.TIMESTAMP else built

    def _case(self, node: exp.Case) -> exp.Expr:
        conditions = [when.this for when in node.args["ifs"]]
        if node.this is None:
            operand, tests = None, [self.build(condition) for condition in conditions]
        else:
            operand, *tests = self._comparable([node.this, *conditions])
        values = self._unified(list(_branches(node)))
        whens = [exp.If(this=test, true=value) for test, value in zip(tests, values, strict=False)]
        default = values[-1] if node.args.get("default") is not None else None
        return exp.Case(this=operand, ifs=whens, default=default)

    def _arithmetic(self, node: exp.Expr) -> exp.Expr:
        operands = [part for part in (node.this, node.args.get("expression")) if part is not None]
        kinds = [self._kind(part) for part in operands]
        wanted = _Checker(self.kinds, []).kind(node)
        built = [
            self._wide(self.build(part), kind, wanted) for part, kind in zip(operands, kinds, strict=True)
        ]
        if isinstance(node, exp.Div | exp.Mod):
            built[1] = exp.Nullif(this=built[1], expression=exp.Literal.number(0))
        if isinstance(node, exp.Neg | exp.Abs):
            return exp.paren(type(node)(this=exp.paren(built[0])))
        return exp.paren(type(node)(this=built[0], expression=built[1]))

    def _wide(self, built: exp.Expr, kind: ColumnType | None, wanted: ColumnType | None) -> exp.Expr:
        """An operand that cannot overflow where another engine would not."""
        if wanted is ColumnType.FLOAT:
            return exp.cast(built, _DOUBLE)
        return exp.cast(built, exp.DType.BIGINT) if kind is ColumnType.INTEGER else built

    def _day(self, node: exp.Expr) -> exp.Expr:
        return calendar_day(self.build(node), self._kind(node), self.engine, self.zone)
