"""Real experiments whose answers are known: Hillstrom's e-mail test and the ASOS streams."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.inference.adjustment import LinComparison
from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.comparison import compare
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments

NAMES = ("visit", "conversion", "spend", "recency", "history")


@pytest.fixture(scope="module")
def hillstrom(shared):
    import pandas as pd

    rows = pd.read_csv(shared / "data" / "hillstrom.csv.gz")
    return {
        arm: Moments.from_rows(NAMES, part[list(NAMES)].to_numpy(float))
        for arm, part in rows.groupby("segment")
    }


@pytest.fixture(scope="module")
def asos(shared):
    import pandas as pd

    rows = pd.read_parquet(shared / "data" / "asos_digital_experiments_dataset.parquet").dropna()
    rows = rows[(rows.variance_c > 0) & (rows.variance_t > 0)].sort_values("time_since_start")
    return [part for _, part in rows.groupby(["experiment_id", "variant_id", "metric_id"])]


def test_hillstroms_figures(hillstrom):
    """The figures stand in the data folder's README."""
    control, mens = hillstrom["No E-Mail"], hillstrom["Mens E-Mail"]
    visits, spend = compare(mens, control, "visit", "binary"), compare(mens, control, "spend")
    assert (visits.members_versus, visits.members_arm) == (21_306, 21_307)
    assert visits.difference == pytest.approx(0.076590, abs=5e-7)
    assert visits.statistic == pytest.approx(22.486, abs=5e-4)
    assert spend.difference == pytest.approx(0.769827, abs=5e-7)
    assert spend.statistic == pytest.approx(5.3001, abs=5e-5)
    assert spend.p_value() == pytest.approx(1.16e-07, rel=5e-3)


def test_hillstroms_covariates_change_little_and_cost_nothing(hillstrom):
    control, mens = hillstrom["No E-Mail"], hillstrom["Mens E-Mail"]
    adjusted = LinComparison([mens], [control], "visit", ("recency", "history"))
    raw = WelchComparison(mens, control, "visit")
    assert adjusted.std_error < raw.std_error
    assert adjusted.difference == pytest.approx(raw.difference, abs=raw.std_error / 4)


def test_peeking_at_the_asos_streams(asos):
    """381 streams: 105 significant at the end, about 225 at some look, about 105 always valid."""
    assert len(asos) == 381
    at_end = at_some_look = always_valid = 0
    for stream in asos:
        looks = [
            WelchComparison(
                *(
                    Moments(("x",), int(n), np.array([mean]), np.array([[v * (n - 1)]]), (0,))
                    for n, mean, v in arms
                ),
                "x",
            )
            for arms in (
                ((r.count_t, r.mean_t, r.variance_t), (r.count_c, r.mean_c, r.variance_c))
                for r in stream.itertuples()
            )
        ]
        significant = [look.p_value() <= 0.05 for look in looks]
        at_end += significant[-1]
        at_some_look += any(significant)
        members = [look.members_arm + look.members_versus for look in looks]
        always_valid += any(
            ConfidenceSequence(look.difference, look.std_error, n, members[-1]).p_value() <= 0.05
            for look, n in zip(looks, members, strict=True)
        )
    assert at_end == 105
    assert at_some_look == pytest.approx(225, abs=2)
    assert always_valid == pytest.approx(105, abs=2)
