"""Triggered journeys: members enter day by day, each with own features, send time and window; late ones move nobody."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from sqlglot import exp

from experiments.analysis import analyze
from experiments.assignment.assigned import assigned_members
from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError, RefusedError
from experiments.inference.sample_ratio import sample_ratio
from experiments.queries import fetch_rows
from offerwise.journey import Journey
from tests.assignment import recomputed
from tests.assignment.campaign import Campaign
from tests.assignment.test_draw import SALT, SHARES, ledger_rows

HASH = {"method": "hash", "salt": SALT}
FIRST = date(2026, 11, 20)
JOURNEY = {
    "features": {
        "age": {"from": "members", "days_since": "joined"},
        "quiet": {"from": "orders", "days_since": "last"},
        "orders_before": {"from": "orders", "count": "rows"},
    },
    "audience": {"snapshot": "daily", "include": "age = 1 OR quiet = 45"},
    "assignment": {"method": "hash", "salt": SALT, "sample_size": 200},
    "send": {"after_days": 1, "hours": ["09:00", "20:00"]},
    "design": {"covariates": ["orders_before"]},
}


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def write(campaign: Campaign, days: int, **changes: object) -> Path:
    """Ten members join on each day; those of the first day bought 45 days before the fourth; all buy on the tenth."""
    people: list[Mapping[str, object]] = [
        {"会员": f"d{day}-{n}", "joined": FIRST + timedelta(days=day - 1), "tier": "basic"}
        for day in range(days)
        for n in range(10)
    ]
    people += [{"会员": f"old-{n}", "joined": date(2020, 1, 1), "tier": "vip"} for n in range(10)]
    old_day = FIRST + timedelta(days=3 - 45)
    orders = [{"会员": f"old-{n}", "paid_at": f"{old_day} 10:00:00"} for n in range(10)]
    orders += [
        {"会员": str(person["会员"]), "paid_at": f"{FIRST + timedelta(days=10)} 10:00:00"}
        for person in people
    ]
    return campaign.write(people, orders, **{**JOURNEY, **changes})


def run_days(campaign: Campaign, days: int) -> dict[str, Mapping[str, object]]:
    for number in range(days):
        with campaign.open(noon(FIRST + timedelta(days=number))) as experiment:
            assign(experiment)
    with campaign.open(noon(FIRST + timedelta(days=days))) as experiment:
        return ledger_rows(experiment)


def test_each_member_has_the_day_of_the_own_entry(campaign: Campaign) -> None:
    write(campaign, 5)
    ledger = run_days(campaign, 5)
    assert Counter(row["batch"] for row in ledger.values()) == {0: 10, 1: 10, 2: 10, 3: 20, 4: 10}
    assert {key: row["arm"] for key, row in ledger.items()} == recomputed.by_hash(list(ledger), SHARES, SALT)
    for key, row in ledger.items():
        entered = FIRST + timedelta(days=3 if key.startswith("old") else int(key[1]))
        opens = noon(entered + timedelta(days=1)).replace(hour=1)
        planned = opens + timedelta(minutes=recomputed.slot_of(key, SALT, 11 * 60))
        assert (row["batch"], row["planned_send_at"]) == ((entered - FIRST).days, planned)


def test_late_joiners_move_nobody_and_a_second_call_on_a_day_changes_nothing(campaign: Campaign) -> None:
    write(campaign, 5)
    before = run_days(campaign, 2)
    now = noon(FIRST + timedelta(days=1))
    with campaign.open(now) as experiment:
        again = assign(experiment)
        assert ledger_rows(experiment) == before
    after = run_days(campaign, 5)
    assert {key: after[key] for key in before} == before
    assert again.sampled == 20


def test_lists_hold_those_who_are_still_to_be_sent_to(campaign: Campaign) -> None:
    write(campaign, 5)
    ledger = run_days(campaign, 5)
    lists = campaign.folder / "runs" / "test-1" / "send_lists"
    listed = [
        row["member"]
        for arm in "ab"
        for row in csv.DictReader((lists / f"{arm}.csv").read_text(encoding="utf8").splitlines())
    ]
    wanted = {key for key, row in ledger.items() if row["batch"] in {3, 4} and row["arm"] != "control"}
    assert sorted(listed) == sorted(wanted)


@pytest.mark.parametrize("covariates", [["orders_before"], []])
def test_features_are_as_of_the_day_of_entry(campaign: Campaign, covariates: list[str]) -> None:
    """Everybody orders on the tenth day: after every entry, so nobody's covariate knows of it."""
    write(campaign, 5, design={"covariates": covariates})
    run_days(campaign, 5)
    with campaign.open(noon(FIRST + timedelta(days=60))) as experiment:
        found = assigned_members(experiment, open_data(experiment))
        assert ("orders_before" in found.columns) == bool(covariates)
        if covariates:
            query = exp.select("member", "orders_before", "quiet", "age").from_(found.relation)
            rows = {row["member"]: row for row in fetch_rows(experiment.engine, query)}
            assert len(rows) == 60
            for key, row in rows.items():
                old = key.startswith("old")
                assert (row["orders_before"], row["quiet"]) == ((1, 45) if old else (0, None))
                assert old or row["age"] == 1


