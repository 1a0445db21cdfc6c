"""Made-up members to simulate with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from experiments.inference.moments import Moments
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import MetricMoments
from experiments.simulation.sample import MemberSample

COLUMNS = ("metric__converted", "metric__spend", "covariate__before")


def metric(
    name: str, kind: str, value: str, denominator: str | None = None, covariates: tuple[str, ...] = ()
) -> MetricMoments:
    """How a metric is measured; the simulation fills in the moments."""
    cells: Mapping[Cell, Moments] = {}
    return MetricMoments(name, kind, value, denominator, covariates, cells, None, None, {})  # type: ignore[arg-type]


def members(count: int, seed: int = 0, rate: float = 0.2) -> MemberSample:
    """Members of two segments and two strata: whether they bought, what they spent, and a covariate.

    The other metrics of `tests.decision.campaign` stand for what they spent.
    """
    rng = np.random.default_rng(seed)
    before = rng.normal(size=count)
    bought = (rng.random(count) < rate * np.exp(0.3 * before)).astype(float)
    spend = bought * rng.gamma(2.0, 20.0, size=count)
    place = rng.integers(0, 4, size=count)
    return MemberSample(
        variables=COLUMNS,
        pilots=np.array([0.2, 8.0, 0.0]),
        values=np.column_stack([bought, spend, before]),
        places=(("vip", "a"), ("vip", "b"), ("others", "a"), ("others", "b")),
        place=place,
        group=place % 2,
        unit=None,
        metrics={
            "converted": metric("converted", "binary", COLUMNS[0], covariates=COLUMNS[2:]),
            "spend": metric("spend", "mean", COLUMNS[1], covariates=COLUMNS[2:]),
            **{name: metric(name, "mean", COLUMNS[1]) for name in ("benefit", "profit", "unsubscribed")},
            "basket": metric("basket", "ratio", COLUMNS[1], COLUMNS[0]),
        },
        available=count,
    )
