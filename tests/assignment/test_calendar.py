"""The calendar of a draw: what is told of its day, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from experiments.assignment.assignment import assign
from tests.assignment.campaign import Campaign, members

SENDS_LAST = datetime(2026, 11, 27, 11, 59, tzinfo=UTC)
"""The last slot of the campaign's sends: 19:59 in Shanghai."""


def drawn_at(path: Path, now: datetime, **changes: Any) -> tuple[list[str], str]:
    path.mkdir(exist_ok=True)
    campaign = Campaign(path)
    campaign.write(members(40), **changes)
    with campaign.open(now=now) as experiment:
        found = assign(experiment)
    return [note.code for note in found.notes], found.next_step


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (datetime(2026, 11, 24, 15, 59, tzinfo=UTC), ["snapshot_to_come"]),
        (datetime(2026, 11, 24, 16, tzinfo=UTC), []),
        (SENDS_LAST, []),
        (datetime(2026, 11, 27, 12, tzinfo=UTC), ["sends_over"]),
    ],
)
def test_a_draw_before_the_snapshot_or_after_the_sends_is_told(
    tmp_path: Path, now: datetime, told: list[str]
) -> None:
    """Shanghai is eight hours ahead: its 25th begins at 16:00 UTC."""
    assert drawn_at(tmp_path, now)[0] == told


def test_nothing_is_told_where_nobody_is_drawn(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write(members(40))
    for now in (SENDS_LAST, datetime(2026, 12, 20, tzinfo=UTC)):
        with campaign.open(now=now) as experiment:
            assert assign(experiment).notes == ()


def test_the_next_step_names_the_end_of_the_last_window(tmp_path: Path) -> None:
    """Fourteen days after 19:59 on the 27th."""
    _, step = drawn_at(tmp_path / "fixed", SENDS_LAST)
    assert "after 2026-12-11 19:59 (Asia/Shanghai)" in step
    looks = {"minimum_effect": 0.01, "looks": {"kind": "group_sequential", "at": [0.5, 1]}}
    _, step = drawn_at(tmp_path / "looks", SENDS_LAST, design=looks)
    assert "at the planned looks" in step
