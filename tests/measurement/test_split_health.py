"""Health of the split: each check against scipy or exact fractions, and how often it cries wolf."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from experiments.definition.load import load
from experiments.definition.model import Definition
from experiments.documents.analysis import HealthCheck
from experiments.health.split import SplitHealth
from experiments.health.telling import HealthWording
from experiments.language import Words
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import Measurement
from experiments.measurement.member_counts import MemberCount
from experiments.measurement.windows import WindowState
from tests.measurement.campaign import HEAD

TEXT = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: id, time: at}
    audience: {snapshot: 2026-10-29, segments: [{id: new, when: age < 40}, {id: old, when: otherwise}]}
    arms:
      control: {label: No mail, share: 1/2}
      offers: {card: {label: Card, share: 1/3}, mail: {share: 1/6}}
    assignment: {METHOD}
    send: {days: [2026-10-30, 2026-10-31]}
    metrics: {bought: {type: binary, from: sales, window_days: 7}}
    goals: {primary: {metric: bought}}
    design: {minimum_effect: 0.1}
    decision: {INVALID}
"""
SHARES = {"control": Fraction(1, 2), "card": Fraction(1, 3), "mail": Fraction(1, 6)}
HASH, STRATIFIED = "{method: hash}", "{method: stratified, strata: [segment]}"


def defined(folder: Path, method: str = HASH, invalid: str = "{}") -> Definition:
    file = folder / "small.yml"
    body = textwrap.dedent(HEAD) + textwrap.dedent(TEXT)
    file.write_text(body.replace("{METHOD}", method).replace("{INVALID}", invalid), encoding="utf8")
    return load(file)


def assigned(*members: MemberCount, repeated: int = 0) -> Measurement:
    counts: dict[Cell, int] = {}
    for each in members:
        counts[each.cell] = counts.get(each.cell, 0) + each.members
    return Measurement(counts, {}, WindowState(0, None), members, repeated, {})


def of_arms(
    counts: Mapping[str, int], segment: str = "", day: date | None = None, batch: int = 0
) -> list[MemberCount]:
    return [MemberCount(Cell(arm, segment, segment), batch, day, n) for arm, n in counts.items() if n]


def checked(definition: Definition, measurement: Measurement, language: str = "en") -> dict[str, HealthCheck]:
    words = Words("zh" if language == "zh" else "en")
    checks = SplitHealth(definition, measurement, HealthWording(definition, words)).checks()
    return {check.check: check for check in checks}


@pytest.mark.parametrize(
    ("counts", "status"),
    [((5_000, 3_333, 1_667), "pass"), ((5_000, 3_333, 1_520), "warn"), ((5_000, 3_333, 1_500), "fail")],
)
def test_the_sample_ratio_is_pearsons_chi_square(
    tmp_path: Path, counts: tuple[int, ...], status: str
) -> None:
    of = dict(zip(SHARES, counts, strict=True))
    check = checked(defined(tmp_path), assigned(*of_arms(of)))["sample_ratio"]
    expected = stats.chisquare(counts, [float(share) * sum(counts) for share in SHARES.values()])
    assert check.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert check.status == status
    assert f"mail {counts[2]:,}" in check.detail


def test_the_definition_says_from_which_p_value_the_split_is_broken(tmp_path: Path) -> None:
    of = {"control": 5_000, "card": 3_333, "mail": 1_500}
    strict = defined(tmp_path, invalid="{invalid_if: {srm_p_below: 0.00001}}")
    assert checked(strict, assigned(*of_arms(of)))["sample_ratio"].status == "warn"


def test_an_arm_that_nobody_has_is_missing_whatever_the_p_value(tmp_path: Path) -> None:
    checks = checked(defined(tmp_path), assigned(*of_arms({"control": 3, "card": 2})))
    assert checks["sample_ratio"].status == "pass"
    assert checks["arm_missing"].status == "fail"
    assert "mail" in checks["arm_missing"].detail


def test_nobody_at_all_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    for method in (HASH, STRATIFIED):
        checks = checked(defined(tmp_path, method), assigned())
        assert checks["arm_missing"].status == "fail"
        assert "sample_ratio_by_segment" not in checks


def _drawn(members: int, u: Fraction) -> dict[str, int]:
    """What a stratum of n members gets by the contract: [floor(c_i n + u), floor(c_(i+1) n + u))."""
    bounds = [Fraction(0), Fraction(1, 2), Fraction(5, 6), Fraction(1)]
    edges = [floor(bound * members + u) for bound in bounds]
    return {arm: edges[i + 1] - edges[i] for i, arm in enumerate(SHARES)}


def test_every_stratified_draw_of_the_contract_passes_the_exact_check(tmp_path: Path) -> None:
    definition = defined(tmp_path, STRATIFIED)
    for members in (1, 2, 5, 6, 7, 100, 4_001):
        for u in (Fraction(0), Fraction(1, 3), Fraction(999, 1_000)):
            drawn = of_arms(_drawn(members, u), "new") + of_arms(_drawn(members + 1, u), "new", batch=1)
            assert checked(definition, assigned(*drawn))["sample_ratio"].status == "pass", (members, u)


