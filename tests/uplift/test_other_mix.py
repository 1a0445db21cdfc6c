"""What another mix of classes changes of a forecast: against a re-computation from the members, and its interval by simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from experiments.analysis import analyze
from tests.uplift.campaign import MARGIN, Campaign, keep_analysis
from tests.uplift.test_under_floor_first import preferring
from uplift.documents import Rollout
from uplift.mix import ClassMoments, weigh
from uplift.rollout import rollout

ROLLOUT = {
    "budget": {"amount": 2500, "at": "upper_90"},
    "ramp": [1.0],
    "holdout_share": 0.1,
    "explore_share": 0.1,
}


def moments(values: dict[tuple[int, int, int], np.ndarray], cells: int, arms: int) -> ClassMoments:
    shape = (cells, arms, 2)
    found = ClassMoments(np.zeros(shape), np.zeros(shape), np.ones(shape))
    for at, each in values.items():
        found.members[at], found.mean[at], found.variance[at] = len(each), each.mean(), each.var(ddof=1)
    return found


def test_the_interval_covers_what_the_true_effects_change() -> None:
    """800 tests of two parts, three arms and two classes, each with its own effect; contacted are other shares than tested."""
    rng = np.random.default_rng(5)
    size = rng.integers(300, 900, (2, 3, 2))
    effect = rng.normal(0, 1, (2, 3, 2))
    effect[:, 0, :] = 0.0
    level = rng.normal(3, 1, (2, 1, 2))
    contacted = rng.integers(200, 900, (2, 3, 2)).astype(float)
    contacted[:, 0, :] = 0.0
    tested = size.sum(axis=1)
    first = tested[:, 0] / tested.sum(axis=1)
    excess = contacted[:, :, 0] - contacted.sum(axis=2) * first[:, None]
    truth = (excess * (effect[:, :, 0] - effect[:, :, 1])).sum()
    covered, shifts = 0, []
    for _ in range(800):
        values = {
            at: level[at[0], 0, at[2]] + effect[at] + rng.normal(0, 4, size[at]) for at in np.ndindex(2, 3, 2)
        }
        found = weigh(moments(values, 2, 3), contacted)
        covered += found.low <= truth <= found.high
        shifts.append(found.shift)
        assert found.untold == 0
    low, high = binom.ppf([1e-4, 1 - 1e-4], 800, 0.95)
    assert low <= covered <= high
    assert abs(np.mean(shifts) - truth) < 4 * np.std(shifts) / np.sqrt(800)


def test_members_of_a_class_that_was_not_tested_are_counted_and_not_guessed() -> None:
    values = {(0, k, c): np.arange(400.0) + k * (1 + c) for k in range(2) for c in range(2)}
    values[0, 1, 1] = values[0, 1, 1][:199]
    contacted = np.zeros((1, 2, 2))
    contacted[0, 1] = 30, 70
    found = weigh(moments(values, 1, 2), contacted)
    assert (found.shift, found.low, found.high, found.untold) == (0.0, 0.0, 0.0, 70)


def test_the_same_mix_changes_nothing() -> None:
    values = {(0, k, c): np.arange(400.0) * (1 + k * c) for k in range(2) for c in range(2)}
    contacted = np.zeros((1, 2, 2))
    contacted[0, 1] = 50, 50
    assert weigh(moments(values, 1, 2), contacted).shift == pytest.approx(0)


def rolled_out(campaign: Campaign) -> Rollout:
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        return rollout(experiment)


def test_it_is_what_the_members_show(tmp_path: Path) -> None:
    """Those who were left alone before the test spend 6 more when they are contacted: the rollout has fewer of them."""
    campaign = preferring(tmp_path, rollout=ROLLOUT)
    frame = campaign.frame()
    number, arms = frame["id"].astype(int), campaign.arms_of(frame)
    first = number % 4 >= 2
    frame["spend"] += np.where(first & (arms > 0), 6.0, 0.0)
    frame.to_parquet(tmp_path / "members.parquet")
    document = rolled_out(campaign)
    mix = document.other_mix
    assert mix is not None
    tested = pd.DataFrame(
        {
            "cell": np.where(frame["tier"] == "vip", "vip", "rest"),
            "arm": np.array(["control", "gift", "coupon"])[arms],
            "first": first,
            "value": MARGIN * frame["spend"] - frame["benefit"],
        }
    )[arms >= 0]
    mean = tested.groupby(["cell", "arm", "first"])["value"].mean()
    ledger = pd.read_parquet(document.files["ledger"])
    sent = (
        ledger[ledger["reason"].isin(["offer", "explore"])].groupby(["segment", "arm", "under_floor"]).size()
    )
    expected = 0.0
    for cell, arm in {(cell, arm) for cell, arm, _ in sent.index}:
        share = tested["first"][tested["cell"] == cell].mean()
        here = [float(sent.get((cell, arm, each), 0)) for each in (True, False)]
        effect = [mean[cell, arm, each] - mean[cell, "control", each] for each in (True, False)]
        expected += (here[0] - share * sum(here)) * (effect[0] - effect[1])
    assert mix.shift == pytest.approx(expected, rel=1e-6)
    assert mix.low < mix.shift < mix.high < 0
    assert mix.untold == 0
    told = {reason.code: reason.text for reason in document.reasons}
    assert "would change by" in told["mix_weighed"]
    assert "mix_untold" not in told


def test_classes_that_do_the_same_are_not_told_apart(tmp_path: Path) -> None:
    mix = rolled_out(preferring(tmp_path, rollout=ROLLOUT)).other_mix
    assert mix is not None
    assert mix.low < 0 < mix.high
