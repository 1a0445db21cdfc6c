"""Health of the events through the real tables: repeats with and without an id, rows that come late."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.definition.errors import OutsideError
from experiments.documents.analysis import HealthCheck
from experiments.health.event_book import read_events
from experiments.health.health import check_health
from experiments.measurement import event_counts
from experiments.measurement.event_counts import SourceEvents, count_events
from tests.measurement.campaign import NOW, Campaign, campaign, ledger_of
from tests.measurement.test_member_units import people

SENT = datetime(2026, 10, 30, 13, tzinfo=UTC)
TEXT = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: buyer, time: atEVENT_ID}
    arms:
      control: {share: 0.5}
      offers: {mail: {share: 0.5}}
    audience: {snapshot: 2026-10-29}
    assignment: {method: hash}
    send: {days: [2026-10-30, 2026-10-31]}
    metrics:
      bought: {type: binary, from: sales, where: status = 'paid', window_days: 7}
      SPEND
    goals: {primary: {metric: bought}}
    design: {minimum_effect: 0.1}
    decision: {}
"""
SPEND = "spend: {type: sum, from: sales, where: status = 'paid', value: amount, window_days: 7}"
Sale = tuple[str, datetime, float, str, str | None]


def text(event_id: str = "", spend: str = SPEND) -> str:
    return TEXT.replace("EVENT_ID", event_id).replace("SPEND", spend)


def drawn(members: int) -> pa.Table:
    """Members in turn of mail and control; the second half is planned for the day after."""
    numbers = range(members)
    planned = [SENT + timedelta(days=number >= members / 2) for number in numbers]
    return ledger_of(["control" if number % 2 else "mail" for number in numbers], planned)


def sales(rows: list[Sale]) -> pa.Table:
    schema = pa.schema(
        [
            ("buyer", pa.string()),
            ("at", pa.timestamp("us", tz="UTC")),
            ("amount", pa.float64()),
            ("status", pa.string()),
            ("line", pa.string()),
        ]
    )
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def steady(members: int) -> list[Sale]:
    """A sale for each member, spread evenly over most of the window."""
    return [
        (
            str(n),
            SENT + timedelta(days=n >= members / 2, hours=160 * (n % 97) / 97, seconds=n),
            5.0,
            "paid",
            f"L{n}",
        )
        for n in range(members)
    ]


def health(opened: Campaign) -> dict[str, HealthCheck]:
    measurement = opened.measurement()
    events = read_events(opened.experiment, opened.catalogue, opened.assigned, measurement)
    return {
        each.check: each for each in check_health(opened.experiment, opened.assigned, measurement, events)
    }


def counted(opened: Campaign) -> SourceEvents:
    (found,) = count_events(opened.experiment, opened.catalogue, opened.assigned, opened.units().members)
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_loaded_twice_warn_with_count_share_and_arms(tmp_path: Path, language: str) -> None:
    rows = steady(200)
    doubled = [row for row in rows if int(row[0]) % 2 == 0][:30]
    tables = {"members": people(200), "sales": sales(rows + doubled)}
    with campaign(tmp_path, text(), tables, drawn(200), language=language) as opened:
        check = health(opened)["repeated_events"]
    assert check.status == "warn"
    for fact in ("30", "230", "13.04%", "mail 23.08%", "0.00%"):
        assert fact in check.detail
    assert any("\u4e00" <= letter <= "\u9fff" for letter in check.detail) == (language == "zh")


def test_rows_that_differ_in_what_a_metric_reads_are_no_repeats(tmp_path: Path) -> None:
    """Another moment, amount or member; rows that count for no metric; rows before the window, each twice."""
    row: Sale = ("0", SENT + timedelta(hours=1), 5.0, "paid", "a")
    unlike = [row, ("0", row[1] + timedelta(seconds=1), *row[2:]), ("1", *row[1:]), (*row[:2], 6.0, *row[3:])]
    uncounted = [(*row[:3], "refused", "a"), ("0", SENT - timedelta(seconds=1), *row[2:]), ("99", *row[1:])]
    tables = {"members": people(4), "sales": sales(unlike + 2 * uncounted)}
    with campaign(tmp_path, text(), tables, drawn(4)) as opened:
        assert (counted(opened).rows, counted(opened).repeats) == (4, 0)
        assert health(opened)["repeated_events"].status == "pass"


