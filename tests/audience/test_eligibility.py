"""Who may enter: reachability, opt-outs, exemptions and lists, in order, by rule, and member by member."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.assignment.assignment import assign
from experiments.audience.explanation import explain_member
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError
from experiments.design.design import design
from tests.assignment.campaign import Campaign, write_csv
from tests.assignment.test_audience import audience_rows

COUNT = 120
RULES: dict[str, Any] = {
    "snapshot": "2026-11-25",
    "include": "tier <> 'lost'",
    "reachable": {"sms": "phone_valid", "ai_call": "tier = 'nobody'", "wecom": "wecom_friend"},
    "opted_out": "complaints > 0",
    "exempt": "is_staff",
    "exempt_lists": ["complainers.csv"],
    "exclude_lists": ["first.csv", "second.csv"],
    "contact_caps": [{"channels": ["sms"], "max": 1, "days": 7}],
}


def write(campaign: Campaign, **changes: Any) -> list[dict[str, Any]]:
    """Members in whom every combination of the rules meets."""
    people: list[dict[str, Any]] = [
        {
            "会员": f"{n:03d}",
            "tier": "lost" if n % 11 == 0 else "vip",
            "phone_valid": "" if n % 13 == 0 else n % 7 != 0,
            "wecom_friend": n % 5 != 0,
            "is_staff": n % 17 == 0,
        }
        for n in range(COUNT)
    ]
    write_csv(
        campaign.folder / "complainers.csv", [{"会员": f"{n:03d}"} for n in range(0, COUNT, 9)], ["会员"]
    )
    write_csv(campaign.folder / "first.csv", [{"会员": f"{n:03d}"} for n in range(0, COUNT, 8)], ["会员"])
    # Twice on one list, and on both lists.
    twice = [{"会员": f"{n:03d}"} for n in (*range(0, COUNT, 6), 6, 12)]
    write_csv(campaign.folder / "second.csv", twice, ["会员"])
    campaign.write(
        people,
        contacts=[
            {"会员": f"{n:03d}", "sent_at": "2026-11-20 10:00:00", "channel": "sms", "kind": "marketing"}
            for n in range(0, COUNT, 4)
        ],
        orders=[{"会员": f"{n:03d}", "paid_at": "2026-11-01 10:00:00"} for n in range(0, COUNT, 10)],
        **{
            "features": {"complaints": {"from": "orders", "count": "rows"}},
            "audience": RULES,
            "assignment": {"method": "hash"},
            **changes,
        },
    )
    return people


def slow_outcomes(n: int, *, marketing: bool = True) -> list[tuple[str, bool]]:
    """Key of the rule, and whether it removes member n, in order; the offers are sent by sms and wecom."""
    exempt = [
        ("audience.exempt", n % 17 == 0),
        ("audience.exempt_lists[0]", n % 9 == 0),
    ]
    return [
        ("audience.include", n % 11 == 0),
        ("audience.reachable.sms", n % 13 == 0 or n % 7 == 0),
        ("audience.reachable.wecom", n % 5 == 0),
        ("audience.opted_out", n % 10 == 0),
        *(exempt if marketing else []),
        ("audience.exclude_lists[0]", n % 8 == 0),
        ("audience.exclude_lists[1]", n % 6 == 0),
        ("audience.contact_caps[0]", n % 4 == 0),
    ]


@pytest.mark.parametrize("kind", ["marketing", "care"])
def test_rules_remove_in_order_and_are_counted(campaign: Campaign, kind: str) -> None:
    write(campaign, send={"days": ["2026-11-26"], "kind": kind})
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)
    outcomes = [slow_outcomes(n, marketing=kind == "marketing") for n in range(COUNT)]
    first = [next((key for key, removes in each if removes), None) for each in outcomes]
    assert [rule.key for rule in audience.rules] == [key for key, _ in outcomes[0]]
    left = COUNT
    for rule in audience.rules:
        left -= first.count(rule.key)
        assert (rule.members, rule.left) == (first.count(rule.key), left)
    assert audience.eligible == left == first.count(None)
    assert sum(audience.refused.values()) + left == COUNT
    assert {row["refused_by"] is None for n, row in enumerate(found.values())} == {True, False}
    exempt = sum(first.count(key) for key in ("audience.exempt", "audience.exempt_lists[0]"))
    assert audience.refused["exempt"] == exempt
    assert (exempt > 0) == (kind == "marketing")


def test_each_member_is_explained_as_the_audience_decides(campaign: Campaign) -> None:
    write(campaign)
    with campaign.open() as experiment:
        catalogue = open_data(experiment)
        _, found = audience_rows(experiment)
        for n in (0, 1, 6, 7, 9, 13, 17, 23, 24, 35, 40, 119):
            outcomes = explain_member(experiment, catalogue, f"{n:03d}").outcomes
            assert [outcome.removes for outcome in outcomes] == [removes for _, removes in slow_outcomes(n)]
            first = next((outcome.refusal for outcome in outcomes if outcome.removes), None)
            assert first == found[f"{n:03d}"]["refused_by"]
        outcomes = explain_member(experiment, catalogue, "040").outcomes
        assert [dict(outcome.values) for outcome in outcomes] == [
            {"tier": "vip"},
            {"phone_valid": True},
            {"wecom_friend": False},
            {"complaints": 1},
            {"is_staff": False},
            {},
            {},
            {},
            {"contacts": 1},
        ]
        assert outcomes[0].text == "tier <> 'lost'"
        assert outcomes[0].key_path == ("audience", "include")
        with pytest.raises(InputError, match="there is no member `40`"):
            explain_member(experiment, catalogue, "40")


def test_design_and_assignment_tell_the_rules(campaign: Campaign) -> None:
    write(campaign)
    with campaign.open() as experiment:
        plan = design(experiment)
        assignment = assign(experiment)
    assert plan.rules == assignment.rules
    assert plan.eligible == plan.rules[-1].left == assignment.eligible
    assert [rule.refusal for rule in plan.rules] == [
        "include", "unreachable", "unreachable", "opted_out", "exempt", "exempt", "exclude_lists", "exclude_lists",
        "contact_caps",
    ]  # fmt: skip


def test_a_list_that_cannot_be_read_is_told_at_its_line(campaign: Campaign) -> None:
    write(campaign)
    (campaign.folder / "complainers.csv").unlink()
    with campaign.open() as experiment, pytest.raises(InputError, match=r"audience.exempt_lists\[0\]"):
        open_data(experiment)
