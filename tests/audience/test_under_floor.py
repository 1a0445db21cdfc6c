"""Members under the floor of their stage come first, against a slow, obvious computation; who is left under it is counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.definition.presets import POLICIES
from experiments.design.design import design
from experiments.documents.assignment import Assignment
from experiments.experiment import Experiment
from tests.assignment.campaign import Campaign, write_csv
from tests.assignment.recomputed import h, sample
from tests.assignment.test_audience import audience_rows
from tests.assignment.test_draw import ledger_rows
from tests.audience.test_contact_limits import KINDS, MEMBER, MIDNIGHT, People, contacts, stage_of, write

SALT = "floor"
without_shrinking = settings(max_examples=10, phases=[Phase.explicit, Phase.generate])


def counted(people: People, place: int, kind: str, channels: Sequence[str] | None = None) -> int | None:
    """The member's contacts of the kind in the days of the own stage; None without a stage."""
    rows, days = people[place]
    stage = stage_of(days)
    return None if stage is None else contacts(rows, POLICIES["aftercare"][stage]["days"], channels, kind)


def is_under(people: People, place: int, kind: str, more: int = 0) -> bool:
    stage, found = stage_of(people[place][1]), counted(people, place, kind)
    return stage is not None and found is not None and found + more < POLICIES["aftercare"][stage][kind][0]


def preferring(campaign: Campaign, people: People, size: int, kind: str, **audience: Any) -> None:
    policy = {"on": "stage", "stages": "aftercare", "prefer": "under_floor"}
    send = {"days": ["2026-11-26"], "hours": ["09:00", "20:00"], "kind": kind}
    write(campaign, people, {"contact_policy": policy, **audience}, send=send)
    body = read(campaign)
    body["assignment"] = {"method": "hash", "salt": SALT, "sample_size": size}
    rewrite(campaign, body)


def read(campaign: Campaign) -> dict[str, Any]:
    body: dict[str, Any] = YAML(typ="safe").load((campaign.folder / "test.yml").read_text(encoding="utf8"))
    return body


def rewrite(campaign: Campaign, body: Mapping[str, Any]) -> None:
    with (campaign.folder / "test.yml").open("w", encoding="utf8") as file:
        YAML().dump(body, file)


def drawn(experiment: Experiment) -> tuple[Assignment, Mapping[str, Mapping[str, Any]]]:
    found = assign(experiment)
    return found, ledger_rows(experiment)


@without_shrinking
@given(people=st.lists(MEMBER, min_size=8, max_size=30), part=st.floats(0.1, 1), kind=st.sampled_from(KINDS))
def test_who_is_under_a_floor_comes_first(
    tmp_path_factory: pytest.TempPathFactory, people: People, part: float, kind: str
) -> None:
    """The sample is the lowest (hash, key) of those under the floor, then of the others; counts by class and stage follow."""
    campaign = Campaign(tmp_path_factory.mktemp("floor"))
    size = max(1, int(part * len(people)))
    people = [*people, ([], None)]
    preferring(campaign, people, size, kind)
    with campaign.open() as experiment:
        _, rows = audience_rows(experiment)
        planned = design(experiment).contact_levels
        found, ledger = drawn(experiment)
        explained = {key: explain_assignment(experiment, key).under_floor for key in list(rows)[:3]}
    eligible = [key for key, row in rows.items() if row["refused_by"] is None]
    under = {key: is_under(people, int(key), kind) for key in eligible}
    first = sample([key for key in eligible if under[key]], SALT, size)
    others = sample([key for key in eligible if not under[key]], SALT, max(0, size - len(first)))
    assert set(ledger) == {*first, *others}
    assert explained == {key: is_under(people, int(key), kind) for key in explained}
    assert [(each.under_floor, each.eligible, each.sampled) for each in found.classes] == [
        (True, sum(under.values()), len(first)),
        (False, len(eligible) - sum(under.values()), len(others)),
    ]
    uneven = len(ledger) < len(eligible) and 0 < sum(under.values()) < len(eligible)
    assert [note.code for note in found.notes] == (["under_floor_first"] if uneven else [])
    for level, plan in zip(found.contact_levels, planned, strict=True):
        here = [key for key in eligible if stage_of(people[int(key)][1]) == level.stage]
        sent = {
            key for key in here if key in ledger and ledger[key]["arm"] != "control" and level.kind == kind
        }
        assert (level.eligible, level.eligible_below_floor, level.eligible_below_floor_after) == (
            len(here),
            sum(is_under(people, int(key), level.kind) for key in here),
            sum(is_under(people, int(key), level.kind, more=int(key in sent)) for key in here),
        )
        assert (plan.eligible_below_floor, plan.eligible_below_floor_after) == (
            level.eligible_below_floor,
            None,
        )


def sleeping(count: int, contacted: int) -> People:
    """Members 100 days after their order; the floor of marketing is 1, and some had one."""
    one = {"sent_at": MIDNIGHT - timedelta(days=2), "channel": "sms", "kind": "marketing"}
    return [([one] if place < contacted else [], 100) for place in range(count)]


