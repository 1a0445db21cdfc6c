"""An arm that was closed in the middle of the test is learned from by no policy and offered by no rollout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.analysis import analyze
from tests.uplift.campaign import DEFINITION, Campaign, keep_analysis
from uplift.evidence import open_evidence
from uplift.reading import read_sample
from uplift.rollout import rollout
from uplift.search import find_policy


def test_policies_and_rollouts_offer_the_arms_that_stayed_open(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "send": {"days": ["2026-11-26", "2026-11-27"]},
        "assignment": {**DEFINITION["assignment"], "closed": [{"arm": "gift", "from": "2026-11-27"}]},
        "rollout": {**DEFINITION["rollout"], "explore_share": 0.1, "stock": {"gift": 300}, "ramp": [1.0]},
    }
    campaign = Campaign(tmp_path)
    campaign.make(**changes)
    with campaign.open() as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        sample = read_sample(open_evidence(experiment), "profit").sample
        policy = find_policy(experiment).document
        document = rollout(experiment)
    # The probability of an arm is that among the arms that stayed open: by it each arm stands for all members.
    stands_for = np.bincount(sample.arm, weights=1 / sample.propensity) / len(sample)
    assert stands_for == pytest.approx([1.0, 1.0], rel=1e-3)
    assert [arm.arm for arm in analysis.closed_arms] == ["gift"]
    assert analysis.verdict.winner == "coupon"
    assert {row.arm for row in policy.offers_by_segment} <= {"control", "coupon"}
    ledger = pd.read_parquet(document.files["ledger"])
    assert set(ledger["arm"].dropna()) == {"control", "coupon"}
    assert (ledger["reason"] == "explore").any()
