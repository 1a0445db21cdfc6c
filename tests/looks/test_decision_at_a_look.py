"""The decision at a look: families, guardrails, segments and money all have its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.decision.conclusion import Lock, conclude
from experiments.decision.looks import find_look
from experiments.definition.model import Definition
from experiments.documents.analysis import Analysis, HealthCheck
from experiments.measurement.windows import WindowState
from tests.decision.campaign import Campaign, Did, codes, define, sentences

NOW = datetime(2026, 12, 20, tzinfo=UTC)
INTERIM: Mapping[str, Any] = {"kind": "group_sequential", "at": [0.5, 1]}
BELOW = HealthCheck("sample_below_plan", "fail", None, "few")
GOALS = {"guardrails": [{"metric": "unsubscribed", "better": "down", "limit": 0.0011}]}
ALL_PASS = {"guardrails": "all_pass"}


def planned(folder: Path, looks: Mapping[str, Any], **changes: Any) -> Definition:
    """A design of 160,000 members, of whom 80,000 have closed windows when each arm of each segment has 10,000."""
    return define(
        folder,
        assignment={"method": "hash", "from": None, "column": None, "sample_size": 160_000},
        send={"days": ["2026-11-26", "2026-12-31"]},
        goals=GOALS,
        design={"looks": looks},
        decision={"invalid_if": {"sample_below_plan": 0.9}} | changes,
    )


def read(definition: Definition, campaign: Campaign, *health: HealthCheck) -> Analysis:
    """What is concluded of the members whose windows have closed, twice as many being assigned."""
    measured = campaign.measure(definition)
    everybody = {cell: 2 * members for cell, members in measured.counts.items()}
    looked = replace(measured, everybody=everybody, window=WindowState(1, NOW))
    look = find_look(definition, looked, None, NOW)
    return conclude(definition, looked, health, Lock(True), sentences(definition), look)


GOOD = Did(rate=0.065, spend=8.0)
WHOLE = dict.fromkeys(("control", "points", "coupon", "gift"), Did(members=20_000))


def test_an_interim_stop_shows_what_the_look_adjusts_and_nothing_else(tmp_path: Path) -> None:
    definition = planned(tmp_path, INTERIM)
    early = read(definition, Campaign({"points": GOOD}))
    assert (early.verdict.status, early.verdict.winner, early.look) == ("rollout", "points", 1)
    assert early.segments == early.factorial == ()
    methods = {row.method for row in (*early.effects, *early.arm_comparisons)}
    assert methods == {"score_group_sequential", "welch_group_sequential"}
    whole = Campaign(WHOLE | {"points": replace(GOOD, members=20_000)})
    last = read(definition, whole)
    assert (last.look, last.looks[0].final) == (1, True)
    assert {group.metric for group in last.segments} == {"converted", "profit"}


def test_a_guardrail_that_a_single_test_passes_waits_for_its_look(tmp_path: Path) -> None:
    campaign = Campaign({"points": GOOD})
    once = read(planned(tmp_path / "once", {"kind": "fixed"}, invalid_if={}, eligible_if=ALL_PASS), campaign)
    assert {row.status for row in once.guardrails} == {"pass"}
    assert once.verdict.status == "rollout"
    waiting = read(planned(tmp_path / "looks", INTERIM, eligible_if=ALL_PASS), campaign)
    assert waiting.verdict.status == "too_early"
    assert codes(waiting)[:2] == ["look_interim", "look_undecided"]
    assert waiting.guardrails == ()
    shown = read(planned(tmp_path / "shown", INTERIM), campaign)
    assert {row.status for row in shown.guardrails} == {"unclear"}


def test_before_the_end_a_sample_may_still_grow(tmp_path: Path) -> None:
    definition = planned(tmp_path, INTERIM)
    assert read(definition, Campaign({"points": GOOD}), BELOW).verdict.status == "rollout"
    assert read(definition, Campaign(WHOLE), BELOW).verdict.status == "invalid"
    assert read(definition, Campaign(WHOLE)).verdict.status == "no_rollout"


def test_few_events_prove_nothing_at_any_time(tmp_path: Path) -> None:
    definition = planned(tmp_path, {"kind": "always_valid"})
    rare = dict.fromkeys(("control", "points", "coupon", "gift"), Did(members=500, rate=0.0, spend=0.0))
    few = rare | {"points": Did(members=500, rate=0.09, spend=8.0)}
    document = read(definition, Campaign(few))
    assert document.verdict.status == "too_early"
    more = rare | {"points": Did(members=500, rate=0.12, spend=8.0)}
    assert read(definition, Campaign(more)).verdict.status == "rollout"


def test_a_rule_that_asks_for_no_proof_still_waits_for_one(tmp_path: Path) -> None:
    definition = planned(tmp_path, INTERIM, eligible_if={"=": {"primary": None}})
    assert read(definition, Campaign()).verdict.status == "too_early"
    assert read(definition, Campaign({"points": GOOD})).verdict.status == "rollout"
