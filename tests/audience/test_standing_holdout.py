"""The standing holdout that is refreshed as planned, against the page's rule in plain Python; each member by key and day alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from hashlib import md5
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.audience.standing_holdout import holdout_window
from experiments.definition.holdout import Holdout, Refresh
from tests.assignment.campaign import Campaign, members
from tests.assignment.test_audience import audience_rows
from tests.assignment.test_draw import ledger_rows

FROM = date(2026, 1, 1)
SHARES = st.fractions(Fraction(1, 50), Fraction(9, 10), max_denominator=60)
PARTS = st.fractions(Fraction(1, 12), Fraction(1), max_denominator=24)


def place(salt: str, key: str) -> Fraction:
    return Fraction(int(md5(f"{salt}|holdout|{key}".encode()).hexdigest()[:13], 16), 16**13)


def is_held_out(
    v: Fraction, day: date, share: Fraction, every_days: int, part: Fraction, first: date = FROM
) -> bool:
    """As docs/audience.md has it: the way from where the epoch's window begins to v, on a circle, is under the share."""
    epoch = max(0, (day - first).days // every_days)
    return (v - epoch * share * part) % 1 < share


def window(share: Fraction, every_days: int, part: Fraction, day: date) -> list[tuple[str, str]]:
    refresh = Refresh(from_=FROM, every_days=every_days, part=part)
    return list(holdout_window(Holdout(share=share, salt="s", refresh=refresh), day).ranges)


@given(
    share=SHARES,
    part=PARTS,
    every_days=st.sampled_from([1, 30, 91, 365]),
    days=st.integers(-400, 4000),
    v=st.integers(0, 16**13 - 1),
)
def test_ranges_are_the_rule(share: Fraction, part: Fraction, every_days: int, days: int, v: int) -> None:
    day, digits = FROM + timedelta(days=days), format(v, "013x")
    found = window(share, every_days, part, day)
    ends = [bound for pair in found for bound in pair]
    near = [(int(end, 16) + step) % 16**13 for end in ends for step in (-1, 0, 1)]
    for each in (v, *near):
        digits = format(each, "013x")
        inside = any(low <= digits and (digits < high or high == "1" + 13 * "0") for low, high in found)
        assert inside == is_held_out(Fraction(each, 16**13), day, share, every_days, part)


@given(share=SHARES, part=PARTS, epoch=st.integers(0, 200))
def test_each_epoch_replaces_its_part(share: Fraction, part: Fraction, epoch: int) -> None:
    """By width: exactly `part` of the holdout is released, the holdout keeps its share, and each stays in for 1/part epochs."""
    steps = 16**13
    if share * (1 + part) > 1:
        return

    def covered(at: int) -> list[tuple[int, int]]:
        day = FROM + timedelta(days=30 * at)
        return [(int(low, 16), int(high, 16)) for low, high in window(share, 30, part, day)]

    def width(ranges: list[tuple[int, int]]) -> int:
        return sum(high - low for low, high in ranges)

    now, later = covered(epoch), covered(epoch + 1)
    kept = sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in now for b in later)
    assert abs(width(now) - share * steps) <= 1
    assert abs(kept - (1 - part) * share * steps) <= 2


def test_released_members_come_back_when_the_window_has_gone_round() -> None:
    """A share of 1/20 and a part of 1/4: in for 4 epochs, then out for 76, for each of 300 members."""
    for n in range(300):
        v = place("brand", f"m{n}")
        held = [
            is_held_out(v, FROM + timedelta(days=180 * epoch), Fraction(1, 20), 180, Fraction(1, 4))
            for epoch in range(80)
        ]
        assert sum(held) == 4
        assert sum(held[i] and not held[i - 1] for i in range(80)) == 1


REFRESH = {"from": "2026-01-01", "every_days": 90, "part": "1/3"}


