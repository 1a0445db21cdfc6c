"""Monitoring: health every day, alarms that hold however often one looks, and nothing of effects."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from experiments.assignment.assignment import assign
from experiments.definition.errors import RefusedError
from experiments.monitor import monitor
from offerwise.cli import app
from tests.assignment.campaign import Campaign, members
from tests.assignment.test_draw import ledger_rows

OPEN, CLOSED = datetime(2026, 11, 28, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
RAILS: dict[str, Any] = {
    "metrics": {
        "bought": {"type": "binary", "from": "orders", "window_days": 14},
        "complained": {
            "type": "binary",
            "from": "contacts",
            "where": "kind = 'complaint'",
            "window_days": 14,
        },
    },
    "goals": {
        "primary": {"metric": "bought", "better": "up"},
        "guardrails": [{"metric": "complained", "better": "down", "limit": 0.01}],
    },
}


def complaints(campaign: Campaign, arm: str, share: float, **changes: Any) -> None:
    """So many of an arm's members complain within their window, and one in a hundred of every arm."""
    people = members(6000)
    campaign.write(people, **{**RAILS, **changes})
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
    in_arm = [key for key, row in ledger.items() if row["arm"] == arm]
    who = {*list(ledger)[::100], *in_arm[: int(share * len(in_arm))]}
    rows = [
        {"会员": key, "sent_at": "2026-11-29 10:00:00", "channel": "sms", "kind": "complaint"} for key in who
    ]
    campaign.write(people, contacts=rows, **{**RAILS, **changes})


@pytest.mark.parametrize(("share", "status"), [(0.0, "healthy"), (0.15, "alarm")])
def test_an_arm_that_does_harm_is_alarmed(campaign: Campaign, share: float, status: str) -> None:
    complaints(campaign, "b", share)
    with campaign.open(CLOSED) as experiment:
        found = monitor(experiment)
    assert {check.status for check in found.health} <= {"pass", "warn"}
    assert {(each.arm, each.alarm) for each in found.guardrails} == {("a", False), ("b", share > 0)}
    assert found.status in ({status, "warning"} if status == "healthy" else {status})
    assert found.needs_action == (share > 0)


def test_open_windows_are_no_fault_and_count_for_nothing(campaign: Campaign) -> None:
    complaints(campaign, "b", 0.15, design={"covariates": ["orders_before"]})
    with campaign.open(OPEN) as experiment:
        found = monitor(experiment)
    assert not found.needs_action
    assert [arm.closed for arm in found.arms] == [0, 0, 0]
    assert sum(arm.members for arm in found.arms) == 6000
    assert not any(each.alarm for each in found.guardrails)


def test_nobody_assigned_is_told(campaign: Campaign) -> None:
    campaign.write(members(50), **RAILS)
    with campaign.open() as experiment, pytest.raises(RefusedError, match="nobody has been assigned"):
        monitor(experiment)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_command_tells_no_effect(campaign: Campaign, language: str) -> None:
    complaints(campaign, "b", 0.15)
    arguments = ["monitor", str(campaign.folder / "test.yml"), "--out", str(campaign.folder / "runs")]
    runner = CliRunner()
    assert runner.invoke(app, [*arguments, "--lang", language]).exit_code in {0, 3}
    answer = runner.invoke(app, [*arguments, "--json"])
    document = json.loads(answer.stdout)
    assert document["schema"] == "offerwise.monitoring/1"
    assert not {"effects", "difference", "money"} & set(answer.stdout.replace('"', " ").split())
    kept = campaign.folder / "runs" / "test-1" / "monitor.json"
    assert json.loads(kept.read_text(encoding="utf8")) == document
