"""Heavy tails at the first planned look, in the design and in the analysis; where p and interval differ, p is said to decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.definition.model import Definition
from experiments.documents.analysis import HealthCheck
from experiments.health.outcomes import OutcomeHealth
from experiments.health.telling import HealthWording
from experiments.inference.proportions import ScoreComparison
from experiments.inference.score import TwoByTwo
from experiments.language import Words
from tests.decision.campaign import Campaign, Did, analysis, define, sentences
from tests.decision.test_design import OURS, plan


def looking(folder: Path, spending: str | None) -> Definition:
    looks = {"kind": "group_sequential", "spending": spending, "at": [0.25, 0.5, 1.0]} if spending else {}
    return define(folder, design={"looks": looks} if looks else {}, assignment=OURS)


def health(definition: Definition, campaign: Campaign) -> HealthCheck:
    wording = HealthWording(definition, Words("en"))
    checks = OutcomeHealth(definition, campaign.measure(definition), wording).checks()
    return next(check for check in checks if check.check == "heavy_tails")


@pytest.mark.parametrize(
    ("spending", "buyers", "status"),
    [
        (None, 200, "pass"),
        (None, 198, "warn"),
        ("obrien_fleming", 800, "pass"),
        ("obrien_fleming", 796, "warn"),
        ("pocock", 4_000, "pass"),
        ("pocock", 3_990, "warn"),
    ],
)
def test_buyers_are_counted_at_the_first_planned_look(
    tmp_path: Path, spending: str | None, buyers: int, status: str
) -> None:
    """A quarter of the plan at the first look; 20,000 members in each arm, so that `buyers` bought by the end."""
    many = Did(rate=0.4, benefit=1.0)
    arms = {"control": Did(rate=buyers / 20_000, benefit=1.0), "points": many, "coupon": many, "gift": many}
    check = health(looking(tmp_path, spending), Campaign(arms))
    assert check.status == status
    if status == "warn":
        at_first = round(buyers / 4) if spending else buyers
        assert f"spend (No contact (control): {at_first})" in check.detail
        assert ("first planned look" in check.detail) == (spending is not None)


def test_a_definition_that_has_not_all_members_yet_counts_no_more_than_it_has(tmp_path: Path) -> None:
    definition = define(
        tmp_path,
        design={"looks": {"kind": "group_sequential", "at": [0.5, 1.0]}},
        assignment={**OURS, "sample_size": 160_000},
    )
    # 40,000 are planned in each arm, 20,000 are in: all of them are the first look's.
    for rate, status in ((0.025, "pass"), (0.009, "warn")):
        same = dict.fromkeys(("control", "points", "coupon", "gift"), Did(rate=rate, benefit=1.0))
        assert health(definition, Campaign(same)).status == status


@pytest.mark.parametrize(
    ("spending", "code"), [(None, None), ("obrien_fleming", None), ("pocock", "few_buyers_early")]
)
def test_a_design_says_that_its_first_look_has_too_few_buyers(
    tmp_path: Path, spending: str | None, code: str | None
) -> None:
    """12,000 members in an arm, of whom 5 % buy: 600 by the end, 150 by the first look."""
    for members, rate, expected in ((48_000, 0.08, code), (48_000, 0.01, code or "few_buyers")):
        planned = plan(looking(tmp_path / f"{rate}", spending), members, Did(rate=rate))
        told = {reason.code: reason.text for reason in planned.reasons}
        found = [each for each in told if each.startswith("few_buyers")]
        if expected is None:
            assert not found
        elif spending == "obrien_fleming":
            assert found == ["few_buyers_early"]
        else:
            assert found == [expected]
            count = 12_000 * rate * (0.25 if spending else 1)
            assert f"{count:,.0f} non-zero values of spend" in told[expected]


def test_where_p_and_interval_differ_p_is_said_to_decide(tmp_path: Path) -> None:
    """14 of 26 against 7 of 26: p .0479, and the Miettinen-Nurminen interval reaches below 0."""
    told = sentences(define(tmp_path))
    borderline = ScoreComparison(TwoByTwo(14, 26, 7, 26))
    assert borderline.p_value() < 0.05
    assert borderline.interval(0.05)[0] < 0
    assert "the p-value decides" in told.evidence("converted", borderline, 0.0479)["interval"]
    clear = ScoreComparison(TwoByTwo(60, 100, 30, 100))
    assert "decides" not in told.evidence("converted", clear, 1e-5)["interval"]


def test_an_exact_test_that_overrules_its_interval_is_said_to(tmp_path: Path) -> None:
    arms = {arm: Did(members=70, rate=0.0) for arm in ("control", "coupon", "gift")}
    definition = define(tmp_path, audience={"segments": None}, decision={"pick": {"by": "overall"}})
    found = []
    for successes in range(1, 12):
        campaign = Campaign({**arms, "points": Did(members=70, rate=successes / 70)})
        document = analysis(definition, campaign)
        row = next(r for r in document.effects if (r.metric, r.arm) == ("converted", "points"))
        if (row.p_value <= 0.05) != (row.difference_low > 0):
            reason = next(r.text for r in document.verdict.reasons if "Points" in r.text)
            assert "the p-value decides" in reason
            found.append(successes)
    assert found
