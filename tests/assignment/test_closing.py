"""An arm that is closed in the middle of a test: nobody moves, the lock keeps the record, and figures are of days with both arms."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.definition.errors import RefusedError
from experiments.definition.load import load
from experiments.documents.analysis import Analysis
from experiments.documents.storage import read_document
from experiments.language import Language, Words
from experiments.monitor import monitor
from offerwise.journey import Journey
from reports.terminal import show_analyze
from tests.assignment.campaign import NOW, Campaign, members
from tests.assignment.test_daily_entry import FIRST, JOURNEY, noon, run_days
from tests.assignment.test_daily_entry import write as write_daily
from tests.assignment.test_draw import ledger_rows

CLOSED_FROM = date(2026, 11, 27)
CLOSED = [{"arm": "a", "from": CLOSED_FROM}]
STRATIFIED = {"method": "stratified", "strata": ["segment", "city"], "salt": "盐|1"}
LATER = datetime(2027, 1, 1, tzinfo=UTC)
Ledger = Mapping[str, Mapping[str, Any]]


def close(campaign: Campaign, closed: Sequence[Mapping[str, object]] = CLOSED, **changes: Any) -> None:
    campaign.define(assignment={**STRATIFIED, "closed": list(closed)}, **changes)


def listed(campaign: Campaign, arm: str) -> set[str]:
    path = campaign.folder / "runs" / "test-1" / "send_lists" / f"{arm}.csv"
    return {row["member"] for row in csv.DictReader(path.read_text(encoding="utf8").splitlines())}


def planned_before(row: Mapping[str, Any], day: date) -> bool:
    opens: datetime = row["planned_send_at"]
    return (opens.astimezone(UTC) + timedelta(hours=8)).date() < day


def drawn_then_closed(campaign: Campaign, count: int = 400) -> Ledger:
    """Everybody is drawn; on the first send day the arm is closed from the second one on."""
    campaign.write(members(count))
    with campaign.open() as experiment:
        assign(experiment)
        before = ledger_rows(experiment)
    close(campaign)
    with campaign.open(NOW + timedelta(days=1)) as experiment:
        assign(experiment)
        assert ledger_rows(experiment) == before
    return before


def test_nobody_moves_and_who_is_planned_later_is_not_sent_to(campaign: Campaign) -> None:
    ledger = drawn_then_closed(campaign)
    of_a = {key for key, row in ledger.items() if row["arm"] == "a"}
    early = {key for key in of_a if planned_before(ledger[key], CLOSED_FROM)}
    assert set() != early != of_a
    assert listed(campaign, "a") == early
    assert listed(campaign, "b") == {key for key, row in ledger.items() if row["arm"] == "b"}


def test_who_enters_after_the_closing_has_the_arm_that_the_draw_gives(
    campaign: Campaign, tmp_path: Path
) -> None:
    """Day by day, the same ledger as if no arm had been closed."""
    kept = Campaign(tmp_path / "kept")
    kept.folder.mkdir()
    write_daily(kept, 5)
    never_closed = run_days(kept, 5)
    write_daily(campaign, 5)
    run_days(campaign, 3)
    closed_from = FIRST + timedelta(days=4)
    closed = {**JOURNEY["assignment"], "closed": [{"arm": "a", "from": closed_from}]}
    write_daily(campaign, 5, assignment=closed)
    for number in (3, 4):
        with campaign.open(noon(FIRST + timedelta(days=number))) as experiment:
            assign(experiment)
            after = ledger_rows(experiment)
    strip = ("arm", "planned_send_at", "propensity", "batch")
    assert {k: [row[n] for n in strip] for k, row in after.items()} == {
        k: [row[n] for n in strip] for k, row in never_closed.items()
    }
    assert any(row["arm"] == "a" and not planned_before(row, closed_from) for row in after.values())
    assert listed(campaign, "a") == set()
    assert listed(campaign, "b") == listed(kept, "b")


def test_the_lock_takes_closings_alone_from_today_on_and_keeps_their_record(campaign: Campaign) -> None:
    drawn_then_closed(campaign)
    workspace = campaign.folder / "runs" / "test-1"
    (recorded,) = json.loads((workspace / "closings.json").read_text(encoding="utf8"))["closings"]
    assert (recorded["arm"], recorded["closed_from"]) == ("a", "2026-11-27")
    assert recorded["recorded_at"].startswith("2026-11-26T02:00")
    assert recorded["definition_sha256"] == load(campaign.folder / "test.yml").origin.sha256
    with campaign.open(NOW + timedelta(days=2)) as experiment:
        assign(experiment)
    assert len(json.loads((workspace / "closings.json").read_text(encoding="utf8"))["closings"]) == 1


@pytest.mark.parametrize(
    ("closed", "changes", "words"),
    [
        ([], {}, "assignment.closed"),
        ([{"arm": "b", "from": CLOSED_FROM}], {}, "assignment.closed"),
        (CLOSED, {"title": "Another"}, "title"),
    ],
)
def test_a_closing_is_neither_changed_nor_taken_back(
    campaign: Campaign, closed: list[dict[str, object]], changes: dict[str, Any], words: str
) -> None:
    drawn_then_closed(campaign)
    assignment = {**STRATIFIED, **({"closed": closed} if closed else {})}
    campaign.define(assignment=assignment, **changes)
    with campaign.open(NOW + timedelta(days=1)) as experiment, pytest.raises(RefusedError, match=words):
        assign(experiment)


def test_an_arm_is_not_closed_from_a_day_that_is_over(campaign: Campaign) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        assign(experiment)
    close(campaign)
    with campaign.open(NOW + timedelta(days=3)) as experiment:
        with pytest.raises(RefusedError, match="closed from 2026-11-27, and this is 2026-11-28"):
            assign(experiment)
        assert not experiment.workspace.closings.exists()


def test_a_closing_that_assign_has_not_recorded_is_a_changed_definition(campaign: Campaign) -> None:
    write_with_outcomes(campaign, lambda row: 0.3)
    close(campaign)
    with campaign.open(LATER) as experiment:
        checks = {each.check: each for each in analyze(experiment).health}
    assert checks["definition_changed"].status == "fail"
    assert "assignment.closed" in checks["definition_changed"].detail


def write_with_outcomes(campaign: Campaign, rate: Any, count: int = 3_000) -> Ledger:
    """Draw, then let each member buy on the day of the planned send with the rate of the ledger's row."""
    people = members(count)
    campaign.write(people)
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
    draws = np.random.default_rng(11)
    orders = [
        {"会员": key, "paid_at": f"{(row['planned_send_at'] + timedelta(hours=9)):%Y-%m-%d %H:%M:%S}"}
        for key, row in ledger.items()
        if draws.random() < rate(row)
    ]
    campaign.write(people, orders)
    return ledger


