"""What people see of the audience: each rule with how many it removed, and the contacts of each stage, in their language."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.design.design import design
from experiments.language import Words
from reports.narrator import Narrator
from reports.plans import contact_levels_table, entry_table
from tests.assignment.campaign import Campaign
from tests.audience.test_contact_limits import write

CAP = {"channels": ["sms"], "kind": "marketing", "max": 9, "days": 30, "when": "stage = 'active'"}
POLICY = {
    "on": "stage",
    "stages": {
        "active": {"days": 38, "care": [2, 3], "marketing": [3, 4]},
        "silent": {"days": 45, "care": [0, None]},
    },
}
SHOWN = {
    "en": [
        ["Contacted too often already", "marketing over sms: 9 in 30 days, where stage = 'active'", "0", "3"],
        ["Contacted too often already", "active: marketing, 4 in 38 days", "0", "3"],
    ],
    "zh": [
        ["已触达过多", "sms 营销：30 天内 9 次，条件 stage = 'active'", "0", "3"],
        ["已触达过多", "active：营销，38 天内 4 次", "0", "3"],
    ],
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rules_and_levels_are_shown(campaign: Campaign, language: str) -> None:
    write(campaign, [([], 10), ([], 10), ([], None)], {"contact_caps": [CAP], "contact_policy": POLICY})
    with campaign.open() as opened:
        experiment = replace(opened, words=Words("zh" if language == "zh" else "en"))
        plan = design(experiment)
        narrator = Narrator.of(experiment)
        rules = entry_table(narrator, plan)
        levels = contact_levels_table(narrator, plan.contact_levels)
    shown = [[cell.text for cell in row.cells] for row in rules.rows]
    assert shown[:-1] == SHOWN[language]
    assert shown[-1][-1] == "3"
    assert rules.rows[0].cells[1].under == "audience.contact_caps[0]"
    assert [[cell.text for cell in row.cells][2:] for row in levels.rows] == [
        ["38", "2 – 3", "2", "2", "2", "—", "0"],
        ["38", "3 – 4", "2", "2", "2", "—", "0"],
        ["45", f"0 – {'no ceiling' if language == 'en' else '无上限'}", "0", "0", "0", "—", "0"],
        ["45", f"0 – {'no ceiling' if language == 'en' else '无上限'}", "0", "0", "0", "—", "0"],
    ]
    assert [row.cells[5].status for row in levels.rows] == ["warn", "warn", "pass", "pass"]


def test_outcomes_of_others_are_a_reason_of_the_design(campaign: Campaign) -> None:
    metrics = {"brought": {"type": "count", "from": "orders", "window_days": 30, "of_others": True}}
    write(campaign, [([], 10)] * 40, {}, metrics=metrics, goals={"primary": {"metric": "brought"}})
    with campaign.open() as experiment:
        reasons = {reason.code: reason.text for reason in design(experiment).reasons}
    assert "brought: other people decide it" in reasons["interference"]


def test_outcomes_of_others_are_a_warning_of_the_analysis(campaign: Campaign) -> None:
    metrics = {"brought": {"type": "count", "from": "orders", "window_days": 30, "of_others": True}}
    write(campaign, [([], 10)] * 40, {}, metrics=metrics, goals={"primary": {"metric": "brought"}})
    with campaign.open() as experiment:
        assign(experiment)
    with campaign.open(now=datetime(2027, 3, 1, tzinfo=UTC)) as experiment:
        checks = {check.check: check for check in analyze(experiment).health}
    assert checks["interference"].status == "warn"
    assert checks["interference"].detail.startswith("brought: other people decide it")
