"""Shops and households drawn within strata: ranked as one, by the contract's rule over their own keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.definition.errors import InputError
from experiments.monitor import monitor
from tests.assignment import recomputed
from tests.assignment.campaign import NOW, Campaign, members
from tests.assignment.test_draw import SALT, SHARES, ledger_rows
from tests.assignment.test_explanation import arm_of

UNITS: dict[str, Any] = {
    "audience": {"snapshot": "2026-11-25", "unit": "household"},
    "assignment": {"method": "stratified", "strata": ["region"], "salt": SALT},
}


def people(count: int) -> list[dict[str, object]]:
    """Households of three; a region holds whole households."""
    return [{**row, "region": f"r{place // 3 % 4}"} for place, row in enumerate(members(count))]


def drawn(
    campaign: Campaign, rows: list[dict[str, object]], **changes: Any
) -> dict[str, Mapping[str, object]]:
    campaign.write(rows, **{**UNITS, **changes})
    with campaign.open() as experiment:
        assign(experiment)
        return ledger_rows(experiment)


def test_households_have_the_ranks(campaign: Campaign) -> None:
    rows = people(600)
    ledger = drawn(campaign, rows)
    strata = {str(row["household"]): str(row["region"]) for row in rows}
    expected = recomputed.by_rank(strata, SHARES, SALT, 0)
    assert {str(row["会员"]): ledger[str(row["会员"])]["arm"] for row in rows} == {
        str(row["会员"]): expected[str(row["household"])] for row in rows
    }


def test_the_members_own_key_draws_as_without_a_unit(campaign: Campaign) -> None:
    rows = people(300)
    by_key = drawn(campaign, rows, audience={"snapshot": "2026-11-25", "unit": "会员"})
    alone = drawn(campaign, rows, audience={"snapshot": "2026-11-25"}, id="alone")
    assert {key: row["arm"] for key, row in by_key.items()} == {key: row["arm"] for key, row in alone.items()}


def test_later_members_come_into_the_arm_of_their_household(campaign: Campaign) -> None:
    """The first call knows two members of each of 100 households; the second brings the third, and 50 new households."""
    rows = people(450)
    first = [row for place, row in enumerate(rows[:300]) if place % 3 < 2]
    before = drawn(campaign, first)
    after = drawn(campaign, rows)
    assert {key: after[key] for key in before} == before
    arms: dict[str, set[object]] = {}
    for row in rows:
        arms.setdefault(str(row["household"]), set()).add(after[str(row["会员"])]["arm"])
    assert all(len(found) == 1 for found in arms.values())
    new = {str(row["household"]): str(row["region"]) for row in rows[300:]}
    assert {household: arms[household] for household in new} == {
        household: {arm} for household, arm in recomputed.by_rank(new, SHARES, SALT, 1).items()
    }


def test_one_who_moves_in_changes_no_arm_of_those_who_join_later(campaign: Campaign) -> None:
    """The household keeps the arm of most of its members; the one who moved keeps the own arm, and health says so."""
    rows = people(300)
    before = drawn(campaign, rows)
    moves = next(row for row in rows if before[str(row["会员"])]["arm"] == "a")
    home = next(row for row in rows if before[str(row["会员"])]["arm"] == "control")
    at_home = {"household": home["household"], "region": home["region"]}
    joins = {**home, "会员": "new"}
    after = drawn(campaign, [{**row, **at_home} if row is moves else row for row in rows] + [joins])
    assert after["new"]["arm"] == "control"
    assert {key: after[key] for key in before} == before


def test_a_household_in_two_strata_is_named(campaign: Campaign) -> None:
    rows = people(60)
    rows[4]["region"] = "elsewhere"
    campaign.write(rows, **UNITS)
    with campaign.open() as experiment:
        with pytest.raises(InputError, match=r"1 values of `household` have members in several strata: h1"):
            assign(experiment)
        assert not experiment.workspace.ledger.exists()


def test_the_split_is_judged_by_households(campaign: Campaign) -> None:
    drawn(campaign, people(600))
    with campaign.open(NOW.replace(year=2027)) as experiment:
        found = analyze(experiment)
    checks = {check.check: check for check in found.health}
    assert {checks[name].status for name in ("sample_ratio", "units_split")} == {"pass"}
    assert {effect.method for effect in found.effects} == {"cluster_cr2"}


def test_the_draw_of_a_household_is_explained(campaign: Campaign) -> None:
    rows = people(450)
    drawn(campaign, [row for place, row in enumerate(rows[:300]) if place % 3 < 2])
    ledger = drawn(campaign, rows)
    with campaign.open() as experiment:
        for place in (0, 2, 7, 200, 299, 300, 449):
            key = str(rows[place]["会员"])
            found = explain_assignment(experiment, key)
            assert found.draw is not None
            assert found.draw.hashed == f"{SALT}|{rows[place]['household']}"
            assert arm_of(found) == found.arm == ledger[key]["arm"]


def test_a_member_who_has_left_is_in_no_unit_of_the_same_name(campaign: Campaign) -> None:
    """Keys of members and of shops are the same numbers, as they are where both are counted from 1."""
    rows: list[dict[str, object]] = [
        {"会员": str(place), "shop": str(place // 6), "tier": "vip"} for place in range(240)
    ]
    changes: dict[str, Any] = {
        "audience": {"snapshot": "2026-11-25", "unit": "shop"},
        "assignment": {"method": "hash", "salt": SALT},
    }
    ledger = drawn(campaign, rows, **changes)
    arm_of_shop = {str(row["shop"]): ledger[str(row["会员"])]["arm"] for row in rows}
    left = next(key for key, row in ledger.items() if row["arm"] != arm_of_shop.get(key, row["arm"]))
    campaign.write([row for row in rows if row["会员"] != left], **changes)
    with campaign.open() as experiment:
        checks = {check.check: check for check in monitor(experiment).health}
    assert checks["units_split"].status == "pass"
    assert "41 units" in checks["units_split"].detail
