"""Remeasure: the moments of a simulated experiment, as the engine would have taken them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.inference.clusters import ClusterSums
from experiments.inference.moments import Moments
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import Measurement, MetricMoments
from experiments.measurement.windows import WindowState
from experiments.simulation.sample import MemberSample


@dataclass(frozen=True, eq=False)
class _Counted:
    """The members whom some metrics count, ready to be summed.

    Attributes:
        metrics: The metrics.
        rows: The members' numbers.
        columns: The positions of the columns that the metrics need.
        centred: Shape (rows, columns): values less their pilots.
        nonzero: Shape (rows, columns): whether a value is not zero.
    """

    metrics: tuple[str, ...]
    rows: NDArray[np.int64]
    columns: tuple[int, ...]
    centred: NDArray[np.float64]
    nonzero: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Rows in the order of their cells.

    Attributes:
        names: The columns.
        pilots: The value that each column is centred about.
        centred: Shape (rows, columns).
        cells: The number of each row's cell.
        units: The number of each row's unit of assignment.
    """

    names: tuple[str, ...]
    pilots: NDArray[np.float64]
    centred: NDArray[np.float64]
    cells: NDArray[np.integer]
    units: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Remeasure:
    """Takes the moments of any draw of arms over a sample; windows count as closed.

    Attributes:
        sample: The members.
        arms: The arms' ids, control first.
        counted: The members by the metrics that count them.
    """

    sample: MemberSample
    arms: tuple[str, ...]
    counted: tuple[_Counted, ...]

    @classmethod
    def of(cls, sample: MemberSample, arms: Sequence[str], metrics: Sequence[str]) -> Remeasure:
        """For the metrics named."""
        groups: dict[bytes, list[str]] = {}
        masks: dict[bytes, NDArray[np.bool_]] = {}
        for name in metrics:
            own = [sample.at(variable) for variable in sample.metrics[name].variables]
            complete: NDArray[np.bool_] = np.logical_not(np.isnan(sample.values[:, own]).any(axis=1))
            masks.setdefault(complete.tobytes(), complete)
            groups.setdefault(complete.tobytes(), []).append(name)
        return cls(
            sample, tuple(arms), tuple(_counted(sample, names, masks[key]) for key, names in groups.items())
        )

    def measure(
        self, arm: NDArray[np.int64], changed: tuple[int, NDArray[np.float64]] | None = None
    ) -> Measurement:
        """The measurement of one draw.

        Args:
            arm: Shape (n,): each member's arm.
            changed: A column's position and its values in place of the sample's.
        """
        cell = arm * len(self.sample.places) + self.sample.place
        # Sixteen bits are sorted by radix, several times faster.
        if len(self.arms) * len(self.sample.places) <= np.iinfo(np.int16).max:
            cell = cell.astype(np.int16)
        metrics: dict[str, MetricMoments] = {}
        members = self._counts(cell)
        for counted in self.counted:
            metrics |= self._metrics(counted, cell, changed, members)
        return Measurement(
            counts=members,
            metrics=metrics,
            window=WindowState(0, None),
            assigned=(),
            repeated_members=0,
            pilots=dict(zip(self.sample.variables, self.sample.pilots, strict=True)),
        )

    def _cell(self, number: int) -> Cell:
        segment, stratum = self.sample.places[number % len(self.sample.places)]
        return Cell(self.arms[number // len(self.sample.places)], segment, stratum)

    def _counts(self, cell: NDArray[np.integer]) -> dict[Cell, int]:
        counts = np.bincount(cell)
        return {self._cell(int(number)): int(counts[number]) for number in np.flatnonzero(counts)}

    def _metrics(
        self,
        counted: _Counted,
        cell: NDArray[np.integer],
        changed: tuple[int, NDArray[np.float64]] | None,
        members: Mapping[Cell, int],
    ) -> dict[str, MetricMoments]:
        numbers = cell[counted.rows]
        order = np.argsort(numbers, kind="stable")
        centred, nonzero = counted.centred[order], counted.nonzero[order]
        if changed is not None and changed[0] in counted.columns:
            at = counted.columns.index(changed[0])
            values = changed[1][counted.rows][order]
            centred[:, at] = values - self.sample.pilots[changed[0]]
            nonzero[:, at] = values != 0
        names = tuple(self.sample.variables[place] for place in counted.columns)
        pilots = self.sample.pilots[list(counted.columns)]
        found: dict[Cell, Moments] = {}
        ends = np.cumsum(np.bincount(numbers))
        for number, end in enumerate(ends):
            start = ends[number - 1] if number else 0
            if end > start:
                block = centred[start:end]
                hits = np.count_nonzero(nonzero[start:end], axis=0)
                found[self._cell(number)] = Moments.from_sums(
                    names, pilots, int(end - start), block.sum(axis=0), block.T @ block, hits.tolist()
                )
        metrics = {name: self._metric(name, found, members) for name in counted.metrics}
        if self.sample.unit is None:
            return metrics
        units = self.sample.unit[counted.rows][order]
        sums = self._by_unit(metrics, _Sorted(names, pilots, centred, numbers[order], units))
        return {name: replace(metric, clusters=sums[name]) for name, metric in metrics.items()}

    def _by_unit(
        self, metrics: Mapping[str, MetricMoments], rows: _Sorted
    ) -> dict[str, dict[Cell, ClusterSums]]:
        """Metric to the sums by unit of each arm and segment."""
        covariates = next(iter(metrics.values())).covariates
        outcomes = tuple(name for name in rows.names if name not in covariates)
        at = [rows.names.index(name) for name in (*outcomes, *covariates)]
        groups: dict[Cell, list[int]] = {}
        for number in np.unique(rows.cells):
            cell = self._cell(int(number))
            groups.setdefault(Cell(cell.arm, cell.segment, ""), []).append(int(number))
        found: dict[str, dict[Cell, ClusterSums]] = {name: {} for name in metrics}
        for cell, numbers in groups.items():
            own = np.isin(rows.cells, numbers)
            values = rows.centred[own][:, at] + rows.pilots[at]
            sums = ClusterSums.from_rows(outcomes, covariates, values, rows.units[own], rows.pilots[at])
            for name, metric in metrics.items():
                own_outcomes = metric.variables[: len(metric.variables) - len(covariates)]
                found[name][cell] = sums.select(own_outcomes)
        return found

    def _metric(self, name: str, found: Mapping[Cell, Moments], members: Mapping[Cell, int]) -> MetricMoments:
        template = self.sample.metrics[name]
        cells = {cell: moments.select(template.variables) for cell, moments in found.items()}
        dropped = dict.fromkeys(self.arms, 0)
        for cell, count in members.items():
            dropped[cell.arm] += count - (cells[cell].count if cell in cells else 0)
        return replace(template, cells=cells, raw=None, dropped=dropped)


def _counted(sample: MemberSample, names: Sequence[str], complete: NDArray[np.bool_]) -> _Counted:
    variables = dict.fromkeys(variable for name in names for variable in sample.metrics[name].variables)
    columns = tuple(sample.at(variable) for variable in variables)
    rows = np.flatnonzero(complete)
    values = sample.values[rows][:, list(columns)]
    return _Counted(tuple(names), rows, columns, values - sample.pilots[list(columns)], values != 0)
