"""Tests of a group share no member: who cools down stays out, and who comes first takes first."""

from __future__ import annotations

import pytest

from experiments.assignment.assignment import assign
from experiments.definition.errors import RefusedError
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
