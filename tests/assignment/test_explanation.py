"""What `assign --explain` says is enough to compute a member's arm and time again by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import md5

import pytest
from typer.testing import CliRunner

from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.definition.errors import InputError, OutsideError, RefusedError
from experiments.documents.explanation import ExplainedClosing, Explanation
from experiments.language import Language, Words
from offerwise.cli import app
from reports.explanation import explanation_sentence
from reports.narrator import Narrator
from tests.assignment import recomputed
from tests.assignment.campaign import NOW, Campaign, members
from tests.assignment.test_closing import CLOSED_FROM, close, drawn_then_closed, listed, planned_before
from tests.assignment.test_draw import SALT, ledger_rows

HASH = {"method": "hash", "salt": SALT}


def arm_of(found: Explanation) -> str:
    """The arm by the document alone, without the product's code."""
    draw = found.draw
    assert draw is not None
    digits = md5(draw.hashed.encode()).hexdigest()
    assert digits == draw.digits
    place = draw.rank if draw.method == "stratified" else digits[:13]
    last = draw.arms[-1].arm
    (arm,) = [
        each.arm
        for each in draw.arms
        if each.first <= place and (place < each.until or each.arm == last)  # type: ignore[operator]
    ]
    return arm


@pytest.mark.parametrize("method", ["stratified", "hash"])
def test_arm_and_time_follow_from_the_document(campaign: Campaign, method: str) -> None:
    changes = {"assignment": HASH} if method == "hash" else {}
    campaign.write(members(300), **changes)
    with campaign.open() as experiment:
        assign(experiment)
        campaign.write(members(420), **changes)
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
        for key in [*list(ledger)[:8], *list(ledger)[-8:]]:
            found = explain_assignment(experiment, key)
            row = ledger[key]
            assert (found.status, found.arm, found.batch) == ("assigned", row["arm"], row["batch"])
            assert arm_of(found) == row["arm"]
            assert found.send is not None
            assert found.send.slot == recomputed.slot_of(key, SALT, 2 * 11 * 60)
            assert datetime.fromisoformat(found.send.planned_send_at) == row["planned_send_at"]
        assert {row["batch"] for row in ledger.values()} == {0, 1}


def test_ranks_are_those_of_the_stratum_and_batch(campaign: Campaign) -> None:
    campaign.write(members(200))
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
        stratum = next(iter(ledger.values()))["stratum"]
        own = [key for key, row in ledger.items() if row["stratum"] == stratum]
        draws = [explain_assignment(experiment, key).draw for key in own]
    assert sorted(draw.rank for draw in draws if draw and draw.rank is not None) == list(range(len(own)))
    assert {draw.members for draw in draws if draw} == {len(own)}


def test_units_are_drawn_by_their_own_key(campaign: Campaign) -> None:
    people = members(90)
    campaign.write(people, audience={"snapshot": "2026-11-25", "unit": "household"}, assignment=HASH)
    with campaign.open() as experiment:
        assign(experiment)
        found = explain_assignment(experiment, str(people[10]["会员"]))
    assert found.draw is not None
    assert found.draw.hashed == f"{SALT}|{people[10]['household']}"
    assert arm_of(found) == found.arm


def test_who_is_out_and_why(campaign: Campaign) -> None:
    people = members(60)
    audience = {"snapshot": "2026-11-25", "include": "tier = 'vip'"}
    campaign.write(people, audience=audience, assignment={**HASH, "sample_size": 5})
    vip, basic = ([str(each["会员"]) for each in people if each["tier"] == tier] for tier in ("vip", "basic"))
    with campaign.open() as experiment:
        before = explain_assignment(experiment, vip[0])
        assign(experiment)
        statuses = {key: explain_assignment(experiment, key).status for key in vip}
        refused = explain_assignment(experiment, basic[0])
        with pytest.raises(InputError, match="no member `nobody`"):
            explain_assignment(experiment, "nobody")
    drawn = recomputed.sample(vip, SALT, 5)
    assert before.status == "not_drawn"
    assert statuses == {key: "assigned" if key in drawn else "not_sampled" for key in vip}
    assert (refused.status, refused.refused_by, refused.arm) == ("refused", "include", None)
    assert [(rule.key, rule.removes, dict(rule.values)) for rule in refused.rules] == [
        ("audience.include", True, {"tier": "basic"})
    ]


