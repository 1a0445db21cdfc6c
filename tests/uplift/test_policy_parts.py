"""What a part of the audience earns in money, beside what the analysis tells of the same arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.analysis import analyze
from tests.uplift.campaign import ARMS, DEFINITION, Campaign
from uplift.evidence import open_evidence
from uplift.parts import policy_parts
from uplift.policy import CellFigures, ShippedPolicy
from uplift.reading import read_sample
from uplift.rules import Everybody
from uplift.sentences import PolicyWords


@pytest.mark.parametrize("value", ["spend", "profit"])
def test_the_return_of_one_arm_for_everybody_is_that_of_the_analysis(tmp_path: Path, value: str) -> None:
    """A sum counts no cost: of what it gains the contact goes off first, as in the analysis and in a rollout."""
    arms: dict[str, Any] = {**DEFINITION["arms"], "offers": {arm: {"share": 0.33} for arm in ARMS[1:]}}
    metrics = {
        **DEFINITION["metrics"],
        "profit": {"type": "formula", "value": "0.5 * spend - contact_cost"},
    }
    campaign = Campaign(tmp_path)
    campaign.make(
        8000,
        arms=arms,
        metrics=metrics,
        goals={"primary": {"metric": "bought"}, "value": value},
        assignment={**DEFINITION["assignment"], "sample_size": 6000},
    )
    with campaign.open() as experiment:
        analysis = analyze(experiment)
        evidence = open_evidence(experiment)
        reading = read_sample(evidence, value)
        (effect,) = [
            row
            for row in analysis.adjusted_effects
            if (row.metric, row.segment, row.arm) == (value, None, "gift") and row.versus == "control"
        ]
        assert effect.std_error is not None
        cell = CellFigures(6000, (0.0, effect.difference, 0.0), (0.0, effect.std_error, 0.0), (1.0, 1.0, 1.0))
        policy = ShippedPolicy(
            "sha",
            value,
            "best_single_arm",
            False,
            ARMS,
            reading.sample.segments,
            reading.kinds,
            reading.sample.space,
            Everybody(1),
            (cell,),
            effect.difference,
            effect.std_error,
        )
        (part,) = policy_parts(evidence, policy, PolicyWords(evidence.sentences, reading.sample, value))
    (money,) = [row for row in analysis.money if row.arm == "gift"]
    assert part.gain == effect.difference
    assert part.cost == pytest.approx(money.cost / money.members)
    assert part.cost_per_incremental_buyer == pytest.approx(money.cost_per_incremental_buyer)
    assert part.roi == pytest.approx(money.roi)
