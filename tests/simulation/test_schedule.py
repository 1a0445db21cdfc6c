"""Designs that look more than once are simulated look by look: errors at any look count, and stay within alpha."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.simulation.judge import judge_rates
from experiments.simulation.planting import plan_planting
from experiments.simulation.schedule import fractions, plan_stages
from experiments.simulation.trial import Trials
from tests.decision.campaign import define
from tests.simulation.members import members

GROUP_SEQUENTIAL = {"kind": "group_sequential", "spending": "pocock", "at": [0.25, 0.5, 0.75, 1]}
ALWAYS_VALID = {"kind": "always_valid"}


def looking(tmp_path: Path, looks: dict[str, Any]) -> Any:
    goals = {"primary": {"metric": "converted", "better": "up"}, "value": "converted", "secondary": []}
    decision = {
        "eligible_if": {"primary": "better_than_control", "value_low_above": None},
        "pick": {"by": "overall"},
    }
    return define(tmp_path, goals=goals, decision=decision, design={"minimum_effect": 0.12, "looks": looks})


def test_stages_are_the_planned_parts(tmp_path: Path) -> None:
    sample = members(1000)
    definition = looking(tmp_path, GROUP_SEQUENTIAL)
    stages = plan_stages(definition, sample, ("converted",))
    assert [stage.members for stage in stages] == [250, 500, 750, 1000]
    last = stages[-1].look
    assert last is not None
    assert (last.information, last.final, last.planned["points"]) == ((0.25, 0.5, 0.75, 1.0), True, 250.0)
    assert [stage.look.final for stage in stages if stage.look] == [False, False, False, True]
    assert fractions(looking(tmp_path, {"kind": "fixed"})) == (1.0,)
    assert plan_stages(looking(tmp_path, {"kind": "fixed"}), sample, ("converted",))[0].look is None


@pytest.mark.parametrize("looks", [GROUP_SEQUENTIAL, ALWAYS_VALID], ids=["pocock", "always_valid"])
def test_errors_over_all_looks_stay_within_alpha(looks: dict[str, Any], tmp_path: Path) -> None:
    """400 trials of 3 arms: every judged rate passes; reading each look as if it were the only one errs far more often."""
    definition = looking(tmp_path, looks)
    sample = members(2400)
    null = Trials(definition, sample, seed=1)
    planted = Trials(definition, sample, seed=1, planting=plan_planting(definition, sample))
    done = [(null, null.run(0, 400)), (planted, planted.run(0, 100))]
    rates = judge_rates(done)
    failed = [rate for rate in rates if rate.status == "fail"]
    assert failed == []
    powers = [rate.rate for rate in rates if rate.kind == "power"]
    assert min(powers) > 0.4
    peeking = looking(tmp_path, {"kind": "fixed"})
    naive = 0
    for number in range(200):
        rng = np.random.default_rng([1, 0, number])
        arm = null._redraw.draw(rng)
        naive += any(
            _rejects(peeking, stage.remeasure.measure(arm[: stage.members])) for stage in null._stages
        )
    assert naive / 200 > 0.2


def _rejects(definition: Any, measurement: Any) -> bool:
    from experiments.decision.contrasts import read_by_decision

    reading = read_by_decision(definition, measurement.metrics)
    found = [reading.compare("converted", arm.id, "control") for arm in definition.offer_arms]
    return any(comparison is not None and comparison.p_value() <= 0.05 for comparison in found)
