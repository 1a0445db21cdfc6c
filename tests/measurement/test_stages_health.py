"""The sample ratio at send and at analysis: through the real tables, against scipy, and how often it cries wolf."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from experiments.definition.load import load
from experiments.documents.analysis import HealthCheck
from experiments.health.health import examine
from experiments.health.stages import StageHealth
from experiments.health.telling import HealthWording
from experiments.language import Words
from experiments.measurement.measurement import measure
from experiments.measurement.open_arms import open_arms
from experiments.measurement.stage_counts import StageCount, count_stages
from experiments.measurement.units import build_units
from experiments.measurement.windows import closed_members
from tests.measurement.campaign import HEAD, Campaign, campaign, ledger_of
from tests.measurement.test_member_units import SENT, people, sold

ARMS = ("control", "mail", "sms")
TEXT = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: buyer, time: at}
      sends: {table: sends.parquet, key: person, time: at}
    arms:
      control: {share: 1/3}
      offers: {mail: {share: 1/3}, sms: {share: 1/3}}
    audience: {snapshot: 2026-10-29, segments: [{id: new, when: age < 40}, {id: old, when: otherwise}]}
    assignment: {method: hash}
    send: {days: [2026-10-30, 2026-10-31]}
    metrics:
      bought: {type: binary, from: sales, window_days: 7}
      stars: {type: sum, from: members, value: stars, missing: drop}
      sent: {type: binary, from: sends, window_days: 2}
      reached: {type: binary, from: sends, where: delivered, window_days: 2}
    goals: {primary: {metric: PRIMARY}}
    delivery: {metric: reached, sent: sent}
    design: {minimum_effect: 0.1}
    decision: {}
"""
MEMBERS = 6_000


def text(primary: str = "bought") -> str:
    return TEXT.replace("PRIMARY", primary)


def arm_of(number: int) -> str:
    return ARMS[number % 3]


def segment_of(number: int) -> str:
    return "new" if number // 3 % 2 else "old"


def day_of(number: int) -> int:
    """0 or 1: the second half of the members is planned for the second day."""
    return int(number >= MEMBERS / 2)


def drawn() -> pa.Table:
    numbers = range(MEMBERS)
    planned = [SENT + timedelta(days=day_of(number)) for number in numbers]
    segments = [segment_of(number) for number in numbers]
    return ledger_of([arm_of(number) for number in numbers], planned, segments=segments, propensity=1 / 3)


def sends(numbers: Sequence[int]) -> pa.Table:
    return pa.table(
        {
            "person": pa.array([str(number) for number in numbers], pa.string()),
            "at": pa.array([SENT + timedelta(days=day_of(n)) for n in numbers], pa.timestamp("us", tz="UTC")),
            "delivered": pa.array([number % 10 != 0 for number in numbers], pa.bool_()),
        }
    )


def tables(sent: Sequence[int], stars: Callable[[int], float | None] = float) -> dict[str, pa.Table]:
    members = people(
        MEMBERS,
        age=pa.array([20 if segment_of(n) == "new" else 60 for n in range(MEMBERS)]),
        stars=pa.array([stars(n) for n in range(MEMBERS)], pa.float64()),
    )
    return {"members": members, "sales": sold([("1", 5.0)]), "sends": sends(sent)}


def health(opened: Campaign) -> dict[str, HealthCheck]:
    units = opened.units()
    measurement = measure(opened.experiment, units)
    found = examine(open_arms(opened.experiment, opened.assigned), opened.catalogue, units, measurement)
    return {each.check: each for each in found}


def offers(*lost: int) -> list[int]:
    return [number for number in range(MEMBERS) if number % 3 and number not in lost]


AT_SEND = ("sample_ratio_at_send", "sample_ratio_at_send_by_segment", "sample_ratio_at_send_by_day")
AT_ANALYSIS = tuple(name.replace("send", "analysis") for name in AT_SEND)


def test_every_offer_sent_in_full_passes_at_every_stage(tmp_path: Path) -> None:
    with campaign(tmp_path, text(), tables(offers()), drawn()) as opened:
        checks = health(opened)
    assert [checks[name].status for name in AT_SEND] == ["pass"] * 3
    assert checks["control_sent"].status == "pass"
    assert checks["sample_ratio_at_analysis"].status == "pass"
    assert "everybody" in checks["sample_ratio_at_analysis"].detail
    assert not set(AT_ANALYSIS[1:]) & set(checks)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_list_that_was_sent_in_part_is_named_with_its_day_and_segment(
    tmp_path: Path, language: str
) -> None:
    """30 of sms, all of one segment and day: the shares alone would see z = 0.4."""
    lost = [n for n in range(MEMBERS) if arm_of(n) == "sms" and segment_of(n) == "new" and day_of(n)][:30]
    with campaign(tmp_path, text(), tables(offers(*lost)), drawn(), language=language) as opened:
        checks = health(opened)
    expected = stats.chi2_contingency([[2_000, 1_970], [0, 30]], correction=False).pvalue
    assert checks["sample_ratio_at_send"].p_value == pytest.approx(expected, rel=1e-9)
    assert [checks[name].status for name in AT_SEND] == ["warn"] * 3
    assert "sms" in checks["sample_ratio_at_send"].detail
    assert "1,970" in checks["sample_ratio_at_send"].detail
    assert "1,985" in checks["sample_ratio_at_send"].detail
    assert "new" in checks["sample_ratio_at_send_by_segment"].detail
    assert "2026-10-31" in checks["sample_ratio_at_send_by_day"].detail
    assert checks["sample_ratio"].status == "pass"


