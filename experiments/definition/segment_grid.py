"""A grid of segments: lifecycle by tier, written once and resolved into one segment for each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from sqlglot import exp

from experiments.definition.arms import LEVELS_JOINED_BY
from experiments.definition.block import ColumnName, Slug
from experiments.definition.expressions import OTHERWISE, Expression

OTHERS = "others"
"""The segment of members outside of every cell."""

Value = bool | int | str
Cells = Sequence[Value] | Mapping[Slug, Sequence[Value]]
SegmentGrid = Mapping[ColumnName, tuple[Value, ...] | Mapping[Slug, tuple[Value, ...]]]
"""Feature or column of members to its values: each one of its own, or groups of them with an id."""


def values_of(cells: Cells) -> tuple[Value, ...]:
    """Every value of a dimension, in order.

    >>> values_of({"regular": ["ordinary", "senior"], "vip": ["vip"]})
    ('ordinary', 'senior', 'vip')
    """
    groups = cells.values() if isinstance(cells, Mapping) else (cells,)
    return tuple(value for group in groups for value in group)


def is_one_of(name: str, values: Sequence[Value]) -> Expression:
    """The condition that a column or feature has one of the values.

    >>> is_one_of("tier", [1, 2]).text
    '"tier" = 1 OR "tier" = 2'
    """
    tree = _condition(name, values)
    return Expression(tree.sql(), tree, (name,))


def segments_of(grid: Any) -> list[dict[str, Any]]:
    """The segments of a grid as written: ids like `active__vip`, the first dimension first, and last the others.

    Of a grid that is not well formed there are none; what is wrong with it is said where it stands.
    """
    if not isinstance(grid, Mapping) or not all(map(_is_dimension, grid.values())):
        return []
    dimensions = [
        [(cell, _condition(str(name), values)) for cell, values in _groups(cells).items()]
        for name, cells in grid.items()
    ]
    found: list[dict[str, Any]] = []
    for cells in product(*dimensions):
        condition = exp.and_(*(condition.copy() for _, condition in cells)).sql()
        found.append({"id": LEVELS_JOINED_BY.join(cell for cell, _ in cells), "when": condition})
    return [*found, {"id": OTHERS, "when": OTHERWISE}] if found else []


def _is_dimension(cells: Any) -> bool:
    if isinstance(cells, Mapping):
        return bool(cells) and all(_is_dimension(values) for values in cells.values())
    return (
        isinstance(cells, list)
        and bool(cells)
        and all(isinstance(value, bool | int | str) for value in cells)
    )


def _groups(cells: Cells) -> dict[str, Sequence[Value]]:
    if isinstance(cells, Mapping):
        return {str(cell): values for cell, values in cells.items()}
    return {str(value).lower() if isinstance(value, bool) else str(value): (value,) for value in cells}


def _condition(name: str, values: Sequence[Value]) -> exp.Expr:
    column = exp.column(name, quoted=True)
    if len(values) > 1 and all(isinstance(value, str) for value in values):
        return exp.In(this=column, expressions=[exp.convert(value) for value in values])
    return exp.or_(*(exp.EQ(this=column.copy(), expression=exp.convert(value)) for value in values))
