"""Sums by cluster from the engine: what estimates need where a shop or a household was assigned as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlglot import exp

from experiments.definition.errors import RefusedError
from experiments.engines.protocol import Engine
from experiments.inference.clusters import ClusterSums
from experiments.measurement.cells import Cell, cell_columns
from experiments.queries import all_of, coalesce, column, double, is_null, named, number, relation

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_PASS = 1_000_000
"""Clusters (by arm and segment) that are fetched at most."""

_UNIT = "unit"
_PLACE = ("arm", "segment", _UNIT)


@dataclass(frozen=True)
class ClusterQuery:
    """Which sums are asked for, over which members.

    Attributes:
        unit: What a member was drawn by, over the units' columns.
        pilots: Every variable, each with its pilot.
        complete: Variables that a member must have to be counted.
        outcomes: The outcomes, each once.
        covariates: The covariates; a missing one counts as its pilot.
    """

    unit: exp.Expr
    pilots: Mapping[str, float]
    complete: tuple[str, ...]
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]

    def tree(self, units: str) -> exp.Query:
        """The query, one row for each arm, segment and unit: members `n`, sums `s<i>`, products with covariates `p<i>_<j>`."""
        names = (*self.outcomes, *self.covariates)
        present = all_of(exp.not_(is_null(column(name))) for name in self.complete)
        rows = exp.select(*cell_columns()[:2], named(self.unit.copy(), _UNIT))
        found = exp.select(*map(column, _PLACE), named(exp.Count(this=exp.Star()), "n"))
        for i, name in enumerate(names):
            pilot = double(self.pilots[name])
            value: exp.Expr = column(name)
            if name in self.covariates:
                value = coalesce(value, pilot.copy())
            rows = rows.select(named(exp.paren(value) - pilot, f"z{i}"))
            found = found.select(named(exp.Sum(this=column(f"z{i}")), f"s{i}"))
            for j, _ in enumerate(self.covariates):
                product = exp.Mul(this=column(f"z{i}"), expression=column(f"z{len(self.outcomes) + j}"))
                found = found.select(named(exp.Sum(this=product), f"p{i}_{j}"))
        members = rows.from_(relation(units)).where(present).subquery("deviations")
        return found.from_(members).group_by(*map(column, _PLACE))

    def run(self, engine: Engine, units: str) -> dict[Cell, ClusterSums]:
        """The sums by cluster of each arm and segment; the strata of the cells are empty.

        Raises:
            RefusedError: There are more clusters than one pass fetches.
        """
        table = engine.fetch(self.tree(units).limit(number(LARGEST_PASS + 1)))
        if table.num_rows > LARGEST_PASS:
            raise RefusedError(
                [f"variances by `audience.unit` would take the sums of more than {LARGEST_PASS:,} units"],
                "Draw a smaller sample of units; where the unit is the member itself, leave `audience.unit` out",
            )
        return {cell: self._sums(rows) for cell, rows in _by_cell(table).items()}

    def _sums(self, rows: pa.Table) -> ClusterSums:
        names = (*self.outcomes, *self.covariates)
        counts, sums = _numbers(rows, ["n"]), _numbers(rows, [f"s{i}" for i, _ in enumerate(names)])
        products = [f"p{i}_{j}" for i, _ in enumerate(names) for j, _ in enumerate(self.covariates)]
        shape = (rows.num_rows, len(names), len(self.covariates))
        return ClusterSums(
            names=names,
            covariates=len(self.covariates),
            pilot=np.array([self.pilots[name] for name in names]),
            clusters=rows.column(_UNIT).to_numpy().astype(np.int64),
            counts=counts[:, 0],
            sums=sums,
            products=_numbers(rows, products).reshape(shape),
        )


def _by_cell(table: pa.Table) -> dict[Cell, pa.Table]:
    """The rows of each arm and segment, with the units numbered and in the order of their numbers."""
    units = table.column(_UNIT).combine_chunks().dictionary_encode().indices
    numbered = table.set_column(table.column_names.index(_UNIT), _UNIT, units).sort_by(_UNIT)
    arms, segments = (np.array(numbered.column(name).to_pylist(), dtype=object) for name in _PLACE[:2])
    places = dict.fromkeys(zip(arms, segments, strict=True))
    return {
        Cell(arm, segment, ""): numbered.filter((arms == arm) & (segments == segment))
        for arm, segment in sorted(places)
    }


def _numbers(rows: pa.Table, names: Sequence[str]) -> NDArray[np.float64]:
    """Columns as doubles, shape (rows, names)."""
    found = np.zeros((rows.num_rows, len(names)))
    for place, name in enumerate(names):
        found[:, place] = rows.column(name).to_numpy()
    return found