def difference(ledger: Ledger, bought: set[str], arms: tuple[str, str], before: date | None = None) -> float:
    sides = [
        [
            k in bought
            for k, row in ledger.items()
            if row["arm"] == arm and (before is None or planned_before(row, before))
        ]
        for arm in arms
    ]
    return float(np.mean(sides[0]) - np.mean(sides[1]))


def analyzed(campaign: Campaign, rate: Any) -> tuple[Ledger, set[str], Analysis]:
    ledger = write_with_outcomes(campaign, rate)
    close(campaign)
    with campaign.open(NOW + timedelta(days=1)) as experiment:
        assign(experiment)
    with campaign.open(LATER) as experiment:
        document = analyze(experiment)
    lines = (campaign.folder / "orders.csv").read_text(encoding="utf8").splitlines()
    bought = {row["会员"] for row in csv.DictReader(lines)}
    return ledger, bought, document


def test_open_arms_are_compared_over_everybody_and_a_closed_one_over_its_own_days(campaign: Campaign) -> None:
    """After the closing everybody buys far more often: no arm has an effect, and a pooled control would say that `a` harms."""
    ledger, bought, document = analyzed(
        campaign, lambda row: 0.1 if planned_before(row, CLOSED_FROM) else 0.7
    )
    assert document.locked
    assert {check.status for check in document.health if check.check.startswith("sample_ratio")} == {"pass"}
    assert [arm.arm for arm in document.arms] == ["control", "b"]
    (raw,) = [row for row in document.effects if row.segment is None]
    assert (raw.arm, raw.difference) == ("b", pytest.approx(difference(ledger, bought, ("b", "control"))))
    (closed,) = document.closed_arms
    of_a = [row for row in ledger.values() if row["arm"] == "a"]
    early = sum(planned_before(row, CLOSED_FROM) for row in of_a)
    assert (closed.arm, closed.closed_from) == ("a", "2026-11-27")
    assert (closed.members, closed.left_out) == (early, len(of_a) - early)
    (effect,) = closed.effects
    assert effect.members_arm == early
    own_days = difference(ledger, bought, ("a", "control"), CLOSED_FROM)
    pooled = np.mean(
        [k in bought for k, r in ledger.items() if r["arm"] == "a" and planned_before(r, CLOSED_FROM)]
    )
    pooled -= np.mean([k in bought for k, row in ledger.items() if row["arm"] == "control"])
    assert effect.std_error is not None
    assert abs(effect.difference - own_days) < effect.std_error
    assert abs(effect.difference) < 3 * effect.std_error
    assert abs(pooled) > 5 * effect.std_error


