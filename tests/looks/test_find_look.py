"""Which look is due: planned fractions, lateness, the end short of the plan, and every look once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from experiments.decision.look_ledger import LookBook, LookPlan
from experiments.decision.looks import Look, NotDue, find_look, look_already_taken, planned_by_arm
from experiments.definition.errors import InputError, RefusedError
from experiments.definition.model import Definition
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import Measurement
from experiments.measurement.windows import WindowState
from tests.decision.campaign import define

NOW = datetime(2026, 12, 1, tzinfo=UTC)
THIRDS = {"kind": "group_sequential", "at": [0.3, 0.6, 1]}


def planned(folder: Path, looks: Mapping[str, Any] = THIRDS, **changes: Any) -> Definition:
    arms = {"offers": {"=": {"points": {"share": "1/4"}}}, "control": {"share": "3/4"}}
    ours = {"method": "hash", "from": None, "column": None, "sample_size": 4_000} | changes.pop(
        "assignment", {}
    )
    send = {"days": ["2026-11-26", "2026-11-30"]}
    return define(folder, arms=arms, assignment=ours, send=send, design={"looks": looks} | changes)


def members(
    control: int, points: int, of: tuple[int, int] = (3_000, 1_000), *, still_open: bool = True
) -> Measurement:
    cells = Cell("control", "", ""), Cell("points", "", "")
    return Measurement(
        counts=dict(zip(cells, (control, points), strict=True)),
        metrics={},
        window=WindowState(int(still_open), NOW),
        assigned=(),
        repeated_members=0,
        pilots={},
        everybody=dict(zip(cells, of, strict=True)),
    )


def after(definition: Definition, *measured: Measurement) -> LookBook | None:
    """The ledger when every measurement was a look."""
    book = None
    for day, each in enumerate(measured):
        found = find_look(definition, each, book, NOW + timedelta(days=day))
        assert isinstance(found, Look)
        looks = (*found.earlier, found.taken(definition))
        book = LookBook(definition.id, found.plan, found.planned, looks)
    return book


def test_a_fixed_design_has_no_looks(tmp_path: Path) -> None:
    assert find_look(define(tmp_path), members(10, 10), None, NOW) is None


def test_information_is_the_least_over_the_arms(tmp_path: Path) -> None:
    found = find_look(planned(tmp_path), members(2_900, 300), None, NOW)
    assert isinstance(found, Look)
    assert (found.information, found.number, found.final) == ((0.3,), 1, False)


@pytest.mark.parametrize(
    ("matured", "due"), [(0.0, False), (0.1, False), (0.27, False), (0.285, True), (0.42, True), (0.97, True)]
)
def test_a_first_look_is_due_from_its_fraction_on(tmp_path: Path, matured: float, due: bool) -> None:
    found = find_look(planned(tmp_path), members(3_000, round(1_000 * matured)), None, NOW)
    assert isinstance(found, Look if due else NotDue)
    if isinstance(found, NotDue):
        assert (found.information, found.next_at, found.earlier) == (matured, 0.3, ())


@pytest.mark.parametrize(
    ("first", "second", "due"),
    [(0.3, 0.45, False), (0.3, 0.6, True), (0.29, 0.31, False), (0.45, 0.59, True), (0.65, 0.8, False)],
)
def test_each_planned_fraction_is_looked_at_once(
    tmp_path: Path, first: float, second: float, due: bool
) -> None:
    definition = planned(tmp_path)
    book = after(definition, members(3_000, round(1_000 * first)))
    found = find_look(definition, members(3_000, round(1_000 * second)), book, NOW)
    assert isinstance(found, Look if due else NotDue)
    if isinstance(found, Look):
        assert (found.number, found.information) == (2, (first, second))


def test_the_same_members_are_the_same_look(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    looks = members(1_000, 300), members(2_000, 640)
    book = after(definition, *looks)
    assert book is not None
    for number, measured in enumerate(looks, start=1):
        again = find_look(definition, measured, book, NOW + timedelta(days=50))
        assert isinstance(again, Look)
        assert again.number == number
        assert again.taken(definition) == book.looks[number - 1]
        assert look_already_taken(definition, measured, book, NOW) == again


def test_what_was_not_looked_at_is_not_read_by_others(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    for measured in (members(1_000, 300), members(100, 10)):
        with pytest.raises(RefusedError, match="not looked at yet"):
            look_already_taken(definition, measured, None, NOW)
    assert look_already_taken(define(tmp_path / "fixed"), members(1, 1), None, NOW) is None


def test_the_end_short_of_the_plan_spends_everything(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    short = members(2_700, 930, of=(2_700, 930), still_open=False)
    before_the_last_send = find_look(definition, short, None, datetime(2026, 11, 29, tzinfo=UTC))
    assert isinstance(before_the_last_send, Look)
    assert not before_the_last_send.final
    first = after(definition, members(1_000, 300, of=(2_700, 930)))
    end = find_look(definition, short, first, NOW)
    assert isinstance(end, Look)
    assert (end.final, end.number, end.information) == (True, 2, (0.3, 0.9))
    assert end.taken(definition).alpha_spent == pytest.approx(0.05)


def test_an_end_at_the_last_looks_own_members_is_one_with_it(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    interim = members(3_000, 900, of=(3_000, 900))
    book = after(definition, members(1_000, 300, of=(3_000, 900)), interim)
    closed = replace(interim, window=WindowState(0, NOW))
    last_send_day = find_look(definition, closed, book, datetime(2026, 11, 30, tzinfo=UTC))
    assert isinstance(last_send_day, Look)
    assert (last_send_day.final, last_send_day.number) == (False, 2)
    end = find_look(definition, closed, book, NOW)
    assert isinstance(end, Look)
    assert (end.final, end.number, end.information) == (True, 3, (0.3, 0.9))
    assert end.taken(definition).bound < book.looks[1].bound


def test_an_unplanned_look_must_add_information(tmp_path: Path) -> None:
    definition = planned(tmp_path, THIRDS | {"unplanned": "spend"})
    book = after(definition, members(1_000, 100), members(1_000, 150))
    assert isinstance(find_look(definition, members(3_000, 155), book, NOW), NotDue)
    assert isinstance(find_look(definition, members(3_000, 160), book, NOW), Look)


def test_members_beyond_the_plan_spend_no_more(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    end = find_look(definition, members(3_300, 1_100), after(definition, members(1_000, 300)), NOW)
    assert isinstance(end, Look)
    assert (end.final, end.information) == (True, (0.3, 1.1))
    assert end.taken(definition).alpha_spent == pytest.approx(0.05)


def test_after_the_end_and_before_the_last_look_nothing_may_be_read(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    book = after(definition, members(1_000, 300), members(3_000, 1_000))
    with pytest.raises(RefusedError, match="no error is left"):
        find_look(definition, members(3_300, 1_100), book, NOW)
    with pytest.raises(RefusedError, match="members are missing"):
        find_look(definition, members(900, 290), after(definition, members(1_000, 300)), NOW)


def test_the_plan_is_locked_by_the_first_look(tmp_path: Path) -> None:
    definition = planned(tmp_path)
    book = after(definition, members(1_000, 300))
    for changes in ({"alpha": 0.1}, {"correction": "none"}):
        other = planned(tmp_path / next(iter(changes)), **changes)
        with pytest.raises(RefusedError, match=f"differs in {next(iter(changes))}"):
            find_look(other, members(2_000, 600), book, NOW)


def test_without_a_sample_size_the_first_look_fixes_the_plan(tmp_path: Path) -> None:
    definition = planned(tmp_path, assignment={"sample_size": None})
    first = members(1_000, 300, of=(3_000, 1_000))
    assert planned_by_arm(definition, first) == {"control": 3_000, "points": 1_000}
    book = after(definition, first)
    assert book is not None
    found = find_look(definition, members(2_400, 800, of=(6_000, 2_000)), book, NOW)
    assert isinstance(found, Look)
    assert found.information == (0.3, 0.8)


def test_always_valid_looks_are_any_and_keep_their_plan(tmp_path: Path) -> None:
    definition = planned(tmp_path, {"kind": "always_valid"})
    book = after(definition, members(100, 10), members(110, 10), members(3_000, 1_000), members(3_500, 1_200))
    assert book is not None
    assert [look.number for look in book.looks] == [1, 2, 3, 4]
    assert book.planned == {"control": 3_000, "points": 1_000}
    assert [look.alpha_spent for look in book.looks] == [None] * 4
    # Narrowest at the plan, in standard errors 3.0352 (Waudby-Smith et al. 2024), by hand.
    assert book.looks[2].bound == pytest.approx(3.0352, abs=1e-4)
    assert isinstance(find_look(definition, members(0, 10), None, NOW), NotDue)


def test_corrections_that_are_not_known_to_hold_at_looks_are_faults(tmp_path: Path) -> None:
    for kind in (THIRDS, {"kind": "always_valid"}):
        for correction in ("dunnett", "hochberg", "bh"):
            with pytest.raises(InputError, match="has no planned looks"):
                planned(tmp_path, kind, correction=correction)


def test_a_plan_says_what_differs(tmp_path: Path) -> None:
    plan = LookPlan.of(planned(tmp_path))
    assert plan.differing(plan) == ()
    assert plan.differing(replace(plan, spending="pocock", alpha=0.01)) == ("spending", "alpha")
