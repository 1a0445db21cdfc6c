"""Moments from the engine: sums about fixed pilots, by cell, in one aggregate query for each group of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from sqlglot import exp

from experiments.engines.protocol import Engine
from experiments.inference.moments import Moments
from experiments.measurement.cells import CELL, Cell, CellNumbers
from experiments.queries import (
    Row,
    all_of,
    coalesce,
    column,
    double,
    fetch_rows,
    is_null,
    named,
    number,
    relation,
    when,
)


def mean_pilot(variable: exp.Expr, largest: float) -> exp.Expr:
    """The pilot of a variable as an aggregate: the mean of those who have one of at most `largest`; NULL where nobody has.

    Sums of x - pilot keep the digits that sums of x lose when the mean dwarfs the deviation.
    """
    within = exp.LTE(this=exp.Abs(this=variable.copy()), expression=double(largest))
    return exp.Avg(this=when(within, variable.copy()))


@dataclass(frozen=True)
class MomentsQuery:
    """Which moments are asked for, over which members.

    Attributes:
        pilots: Every variable, each with its pilot.
        imputed: Variables whose missing values count as their pilot (mean imputation).
        complete: Variables that a member must have to be counted.
        sets: Sets of variables whose products are wanted.
        numbers: The cells, by the numbers that members have in the column `CELL`.
        binary: Variables that are 0 or 1 and have the pilot 0: one sum says their count, sum and square.
    """

    pilots: Mapping[str, float]
    imputed: frozenset[str]
    complete: tuple[str, ...]
    sets: tuple[tuple[str, ...], ...]
    numbers: CellNumbers
    binary: frozenset[str] = frozenset()

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that is asked for, once."""
        return tuple(dict.fromkeys(name for each in self.sets for name in each))

    def tree(self, units: str) -> exp.Query:
        """The query, one row a cell.

        Beside the cell's number `cell` and its count `n` stand, by position of the variables, the sums about the
        pilots `s<i>`, the non-zero counts `k<i>` and the sums of products `p<i>_<j>`, i <= j; of binary variables
        neither count nor square.
        """
        present = all_of(exp.not_(is_null(column(name))) for name in self.complete)
        rows = exp.select(named(column(CELL), "cell")).from_(relation(units)).where(present)
        found = exp.select(column("cell"), named(exp.Count(this=exp.Star()), "n"))
        for i, name in enumerate(self.variables):
            if name in self.binary:
                rows = rows.select(named(column(name), f"z{i}"))
                found = found.select(named(exp.Sum(this=column(f"z{i}")), f"s{i}"))
                continue
            value: exp.Expr = column(name)
            if name in self.imputed:
                value = coalesce(value, double(self.pilots[name]))
            away = exp.paren(value.copy()) - double(self.pilots[name])
            rows = rows.select(named(value, f"x{i}"), named(away, f"z{i}"))
            # A sum is faster than a conditional count.
            is_nonzero = exp.NEQ(this=column(f"x{i}"), expression=number(0))
            nonzero = exp.Sum(this=exp.cast(is_nonzero, exp.DType.INT))
            found = found.select(named(exp.Sum(this=column(f"z{i}")), f"s{i}"), named(nonzero, f"k{i}"))
        for i, j in self._pairs():
            product = exp.Mul(this=column(f"z{i}"), expression=column(f"z{j}"))
            found = found.select(named(exp.Sum(this=product), f"p{i}_{j}"))
        return found.from_(rows.subquery("deviations")).group_by(column("cell"))

    def run(self, engine: Engine, units: str) -> list[dict[Cell, Moments]]:
        """For each set of variables, in order, its moments by cell; a cell without members is left out."""
        rows = {self.numbers.cell(int(row["cell"])): row for row in fetch_rows(engine, self.tree(units))}
        return [{cell: self._moments(row, names) for cell, row in rows.items()} for names in self.sets]

    def _pairs(self) -> list[tuple[int, int]]:
        pairs = {
            pair for names in self.sets for pair in combinations_with_replacement(sorted(self._at(names)), 2)
        }
        return sorted((i, j) for i, j in pairs if i != j or self.variables[i] not in self.binary)

    def _at(self, names: Sequence[str]) -> list[int]:
        return [self.variables.index(name) for name in names]

    def _moments(self, row: Row, names: tuple[str, ...]) -> Moments:
        at = self._at(names)
        # The square of 0 or 1 is itself.
        alone = {i: f"s{i}" for i in at if self.variables[i] in self.binary}
        squares = {i: alone.get(i, f"p{i}_{i}") for i in at}
        products = [[row[squares[i] if i == j else f"p{min(i, j)}_{max(i, j)}"] for j in at] for i in at]
        return Moments.from_sums(
            names,
            [self.pilots[name] for name in names],
            int(row["n"]),
            [row[f"s{i}"] for i in at],
            np.array(products, dtype=float),
            [int(row[alone.get(i, f"k{i}")]) for i in at],
        )