def test_an_arm_that_is_out_cannot_win(campaign: Campaign) -> None:
    """`a` was best by far until it was closed; `b` is better than control."""
    rates = {"control": 0.05, "a": 0.6, "b": 0.25}
    _, _, document = analyzed(campaign, lambda row: rates[row["arm"]])
    assert (document.verdict.status, document.verdict.winner) == ("rollout", "b")
    (closed,) = document.closed_arms
    assert closed.effects[0].difference > 0.4


@pytest.mark.parametrize("language", ["en", "zh"])
def test_monitor_and_the_report_know_of_the_closed_arm(
    campaign: Campaign, language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    analyzed(campaign, lambda _: 0.3)
    with campaign.open(LATER) as opened:
        experiment = replace(opened, words=Words(language))
        found = monitor(experiment)
        assert [arm.arm for arm in found.arms] == ["control", "b"]
        document = Journey(experiment).analyze()
        page = experiment.workspace.report.read_text(encoding="utf8")
        assert read_document(Analysis, experiment.workspace.document("analysis")) == document
        show_analyze(Console(width=160), document, experiment)
    title = {"en": "Arms that were closed", "zh": "中途关闭的组"}[language]
    shown = capsys.readouterr().out
    for told in (page, shown):
        assert title in told
        assert "2026-11-27" in told


def test_before_the_windows_close_a_closed_arm_has_counts_alone(campaign: Campaign) -> None:
    drawn_then_closed(campaign)
    with campaign.open(NOW + timedelta(days=4)) as experiment:
        document = analyze(experiment)
    assert document.verdict.status == "too_early"
    (closed,) = document.closed_arms
    assert closed.effects == ()
    assert closed.members > 0


@pytest.mark.parametrize(
    "arms",
    [
        {
            "control": {"share": "1/5"},
            "offers": {"a": {"share": 0.5}, "b": {"share": 0.2}, "c": {"share": 0.1}},
        },
        {
            "control": {"share": 0.28},
            "factors": {"incentive": {"x": {}, "y": {}}, "copy": {"care": {}, "urgent": {}}},
            "share_each": 0.18,
        },
    ],
)
def test_shares_among_open_arms_are_what_they_were_to_one_another(
    campaign: Campaign, arms: dict[str, Any]
) -> None:
    whole = load(campaign.define(arms=arms)).arms
    offers = [arm.id for arm in whole.resolved[1:]]
    for kept in (offers[1:], offers[:-1], offers[:1]):
        among = whole.among(kept).resolved
        assert [arm.id for arm in among] == ["control", *kept]
        assert sum(arm.share for arm in among) == 1
        of_arm = {arm.id: arm.share for arm in whole.resolved}
        assert {arm.share / of_arm[arm.id] for arm in among} == {among[0].share / of_arm["control"]}