def test_the_answer_waits_for_the_last_window(campaign: Campaign) -> None:
    write(campaign, 6, assignment={**JOURNEY["assignment"], "sample_size": 60})
    run_days(campaign, 6)
    verdicts = []
    for days in (10, 19, 21):
        with campaign.open(noon(FIRST + timedelta(days=days))) as experiment:
            found = analyze(experiment)
            verdicts.append((found.verdict.status, bool(found.effects)))
    assert verdicts[:2] == [("too_early", False)] * 2
    assert verdicts[2][1]


def test_a_test_that_members_still_enter_shows_no_effect(campaign: Campaign) -> None:
    """All windows have closed, but more members will come: reading now, and again then, would be two looks."""
    write(campaign, 6, audience={**JOURNEY["audience"], "until": "2026-12-31"}, assignment=HASH)
    run_days(campaign, 6)
    statuses = []
    for now in (datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)):
        with campaign.open(now) as experiment:
            found = analyze(experiment)
            (window,) = [check for check in found.health if check.check == "window_open"]
            statuses.append((found.verdict.status == "too_early", bool(found.effects), window.status))
    assert statuses == [(True, False, "fail"), (False, True, "pass")]
    with (
        campaign.open(datetime(2027, 1, 2, tzinfo=UTC)) as experiment,
        pytest.raises(InputError, match="nobody enters after 2026-12-31"),
    ):
        assign(experiment)


def test_looks_count_those_whose_window_has_closed(campaign: Campaign) -> None:
    looks = {"kind": "always_valid"}
    write(campaign, 6, design={"looks": looks, "covariates": [], "correction": "none", "baseline": 0.5})
    run_days(campaign, 6)
    with campaign.open(noon(FIRST + timedelta(days=17))) as experiment:
        found = analyze(experiment)
    assert sum(arm.members for arm in found.arms) == 70
    (window,) = [check for check in found.health if check.check == "window_open"]
    assert window.status == "pass"


def test_explained_as_of_the_own_day(campaign: Campaign) -> None:
    write(campaign, 5)
    ledger = run_days(campaign, 5)
    with campaign.open(noon(FIRST + timedelta(days=30))) as experiment:
        found = explain_assignment(experiment, "d2-3")
    assert (found.snapshot, found.status, found.refused_by) == ("2026-11-22", "assigned", None)
    assert found.send is not None
    assert datetime.fromisoformat(found.send.planned_send_at) == ledger["d2-3"]["planned_send_at"]
    assert found.send.slots == 11 * 60


def test_days_that_cannot_be_entered(campaign: Campaign) -> None:
    write(campaign, 5)
    with campaign.open(noon(FIRST + timedelta(days=2))) as experiment:
        journey = Journey(experiment)
        with pytest.raises(InputError, match="still to come"):
            journey.assign(FIRST + timedelta(days=3))
        with pytest.raises(InputError, match="which is over"):
            journey.assign(FIRST)
        assert journey.assign(FIRST + timedelta(days=1)).sampled == 10
        assert {row["batch"] for row in ledger_rows(experiment).values()} == {0}
    write(campaign, 1, audience={"snapshot": "2026-11-20"}, send={"days": ["2026-11-26"]}, id="plain")
    with campaign.open() as experiment, pytest.raises(InputError, match="one snapshot for all"):
        Journey(experiment).assign(FIRST)


def test_a_first_day_without_anybody_leaves_nothing(campaign: Campaign) -> None:
    write(campaign, 5)
    with campaign.open(noon(FIRST - timedelta(days=5))) as experiment:
        with pytest.raises(RefusedError, match="none of 60 members"):
            assign(experiment)
        assert not experiment.workspace.send_lists.exists()


@pytest.mark.parametrize("size", [1, 5, 40])
@pytest.mark.parametrize("method", ["hash", "stratified"])
def test_small_daily_batches_over_a_year_have_their_shares(size: int, method: str) -> None:
    """Of 15 years with other salts, the sample-ratio check fails (p < .001) in at most one and warns (p < .01) in few.

    With a true draw, more than 3 of 15 below .01 have a probability of 1e-5, more than one below .001 of 1e-4.
    """
    p_values = []
    for year in range(15):
        salt, counts = f"year {year}", Counter[str]()
        for day in range(365):
            keys = [f"{day}-{n}" for n in range(size)]
            arms = (
                recomputed.by_hash(keys, SHARES, salt)
                if method == "hash"
                else recomputed.by_rank(dict.fromkeys(keys, "new"), SHARES, salt, day)
            )
            counts.update(arms.values())
        shares = [float(share) for _, share in SHARES]
        p_values.append(sample_ratio([counts[arm] for arm, _ in SHARES], shares).p_value)
    assert sum(p < 0.01 for p in p_values) <= 3
    assert sum(p < 0.001 for p in p_values) <= 1


def test_a_batch_of_one_has_each_arm_with_its_share() -> None:
    """Over 4,000 days, one member a day in one stratum: counts within 4.5 deviations of the shares."""
    counts = Counter[str]()
    for day in range(4000):
        counts.update(recomputed.by_rank({f"{day}": "new"}, SHARES, SALT, day).values())
    for arm, share in SHARES:
        deviation = float(4000 * share * (Fraction(1) - share)) ** 0.5
        assert abs(counts[arm] - 4000 * share) < 4.5 * deviation
