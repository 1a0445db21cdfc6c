"""Where a budget or a stock does not reach everybody, members under the floor of their stage are offered before the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.documents.storage import to_json
from experiments.files import write_whole
from tests.uplift.campaign import DEFINITION, Campaign, keep_analysis
from tests.uplift.test_budget import problem
from tests.uplift.test_units_and_forecast import SIZE, household_campaign
from uplift.budget import Groups, Problem
from uplift.limits import Limit
from uplift.plan_optimism import plan_optimism
from uplift.rollout import rollout
from uplift.search import find_policy

FIRST = np.array([True, False] * 3)
CELL = np.array([0, 0, 1, 1, 2, 2])


def in_two(amount: float | None, part: np.ndarray, limits: tuple[Limit, ...] = ()) -> Problem:
    """The problem of test_budget at expected cost; `part` of each part of the audience comes first."""
    plain = problem(amount, at="expected")
    sizes = np.column_stack(
        [np.round(plain.sizes * part), plain.sizes - np.round(plain.sizes * part)]
    ).ravel()
    return replace(plain, sizes=sizes, groups=Groups(CELL, None, FIRST), limits=limits)


@settings(max_examples=25, deadline=None)
@given(
    part=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    amount=st.none() | st.floats(1_000, 250_000),
    stock=st.none() | st.integers(0, 80_000),
)
def test_the_first_get_what_they_would_alone_and_the_others_what_they_leave(
    part: list[float], amount: float | None, stock: int | None
) -> None:
    """By two plain problems, one after the other: first those who come first alone, then the others with what is left."""
    limits = () if stock is None else (Limit("a", (1,), float(stock)),)
    both = in_two(amount, np.array(part), limits)
    plan = both.solve()
    alone = replace(both, sizes=np.where(FIRST, both.sizes, 0.0), groups=Groups(CELL)).solve()
    np.testing.assert_allclose(plan.given[FIRST], alone.given[FIRST], atol=1.5)
    taken = both.by_cell(alone.given)
    left = tuple(replace(each, most=each.most - float(taken[:, 1].sum())) for each in limits)
    others = replace(
        both,
        sizes=np.where(FIRST, 0.0, both.sizes),
        explored=both.explored + taken,
        limits=left,
        groups=Groups(CELL),
    )
    np.testing.assert_allclose(plan.given[~FIRST], others.solve().given[~FIRST], atol=3.0)
    if amount is not None and both.exploration <= amount:
        spent = both.costs.bound(both.by_cell(plan.given) + both.explored, both.budget)
        assert spent <= amount * (1 + 1e-9)


def test_everybody_is_served_as_before_where_nothing_binds() -> None:
    plain, both = problem(None), in_two(None, np.array([0.3, 0.5, 0.9]))
    np.testing.assert_allclose(both.by_cell(both.solve().given), plain.solve().given, atol=1)


def test_the_curve_and_the_optimism_follow_the_order() -> None:
    """A small budget goes to those who come first alone; a plan by the parts' estimates is still flattered by its choice."""
    both = in_two(60_000.0, np.full(3, 0.5))
    offered = [plan.given[~FIRST].sum() for _, plan in both.curve(11)]
    assert offered[1] == 0 < offered[-1]
    assert [plan.given[FIRST].sum() for _, plan in both.curve(11)][-1] == pytest.approx(
        both.sizes[FIRST].sum()
    )
    unsure = replace(both, offers=replace(both.offers, errors=np.full((3, 3), 0.8) * [0, 1, 1]))
    assert plan_optimism(unsure, [both.solve().capacity])[0] > 0


FEATURES = {
    "since": {"from": "orders", "days_since": "last"},
    "stage": {"stages": "aftercare", "on": "since"},
}
PREFERRING = {"contact_policy": {"on": "stage", "stages": "aftercare", "prefer": "under_floor"}}


def sources(folder: Path, ids: list[str], contacts: pd.DataFrame) -> dict[str, Any]:
    """The data with contacts, and an order of each member: at test and rollout in `sleeping`, one marketing contact in 50 days at least."""
    pd.DataFrame({"id": ids, "paid_at": pd.Timestamp("2026-08-20 10:00")}).to_parquet(
        folder / "orders.parquet"
    )
    contacts.to_parquet(folder / "contacts.parquet")
    return {
        **DEFINITION["data"],
        "orders": {"table": "orders.parquet", "key": "id", "time": "paid_at"},
        "contacts": {"table": "contacts.parquet", "key": "id", "time": "sent_at"},
    }


def preferring(folder: Path, **changes: Any) -> Campaign:
    """A fourth was contacted so long ago that it is under the floor at the rollout, a fourth later; one half never was."""
    ids, days = [f"{n:06d}" for n in range(24_000)], {0: "2026-10-20 10:00", 1: "2026-11-20 10:00"}
    sent = [(key, pd.Timestamp(days[n % 4])) for n, key in enumerate(ids) if n % 4 in days]
    contacts = pd.DataFrame(sent, columns=["id", "sent_at"]).assign(channel="sms", kind="marketing")
    campaign = Campaign(folder)
    campaign.make(
        data=sources(folder, ids, contacts),
        features=FEATURES,
        audience={**DEFINITION["audience"], **PREFERRING},
        **changes,
    )
    with campaign.open() as experiment:
        document = assign(experiment)
        assert [(each.eligible, each.sampled) for each in document.classes] == [
            (12_000, 12_000),
            (12_000, 4_000),
        ]
        write_whole(experiment.workspace.document("assignment"), to_json(document))
    return campaign


