"""A campaign as time passes: no look is due, an interim look, an early stop, the end, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from experiments.definition.errors import OutsideError, RefusedError
from experiments.design.design import design
from experiments.documents.analysis import Analysis, Effect
from experiments.inference.proportions import compare_proportions
from experiments.inference.score import TwoByTwo
from offerwise.journey import Journey
from offerwise.opening import open_experiment
from tests.looks.campaign import BEFORE, DAYS, assigned, book, buy, draw, looked, morning, write
from uplift.documents import Rollout
from uplift.evidence import open_evidence
from uplift.rollout import rollout

NOTHING = {"control": 5, "mail": 5}
MUCH = {"control": 5, "mail": 2}
END = morning(DAYS)


def empty(document: Analysis) -> bool:
    return not (document.effects or document.adjusted_effects or document.money or document.bayes)


def primary(document: Analysis) -> Effect:
    return next(row for row in document.effects if row.role == "primary")


def test_the_design_pays_for_its_looks(tmp_path: Path) -> None:
    file = write(tmp_path)
    fixed = write(tmp_path / "fixed", design={"baseline": 0.2, "minimum_effect": 0.08})
    plans = []
    for each in (file, fixed):
        with open_experiment(each, out=tmp_path / "runs", now=BEFORE) as experiment:
            plans.append(design(experiment))
    looks, once = plans
    # R rpact 3.3.4: inflation 1.00367 for asOF at 50 and 100 %, power .8; bounds 2.963 and 1.969.
    assert looks.inflation == pytest.approx(1.0037, abs=1e-4)
    assert [round(look.bound, 3) for look in looks.looks] == [2.963, 1.969]
    assert [look.members for look in looks.looks] == [1_000, 2_000]
    assert looks.looks[-1].alpha_spent == pytest.approx(0.05)
    assert looks.members_needed == pytest.approx(once.members_needed * looks.inflation, abs=2)
    assert looks.arms[0].power < once.arms[0].power
    assert looks.arms[0].detectable_effect > once.arms[0].detectable_effect
    assert (once.inflation, once.looks) == (1.0, ())
    assert "looks_group_sequential" in [reason.code for reason in looks.reasons]


def test_looks_are_taken_when_due_and_paid_for_once(tmp_path: Path) -> None:
    file = write(tmp_path)
    buy(file, draw(file), NOTHING)
    for day, share in ((0, 0.0), (3, 0.3)):
        waiting = looked(file, morning(day))
        assert (waiting.verdict.status, waiting.look, waiting.looks) == ("too_early", None, ())
        assert waiting.verdict.reasons[0].code == "look_not_due"
        assert empty(waiting)
        assert not book(file).exists()
        assert share == pytest.approx(day / DAYS)

    first = looked(file, morning(5))
    assert (first.verdict.status, first.look, len(first.looks)) == ("too_early", 1, 1)
    assert [reason.code for reason in first.verdict.reasons[:2]] == ["look_interim", "look_undecided"]
    assert empty(first)
    assert first.winner_corrected == first.guardrails == first.segments == ()
    taken = first.looks[0]
    assert taken.information == pytest.approx(0.5, abs=0.05)
    assert taken.bound == pytest.approx(2.963, abs=0.2)
    assert {check.check: check.status for check in first.health}["window_open"] == "pass"
    assert sum(arm.members for arm in first.arms) == 2_000

    written = book(file).read_bytes()
    assert looked(file, morning(5) + timedelta(hours=2)) == first
    between = looked(file, morning(7))
    assert (between.verdict.status, between.look, between.looks) == ("too_early", None, first.looks)
    assert between.verdict.reasons[0].code == "look_not_due_end"
    assert book(file).read_bytes() == written

    last = looked(file, END)
    assert (last.verdict.status, last.look, last.looks[-1].final) == ("no_rollout", 2, True)
    assert last.looks[0] == taken
    assert last.looks[-1].alpha_spent == pytest.approx(0.05)
    assert not empty(last)
    written = book(file).read_bytes()
    assert looked(file, END + timedelta(days=30)) == last
    assert looked(file, morning(5)) == first
    assert book(file).read_bytes() == written
    with pytest.raises(RefusedError, match="final one"):
        looked(file, morning(7))


def test_an_early_stop_counts_closed_windows_only_and_reports_repeated_intervals(tmp_path: Path) -> None:
    file = write(tmp_path)
    drawn = draw(file)
    bought = buy(file, drawn, MUCH)
    document = looked(file, morning(5))
    assert (document.verdict.status, document.verdict.winner, document.look) == ("rollout", "mail", 1)

    closed = [row for row in drawn if row["planned_send_at"] < morning(5) - timedelta(days=7)]
    members = {arm: sum(row["arm"] == arm for row in closed) for arm in ("mail", "control")}
    buyers = {
        arm: sum(row["arm"] == arm and row["member"] in bought for row in closed)
        for arm in ("mail", "control")
    }
    assert document.looks[0].matured == members
    row = primary(document)
    assert (row.members_arm, row.members_versus) == (members["mail"], members["control"])
    table = TwoByTwo(buyers["mail"], members["mail"], buyers["control"], members["control"])
    level = document.looks[0].nominal_level
    assert (row.difference_low, row.difference_high) == pytest.approx(
        compare_proportions(table).interval(level)
    )
    assert row.method == "score_group_sequential"
    assert 0.002 > row.p_value > compare_proportions(table).p_value()
    (winner,) = document.winner_corrected
    value = next(each for each in document.effects if each.role == "value")
    assert (winner.method, winner.corrected) == ("projection", value.difference)
    assert (winner.low, winner.high) == pytest.approx((value.difference_low, value.difference_high))
    (money,) = (each for each in document.money if each.arm == "mail")
    assert money.members == members["mail"]
    assert money.incremental_profit_low == pytest.approx(value.difference_low * members["mail"])
    assert "look_interim" in [reason.code for reason in document.verdict.reasons]


def test_what_a_single_test_would_have_found_waits_for_the_end(tmp_path: Path) -> None:
    file = write(tmp_path, decision={"pick": {"by": "overall"}})
    drawn = draw(file)
    bought = buy(file, drawn, {"control": 9, "mail": 6})
    counts = [
        [
            row["member"] in bought
            for row in drawn
            if row["arm"] == arm and row["planned_send_at"] < morning(-2)
        ]
        for arm in ("mail", "control")
    ]
    peeked = compare_proportions(TwoByTwo(*(n for arm in counts for n in (sum(arm), len(arm)))))
    assert peeked.p_value() < 0.05
    assert looked(file, morning(5)).verdict.status == "too_early"
    last = looked(file, END)
    assert (last.verdict.status, last.look) == ("rollout", 2)


def test_a_design_that_was_looked_at_once_at_its_end_is_a_fixed_one(tmp_path: Path) -> None:
    file = write(tmp_path)
    buy(file, draw(file), MUCH)
    at_the_end = looked(file, END)
    fixed = json.loads(file.read_text(encoding="utf8"))
    del fixed["design"]["looks"]
    file.write_text(json.dumps(fixed), encoding="utf8")
    once = looked(file, END)
    assert (at_the_end.look, once.look) == (1, None)
    assert primary(at_the_end).difference_low == pytest.approx(primary(once).difference_low)
    assert at_the_end.winner_corrected[0].method == once.winner_corrected[0].method == "hybrid"
    assert primary(once).method == "score"


def test_an_unplanned_look_pays_where_the_definition_lets_it(tmp_path: Path) -> None:
    design = {
        "minimum_effect": 0.08,
        "looks": {"kind": "group_sequential", "at": [0.5, 1], "unplanned": "spend"},
    }
    file = write(tmp_path, design=design)
    buy(file, draw(file), NOTHING)
    spent = [looked(file, morning(day)).looks[-1].alpha_spent for day in (3, 5, 6)]
    assert spent == sorted(spent)
    assert spent[0] > 0
    last = looked(file, END)
    assert [look.number for look in last.looks] == [1, 2, 3, 4]
    assert last.looks[-1].bound > 1.98


def test_an_always_valid_design_may_be_looked_at_every_day(tmp_path: Path) -> None:
    design = {"minimum_effect": 0.08, "looks": {"kind": "always_valid"}}
    file = write(tmp_path, design=design)
    buy(file, draw(file), MUCH)
    verdicts = [looked(file, morning(day)) for day in (1, 4, 6, 6, DAYS)]
    assert [document.look for document in verdicts] == [1, 2, 3, 3, 4]
    assert verdicts[0].verdict.status == "too_early"
    assert verdicts[-1].verdict.status == "rollout"
    assert [look.alpha_spent for look in verdicts[-1].looks] == [None] * 4
    assert primary(verdicts[-1]).method == "wald_always_valid"
    assert verdicts[-1].winner_corrected[0].method == "projection"
    low, high = primary(verdicts[-1]).difference_low, primary(verdicts[-1]).difference_high
    assert (high - low) / 2 == pytest.approx(3.0352 * primary(verdicts[-1]).std_error, rel=1e-3)


def test_another_plan_a_clock_set_back_and_a_damaged_ledger_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    buy(file, draw(file), NOTHING)
    first = looked(file, morning(5))
    with pytest.raises(RefusedError, match="set back"):
        looked(file, morning(4))
    changed = write(tmp_path, design={"minimum_effect": 0.08, "looks": {"kind": "always_valid"}})
    buy(file, assigned(file), NOTHING)
    with pytest.raises(RefusedError, match=r"another plan.*kind, spending, at"):
        looked(changed, END)
    write(tmp_path)
    buy(file, assigned(file), NOTHING)
    assert looked(file, morning(5)) == first
    book(file).write_text(book(file).read_text(encoding="utf8")[:-40], encoding="utf8")
    with pytest.raises(OutsideError, match="ledger of looks"):
        looked(file, END)


def test_a_rollout_follows_an_early_stop_and_waits_for_one(tmp_path: Path) -> None:
    assignment = {"method": "hash", "sample_size": 1_500}
    rollout_to = {"to": "eligible_not_sampled", "holdout_share": 0.1, "explore_share": 0.0}
    file = write(tmp_path, assignment=assignment, rollout=rollout_to)
    drawn = draw(file)
    buy(file, drawn, MUCH)

    def sent(day: int) -> Rollout:
        with open_experiment(file, out=tmp_path / "runs", now=morning(day)) as experiment:
            return rollout(experiment)

    with pytest.raises(RefusedError, match="not looked at yet"):
        sent(5)
    with open_experiment(file, out=tmp_path / "runs", now=morning(5) + timedelta(hours=1)) as experiment:
        stopped = Journey(experiment).analyze()
    assert (stopped.verdict.status, stopped.look) == ("rollout", 1)
    # A day later more windows have closed; the rollout rests on what the look read, and nobody of the test is in it.
    document = sent(6)
    assert document.members == 500
    assert {offer.arm for offer in document.offers if offer.members} == {"mail"}


def test_policies_wait_for_a_look_that_settles_the_decision(tmp_path: Path) -> None:
    file = write(tmp_path)
    buy(file, draw(file), NOTHING)
    looked(file, morning(5))
    with (
        open_experiment(file, out=tmp_path / "runs", now=morning(6)) as experiment,
        pytest.raises(RefusedError, match="too early for a verdict"),
    ):
        open_evidence(experiment)


def test_a_broken_split_spends_nothing(tmp_path: Path) -> None:
    file = write(tmp_path)
    drawn = draw(file)
    buy(file, drawn, MUCH)
    text = json.loads(file.read_text(encoding="utf8"))
    text["arms"] = {"control": {"share": "1/4"}, "offers": {"mail": {"share": "3/4", "cost_per_send": 0.01}}}
    file.write_text(json.dumps(text), encoding="utf8")
    document = looked(file, morning(5))
    assert (document.verdict.status, document.look) == ("invalid", None)
    assert not book(file).exists()