def test_later_batches_let_those_under_the_floor_come_first(campaign: Campaign) -> None:
    people = sleeping(40, 30)
    preferring(campaign, people[:35], 20, "marketing")
    with campaign.open() as experiment:
        _, before = drawn(experiment)
    preferring(campaign, people, 20, "marketing")
    with campaign.open() as experiment:
        found, after = drawn(experiment)
    assert before == after
    assert {f"{place:03d}" for place in range(30, 35)} <= set(after)
    assert [(each.eligible, each.sampled) for each in found.classes] == [(10, 5), (30, 15)]


def test_a_household_comes_first_for_one_of_its_members(campaign: Campaign) -> None:
    people = sleeping(60, 50)
    households = {f"{place:03d}": f"h{place % 20}" for place in range(60)}
    preferring(campaign, people, 35, "marketing", unit="household")
    write_csv(
        campaign.folder / "members.csv",
        [{"会员": key, "tier": "x", "city": "y", "household": unit} for key, unit in households.items()],
        ["会员", "tier", "city", "household"],
    )
    with campaign.open() as experiment:
        _, ledger = drawn(experiment)
    first = {households[f"{place:03d}"] for place in range(50, 60)}
    order = sorted(
        set(households.values()), key=lambda unit: (unit not in first, h(SALT, "sample", unit), unit)
    )
    members = defaultdict(list)
    for key, unit in households.items():
        members[unit].append(key)
    expected: set[str] = set()
    for unit in order:
        if len(expected) + len(members[unit]) > 35:
            break
        expected |= set(members[unit])
    assert set(ledger) == expected
    assert len(first) == 10
    assert expected > {key for key, unit in households.items() if unit in first}


def test_a_message_over_a_channel_that_is_not_counted_lifts_nobody(campaign: Campaign) -> None:
    people = sleeping(40, 0)
    preferring(campaign, people, 40, "marketing")
    body = read(campaign)
    body["audience"]["contact_policy"]["channels"] = ["wecom"]  # arm b is sent by wecom, arm a by sms
    rewrite(campaign, body)
    with campaign.open() as experiment:
        found, ledger = drawn(experiment)
    (level,) = [e for e in found.contact_levels if (e.stage, e.kind) == ("sleeping", "marketing")]
    lifted = sum(row["arm"] == "b" for row in ledger.values())
    assert (level.eligible_below_floor, level.eligible_below_floor_after) == (40, 40 - lifted)
    assert 0 < lifted < 40


def test_an_arm_that_is_closed_lifts_nobody_from_then_on(campaign: Campaign) -> None:
    preferring(campaign, sleeping(60, 0), 60, "marketing")
    body = read(campaign)
    body["send"]["days"] = ["2026-11-26", "2026-11-27"]
    rewrite(campaign, body)
    with campaign.open() as experiment:
        drawn(experiment)
    body["assignment"]["closed"] = [{"arm": "a", "from": "2026-11-27"}]
    rewrite(campaign, body)
    with campaign.open() as experiment:
        found, ledger = drawn(experiment)
        midnight = datetime(2026, 11, 27, tzinfo=experiment.definition.zone)
    (level,) = [e for e in found.contact_levels if (e.stage, e.kind) == ("sleeping", "marketing")]
    lifted = [row for row in ledger.values() if row["arm"] == "b"]
    early = [row for row in ledger.values() if row["arm"] == "a" and row["planned_send_at"] < midnight]
    late = [row for row in ledger.values() if row["arm"] == "a" and row["planned_send_at"] >= midnight]
    assert min(len(lifted), len(early), len(late)) > 0
    assert level.eligible_below_floor_after == 60 - len(lifted) - len(early)


def test_on_a_later_day_of_a_journey_those_of_the_day_are_sent_to(campaign: Campaign) -> None:
    """Who entered yesterday has had the message of yesterday; only today's entrants are lifted by today's."""
    first = date(2026, 11, 20)
    people = [
        {"会员": f"{day}-{n}", "joined": first + timedelta(days=day - 1), "tier": "x"}
        for day in range(2)
        for n in range(30)
    ]
    orders = [{"会员": str(row["会员"]), "paid_at": "2026-08-01 10:00:00"} for row in people]
    campaign.write(
        people,
        orders,
        features={
            "since": {"from": "orders", "days_since": "last"},
            "stage": {"stages": "aftercare", "on": "since"},
            "age": {"from": "members", "days_since": "joined"},
        },
        audience={
            "snapshot": "daily",
            "include": "age BETWEEN 1 AND 2",
            "contact_policy": {"on": "stage", "stages": "aftercare", "prefer": "under_floor"},
        },
        assignment={"method": "hash", "sample_size": 50},
        send={"after_days": 1, "hours": ["09:00", "20:00"]},
    )
    for day in range(2):
        with campaign.open(datetime(2026, 11, 20 + day, 4, tzinfo=UTC)) as experiment:
            found, ledger = drawn(experiment)
    (level,) = [e for e in found.contact_levels if (e.stage, e.kind) == ("sleeping", "marketing")]
    today = [row for key, row in ledger.items() if key.startswith("1-")]
    lifted = sum(row["arm"] != "control" for row in today)
    assert len(today) == 20
    assert (level.eligible_below_floor, level.eligible_below_floor_after) == (60, 60 - lifted)
