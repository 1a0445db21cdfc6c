"""A rollout says whether it follows the analysis or a proven policy, and what the analysis alone would have sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from tests.uplift.campaign import DEFINITION, Campaign, Truth, keep_analysis, outcomes, people
from uplift.rollout import rollout
from uplift.search import find_policy


@pytest.fixture(scope="module")
def by_segment(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The gift is the best for the VIPs and the coupon for the others, by so much that the analysis and the policy find both."""
    campaign = Campaign(tmp_path_factory.mktemp("followed"))
    frame = people(24_000)
    frame.to_parquet(campaign.folder / "members.parquet")
    kinds = {"kinds": ["best_single_arm", "by_segment"], "max_depth": 2}
    campaign.define(uplift={**DEFINITION["uplift"], "policy": kinds})
    with campaign.open() as experiment:
        assign(experiment)
        arms = campaign.arms_of(frame)
    vip = (frame["tier"] == "vip").to_numpy()
    chance = np.column_stack([np.full(len(frame), 0.1), np.where(vip, 0.4, 0.12), np.where(vip, 0.12, 0.3)])
    outcomes(frame, arms, Truth(chance), 2).to_parquet(campaign.folder / "members.parquet")
    return campaign


def test_a_policy_that_gives_what_the_analysis_gives_does_not_disagree(by_segment: Campaign) -> None:
    with by_segment.open() as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        assert find_policy(experiment, explain=False).document.chosen.kind == "by_segment"
        document = rollout(experiment)
    assert analysis.verdict.winner_by_segment == {"vip": "gift", "rest": "coupon"}
    told = {reason.code: reason.text for reason in document.reasons}
    assert "would have sent the same" in told["policy_followed"]
    assert "uplift_disagrees" not in told
    ledger = pd.read_parquet(document.files["ledger"])
    given = ledger[ledger["reason"] == "offer"].groupby("segment")["arm"].unique()
    assert {segment: list(arms) for segment, arms in given.items()} == {"vip": ["gift"], "rest": ["coupon"]}


def test_what_the_analysis_would_have_sent_is_told_where_it_differs(
    by_segment: Campaign, tmp_path: Path
) -> None:
    """The same test decided overall: its one winner is not what the policy gives."""
    campaign = Campaign(tmp_path)
    by_segment.frame().to_parquet(tmp_path / "members.parquet")
    pick = {**DEFINITION["decision"], "pick": {"by": "overall"}}
    kinds = {"kinds": ["best_single_arm", "by_segment"], "max_depth": 2}
    campaign.define(uplift={**DEFINITION["uplift"], "policy": kinds}, decision=pick)
    with campaign.open() as experiment:
        assign(experiment)
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        find_policy(experiment, explain=False)
        document = rollout(experiment)
    told = {reason.code: reason.text for reason in document.reasons}
    assert f"would have sent {analysis.verdict.winner}." in told["uplift_disagrees"]