def test_rows_count_in_the_window_of_the_metric_whose_condition_they_meet(tmp_path: Path) -> None:
    """Open rows are spending of three days: on the fifth they count for nothing, though paid ones still say who bought."""
    spend = SPEND.replace("'paid'", "'open'").replace("window_days: 7", "window_days: 3")
    days = {"open": [1, 5], "paid": [2, 6, 8]}
    rows: list[Sale] = [
        ("0", SENT + timedelta(days=day), 5.0, status, None) for status in days for day in days[status]
    ]
    tables = {"members": people(4), "sales": sales(2 * rows)}
    with campaign(tmp_path, text(spend=spend), tables, drawn(4)) as opened:
        assert (counted(opened).rows, counted(opened).repeats) == (6, 3)


@pytest.mark.parametrize(("repeats", "status"), [(0, "pass"), (1, "warn"), (2, "warn"), (3, "fail")])
def test_with_an_id_equal_rows_may_be_true_and_one_in_a_hundred_repeats_fails(
    tmp_path: Path, repeats: int, status: str
) -> None:
    """The repeats have another amount, as rows of an order that was changed; equal rows of other lines, and of none, count."""
    rows = [(*row[:4], None) if int(row[0]) < 5 else row for row in steady(200)]
    alike = [(*row[:4], f"other {row[0]}") for row in rows[50:90]] + rows[:5]
    again = [(*row[:2], 7.0, *row[3:]) for row in rows[100 : 100 + repeats]]
    tables = {"members": people(200), "sales": sales(rows + alike + again)}
    with campaign(tmp_path, text(", event_id: line"), tables, drawn(200)) as opened:
        check = health(opened)["repeated_events"]
    assert check.status == status
    assert ("event_id" in check.detail) == (repeats > 0)


def test_repeats_do_not_matter_where_only_binary_metrics_read_the_source(tmp_path: Path) -> None:
    tables = {"members": people(200), "sales": sales(2 * steady(200))}
    with campaign(tmp_path, text(spend=""), tables, drawn(200)) as opened:
        checks = health(opened)
    assert "repeated_events" not in checks
    assert checks["late_events"].status == "pass"


_events = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(-30, 200),
        st.sampled_from([1.0, 2.0]),
        st.sampled_from(["paid", "open"]),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(events=_events)
def test_counts_are_those_of_a_plain_loop(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, int, float, str]]
) -> None:
    rows = [
        (str(n), SENT + timedelta(hours=hour), amount, status, None) for n, hour, amount, status in events
    ]
    expected: Counter[tuple[str, str]] = Counter()
    seen: set[Sale] = set()
    for row in rows:
        n = int(row[0])
        opens = SENT + timedelta(days=n >= 2)
        if n < 4 and row[3] == "paid" and opens <= row[1] < opens + timedelta(days=7):
            arm = "control" if n % 2 else "mail"
            expected[arm, "rows"] += 1
            expected[arm, "repeats"] += row in seen
            seen.add(row)
    tables = {"members": people(4), "sales": sales(rows)}
    with campaign(tmp_path_factory.mktemp("events"), text(), tables, drawn(4)) as opened:
        found = counted(opened)
    for arm in ("control", "mail"):
        of_arm = [each for each in found.counts if each.arm == arm]
        assert sum(each.rows for each in of_arm) == expected[arm, "rows"]
        assert sum(each.repeats for each in of_arm) == expected[arm, "repeats"]
        assert sum(each.members for each in of_arm) == 2


