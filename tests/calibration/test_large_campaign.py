"""A campaign of the largest size that Offerwise promises: 23 arms x 30,000 members x 6 metrics x 5 segments."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.campaign import METRICS, Campaign, decide


@pytest.mark.parametrize("correction", ["holm", "dunnett"])
def test_twenty_three_arms_are_concluded_from_moments(correction: str):
    campaign = Campaign(offers=22, segments=5, members=6_000)
    rates = {arm: 0.05 if arm == "control" else 0.07 for arm in campaign.arms}
    measurement = campaign.draw(np.random.default_rng(20261121), rates, effect=0.1)
    document = decide(campaign.definition(correction=correction), measurement)
    assert {arm.members for arm in document.arms} == {30_000}
    assert len(document.effects) == len(METRICS) * 22 * (1 + 5)
    assert len(document.arm_comparisons) == len(METRICS) * 22 * 21 // 2
    assert document.verdict.status == "rollout"
    assert set(document.verdict.winner_by_segment) == set(campaign.places)
