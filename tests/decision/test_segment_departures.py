"""Segments: equal arms seldom depart; the verdict depends on what arms did, not on how the file lists them."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from experiments.decision.contrasts import Contrasts
from experiments.decision.pick import Picker
from experiments.definition.model import Definition
from experiments.inference.moments import Moments
from experiments.measurement.cells import Cell
from tests.decision.campaign import ARMS, BASE, SEGMENTS, Campaign, Did, analysis, define, metric, sentences

RUNS = 600
PARTS = ("vip", "near", "dormant", "others")
MEMBERS = 2_000
OFFERS = ("points", "coupon", "gift")


@pytest.fixture
def four_segments(tmp_path: Path) -> Definition:
    whens = [f"tier = '{part}'" for part in PARTS[:-1]] + ["otherwise"]
    segments = [{"id": part, "when": when} for part, when in zip(PARTS, whens, strict=True)]
    return define(tmp_path, audience={"segments": {"=": segments}})


def drawn(profits: dict[tuple[str, str], float], rng: np.random.Generator) -> Contrasts:
    """Contrasts of a campaign whose arms convert far better than control and earn these profits, with noise."""
    error = 1 / math.sqrt(MEMBERS)
    spread = np.array([[float(MEMBERS - 1)]])
    profit = {
        Cell(arm, part, ""): Moments(
            ("profit",), MEMBERS, np.array([mean + error * rng.standard_normal()]), spread, (MEMBERS,)
        )
        for (arm, part), mean in profits.items()
    }
    converted = {}
    for cell in profit:
        rate = 0.1 if cell.arm == "control" else 0.3
        ones = round(rate * MEMBERS)
        comoment = np.array([[ones * (1 - rate)]])
        converted[cell] = Moments(("converted",), MEMBERS, np.array([rate]), comoment, (ones,))
    return Contrasts({"profit": metric("profit", profit), "converted": metric("converted", converted)})


def chosen(definition: Definition, contrasts: Contrasts) -> tuple[str, set[str]]:
    """The winner, and the arms of all segments."""
    costs = dict.fromkeys(OFFERS, 0.1)
    choice = Picker(definition, contrasts, OFFERS, costs, sentences(definition)).choose()
    return choice.winner, set(choice.by_segment.values())


def test_equal_arms_depart_in_at_most_five_percent(four_segments: Definition) -> None:
    rng = np.random.default_rng(20261121)
    equal = {(arm, part): 0.0 if arm == "control" else 1.0 for arm in ("control", *OFFERS) for part in PARTS}
    departed = naive = 0
    for _ in range(RUNS):
        contrasts = drawn(equal, rng)
        winner, arms = chosen(four_segments, contrasts)
        departed += arms != {winner}
        best = {
            max(OFFERS, key=lambda arm: contrasts.metrics["profit"].arm(arm, part).average("profit"))
            for part in PARTS
        }
        naive += len(best) > 1
    assert departed <= binom.ppf(0.9999, RUNS, 0.05)
    # Without the rule nearly every run would "differ by segment".
    assert naive > 0.8 * RUNS


def test_a_true_difference_of_five_standard_errors_is_found(four_segments: Definition) -> None:
    rng = np.random.default_rng(7)
    profits = {
        (arm, part): 0.0 if arm == "control" else 1.0 for arm in ("control", *OFFERS) for part in PARTS
    }
    profits["gift", "near"] = 1.0 + 5 * math.sqrt(2 / MEMBERS)
    profits["points", "vip"] = 1.0 + 5 * math.sqrt(2 / MEMBERS)
    found = sum(len(chosen(four_segments, drawn(profits, rng))[1]) > 1 for _ in range(60))
    assert found >= 45


rates = st.floats(0.03, 0.09)
did = st.builds(
    Did,
    members=st.integers(800, 20_000),
    rate=rates,
    spend=st.floats(1, 12),
    spread=st.floats(5, 40),
    benefit=st.sampled_from([0.0, 0.3, 0.9]),
)
campaigns = st.builds(
    Campaign,
    st.fixed_dictionaries(dict.fromkeys(ARMS, did)),
    st.dictionaries(st.tuples(st.sampled_from(ARMS), st.sampled_from(SEGMENTS)), did, max_size=4),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(campaign=campaigns, order=st.sampled_from(list(permutations(OFFERS))))
def test_the_order_of_arms_with_different_costs_does_not_change_the_verdict(
    tmp_path: Path, campaign: Campaign, order: tuple[str, ...]
) -> None:
    offers = BASE["arms"]["offers"]
    plain = define(tmp_path / "plain")
    listed = define(tmp_path / "listed", arms={"offers": {"=": {arm: offers[arm] for arm in order}}})
    first, second = analysis(plain, campaign), analysis(listed, campaign)
    # Arms that cannot be told apart and cost the same go by the file's order, as the rule says.
    costs = {round(row.cost / row.members, 6) for row in first.money if row.arm != "control"}
    assume(len(costs) == len(OFFERS))
    assert first.verdict.status == second.verdict.status
    assert first.verdict.winner == second.verdict.winner
    assert first.verdict.winner_by_segment == second.verdict.winner_by_segment
    key = {(row.metric, row.arm, row.segment): row.p_value_adjusted for row in first.effects}
    assert all(
        key[row.metric, row.arm, row.segment] == pytest.approx(row.p_value_adjusted) for row in second.effects
    )


@quick
@given(campaign=campaigns)
def test_what_is_rolled_out_was_eligible(tmp_path: Path, campaign: Campaign) -> None:
    definition = define(tmp_path)
    document = analysis(definition, campaign)
    sent = {document.verdict.winner, *document.verdict.winner_by_segment.values()} - {None, "control"}
    overall = {(row.metric, row.arm): row for row in document.effects if row.segment is None}
    for arm in sent:
        converted, profit = overall["converted", arm], overall["profit", arm]
        assert converted.difference > 0
        assert converted.p_value_adjusted <= 0.05
        assert profit.difference > 0
        assert profit.p_value <= 0.05
    assert (document.verdict.status == "rollout") == bool(document.verdict.winner)
    for row in document.effects:
        assert row.p_value_adjusted >= row.p_value - 1e-15
        assert row.difference_low_adjusted <= row.difference_low <= row.difference
        assert row.difference <= row.difference_high <= row.difference_high_adjusted


@quick
@given(campaign=campaigns, factor=st.sampled_from([0.5, 2.0, 10.0]))
def test_another_currency_unit_does_not_change_the_choice(
    tmp_path: Path, campaign: Campaign, factor: float
) -> None:
    def scaled(did: Did) -> Did:
        return Did(
            did.members,
            did.rate,
            did.spend * factor,
            did.spread * factor,
            did.benefit * factor,
            did.unsubscribed,
        )

    other = Campaign(
        {arm: scaled(did) for arm, did in campaign.arms.items()},
        {place: scaled(did) for place, did in campaign.segments.items()},
    )
    plain = define(tmp_path / "plain")
    dear = define(tmp_path / "dear", arms={"channel": {"cost_per_send": 0.05 * factor}})
    first, second = analysis(plain, campaign), analysis(dear, other)
    assert first.verdict.winner == second.verdict.winner
    assert first.verdict.winner_by_segment == second.verdict.winner_by_segment
