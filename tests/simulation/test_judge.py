"""Rates are held to what the method promises: no more, and no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.documents.simulation import SimulatedRate
from experiments.simulation.judge import judge_rates
from experiments.simulation.planting import plan_planting
from experiments.simulation.tally import FamilyTally, Tally
from experiments.simulation.trial import Trials
from tests.decision.campaign import define
from tests.simulation.members import members

RUNS = 2000


def family(**changes: Any) -> FamilyTally:
    """Three arms that err as often as they should."""
    good = np.array([100, 100, 100])
    whole: dict[str, Any] = {
        "rejected": good,
        "conservative": np.zeros(3, dtype=np.int64),
        "covered": RUNS - good,
        "found": good,
        "any_false": 90,
        "false_share": 80.0,
        "all_covered": RUNS - 90,
    }
    return FamilyTally(**(whole | changes))


def judged(
    tmp_path: Path, tally: FamilyTally, *, planted: bool = False, **design: Any
) -> dict[str, SimulatedRate]:
    """The rates by kind and arm."""
    goals = {"primary": {"metric": "converted", "better": "up"}, "value": "converted", "secondary": []}
    definition = define(tmp_path, goals=goals, design={"minimum_effect": 0.05, **design})
    sample = members(2000)
    planting = plan_planting(definition, sample) if planted else None
    trials = Trials(definition, sample, 0, planting)
    rates = judge_rates([(trials, Tally(RUNS, {"converted": tally}, rollouts=30))])
    return {f"{rate.kind} {rate.arm or ''}".strip(): rate for rate in rates}


def test_good_rates_pass(tmp_path: Path) -> None:
    rates = judged(tmp_path, family())
    assert {rate.status for rate in rates.values()} == {"pass"}
    assert rates["type_one_error points"].low > 0
    assert rates["family_wise_error"].low == 0


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"rejected": np.array([160, 100, 100])}, "type_one_error points"),
        ({"rejected": np.array([100, 50, 100])}, "type_one_error coupon"),
        ({"any_false": 150}, "family_wise_error"),
        ({"all_covered": RUNS - 150}, "simultaneous_coverage"),
    ],
)
def test_a_broken_promise_fails(changes: dict[str, Any], failing: str, tmp_path: Path) -> None:
    rates = judged(tmp_path, family(**changes))
    assert [name for name, rate in rates.items() if rate.status == "fail"] == [failing]


def test_exact_tests_may_err_less_often(tmp_path: Path) -> None:
    few = np.array([40, 40, 40])
    rates = judged(tmp_path, family(rejected=few, conservative=np.array([1, 1, 1])))
    assert {rate.status for rate in rates.values()} == {"pass"}


def test_dunnett_is_held_to_its_level_from_both_sides(tmp_path: Path) -> None:
    rates = judged(tmp_path, family(any_false=40, all_covered=RUNS - 40), correction="dunnett")
    assert rates["family_wise_error"].status == "fail"
    assert judged(tmp_path, family(any_false=40))["family_wise_error"].status == "pass"


def test_without_a_correction_nothing_is_promised_of_the_family(tmp_path: Path) -> None:
    rates = judged(tmp_path, family(any_false=280), correction="none")
    assert rates["family_wise_error"].status == "unjudged"
    assert rates["false_rollout"].status == "unjudged"
    assert "simultaneous_coverage" not in rates


def test_with_a_planted_effect(tmp_path: Path) -> None:
    rates = judged(tmp_path, family(found=np.array([1500, 20, 1400])), planted=True)
    assert {name for name in rates if name.startswith("power")} == {"power points", "power gift"}
    assert rates["power points"].rate == 0.75
    assert (rates["power points"].status, rates["power points"].target) == ("unjudged", 0.8)
    assert (rates["coverage points"].effect, rates["coverage coupon"].effect) == (0.05, 0.0)
    assert rates["coverage points"].status == "pass"
    low = judged(tmp_path, family(covered=np.array([1840, 1900, 1900])), planted=True)
    assert [name for name, rate in low.items() if rate.status == "fail"] == ["coverage points"]
    assert judged(tmp_path, family(false_share=150.0), planted=True)["false_discovery"].status == "fail"