def test_of_many_members_a_part_is_looked_at_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_counts, "MOST_MEMBERS", 1_000)
    tables = {"members": people(4_000), "sales": sales(2 * steady(4_000))}
    with campaign(tmp_path, text(), tables, drawn(4_000)) as opened:
        found, check = counted(opened), health(opened)["repeated_events"]
    assert found.share == 1 / 4
    assert 850 < found.repeats < 1_150
    assert found.rows == 2 * found.repeats
    assert "one in 4 members" in check.detail


def test_rows_that_come_or_go_after_a_day_was_read_as_closed_warn_from_then_on(tmp_path: Path) -> None:
    """The first day's windows have closed at the first reading, the second day's have not: its rows are still coming."""
    rows = steady(200)
    first = SENT + timedelta(days=7, hours=18)
    early = [row for row in rows if row[1] < first][:-3]
    late, gone = rows[:7], rows[108:110]
    loads = [
        (first, [row for row in early if row not in late], "pass"),
        (NOW, [row for row in rows if row not in late], "pass"),
        (NOW, [row for row in rows if row not in gone], "warn"),
        (NOW, [row for row in rows if row not in gone], "warn"),
    ]
    checks = []
    for now, loaded, status in loads:
        tables = {"members": people(200), "sales": sales(loaded)}
        with campaign(tmp_path, text(), tables, drawn(200), now=now) as opened:
            checks.append(health(opened)["late_events"])
        assert checks[-1].status == status, checks[-1].detail
    assert "7 rows of sales have come and 2 have gone" in checks[-1].detail
    assert "(control) +2, mail +3" in checks[-1].detail
    assert "since these were first read at 2026-11-07" in checks[-1].detail
    assert checks[-1] == checks[-2]


def test_a_source_that_has_lost_all_its_rows_is_noticed(tmp_path: Path) -> None:
    for rows, status in ((steady(200), "pass"), ([], "warn")):
        tables = {"members": people(200), "sales": sales(rows)}
        with campaign(tmp_path, text(), tables, drawn(200)) as opened:
            check = health(opened)["late_events"]
        assert check.status == status
    assert "200 have gone" in check.detail


@pytest.mark.parametrize(("members", "told"), [(1_000, True), (998, False)])
def test_a_source_that_ends_before_the_send_warns_and_its_rows_are_not_late_when_they_come(
    tmp_path: Path, members: int, told: bool
) -> None:
    """Members who did nothing look the same, and a guardrail passes; of few members none may have acted."""
    before: list[Sale] = [("0", SENT - timedelta(days=1), 5.0, "paid", "a")]
    for rows, warns in ((before, told), (before, told), (before + steady(members), False)):
        tables = {"members": people(members), "sales": sales(rows)}
        with campaign(tmp_path, text(), tables, drawn(members)) as opened:
            check = health(opened).get("late_events")
        if warns:
            assert check is not None
            assert (check.status, "of 1,000 members" in check.detail) == ("warn", True)
        else:
            assert check is None or check.status == "pass"


def test_windows_that_are_open_may_be_empty(tmp_path: Path) -> None:
    tables = {"members": people(1_000), "sales": sales([])}
    with campaign(tmp_path, text(), tables, drawn(1_000), now=SENT + timedelta(days=2)) as opened:
        assert "late_events" not in health(opened)


def test_another_definition_starts_the_book_anew(tmp_path: Path) -> None:
    for rows, definition in ((steady(200)[7:], text()), (steady(200), text().replace("0.1}", "0.2}"))):
        tables = {"members": people(200), "sales": sales(rows)}
        with campaign(tmp_path, definition, tables, drawn(200)) as opened:
            assert health(opened)["late_events"].status == "pass"


def test_a_damaged_book_says_what_to_do(tmp_path: Path) -> None:
    tables = {"members": people(4), "sales": sales(steady(4))}
    with campaign(tmp_path, text(), tables, drawn(4)) as opened:
        health(opened)
        opened.experiment.workspace.events.write_text("{", encoding="utf8")
        with pytest.raises(OutsideError, match=r"events\.json.*Delete it"):
            health(opened)
