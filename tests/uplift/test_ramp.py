"""The ramp: a step follows only when those before it have done no harm that the rollout's own holdout can show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments.analysis import analyze
from experiments.definition.errors import RefusedError
from experiments.documents.storage import read_document
from offerwise.cli import app
from tests.uplift.campaign import DEFINITION, NOW, Campaign, keep_analysis
from uplift.documents import Rollout
from uplift.ramp_guardrails import AcceptedUnclear
from uplift.rollout import rollout

CHANGES: dict[str, Any] = {
    "metrics": {
        **DEFINITION["metrics"],
        "complained": {"type": "binary", "from": "members", "value": "complained"},
    },
    "goals": {
        **DEFINITION["goals"],
        "guardrails": [{"metric": "complained", "better": "down", "limit": 0.02}],
    },
    "audience": {**DEFINITION["audience"], "include": "recency IS NOT NULL"},
    "rollout": {"ramp": [0.3, 0.6, 1.0], "holdout_share": 0.1},
}


def first_step(campaign: Campaign, changes: Mapping[str, Any] = CHANGES) -> Rollout:
    campaign.make(**changes)
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        return rollout(experiment)


def again(campaign: Campaign, days: int = 1) -> Rollout:
    """So many days after the first step."""
    with campaign.open(now=NOW + pd.Timedelta(days=days)) as experiment:
        return rollout(experiment)


def contacted(document: Rollout, step: int) -> list[str]:
    paths = [path for name, path in document.files.items() if name.endswith(f"__step{step}")]
    return [member for path in paths for member in pd.read_csv(path, dtype={"member": str})["member"]]


def complain(campaign: Campaign, members: list[str], share: float) -> None:
    frame = campaign.frame()
    theirs = frame["id"].isin(members) & (np.random.default_rng(1).random(len(frame)) < share)
    frame.assign(complained=theirs.astype(int)).to_parquet(campaign.folder / "members.parquet")


def test_a_harmless_step_is_followed_by_the_next_and_nobody_is_sent_twice(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    first = first_step(campaign)
    assert [step.released_at is not None for step in first.ramp] == [True, False, False]
    assert "Step 2 of 3" in first.next_step
    assert again(campaign, days=0) == first
    second = again(campaign)
    assert again(campaign).ramp[2].released_at is None
    third = again(campaign, days=2)
    assert {each.status for each in second.ramp_guardrails} == {"pass"}
    steps = [contacted(third, step) for step in (1, 2, 3)]
    together = [member for members in steps for member in members]
    assert len(together) == len(set(together))
    assert sorted(steps[0]) == sorted(contacted(first, 1))
    ledger = pd.read_parquet(third.files["ledger"])
    assert set(together) == set(ledger["member"][ledger["arm"] != "control"])
    assert again(campaign, days=3) == replace(third, ramp_guardrails=())


def test_a_step_that_does_harm_stops_the_ramp(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    first = first_step(campaign)
    complain(campaign, contacted(first, 1), 0.2)
    with pytest.raises(RefusedError, match="complained fails for") as refused:
        again(campaign)
    assert "limit 0.02" in str(refused.value)
    assert not list((tmp_path / "runs/planted/rollout").glob("*step2*"))
    complain(campaign, contacted(first, 1), 0.0)
    assert again(campaign).ramp[1].released_at is not None


def few_held_out(**decision: str) -> dict[str, Any]:
    """A first step of some 800 members with so few held out that complaints of 1 in 100 stay unclear."""
    settings = {"ramp": [0.1, 1.0], "holdout_share": 0.01}
    rule = {**DEFINITION["decision"]["eligible_if"], **decision}
    return {**CHANGES, "rollout": settings, "decision": {**DEFINITION["decision"], "eligible_if": rule}}


def test_what_the_test_has_shown_holds_while_a_small_step_is_unclear(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    first = first_step(campaign, few_held_out(guardrails="all_pass"))
    complain(campaign, contacted(first, 1), 0.02)
    second = again(campaign)
    unclear = {each.arm for each in second.ramp_guardrails if each.status == "unclear"}
    assert unclear
    assert (second.ramp_waits, second.ramp[1].accepted_at) == (False, None)
    assert second.ramp[1].released_at is not None
    told = [reason.text for reason in second.reasons if reason.code == "guardrail_unclear"]
    assert len(told) == len(unclear)
    assert all("The test has shown that it holds" in text for text in told)


def unproven_first_step(campaign: Campaign, now: datetime = NOW) -> None:
    """The test's complaints leave the guardrail unclear, the definition's rule lets such arms be rolled out, and so does the step."""
    campaign.make(**few_held_out())
    frame = campaign.frame()
    arms = campaign.arms_of(frame)
    chance = np.where(arms > 0, 0.04, np.where(arms == 0, 0.02, 0.0))
    complained = np.random.default_rng(3).random(len(frame)) < chance
    frame.assign(complained=complained.astype(int)).to_parquet(campaign.folder / "members.parquet")
    with campaign.open(now=now) as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        first = rollout(experiment)
    assert {each.status for each in analysis.guardrails} == {"unclear"}
    complain(campaign, contacted(first, 1), 0.02)


def test_what_neither_test_nor_step_has_shown_waits_for_somebody(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    unproven_first_step(campaign)
    waiting = again(campaign)
    assert waiting.ramp_waits
    assert waiting.ramp[1].released_at is None
    assert "--accept-unclear" in waiting.next_step
    assert any("The test has not shown" in reason.text for reason in waiting.reasons)
    assert again(campaign, days=2) == waiting
    assert not list((tmp_path / "runs/planted/rollout").glob("*step2*"))
    with campaign.open(now=NOW + pd.Timedelta(days=3)) as experiment:
        second = rollout(experiment, accept_unclear=True)
    assert second.ramp[1].accepted_at == (NOW + pd.Timedelta(days=3)).isoformat()
    assert second.ramp[1].released_at is not None
    assert not second.ramp_waits
    assert again(campaign, days=4).ramp == second.ramp
    kept = read_document(AcceptedUnclear, tmp_path / "runs/planted/rollout/accepted-2.json")
    assert kept is not None
    assert {each.status for each in kept.guardrails} == {"unclear"}


def test_a_command_whose_ramp_waits_shows_the_figures_and_ends_with_3(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    unproven_first_step(campaign, now=NOW - pd.Timedelta(days=365))
    given = ["rollout", str(tmp_path / "planted.yml"), "--out", str(tmp_path / "runs"), "--no-mlflow"]
    ended = CliRunner().invoke(app, given)
    assert ended.exit_code == 3
    for told in ("Guardrails of the steps sent so far", "unclear", "--accept-unclear"):
        assert told in ended.stdout
    document = json.loads(CliRunner().invoke(app, [*given, "--json", "--accept-unclear"]).stdout)
    assert (document["ramp_waits"], document["ramp"][1]["released_at"] is None) == (False, False)


def test_nobody_accepts_harm(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    complain(campaign, contacted(first_step(campaign), 1), 0.2)
    with campaign.open(now=NOW + pd.Timedelta(days=1)) as experiment:
        with pytest.raises(RefusedError, match="complained fails for"):
            rollout(experiment, accept_unclear=True)
        assert not list(experiment.workspace.rollout.glob("accepted-*"))


def test_who_is_not_eligible_on_the_day_of_a_step_is_left_out_of_it(tmp_path: Path) -> None:
    """Contacted and held out alike; earlier steps stay as they were sent."""
    campaign = Campaign(tmp_path)
    first = first_step(campaign)
    frame = campaign.frame()
    gone = np.random.default_rng(2).random(len(frame)) < 0.2
    frame.loc[gone, "recency"] = np.nan
    frame.to_parquet(tmp_path / "members.parquet")
    second = again(campaign)
    leavers = set(frame["id"][gone])
    assert sorted(contacted(second, 1)) == sorted(contacted(first, 1))
    assert not set(contacted(second, 2)) & leavers
    ledger = pd.read_parquet(second.files["ledger"])
    drawn = ledger[ledger["ramp_step"] == 2]
    assert second.ramp[1].withdrawn == drawn["member"].isin(leavers).sum() > 0
    kept = pd.read_parquet(tmp_path / "runs/planted/rollout/step-2.parquet")
    assert set(kept["member"]) == set(drawn["member"]) - leavers
    assert not set(kept["member"][kept["reason"] == "holdout"]) & leavers


def test_a_step_waits_for_the_windows_of_the_one_before(tmp_path: Path) -> None:
    """An order of the first step's members within 7 days of its release counts; until then the command says from when on."""
    campaign = Campaign(tmp_path)
    orders = {"orders": {"table": "orders.parquet", "key": "id", "time": "paid_at"}}
    empty = pd.DataFrame({"id": pd.array([], "str"), "paid_at": pd.array([], "datetime64[us, UTC]")})
    empty.to_parquet(tmp_path / "orders.parquet")
    ordered = {"ordered": {"type": "binary", "from": "orders", "window_days": 7}}
    changes = {
        **CHANGES,
        "data": {**DEFINITION["data"], **orders},
        "metrics": {**CHANGES["metrics"], **ordered},
        "send": {"days": ["2026-11-26"], "hours": ["09:00", "20:00"]},
    }
    campaign.make(**changes)
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        first = rollout(experiment)
    assert "from 2026-12-27 10:00 on" in first.next_step
    early, late = (NOW + pd.Timedelta(days=days) for days in (6.9, 7))
    with campaign.open(now=early) as experiment:
        assert rollout(experiment) == first
    with campaign.open(now=late) as experiment:
        assert rollout(experiment).ramp[1].released_at is not None


def test_names_may_change_and_the_settings_of_a_rollout_that_stands_may_not(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    first_step(campaign)
    campaign.define(**CHANGES, title="Another title")
    document = again(campaign)
    assert document.ramp[1].released_at is not None
    assert "title" in next(reason.text for reason in document.reasons if reason.code == "names_changed")
    campaign.define(**{**CHANGES, "rollout": {**CHANGES["rollout"], "holdout_share": 0.2}})
    with pytest.raises(RefusedError, match="other settings"):
        again(campaign)
    campaign.define(**{**CHANGES, "goals": {"primary": {"metric": "spend"}}})
    with pytest.raises(RefusedError, match=r"goals\.primary\.metric was bought"):
        again(campaign)