def test_a_message_to_control_warns(tmp_path: Path) -> None:
    with campaign(tmp_path, text(), tables([*offers(), 0, 30]), drawn()) as opened:
        checks = health(opened)
    assert checks["control_sent"].status == "warn"
    assert checks["control_sent"].detail.startswith("2 members of control")
    assert checks["control_reached"].status == "pass"


def test_without_sent_those_reached_are_what_is_known(tmp_path: Path) -> None:
    definition = text().replace("delivery: {metric: reached, sent: sent}", "delivery: {metric: reached}")
    with campaign(tmp_path, definition, tables(offers()), drawn()) as opened:
        checks = health(opened)
    assert checks["sample_ratio_at_send"].p_value == checks["differential_delivery"].p_value
    assert "control_sent" not in checks


def test_members_without_the_primary_outcome_break_the_split_at_analysis(tmp_path: Path) -> None:
    """Sms loses 40 of one segment; every arm loses each hundredth."""
    lost = [n for n in range(MEMBERS) if arm_of(n) == "sms" and segment_of(n) == "old"][:40]

    def stars(number: int) -> float | None:
        return None if number in lost or number // 3 % 100 == 1 else 1.0

    with campaign(tmp_path, text("stars"), tables(offers(), stars), drawn()) as opened:
        checks = health(opened)
    kept = [1_980, 1_980, 1_940]
    expected = stats.chi2_contingency([kept, [2_000 - n for n in kept]], correction=False).pvalue
    check = checks["sample_ratio_at_analysis"]
    assert (check.status, check.p_value) == ("fail", pytest.approx(expected, rel=1e-9))
    assert "sms" in check.detail
    assert checks["sample_ratio_at_analysis_by_segment"].status == "fail"
    assert "old" in checks["sample_ratio_at_analysis_by_segment"].detail


def test_at_a_look_those_whose_windows_have_closed_are_counted_by_day(tmp_path: Path) -> None:
    now = SENT + timedelta(days=7, hours=1)
    with campaign(tmp_path, text(), tables(offers()), drawn(), now=now) as opened:
        closed = closed_members(opened.experiment, opened.assigned)
        units = build_units(opened.experiment, opened.catalogue, closed)
        measurement = measure(opened.experiment, units, opened.assigned)
        found = count_stages(opened.experiment, units, measurement)
        checks = examine(open_arms(opened.experiment, opened.assigned), opened.catalogue, units, measurement)
    first, second = date(2026, 10, 30), date(2026, 10, 31)
    assert sum(each.assigned for each in found) == MEMBERS
    assert sum(each.measured for each in found if each.day == first) == MEMBERS / 2
    assert {each.measured for each in found if each.day == second} == {0}
    assert sum(each.sent or 0 for each in found) == MEMBERS / 3
    told = {each.check: each for each in checks}
    assert told["sample_ratio_at_analysis"].p_value == 1.0
    assert told["sample_ratio_at_analysis_by_day"].status == "pass"


def _staged(counts: dict[tuple[str, str, int], tuple[int, int]]) -> Iterator[StageCount]:
    for (arm, segment, day), (members, sent) in counts.items():
        planned = date(2026, 10, 30) + timedelta(days=day)
        yield StageCount(arm, segment, planned, members, members, sent, members)


def test_sound_sends_warn_as_seldom_as_promised(tmp_path: Path) -> None:
    """1 % overall; groups of one family may be conservative."""
    file = tmp_path / "small.yml"
    file.write_text(textwrap.dedent(HEAD) + textwrap.dedent(text()), encoding="utf8")
    definition = load(file)
    wording = HealthWording(definition, Words("en"))
    draws, runs = np.random.default_rng(3), 1_200
    alarms = dict.fromkeys(AT_SEND, 0)
    for _ in range(runs):
        counts = {}
        for segment in ("new", "old"):
            for day in (0, 1, 2):
                for arm in ARMS[1:]:
                    members = int(draws.integers(80, 400))
                    counts[arm, segment, day] = members, int(draws.binomial(members, 0.85))
        checks = StageHealth(definition, tuple(_staged(counts)), by_unit=False, wording=wording).checks()
        for check in checks:
            if check.check in alarms:
                alarms[check.check] += check.status != "pass"
    low, high = stats.binom.ppf([0.0005, 0.9995], runs, 0.01)
    assert low <= alarms["sample_ratio_at_send"] <= high
    assert all(alarms[name] <= high for name in AT_SEND[1:])


def test_shops_are_not_tested_member_by_member(tmp_path: Path) -> None:
    file = tmp_path / "small.yml"
    file.write_text(textwrap.dedent(HEAD) + textwrap.dedent(text()), encoding="utf8")
    definition = load(file)
    staged = tuple(_staged({("mail", "new", 0): (500, 500), ("sms", "new", 0): (500, 0)}))
    wording = HealthWording(definition, Words("en"))
    by_unit = list(StageHealth(definition, staged, by_unit=True, wording=wording).checks())
    assert [(check.check, check.status) for check in by_unit] == [("control_sent", "pass")]
    assert len(list(StageHealth(definition, staged, by_unit=False, wording=wording).checks())) > 1


def test_shops_of_control_that_were_sent_to_warn(tmp_path: Path) -> None:
    """Nothing is tested where shops were assigned, and a message to control is no test."""
    file = tmp_path / "small.yml"
    file.write_text(textwrap.dedent(HEAD) + textwrap.dedent(text()), encoding="utf8")
    definition = load(file)
    staged = tuple(_staged({("control", "new", 0): (500, 3), ("mail", "new", 0): (500, 480)}))
    (check,) = StageHealth(
        definition, staged, by_unit=True, wording=HealthWording(definition, Words("en"))
    ).checks()
    assert (check.check, check.status) == ("control_sent", "warn")
    assert check.detail.startswith("3 members of control")
