"""The planted truth: exact potential outcomes, files that hold them, and estimates that are right about them."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from offerwise.demo.calendar import Season
from offerwise.demo.members import HISTORY_DAYS
from offerwise.demo.outcomes import Latents, PotentialOutcomes
from offerwise.demo.responses import Drawn, realised
from offerwise.demo.truth import MARGIN, PLANTED
from tests.demo.answered import SEED, Answered

SEGMENTS = ("vip", "near_dormant", "dormant")


@pytest.fixture(scope="module")
def drawn(answered: Answered) -> Drawn:
    return Drawn.of(pq.read_table(answered.ledger), answered.population)


@pytest.fixture(scope="module")
def potential(answered: Answered, drawn: Drawn) -> PotentialOutcomes:
    latents = Latents.draw(answered.population, SEED).take(drawn.member)
    return PotentialOutcomes(drawn.segment, answered.population.eagerness[drawn.member], latents, PLANTED)


def test_eagerness_leaves_the_baselines_as_planted(answered: Answered, drawn: Drawn) -> None:
    for segment in SEGMENTS:
        mean = answered.population.eagerness[drawn.member[drawn.segment == segment]].mean()
        assert 0.7 < mean < 1.35


@pytest.mark.parametrize("arm", [truth.arm for truth in PLANTED.arms])
def test_buyers_under_an_arm_are_as_many_as_planted(potential: PotentialOutcomes, arm: str) -> None:
    truth, converted = PLANTED.arm(arm), potential.under(arm).converted
    for segment in SEGMENTS:
        among = potential.segment == segment
        chance = PLANTED.baseline.of(segment) * potential.eagerness[among] + truth.purchase.of(segment)
        spread = np.sqrt(np.sum(chance * (1 - chance)))
        assert abs(converted[among].sum() - chance.sum()) < 4.5 * spread


def test_a_member_who_buys_anyway_buys_under_every_arm(potential: PotentialOutcomes) -> None:
    anyway = potential.under("control").converted
    assert anyway.any()
    for truth in PLANTED.arms:
        assert potential.under(truth.arm).converted[anyway].all()


def test_what_happens_is_the_outcome_under_the_arm_received(
    potential: PotentialOutcomes, drawn: Drawn
) -> None:
    happened = realised(potential, drawn.arm)
    for truth in PLANTED.arms:
        here, expected = drawn.arm == truth.arm, potential.under(truth.arm)
        assert here.any()
        for name, values in vars(expected).items():
            assert np.array_equal(getattr(happened, name)[here], values[here])


def test_a_coupon_tops_orders_up_and_shrinks_them(potential: PotentialOutcomes) -> None:
    with_coupon, without = potential.under("cpn20__care"), potential.under("control")
    both = without.converted
    assert with_coupon.first_order[both].min() >= 100_00
    assert with_coupon.first_order[both].mean() < 0.85 * without.first_order[both].mean()


def test_the_files_hold_the_outcomes_to_the_cent(
    answered: Answered, potential: PotentialOutcomes, drawn: Drawn
) -> None:
    directory = answered.campaign.directory
    with duckdb.connect() as connection:
        measured = connection.execute(
            f"""WITH ledger AS (FROM '{answered.ledger}'),
            bought AS (
                SELECT member, CAST(100 * sum(amount - refund) AS BIGINT) AS cents FROM ledger
                JOIN '{directory}/orders.parquet' ON member_id = member AND status = 'paid'
                 AND paid_at >= planned_send_at AND paid_at < planned_send_at + INTERVAL 14 DAY GROUP BY 1),
            took AS (
                SELECT member, CAST(100 * sum(unit_cost) AS BIGINT) AS cents FROM ledger
                JOIN '{directory}/redemptions.parquet' ON member_id = member
                 AND redeemed_at >= planned_send_at AND redeemed_at < planned_send_at + INTERVAL 14 DAY GROUP BY 1),
            said AS (
                SELECT member, bool_or(kind = 'unsubscribe' AND created_at < planned_send_at + INTERVAL 7 DAY) AS gone,
                       bool_or(kind = 'complaint') AS complained FROM ledger
                JOIN '{directory}/feedback.parquet' ON member_id = member
                 AND created_at >= planned_send_at AND created_at < planned_send_at + INTERVAL 14 DAY GROUP BY 1)
            SELECT coalesce(bought.cents, 0) AS revenue, bought.cents IS NOT NULL AS converted, coalesce(took.cents, 0)
                AS benefit, coalesce(gone, FALSE) AS gone, coalesce(complained, FALSE) AS complained
            FROM ledger LEFT JOIN bought USING (member) LEFT JOIN took USING (member) LEFT JOIN said USING (member)
            ORDER BY member"""
        ).fetchnumpy()
    happened = realised(potential, drawn.arm)
    cost = {arm.id: round(100 * arm.unit_cost_if_taken) for arm in answered.definition.all_arms}
    benefit = happened.redeemed * np.array([cost[str(arm)] for arm in drawn.arm])
    assert np.array_equal(measured["revenue"], happened.net_revenue)
    assert np.array_equal(measured["converted"], happened.converted)
    assert np.array_equal(measured["benefit"], benefit)
    assert np.array_equal(measured["gone"], happened.unsubscribed)
    assert np.array_equal(measured["complained"], happened.complained)


def test_true_effects_are_means_over_the_members_assigned(
    answered: Answered, potential: PotentialOutcomes
) -> None:
    arm = answered.definition.arm("gift__care")
    offered, control = potential.under(arm.id), potential.under("control")
    for segment in (None, *SEGMENTS):
        among = (
            np.ones(len(potential.segment), dtype=bool) if segment is None else potential.segment == segment
        )
        by_hand = MARGIN * (offered.net_revenue[among].sum() - control.net_revenue[among].sum()) / 100
        by_hand -= 8.0 * offered.redeemed[among].sum() + 0.05 * among.sum()
        row = answered.truth.find("profit", arm.id, segment)
        assert row is not None
        assert row.members == among.sum()
        assert row.difference == pytest.approx(by_hand / among.sum(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("arm", ["pts500__care", "cpn20__urgent", "gift__care"])
def test_difference_in_means_is_unbiased_for_the_truth(
    answered: Answered, potential: PotentialOutcomes, arm: str
) -> None:
    """Brute force: 400 re-randomisations, each analysed as an experiment; their mean must be the truth."""
    rng = np.random.default_rng(3)
    offered = answered.definition.arm(arm)
    under, control = potential.under(arm), potential.under("control")
    profit = (
        MARGIN * under.net_revenue / 100 - under.redeemed * offered.unit_cost_if_taken - offered.contact_cost
    )
    profits_without = MARGIN * control.net_revenue / 100
    n = len(profit)
    estimates = []
    for _ in range(400):
        order = rng.permutation(n)
        treated, rest = order[: n // 5], order[n // 5 :]
        estimates.append(profit[treated].mean() - profits_without[rest].mean())
    row = answered.truth.find("profit", arm)
    assert row is not None
    assert abs(np.mean(estimates) - row.difference) < 4 * np.std(estimates) / np.sqrt(len(estimates))
    assert np.std(estimates) > 0


def test_the_story_is_true_of_the_planted_means(answered: Answered) -> None:
    assert answered.truth.best_arm("vip") == "gift__care"
    assert answered.truth.best_arm("near_dormant") == "pts500__care"
    assert set(answered.truth.loss_making()) == {"cpn20__care", "cpn20__urgent"}


def test_the_truth_stands_in_the_folder(answered: Answered) -> None:
    document = json.loads(answered.campaign.truth.read_text(encoding="utf8"))
    assert document["schema"] == "offerwise.truth/1"
    assert document["planted"]["baseline"]["vip"] == PLANTED.baseline.vip
    assert len(document["effects"]) == len(answered.truth.effects) == 6 * 4 * 6


def test_seasons_put_more_orders_on_busy_days(answered: Answered) -> None:
    season = Season.before(answered.campaign.snapshot, HISTORY_DAYS)
    uniform = np.linspace(0.0005, 0.9995, 1000)
    days = season.days_ago(uniform, np.full(1000, 181), np.full(1000, 365))
    assert days.min() >= 181
    assert days.max() <= 365
    assert np.all(np.diff(days) >= 0)