def test_who_left_the_data_keeps_an_arm(campaign: Campaign) -> None:
    people = members(60)
    campaign.write(people)
    with campaign.open() as experiment:
        assign(experiment)
        arm = ledger_rows(experiment)[str(people[0]["会员"])]["arm"]
    campaign.write(people[1:])
    with campaign.open() as experiment:
        found = explain_assignment(experiment, str(people[0]["会员"]))
    assert (found.status, found.arm, found.rules) == ("assigned", arm, ())
    campaign.define(assignment={"method": "hash", "salt": "another"})
    with campaign.open() as experiment, pytest.raises(RefusedError, match=r"assignment\.salt"):
        explain_assignment(experiment, str(people[0]["会员"]))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_command_draws_nothing(campaign: Campaign, language: str) -> None:
    people = members(60)
    path, out = campaign.write(people), campaign.folder / "runs"
    arguments = ["assign", str(path), "--out", str(out), "--no-mlflow", "--lang", language]
    asked = [*arguments, "--explain", str(people[0]["会员"])]
    runner = CliRunner()
    assert runner.invoke(app, asked).exit_code == 0
    assert not (out / "test-1").exists()
    assert runner.invoke(app, arguments).exit_code == 0
    answer = runner.invoke(app, [*asked, "--json"])
    document = json.loads(answer.stdout)
    assert (document["schema"], document["status"]) == ("offerwise.explanation/1", "assigned")
    assert document["draw"]["digits"] in runner.invoke(app, asked).output.replace("\n", "")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_becomes_of_members_whose_arm_was_closed(campaign: Campaign, language: Language) -> None:
    ledger = drawn_then_closed(campaign)
    of_a = [key for key, row in ledger.items() if row["arm"] == "a"]
    early = next(key for key in of_a if planned_before(ledger[key], CLOSED_FROM))
    late = next(key for key in of_a if not planned_before(ledger[key], CLOSED_FROM))
    other = next(key for key, row in ledger.items() if row["arm"] == "b")
    with campaign.open(NOW + timedelta(days=3)) as experiment:
        narrator = Narrator.of(replace(experiment, words=Words(language)))
        found = {key: explain_assignment(experiment, key) for key in (early, late, other)}
    told = {key: explanation_sentence(narrator, each) for key, each in found.items()}
    assert found[other].closing is None
    for key, is_sent in ((early, True), (late, False)):
        closing = found[key].closing
        assert closing == ExplainedClosing("2026-11-27", "2026-11-26T10:00:00+08:00", is_sent)
        assert (key in listed(campaign, "a")) is is_sent
        assert found[key].send is not None
        for words in ("2026-11-27", "2026-11-26T10:00:00", found[key].send.planned_send_at):
            assert words in told[key]
    nothing = {"en": "nothing is sent", "zh": "不发送任何消息"}[language]
    assert nothing in told[late]
    assert nothing not in told[early]


def test_an_arm_that_was_closed_before_anybody_was_drawn_is_recorded_with_the_draw(
    campaign: Campaign,
) -> None:
    campaign.write(members(60))
    close(campaign)
    with campaign.open() as experiment:
        assign(experiment)
        late = next(
            key
            for key, row in ledger_rows(experiment).items()
            if row["arm"] == "a" and not planned_before(row, CLOSED_FROM)
        )
        found = explain_assignment(experiment, late)
    assert found.closing == ExplainedClosing("2026-11-27", "2026-11-25T10:00:00+08:00", False)


def test_a_record_of_closings_that_is_lost_or_damaged_is_not_passed_over(campaign: Campaign) -> None:
    ledger = drawn_then_closed(campaign)
    of_a = next(key for key, row in ledger.items() if row["arm"] == "a")
    record = campaign.folder / "runs" / "test-1" / "closings.json"
    for damaged in ('{"schema": 3', '{"experiment": "test-1", "closings": []}', None):
        if damaged is None:
            record.unlink()
        else:
            record.write_text(damaged)
        with campaign.open(NOW + timedelta(days=1)) as experiment:
            for command in (assign, lambda opened: explain_assignment(opened, of_a)):
                with pytest.raises(
                    OutsideError, match=r"closings\.json, the record of arms that were closed"
                ):
                    command(experiment)