@pytest.mark.parametrize(("amount", "policy"), [(600, False), (1250, False), (1250, True)])
def test_a_rollout_offers_to_them_first(tmp_path: Path, amount: int, policy: bool) -> None:
    settings_of = {"budget": {"amount": amount, "at": "upper_90"}, "ramp": [1.0], "holdout_share": 0.15}
    campaign = preferring(tmp_path, rollout=settings_of)
    with campaign.open() as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        (told,) = [check for check in analysis.health if check.check == "sample_classes"]
        assert told.status == "warn"
        if policy:
            assert "under_floor_first" in {note.code for note in find_policy(experiment).document.notes}
        document = rollout(experiment)
        again = rollout(experiment)
    ledger = pd.read_parquet(document.files["ledger"])
    assert len(ledger) == 8_000
    number = ledger["member"].astype(int)
    assert (ledger["under_floor"] == (number % 4 == 0)).all()
    offered = ledger[ledger["reason"] == "offer"]
    decided = ledger[ledger["reason"].isin(["offer", "not_offered"])]
    reached = decided.assign(offered=decided["reason"] == "offer").groupby("under_floor")["offered"].mean()
    if reached[False] > 0:
        # Whoever of the first gets nothing is one for whom no offer pays, or lost by rounding a part's members down.
        missed = decided[decided["under_floor"] & (decided["reason"] == "not_offered")]
        assert missed.groupby("cell").size().max() <= len(document.offers) if len(missed) else True
    assert reached[True] > 0
    assert reached[False] < reached[True]
    assert (reached[False] == 0) == (amount == 600)
    assert document.cost_bound <= amount
    assert [(e.under_floor, e.members, e.offered, e.not_offered) for e in document.classes] == [
        (
            first,
            int((ledger["under_floor"] == first).sum()),
            int((offered["under_floor"] == first).sum()),
            int((decided["under_floor"] == first).sum() - (offered["under_floor"] == first).sum()),
        )
        for first in (True, False)
    ]
    texts = {reason.code: reason.text for reason in document.reasons}
    assert "75" in texts["other_mix"]
    assert "50" in texts["other_mix"]
    assert "12,000 of 12,000" in texts["under_floor_first"]
    assert replace(again, files={}) == replace(document, files={})
    _check_chances(ledger)


def _check_chances(ledger: pd.DataFrame) -> None:
    """Within a part and class, members got each arm as often as the ledger's propensities say, and the held-out would have as often."""
    for (_, first), own in ledger.groupby(["cell", "under_floor"]):
        for arm, chance in own.groupby("arm")["propensity"].first().items():
            low, high = binom.ppf([1e-5, 1 - 1e-5], len(own), chance)
            assert low - 1 <= (own["arm"] == arm).sum() <= high + 1, (first, arm)
        held, decided = (own[own["reason"].isin(of)] for of in (["holdout"], ["offer", "not_offered"]))
        for arm, count in decided["policy_arm"].value_counts().items():
            low, high = binom.ppf([1e-5, 1 - 1e-5], len(held), count / len(decided))
            assert low - 1 <= (held["policy_arm"] == arm).sum() <= high + 1, (first, arm)


def test_exploration_and_holdout_ask_for_no_floor(tmp_path: Path) -> None:
    campaign = preferring(tmp_path, rollout={"ramp": [1.0], "holdout_share": 0.2, "explore_share": 0.2})
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        ledger = pd.read_parquet(rollout(experiment).files["ledger"])
    for role in ("holdout", "explore"):
        own = (ledger["reason"] == role) & ledger["under_floor"]
        low, high = binom.ppf([1e-5, 1 - 1e-5], int(ledger["under_floor"].sum()), 0.2)
        assert low <= own.sum() <= high


def test_a_household_comes_first_for_one_of_its_members(tmp_path: Path) -> None:
    """Of the third household one member's contact is too long ago at the rollout, and was not at the test."""
    ids, home = [f"{n:06d}" for n in range(24_000)], [n // SIZE % 3 for n in range(24_000)]
    days = ["2026-10-20" if h == 2 and n % SIZE == 0 else "2026-11-20" for n, h in enumerate(home)]
    sent = [(key, pd.Timestamp(f"{day} 10:00")) for key, day, h in zip(ids, days, home, strict=True) if h]
    contacts = pd.DataFrame(sent, columns=["id", "sent_at"]).assign(channel="sms", kind="marketing")
    campaign, _ = household_campaign(
        tmp_path,
        audience=PREFERRING,
        data=sources(tmp_path, ids, contacts),
        features=FEATURES,
        rollout={"budget": {"amount": 500, "at": "upper_90"}, "ramp": [1.0]},
    )
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        document = rollout(experiment)
    ledger = pd.read_parquet(document.files["ledger"])
    number = ledger["member"].astype(int) // SIZE
    assert set(number % 3) == {1, 2}
    assert (ledger["under_floor"] == (number % 3 == 2)).all()
    first, others = document.classes
    assert (first.offered > 0, others.offered) == (True, 0)
    assert first.not_offered > 0
