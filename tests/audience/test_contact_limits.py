"""Caps and contact policy against a slow, obvious computation, on contacts that hypothesis makes up around every boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from experiments.definition.presets import POLICIES, STAGES
from tests.assignment.campaign import Campaign, Row
from tests.assignment.test_audience import audience_rows
from tests.audience import recomputed as slow

SNAPSHOT = date(2026, 11, 25)
MIDNIGHT = datetime(2026, 11, 25)  # noqa: DTZ001 - local to the definition, as the data are
CHANNELS, KINDS = ("sms", "ai_call", "wecom"), ("care", "marketing")
CONTACT = st.builds(
    lambda days, seconds, channel, kind: {
        "sent_at": MIDNIGHT - timedelta(days=days) + timedelta(seconds=seconds),
        "channel": channel,
        "kind": kind,
    },
    st.sampled_from([0, 1, 6, 7, 8, 14, 29, 30, 31, 38, 45, 50]),
    st.sampled_from([-1, 0, 1]),
    st.sampled_from(CHANNELS),
    st.sampled_from(KINDS),
)
CAP = st.builds(
    lambda channels, kind, most, days, when: {
        "channels": channels,
        "kind": kind,
        "max": most,
        "days": days,
        **({"when": when} if when else {}),
    },
    st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True),
    st.sampled_from(["any", *KINDS]),
    st.integers(0, 4),
    st.sampled_from([1, 7, 14, 30]),
    st.sampled_from([None, "stage = 'active'", "stage = 'silent' OR tier = 'vip'"]),
)
LAST_ORDER = st.none() | st.sampled_from([1, 6, 7, 44, 45, 89, 90, 139, 140, 364, 365, 900])
MEMBER = st.tuples(st.lists(CONTACT, max_size=12), LAST_ORDER)
People = Sequence[tuple[list[dict[str, Any]], int | None]]
without_shrinking = settings(max_examples=12, phases=[Phase.explicit, Phase.generate])


def write(campaign: Campaign, people: People, audience: Mapping[str, Any], **changes: Any) -> None:
    members: list[Row] = [
        {"会员": f"{place:03d}", "tier": "vip" if place % 2 else "basic", "city": "x"}
        for place, _ in enumerate(people)
    ]
    keyed = [{"会员": f"{place:03d}", **row} for place, (rows, _) in enumerate(people) for row in rows]
    later = {"会员": "000", "sent_at": MIDNIGHT, "channel": "sms", "kind": "marketing"}
    orders = [
        {"会员": f"{place:03d}", "paid_at": MIDNIGHT - timedelta(days=days)}
        for place, (_, days) in enumerate(people)
        if days is not None
    ]
    campaign.write(
        members,
        [*orders, {"会员": "000", "paid_at": MIDNIGHT}],
        [*keyed, later],
        features={
            "since": {"from": "orders", "days_since": "last"},
            "stage": {"stages": "aftercare", "on": "since"},
        },
        audience={"snapshot": "2026-11-25", **audience},
        assignment={"method": "hash"},
        **changes,
    )


def contacts(rows: Sequence[Row], days: int, channels: Sequence[str] | None, kind: str | None) -> int:
    """How many contacts of the kind over the channels a member had in the days before the snapshot."""
    return sum(
        (channels is None or row["channel"] in channels) and (kind is None or row["kind"] == kind)
        for row in slow.before(rows, SNAPSHOT, "sent_at", days)
    )


def stage_of(days: int | None) -> str | None:
    return slow.stage(days, STAGES["aftercare"])


def capped(place: int, rows: Sequence[Row], days: int | None, cap: Mapping[str, Any]) -> bool:
    holds = {
        None: True,
        "stage = 'active'": stage_of(days) == "active",
        "stage = 'silent' OR tier = 'vip'": stage_of(days) == "silent" or place % 2 == 1,
    }[cap.get("when")]
    kind = None if cap["kind"] == "any" else cap["kind"]
    return holds and contacts(rows, cap["days"], cap["channels"], kind) >= cap["max"]


@without_shrinking
@given(people=st.lists(MEMBER, min_size=1, max_size=25), caps=st.lists(CAP, min_size=1, max_size=3))
def test_caps_equal_a_slow_computation(
    tmp_path_factory: pytest.TempPathFactory, people: People, caps: list[dict[str, Any]]
) -> None:
    campaign = Campaign(tmp_path_factory.mktemp("caps"))
    write(campaign, people, {"contact_caps": caps})
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)
    first = [
        next((n for n, cap in enumerate(caps) if capped(place, rows, days, cap)), None)
        for place, (rows, days) in enumerate(people)
    ]
    for place, rule in enumerate(first):
        assert found[f"{place:03d}"]["refused_by"] == (None if rule is None else "contact_caps")
        assert found[f"{place:03d}"]["refused_rule"] == rule
    left = len(people)
    for place, told in enumerate(audience.rules):
        left -= first.count(place)
        assert (told.key, told.members, told.left) == (
            f"audience.contact_caps[{place}]",
            first.count(place),
            left,
        )
    assert audience.eligible == left
    assert audience.refused["contact_caps"] == len(people) - left


@without_shrinking
@given(
    people=st.lists(MEMBER, min_size=1, max_size=25),
    channels=st.none() | st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True),
    kind=st.sampled_from(KINDS),
)
def test_the_policy_equals_a_slow_computation(
    tmp_path_factory: pytest.TempPathFactory, people: People, channels: list[str] | None, kind: str
) -> None:
    campaign = Campaign(tmp_path_factory.mktemp("policy"))
    policy = {"on": "stage", "stages": "aftercare", **({"channels": channels} if channels else {})}
    send = {"days": ["2026-11-26"], "hours": ["09:00", "20:00"], "kind": kind}
    write(campaign, people, {"contact_policy": policy}, send=send)
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)
    limits = POLICIES["aftercare"]
    below = {(stage, each): [0, 0, 0] for stage in limits for each in KINDS}
    for place, (rows, days) in enumerate(people):
        stage = stage_of(days)
        row = found[f"{place:03d}"]
        assert row["stage"] == stage
        counted = {
            each: None if stage is None else contacts(rows, limits[stage]["days"], channels, each)
            for each in KINDS
        }
        assert {each: row[f"contacts__{each}"] for each in KINDS} == counted
        if stage is None:
            assert row["refused_by"] is None
            continue
        for each in KINDS:
            floor, ceiling = limits[stage][each]
            tally, count = below[stage, each], counted[each] or 0
            tally[0], tally[1], tally[2] = (
                tally[0] + 1,
                tally[1] + (count < floor),
                tally[2] + (count >= ceiling),
            )
        assert row["refused_by"] == ("contact_caps" if counted[kind] >= limits[stage][kind][1] else None)
    assert {
        (level.stage, level.kind): [level.members, level.below_floor, level.at_ceiling]
        for level in audience.contact_levels
    } == below


def test_a_stage_without_a_ceiling_or_without_limits_refuses_nobody(campaign: Campaign) -> None:
    many = [
        {"sent_at": MIDNIGHT - timedelta(hours=n + 1), "channel": "sms", "kind": "marketing"}
        for n in range(9)
    ]
    stages = {"active": {"days": 30, "marketing": [10, None]}, "silent": {"days": 30, "care": [1, 1]}}
    write(
        campaign, [(many, 10), (many, 50), (many, 100)], {"contact_policy": {"on": "stage", "stages": stages}}
    )
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)
    assert audience.rules == ()
    assert {row["refused_by"] for row in found.values()} == {None}
    forgotten = {(level.stage, level.kind): level.below_floor for level in audience.contact_levels}
    assert forgotten == {
        ("active", "care"): 0,
        ("active", "marketing"): 1,
        ("silent", "care"): 1,
        ("silent", "marketing"): 0,
    }
    assert found["002"]["contacts__marketing"] is None