def test_a_stratum_with_one_member_too_many_fails_although_the_totals_fit(tmp_path: Path) -> None:
    definition = defined(tmp_path, STRATIFIED)
    lost = of_arms({"control": 302, "card": 199, "mail": 99}, "new")
    gained = of_arms({"control": 298, "card": 201, "mail": 101}, "old")
    check = checked(definition, assigned(*lost, *gained))["sample_ratio"]
    assert (check.status, check.p_value) == ("fail", None)
    assert "'new'" in check.detail
    assert "302" in check.detail
    assert "300.0" in check.detail


def test_a_segment_whose_members_were_lost_is_named(tmp_path: Path) -> None:
    good = {"control": 30_000, "card": 20_000, "mail": 10_000}
    broken = {"control": 300, "card": 200, "mail": 40}
    checks = checked(defined(tmp_path), assigned(*of_arms(good, "new"), *of_arms(broken, "old")))
    expected = stats.chisquare(
        list(broken.values()), [float(share) * 540 for share in SHARES.values()]
    ).pvalue
    check = checks["sample_ratio_by_segment"]
    assert check.status == "fail"
    assert check.p_value == pytest.approx(2 * expected)
    assert "segment old" in check.detail
    assert checks["sample_ratio"].status == "pass"


def test_a_send_day_whose_members_were_lost_is_named(tmp_path: Path) -> None:
    first, second = date(2026, 10, 30), date(2026, 10, 31)
    good, broken = {"control": 300, "card": 200, "mail": 100}, {"control": 300, "card": 100, "mail": 100}
    checks = checked(defined(tmp_path), assigned(*of_arms(good, day=first), *of_arms(broken, day=second)))
    assert checks["sample_ratio_by_day"].status == "fail"
    assert "2026-10-31" in checks["sample_ratio_by_day"].detail


def test_groups_too_small_for_a_chi_square_are_left_out(tmp_path: Path) -> None:
    tiny = of_arms({"control": 0, "card": 0, "mail": 6}, "old")
    many = of_arms({"control": 300, "card": 200, "mail": 100}, "new")
    assert "sample_ratio_by_segment" not in checked(defined(tmp_path), assigned(*many, *tiny))


def test_a_sound_split_is_called_broken_as_often_as_promised(tmp_path: Path) -> None:
    """1 % of sound splits warn or fail, overall and by segment (segments may be conservative)."""
    definition = defined(tmp_path)
    draws = np.random.default_rng(20261030)
    shares = [float(share) for share in SHARES.values()]
    runs, alarms = 1_500, {"sample_ratio": 0, "sample_ratio_by_segment": 0}
    for _ in range(runs):
        segments = {name: draws.multinomial(800, shares) for name in ("new", "old")}
        members = [
            each
            for name, counts in segments.items()
            for each in of_arms(dict(zip(SHARES, map(int, counts), strict=True)), name)
        ]
        checks = checked(definition, assigned(*members))
        for name in alarms:
            alarms[name] += checks[name].status != "pass"
    low, high = stats.binom.ppf([0.0005, 0.9995], runs, 0.01)
    assert low <= alarms["sample_ratio"] <= high
    assert alarms["sample_ratio_by_segment"] <= high


def test_repeated_members_fail(tmp_path: Path) -> None:
    of = of_arms({"control": 300, "card": 200, "mail": 100})
    assert checked(defined(tmp_path), assigned(*of))["duplicates"].status == "pass"
    check = checked(defined(tmp_path), assigned(*of, repeated=1_200))["duplicates"]
    assert (check.status, check.detail[:5]) == ("fail", "1,200")


@pytest.mark.parametrize(
    ("members", "invalid", "status"),
    [
        (600, "{}", "pass"),
        (599, "{}", "warn"),
        (570, "{invalid_if: {sample_below_plan: 0.95}}", "pass"),
        (569, "{invalid_if: {sample_below_plan: 0.95}}", "fail"),
    ],
)
def test_the_sample_is_held_against_the_plan(tmp_path: Path, members: int, invalid: str, status: str) -> None:
    definition = defined(tmp_path, "{method: hash, sample_size: 600}", invalid)
    of = of_arms({"control": members - 300, "card": 200, "mail": 100})
    check = checked(definition, assigned(*of))["sample_below_plan"]
    assert check.status == status
    assert f"{members}" in check.detail


def test_without_a_planned_size_there_is_no_such_check(tmp_path: Path) -> None:
    assert "sample_below_plan" not in checked(defined(tmp_path), assigned(*of_arms({"control": 1})))


def test_every_sentence_is_there_in_chinese(tmp_path: Path) -> None:
    of = assigned(
        *of_arms({"control": 300, "card": 200, "mail": 10}, "new"), *of_arms({"control": 99}, "old")
    )
    english = checked(defined(tmp_path), of)
    chinese = checked(defined(tmp_path), of, "zh")
    assert list(english) == list(chinese)
    for check in chinese.values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in check.detail)
    assert "No mail (control) 399" in chinese["sample_ratio"].detail