@pytest.mark.parametrize(
    ("day", "share", "epoch"),
    [("2025-06-01", "1/4", 0), ("2026-03-31", "1/4", 0), ("2026-04-01", "1/4", 1), ("2026-11-25", "0.3", 3), ("2028-11-25", "1/4", 11)],
)  # fmt: skip
def test_eligibility_follows_the_day(campaign: Campaign, day: str, share: str, epoch: int) -> None:
    people = members(400)
    holdout: dict[str, Any] = {"share": share, "salt": "盐", "refresh": REFRESH}
    audience = {"snapshot": day, "global_holdout": "exclude"}
    send = {"days": ["2028-12-24"]}
    campaign.write(people, audience=audience, holdout=holdout, assignment={"method": "hash"}, send=send)
    with campaign.open() as experiment:
        audience_found, found = audience_rows(experiment)
        assert experiment.definition.holdout is not None
        assert holdout_window(experiment.definition.holdout, date.fromisoformat(day)).epoch == epoch
    expected = {
        key
        for key in found
        if is_held_out(place("盐", key), date.fromisoformat(day), Fraction(share), 90, Fraction(1, 3))
    }
    assert {key for key, row in found.items() if row["refused_by"] == "holdout"} == expected
    assert 40 < len(expected) < 180
    assert audience_found.refused["holdout"] == len(expected)


def test_the_holdout_without_a_plan_is_its_first_epoch(campaign: Campaign) -> None:
    found = []
    for refresh in (None, REFRESH):
        holdout = {"share": 0.1, "salt": "brand", **({"refresh": refresh} if refresh else {})}
        audience = {"snapshot": "2026-02-01", "global_holdout": "exclude"}
        campaign.write(members(300), audience=audience, holdout=holdout, assignment={"method": "hash"})
        with campaign.open() as experiment:
            found.append({key for key, row in audience_rows(experiment)[1].items() if row["refused_by"]})
    assert found[0] == found[1] != set()


def test_one_member_is_explained_by_hash_and_window(campaign: Campaign) -> None:
    holdout = {"share": "1/4", "salt": "brand", "refresh": REFRESH}
    audience = {"snapshot": "2026-11-25", "global_holdout": "exclude"}
    people = members(60)
    campaign.write(people, audience=audience, holdout=holdout, assignment={"method": "hash"})
    outcomes = set()
    with campaign.open() as experiment:
        for key in (str(person["会员"]) for person in people):
            (rule,) = explain_assignment(experiment, key).rules
            assert rule.key == "holdout"
            assert rule.values == {"digits": md5(f"brand|holdout|{key}".encode()).hexdigest()[:13]}
            assert rule.text == "1/4, epoch 3 since 2026-09-28: hashes [4000000000000, 8000000000000)"
            assert rule.removes == ("4" <= rule.values["digits"] < "8")
            outcomes.add(rule.removes)
    assert outcomes == {True, False}


def test_a_journey_asks_each_days_epoch(campaign: Campaign) -> None:
    """An epoch begins on the third day of entry: who enters is decided by the holdout of the own day."""
    first = date(2026, 11, 20)
    refresh = {"from": "2026-11-22", "every_days": 1, "part": 1}
    people = [
        {"会员": f"d{day}-{n}", "joined": first + timedelta(days=day - 1), "tier": "basic"}
        for day in range(5)
        for n in range(40)
    ]
    campaign.write(
        people,
        features={"age": {"from": "members", "days_since": "joined"}},
        audience={"snapshot": "daily", "include": "age = 1", "global_holdout": "exclude", "until": "2026-12-31"},
        holdout={"share": "1/4", "salt": "brand", "refresh": refresh},
        assignment={"method": "hash"},
        send={"after_days": 1, "hours": ["09:00", "20:00"]},
    )  # fmt: skip
    for day in range(5):
        now = datetime(2026, 11, 20, 4, tzinfo=UTC) + timedelta(days=day)
        with campaign.open(now) as experiment:
            assign(experiment)
            drawn = set(ledger_rows(experiment))
    entered = {str(person["会员"]): first + timedelta(days=int(str(person["会员"])[1])) for person in people}
    held = {
        key
        for key, day in entered.items()
        if is_held_out(place("brand", key), day, Fraction(1, 4), 1, Fraction(1), date(2026, 11, 22))
    }
    assert drawn == set(entered) - held
    assert 25 < len(held) < 75
