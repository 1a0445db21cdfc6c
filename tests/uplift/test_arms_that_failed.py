"""An arm that fails a guardrail is never rolled out, however good a policy finds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.analysis import analyze
from experiments.definition.uplift import PolicyKind
from experiments.documents.analysis import Analysis
from tests.uplift.campaign import ARMS, DEFINITION, Campaign, keep_analysis
from uplift.documents import Rollout, Uplift
from uplift.rollout import rollout
from uplift.search import find_policy

METRICS = {
    **DEFINITION["metrics"],
    "complained": {"type": "binary", "from": "members", "value": "complained"},
}
GUARDRAIL = {"metric": "complained", "better": "down", "limit": 0.05}
ELIGIBLE = {**DEFINITION["decision"]["eligible_if"], "guardrails": "all_pass"}


@dataclass(frozen=True)
class Told:
    """What the three steps say, and the rollout's ledger."""

    analysis: Analysis
    uplift: Uplift
    rollout: Rollout
    ledger: pd.DataFrame


def journey(folder: Path, kind: PolicyKind) -> Told:
    """A campaign whose coupon is the best for half of the members, of whom a fifth complain about it."""
    campaign = Campaign(folder)
    kinds = ["best_single_arm", kind]
    campaign.make(
        metrics=METRICS,
        goals={**DEFINITION["goals"], "guardrails": [GUARDRAIL]},
        decision={**DEFINITION["decision"], "eligible_if": ELIGIBLE},
        uplift={**DEFINITION["uplift"], "policy": {"kinds": kinds, "max_depth": 2}},
    )
    frame = campaign.frame()
    coupon = campaign.arms_of(frame) == ARMS.index("coupon")
    complained = coupon & (np.random.default_rng(4).random(len(frame)) < 0.2)
    frame.assign(complained=complained.astype(int)).to_parquet(folder / "members.parquet")
    with campaign.open() as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        uplift, document = find_policy(experiment).document, rollout(experiment)
    return Told(analysis, uplift, document, pd.read_parquet(document.files["ledger"]))


@pytest.fixture(scope="module", params=["tree", "individual"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return journey(tmp_path_factory.mktemp(request.param), request.param)


def test_the_policy_gives_the_arm_and_says_that_a_rollout_may_not(told: Told) -> None:
    assert {each.arm: each.status for each in told.analysis.guardrails} == {"gift": "pass", "coupon": "fail"}
    assert "coupon" in {row.arm for row in told.uplift.offers_by_segment}
    assert "A rollout may not offer coupon by" in told.uplift.chosen.reason
    assert told.uplift.chosen.kind == told.rollout.follows != "best_single_arm"


def test_nobody_is_offered_it_and_nobody_explores_it(told: Told) -> None:
    assert set(told.ledger["arm"]) == {"control", "gift"}
    assert set(told.ledger[told.ledger["reason"] == "explore"]["arm"]) == {"gift"}
    assert [offer.arm for offer in told.rollout.offers] == ["gift"]
    assert not [name for name in told.rollout.files if "coupon" in name]


def test_the_rollout_says_so(told: Told) -> None:
    (reason,) = [each for each in told.rollout.reasons if each.code == "arm_not_eligible"]
    assert reason.text.startswith("coupon may not be rolled out")
