"""Units: one row for each member assigned, with one number for each metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.engines.protocol import ColumnType


@dataclass(frozen=True)
class Units:
    """The member-level table of an experiment, in the engine; the unit of every estimate is its row.

    A member without an event has 0. A member whose value is missing under `missing: drop` has NULL, and so have the
    formulas that use it; every other value is a finite double.

    Attributes:
        relation: The temporary table: every column of the assignment (`member, arm, segment, stratum, batch,
            propensity, planned_send_at`, features, covariates) and the columns below.
        columns: Its columns and their types.
        metric_columns: Metric to its column, capped where it is winsorised; a ratio has none, its parts have.
        raw_columns: Metric to the column without any cap, for each metric that is winsorised and each formula that
            uses one.
        caps: Winsorised metric to its cap: the `winsorize_at` quantile (the smallest value whose cumulative share is at
            least q) of the non-zero values of all members assigned. A metric without a positive cap is not here: it
            is not capped.
        covariate_columns: Covariate of the design to its column, a double; NULL where it is missing.
        missing: Metric to the members whose value is missing and was set to 0 (`zero`) or dropped (`drop`);
            only metrics that say `missing`.
    """

    relation: str
    columns: Mapping[str, ColumnType]
    metric_columns: Mapping[str, str]
    raw_columns: Mapping[str, str]
    caps: Mapping[str, float]
    covariate_columns: Mapping[str, str]
    missing: Mapping[str, int]
