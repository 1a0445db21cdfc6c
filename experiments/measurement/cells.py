"""Cells: the groups of members that moments are kept for, and the small whole numbers that queries know them by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from experiments.definition.columns import computed_column
from experiments.engines.protocol import Engine
from experiments.queries import coalesce, column, named, number

CELL = computed_column("cell", "number")
"""The column of the units with the number of a member's cell."""


@dataclass(frozen=True, order=True)
class Cell:
    """The members of one arm in one segment and one stratum.

    Attributes:
        arm: The arm's id.
        segment: The segment's id; the empty text where the definition has no segments or none holds.
        stratum: The stratum's name; the empty text where arms were not drawn within strata.
    """

    arm: str
    segment: str
    stratum: str


def cell_columns() -> list[exp.Expr]:
    """The columns that name a member's cell, NULL as the empty text."""
    return [named(_text(column(name)), name) for name in ("arm", "segment", "stratum")]


@dataclass(frozen=True)
class CellNumbers:
    """A whole number for each cell: a query groups by it in half the time that three texts take.

    A cell's number has its arm, segment and stratum as digits, each in the base of how many there are.

    Attributes:
        arms: Every arm that a member has, in order; likewise `segments` and `strata`.

    >>> cells = [Cell("control", "new", ""), Cell("mail", "old", "")]
    >>> CellNumbers.of(cells).cell(3)
    Cell(arm='mail', segment='old', stratum='')
    """

    arms: tuple[str, ...]
    segments: tuple[str, ...]
    strata: tuple[str, ...]

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> CellNumbers:
        """Numbers for these cells."""
        known = list(cells)
        return cls(
            arms=tuple(sorted({cell.arm for cell in known})),
            segments=tuple(sorted({cell.segment for cell in known})),
            strata=tuple(sorted({cell.stratum for cell in known})),
        )

    def cell(self, value: int) -> Cell:
        """The cell with a number."""
        rest, stratum = divmod(value, len(self.strata))
        arm, segment = divmod(rest, len(self.segments))
        return Cell(self.arms[arm], self.segments[segment], self.strata[stratum])

    def added_to(self, query: exp.Select, engine: Engine, members: str) -> exp.Select:
        """`query` with the column `CELL`, where `members` is its alias of a relation whose every cell has a number."""
        parts: list[exp.Expr] = []
        place = 1
        for name, texts in (("stratum", self.strata), ("segment", self.segments), ("arm", self.arms)):
            if len(texts) > 1:
                numbers = f"{name}_numbers"
                rows = [(text, place * position) for position, text in enumerate(texts)]
                # A join with a short list costs the same for 2 texts and 200; CASE compares with one after another.
                query = query.join(
                    exp.values(rows, alias=numbers, columns=("name", "place")),
                    on=exp.EQ(
                        this=engine.collated(_text(column(name, members))),
                        expression=engine.collated(exp.column("name", table=numbers)),
                    ),
                )
                parts.append(exp.column("place", table=numbers))
            place *= len(texts)
        total: exp.Expr = number(0)
        for part in parts:
            total = exp.Add(this=total, expression=part)
        return query.select(named(exp.cast(exp.paren(total), exp.DType.INT), CELL))


def _text(value: exp.Expr) -> exp.Expr:
    return coalesce(value, exp.Literal.string(""))
