"""Tests of a group share no member: who cools down stays out, and who comes first takes first."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from experiments.assignment.assignment import assign
from experiments.definition.errors import RefusedError
from tests.assignment import recomputed
from tests.assignment.campaign import Campaign, members
from tests.assignment.test_draw import ledger_rows

GROUP = {"snapshot": "2026-11-25", "exclusive_group": "winback"}
HASH = {"method": "hash"}


def begin(campaign: Campaign) -> set[str]:
    """The first test of the group: 50 of 100 members, sent on November 26 and 27, measured until December 11 in the evening."""
    campaign.write(members(100), id="first", audience=GROUP, assignment={**HASH, "sample_size": 50})
    with campaign.open() as experiment:
        assign(experiment)
        return set(ledger_rows(experiment))


@pytest.mark.parametrize(
    ("days", "snapshot", "refused"),
    [(None, "2026-12-12", 0), (10, "2026-12-12", 50), (10, "2026-12-20", 50), (10, "2026-12-22", 0)],
)
def test_members_cool_down_after_a_test(
    campaign: Campaign, days: int | None, snapshot: str, refused: int
) -> None:
    first = begin(campaign)
    cool = {} if days is None else {"cool_down_days": days}
    campaign.define(
        id="second",
        audience={**GROUP, "snapshot": snapshot, **cool},
        send={"days": ["2026-12-24"]},
        assignment=HASH,
    )
    with campaign.open() as experiment:
        assert assign(experiment).refused["exclusive_group"] == refused
        assert bool(first & set(ledger_rows(experiment))) == (not refused)


def test_what_comes_first_takes_first(campaign: Campaign) -> None:
    campaign.write(members(100), id="second", audience={**GROUP, "yields_to": ["first"]}, assignment=HASH)
    with campaign.open() as experiment:
        with pytest.raises(RefusedError, match="first comes first in the group winback"):
            assign(experiment)
        assert not experiment.workspace.ledger.exists()
    first = begin(campaign)
    campaign.define(id="second", audience={**GROUP, "yields_to": ["first"]}, assignment=HASH)
    with campaign.open() as experiment:
        assign(experiment)
        second = set(ledger_rows(experiment))
    assert (len(first), len(second), first & second) == (50, 50, set())


@pytest.mark.parametrize("group", [None, "other"])
def test_what_comes_first_is_a_test_of_the_group(campaign: Campaign, group: str | None) -> None:
    """Yielding to a test of another group would let it take nobody out of the way."""
    audience = {"snapshot": "2026-11-25", **({"exclusive_group": group} if group else {})}
    campaign.write(members(60), id="first", audience=audience, assignment={**HASH, "sample_size": 20})
    with campaign.open() as experiment:
        assign(experiment)
    campaign.define(id="second", audience={**GROUP, "yields_to": ["first"]}, assignment=HASH)
    with campaign.open() as experiment, pytest.raises(RefusedError, match="first comes first"):
        assign(experiment)


FIRST = date(2026, 11, 20)
DAYS = 9
WINDOWS = {"hello": 2, "again": 3, "push": 1}
COOLS = {"hello": 0, "again": 2, "push": 0}
AFTER = {"hello": 1, "again": 0}
PUSHED_ON = FIRST + timedelta(days=7)


def journeys(campaign: Campaign, name: str, **audience: Any) -> None:
    """Two journeys and a test of one day, in one group; a member may enter `hello` on two days and `again` on four."""
    group = {"exclusive_group": "winback", **({"cool_down_days": COOLS[name]} if COOLS[name] else {})}
    if name == "push":
        body: dict[str, Any] = {"snapshot": PUSHED_ON.isoformat(), **group}
        send: dict[str, Any] = {"days": [PUSHED_ON.isoformat()], "hours": ["09:00", "20:00"]}
    else:
        when = "age IN (1, 2)" if name == "hello" else "age BETWEEN 1 AND 4"
        body = {"snapshot": "daily", "include": when, "until": "2026-12-31", **group}
        send = {"after_days": AFTER[name], "hours": ["09:00", "20:00"]}
    campaign.define(
        id=name,
        features={"age": {"from": "members", "days_since": "joined"}},
        audience={**body, **audience},
        assignment={"method": "hash", "salt": name},
        send=send,
        metrics={"bought": {"type": "binary", "from": "orders", "window_days": WINDOWS[name]}},
    )


def run(campaign: Campaign, name: str, day: date, **audience: Any) -> set[str]:
    journeys(campaign, name, **audience)
    with campaign.open(datetime.combine(day, time(4), UTC)) as experiment:
        assign(experiment)
        return set(ledger_rows(experiment))


def joining(campaign: Campaign) -> dict[str, date]:
    joined = {f"d{day}-{n}": FIRST + timedelta(days=day) for day in range(-3, DAYS) for n in range(6)}
    campaign.write([{"会员": key, "joined": day, "tier": "x"} for key, day in joined.items()])
    return joined


def test_three_tests_over_days_equal_a_slow_computation(campaign: Campaign) -> None:
    """Day by day, who is in a running or cooling test of another name stays out; the order of a day takes turns."""
    joined, zone = joining(campaign), ZoneInfo("Asia/Shanghai")
    closes: dict[str, dict[str, datetime]] = {name: {} for name in WINDOWS}
    refused = 0
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        midnight = datetime.combine(day, time(0), zone)
        names = ["hello", "again"] if number % 2 else ["again", "hello"]
        for name in [*names, *(["push"] if day == PUSHED_ON else [])]:
            ages = {"hello": (1, 2), "again": (1, 2, 3, 4), "push": range(-99, 99)}[name]
            wanted = {key for key, since in joined.items() if (day - since).days in ages} - {*closes[name]}
            busy = {
                key
                for other, ends in closes.items()
                for key, end in ends.items()
                if other != name and end + timedelta(days=COOLS[name]) > midnight
            }
            refused += len(wanted & busy)
            for key in wanted - busy:
                slot = timedelta(minutes=recomputed.slot_of(key, name, 11 * 60))
                planned = datetime.combine(day + timedelta(days=AFTER.get(name, 0)), time(9), zone) + slot
                closes[name][key] = planned + timedelta(days=WINDOWS[name])
            if wanted - busy or closes[name]:
                assert run(campaign, name, day) == {*closes[name]}, (name, day)
    assert refused > 20
    assert all(len(ends) > 5 for ends in closes.values())


def test_a_journey_that_comes_first_takes_each_day_first(campaign: Campaign) -> None:
    joining(campaign)
    second = FIRST + timedelta(days=1)
    late = {"yields_to": ["again"]}
    first = run(campaign, "again", FIRST)
    assert run(campaign, "push", FIRST, snapshot=FIRST.isoformat(), **late).isdisjoint(first)
    with pytest.raises(RefusedError, match=f"again comes first .* the members of {second} yet"):
        run(campaign, "hello", second, **late)
    run(campaign, "again", second)
    with pytest.raises(RefusedError, match="none of"):
        run(campaign, "hello", second, **late)
    # On a day on which nobody enters what comes first, its call counts, too.
    far = FIRST + timedelta(days=40)
    with pytest.raises(RefusedError, match="yet"):
        run(campaign, "hello", far, **late)
    run(campaign, "again", far)
    with pytest.raises(RefusedError, match="none of"):
        run(campaign, "hello", far, **late)


def test_a_journey_that_has_ended_is_not_waited_for(campaign: Campaign) -> None:
    joining(campaign)
    run(campaign, "again", FIRST, until=FIRST.isoformat())
    second = FIRST + timedelta(days=1)
    assert run(campaign, "hello", second, yields_to=["again"])
