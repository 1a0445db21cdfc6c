"""Windows: open until the last member's has closed, to the microsecond."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from experiments.measurement.windows import window_state
from tests.measurement.campaign import campaign
from tests.measurement.test_member_units import SENT, assigned, people, sold, text

CLOSES = SENT + timedelta(hours=24 * 14 + 5)


@pytest.mark.parametrize(
    ("now", "still_open"),
    [
        (SENT, 3),
        (CLOSES - timedelta(hours=5), 1),
        (CLOSES - timedelta(microseconds=1), 1),
        (CLOSES, 0),
        (CLOSES.astimezone().replace(microsecond=0) + timedelta(days=1), 0),
    ],
)
def test_a_window_is_open_until_the_longest_of_the_last_member_closes(
    tmp_path: Path, now: datetime, still_open: int
) -> None:
    drawn = assigned(3)
    sends = pa.array([SENT, SENT, SENT + timedelta(hours=5)], pa.timestamp("us", tz="UTC"))
    drawn = drawn.set_column(6, "planned_send_at", sends)
    metric = "late: {type: count, from: sales, window_days: 14}"
    tables = {"members": people(3), "sales": sold([])}
    with campaign(tmp_path, text(metric), tables, drawn, now=now) as opened:
        state = opened.measurement().window
        check = opened.health()["window_open"]
    assert (state.open_members, state.closes_at) == (still_open, CLOSES)
    assert check.status == ("fail" if still_open else "pass")
    assert "2026-11-13 13:00 (America/New_York)" in check.detail


def test_metrics_of_the_members_own_row_have_no_window(tmp_path: Path) -> None:
    recorded = """
        data: {members: {table: members.parquet, key: id}}
        arms: {control: {share: 0.5}, offers: {mail: {share: 0.5}}}
        assignment: {method: recorded, from: members, column: arm}
        metrics: {bought: {type: binary, from: members, value: bought}}
        goals: {primary: {metric: bought}}
        decision: {}
    """
    members = people(2, bought=pa.array([True, False]), arm=pa.array(["mail", "control"]))
    early = datetime(1990, 1, 1, tzinfo=UTC)
    with campaign(tmp_path, recorded, {"members": members}, assigned(2), now=early) as opened:
        state = window_state(opened.experiment.definition, opened.experiment.engine, "assigned_rows", early)
    assert (state.open_members, state.closes_at, state.is_open) == (0, None, False)


@pytest.mark.parametrize("kind", ["instant", "local"])
def test_a_window_holds_its_first_moment_and_not_its_last(tmp_path: Path, kind: str) -> None:
    """Over the end of summer time, when seven times 24 hours end at another hour of the local clock."""
    tick, week = timedelta(microseconds=1), timedelta(hours=24 * 7)
    moments = {"0": SENT - tick, "1": SENT, "2": SENT + week - tick, "3": SENT + week}
    zone = ZoneInfo("America/New_York")
    local = [moment.astimezone(zone).replace(tzinfo=None) for moment in moments.values()]
    times = {
        "instant": pa.array(list(moments.values()), pa.timestamp("us", tz="Asia/Shanghai")),
        "local": pa.array(local, pa.timestamp("us")),
    }
    sales = pa.table({"buyer": list(moments), "at": times[kind]})
    with campaign(tmp_path, text(), {"members": people(4), "sales": sales}, assigned(4)) as opened:
        found = opened.rows(opened.units(), "metric__bought")
    assert found == {"0": (0.0,), "1": (1.0,), "2": (1.0,), "3": (0.0,)}


def test_an_event_of_a_day_counts_from_its_local_midnight(tmp_path: Path) -> None:
    """A purchase on the day of the send, of which only the day is known, lies before the send."""
    days = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 6), date(2026, 11, 7)]
    sales = pa.table({"buyer": ["0", "1", "2", "3"], "at": pa.array(days, pa.date32())})
    with campaign(tmp_path, text(), {"members": people(4), "sales": sales}, assigned(4)) as opened:
        found = opened.rows(opened.units(), "metric__bought")
    assert found == {"0": (0.0,), "1": (1.0,), "2": (1.0,), "3": (0.0,)}
