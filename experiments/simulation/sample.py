"""The members to simulate with: their outcomes, fetched once and bounded, with all that a draw of arms needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlglot import exp

from experiments.assignment.draws import purpose_hash, unit_key
from experiments.definition.model import Definition
from experiments.engines.protocol import Engine
from experiments.measurement.cells import cell_columns
from experiments.measurement.measurement import Measurement, MetricMoments
from experiments.measurement.units import Units
from experiments.queries import as_double, coalesce, column, double, named, number, relation

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_SAMPLE = 1_000_000
"""Members whose outcomes are fetched at most: those with the lowest (sample hash, key)."""

_UNIT = "drawn_by"


@dataclass(frozen=True, eq=False)
class MemberSample:
    """Outcomes of n members, whatever arm they had.

    Attributes:
        variables: The q names of the columns: outcomes and covariates, as `MetricMoments` names them.
        pilots: Shape (q,): the value that each column is centred about.
        values: Shape (n, q): the columns; NaN where a member has no value (`missing: drop`).
        places: The (segment, stratum) pairs that there are.
        place: Shape (n,): the number of each member's place.
        group: Shape (n,): the number of each member's stratum and batch, within which arms are drawn by rank.
        unit: Shape (n,): the number of the unit that each member is drawn with; None where that is the member.
        metrics: Every metric of the definition: kind, variables and cap, without moments.
        available: Members there are; more than n where the sample is bounded.
    """

    variables: tuple[str, ...]
    pilots: NDArray[np.float64]
    values: NDArray[np.float64]
    places: tuple[tuple[str, str], ...]
    place: NDArray[np.int64]
    group: NDArray[np.int64]
    unit: NDArray[np.int64] | None
    metrics: Mapping[str, MetricMoments]
    available: int

    @property
    def members(self) -> int:
        """How many members there are to draw."""
        return len(self.values)

    def first(self, members: int) -> MemberSample:
        """The first members, who are a random part of all."""
        return replace(
            self,
            values=self.values[:members],
            place=self.place[:members],
            group=self.group[:members],
            unit=None if self.unit is None else self.unit[:members],
        )

    def at(self, variable: str) -> int:
        """The position of a column."""
        return self.variables.index(variable)


def fetch_sample(
    definition: Definition,
    engine: Engine,
    units: Units,
    measurement: Measurement,
    limit: int = LARGEST_SAMPLE,
) -> MemberSample:
    """Fetch the members with the lowest (sample hash, key), at most `limit`; the arm that a member had stays behind.

    A missing covariate is its mean over all members, as in every analysis.
    """
    unit = definition.audience.unit
    covariates = tuple(units.covariate_columns.values())
    variables = tuple(dict.fromkeys((*units.metric_columns.values(), *covariates)))
    pilots = {name: measurement.pilots[name] for name in variables}
    drawn_by = unit_key(engine, unit)
    query = (
        exp.select(
            *cell_columns()[1:],
            named(coalesce(column("batch"), number(0)), "batch"),
            *([] if unit is None else [named(drawn_by, _UNIT)]),
            *(named(_value(name, pilots, covariates), name) for name in variables),
        )
        .from_(relation(units.relation))
        .order_by(
            purpose_hash(engine, definition.salt, "sample", drawn_by), engine.collated(column("member"))
        )
        .limit(limit)
    )
    table = engine.fetch(query)
    segments, segment = _codes(table, "segment")
    strata, stratum = _codes(table, "stratum")
    pairs, place = np.unique(segment * len(strata) + stratum, return_inverse=True)
    batch = table.column("batch").to_numpy().astype(np.int64)
    return MemberSample(
        variables=variables,
        pilots=np.array([pilots[name] for name in variables]),
        values=np.column_stack([table.column(name).to_numpy().astype(float) for name in variables]),
        places=tuple((segments[pair // len(strata)], strata[pair % len(strata)]) for pair in pairs),
        place=place,
        group=np.unique(np.column_stack([stratum, batch]), axis=0, return_inverse=True)[1].ravel(),
        unit=None if unit is None else _codes(table, _UNIT)[1],
        metrics={name: _emptied(metric) for name, metric in measurement.metrics.items()},
        available=sum(measurement.counts.values()),
    )


def _emptied(metric: MetricMoments) -> MetricMoments:
    """How a metric is measured, without what was measured."""
    return replace(metric, cells={}, raw=None, clusters=None if metric.clusters is None else {})


def _value(name: str, pilots: Mapping[str, float], covariates: Sequence[str]) -> exp.Expr:
    value: exp.Expr = as_double(column(name))
    return coalesce(value, double(pilots[name])) if name in covariates else value


def _codes(table: pa.Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """The different texts of a column, and the number of each row's."""
    encoded = table.column(name).combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
