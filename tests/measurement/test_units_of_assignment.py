"""Shops assigned as one: sums by shop from the engine, CR2 in every row, the split counted over shops, and simulation.

Witness: the comparison of the same rows by `experiments.inference.cluster_robust`, itself held to CR2's definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from scipy.stats import chisquare

from experiments.analysis import analyze
from experiments.assignment.assigned import assigned_members
from experiments.definition.errors import RefusedError
from experiments.design.design import design
from experiments.documents.analysis import Analysis, HealthCheck
from experiments.inference.adjustment import LinComparison
from experiments.inference.cluster_robust import ClusterComparison
from experiments.inference.clusters import ClusterSums
from experiments.inference.power_by_unit import design_effect
from experiments.measurement import cluster_query
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.units import build_units
from experiments.simulation.remeasure import Remeasure
from experiments.simulation.sample import fetch_sample
from experiments.simulation.simulate import simulate
from tests.measurement.campaign import Campaign, campaign

TEXT = """
    data: {members: {table: members.parquet, key: id}}
    audience:
      unit: UNIT
      segments: [{id: young, when: age < 40}, {id: old, when: otherwise}]
    arms: {control: {share: 1/2}, offers: {mail: {share: 1/4}, call: {share: 1/4}}}
    assignment: {method: recorded, from: members, column: arm}
    metrics:
      bought: {type: binary, from: members, value: bought}
      spend: {type: sum, from: members, value: spend, missing: drop}
      basket: {type: ratio, numerator: spend, denominator: visits}
      visits: {type: count, from: members, value: visits}
    goals:
      primary: {metric: bought}
      value: spend
      secondary: [basket]
      guardrails: [{metric: visits, better: up, limit: 0.5}]
    design: {covariates: COVARIATES, minimum_effect: 0.1}
    decision: {}
"""
SHOPS = 40


def _members(seed: int = 3, shops: int = SHOPS) -> dict[str, np.ndarray]:
    """Members of shops that are alike within; every shop has one arm."""
    rng = np.random.default_rng(seed)
    arms = rng.permutation(np.repeat(["control", "mail", "call", "control"], shops // 4))
    shop = np.repeat(np.arange(shops), rng.integers(5, 40, size=shops))
    count, mood = len(shop), rng.normal(size=shops)[shop]
    visits = rng.poisson(2, size=count) + 1
    return {
        "id": np.array([f"{number:05d}" for number in range(count)]),
        "shop": np.array([f"shop {number}" for number in shop]),
        "arm": arms[shop],
        "age": rng.integers(18, 80, size=count),
        "before": rng.normal(size=count) + mood,
        "bought": rng.random(count) < 1 / (1 + np.exp(-mood)),
        "visits": visits,
        "spend": visits * rng.gamma(2.0, 10.0, size=count) * np.exp(0.3 * mood),
    }


def _open(
    folder: Path, members: dict[str, np.ndarray], unit: str = "shop", covariates: str = "[before]"
) -> AbstractContextManager[Campaign]:
    columns = {name: pa.array(values) for name, values in members.items()}
    columns["spend"] = pa.array(members["spend"], mask=np.arange(len(members["id"])) % 11 == 0)
    text = TEXT.replace("UNIT", unit).replace("COVARIATES", covariates)
    nobody = pa.table({"member": pa.array([], pa.string())})
    return campaign(folder, text, {"members": pa.table(columns)}, nobody)


@pytest.fixture(scope="module")
def members() -> dict[str, np.ndarray]:
    return _members()


@pytest.fixture(scope="module")
def shops(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, np.ndarray]
) -> Iterator[tuple[Campaign, Analysis]]:
    with _open(tmp_path_factory.mktemp("shops"), members) as opened:
        yield opened, analyze(opened.experiment)


def _measured(opened: Campaign) -> Measurement:
    assigned = assigned_members(opened.experiment, opened.catalogue)
    return measure(opened.experiment, build_units(opened.experiment, opened.catalogue, assigned))


def _checks(analysis: Analysis) -> dict[str, HealthCheck]:
    return {check.check: check for check in analysis.health}


def _sums(members: dict[str, np.ndarray], names: list[str], of: np.ndarray) -> ClusterSums:
    shop = np.unique(members["shop"], return_inverse=True)[1]
    rows = np.column_stack([members[name].astype(float) for name in names])
    return ClusterSums.from_rows(names[:-1], names[-1:], rows[of], shop[of], rows.mean(axis=0))


@pytest.mark.parametrize("segment", [None, "young"])
@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("metric", ["bought", "spend", "basket"])
def test_every_row_is_by_shop(
    metric: str,
    adjusted: bool,
    segment: str | None,
    shops: tuple[Campaign, Analysis],
    members: dict[str, np.ndarray],
) -> None:
    _, analysis = shops
    rows = analysis.adjusted_effects if adjusted else analysis.effects
    (row,) = [each for each in rows if (each.metric, each.arm, each.segment) == (metric, "mail", segment)]
    counted = np.ones(len(members["id"]), dtype=bool) if segment is None else members["age"] < 40
    if metric != "bought":
        counted &= np.arange(len(counted)) % 11 != 0
    names = {"bought": ["bought"], "spend": ["spend"], "basket": ["spend", "visits"]}[metric]
    sides = [
        _sums(members, [*names, "before"], counted & (members["arm"] == arm)) for arm in ("mail", "control")
    ]
    expected = ClusterComparison(
        sides[0], sides[1], names[0], adjusted, names[1] if metric == "basket" else None
    )
    assert row.method == "cluster_cr2"
    assert row.members_arm == sides[0].members
    assert row.difference == pytest.approx(expected.difference, rel=1e-9)
    assert row.std_error == pytest.approx(expected.std_error, rel=1e-8)
    assert row.p_value == pytest.approx(expected.p_value(), rel=1e-7)
    assert (row.difference_low, row.difference_high) == pytest.approx(expected.interval(0.05), rel=1e-7)


def test_what_is_decided_and_guarded_is_by_shop_too(shops: tuple[Campaign, Analysis]) -> None:
    opened, analysis = shops
    assert {row.method for row in analysis.arm_comparisons} == {"cluster_cr2"}
    visits = _measured(opened).metrics["visits"]
    sides = visits.by_unit("mail"), visits.by_unit("control")
    assert sides[0] is not None
    assert sides[1] is not None
    (guardrail,) = [row for row in analysis.guardrails if row.arm == "mail"]
    expected = ClusterComparison(sides[0], sides[1], visits.value)
    assert guardrail.p_value == pytest.approx(expected.p_value(-0.5, "greater"), rel=1e-9)


def test_the_split_is_counted_over_shops(
    shops: tuple[Campaign, Analysis], members: dict[str, np.ndarray]
) -> None:
    """20, 10 and 10 shops are exactly the shares; members are not, and shops are what was drawn."""
    _, analysis = shops
    checks = _checks(analysis)
    assert checks["sample_ratio"].p_value == pytest.approx(1.0)
    assert "(control) 20, mail 10, call 10" in checks["sample_ratio"].detail
    assert checks["units_split"].status == "pass"
    _, counts = np.unique(members["arm"], return_counts=True)
    assert counts[1] != 2 * counts[0]


def test_lost_shops_break_the_split(tmp_path: Path) -> None:
    """45 of 60 mail shops are gone: chi-square of 120, 15, 60 against 1/2, 1/4, 1/4."""
    members = _members(shops=240)
    mail = np.unique(members["shop"][members["arm"] == "mail"])
    kept = ~np.isin(members["shop"], mail[:45])
    with _open(tmp_path, {name: values[kept] for name, values in members.items()}) as opened:
        analysis = analyze(opened.experiment)
    check = _checks(analysis)["sample_ratio"]
    assert check.p_value == pytest.approx(chisquare([120, 15, 60], [97.5, 48.75, 48.75]).pvalue)
    assert "Units were lost" in check.detail
    assert analysis.verdict.status == "invalid"


def test_a_shop_in_two_arms_is_no_unit(tmp_path: Path, members: dict[str, np.ndarray]) -> None:
    arm = members["arm"].copy()
    at = np.flatnonzero(members["shop"] == members["shop"][0])[0]
    arm[at] = "mail" if arm[at] != "mail" else "call"
    with _open(tmp_path, {**members, "arm": arm}) as opened:
        analysis = analyze(opened.experiment)
    assert _checks(analysis)["units_split"].status == "fail"
    assert analysis.verdict.status == "invalid"
    assert analysis.effects == ()
    assert "1 units (`shop`)" in analysis.verdict.reasons[0].text


def test_the_member_s_own_key_as_the_unit_asks_for_hc2(
    tmp_path: Path, members: dict[str, np.ndarray]
) -> None:
    """The adjusted rows are HC2's; the plain ones stay score and Welch."""
    with _open(tmp_path, members, unit="id") as opened:
        analysis = analyze(opened.experiment)
        bought = _measured(opened).metrics["bought"]
    assert {row.method for row in analysis.adjusted_effects} == {"lin_hc2"}
    assert {row.method for row in analysis.effects if row.metric == "bought"} == {"score"}
    (row,) = [
        each
        for each in analysis.adjusted_effects
        if (each.metric, each.arm, each.segment) == ("bought", "mail", None)
    ]
    sides = [[bought.arm(arm)] for arm in ("mail", "control")]
    lin = LinComparison(sides[0], sides[1], bought.value, bought.covariates)
    assert row.difference == pytest.approx(lin.difference, rel=1e-9)
    assert row.std_error == pytest.approx(lin.std_error, rel=0.05)
    of = np.isin(members["arm"], ["mail", "control"])
    arm, before = members["arm"][of] == "mail", members["before"][of] - members["before"][of].mean()
    design = np.column_stack([np.ones(of.sum()), arm, before, before * arm])
    fitted = sm.OLS(members["bought"][of].astype(float), design).fit(cov_type="HC2")
    assert row.std_error == pytest.approx(fitted.bse[1], rel=1e-9)


def test_shops_that_were_drawn_by_hash(tmp_path: Path, members: dict[str, np.ndarray]) -> None:
    """From the draw through the ledger, which knows members only, to rows by shop."""
    text = (
        TEXT.replace("UNIT", "shop")
        .replace("COVARIATES", "[]")
        .replace("{method: recorded, from: members, column: arm}", "{method: hash}")
        .replace("    audience:\n", "    audience:\n      snapshot: 2026-10-29\n")
    )
    columns = {name: pa.array(values) for name, values in members.items() if name != "arm"}
    with campaign(tmp_path, text, {"members": pa.table(columns)}, None) as opened:
        analysis = analyze(opened.experiment)
        drawn = opened.rows(opened.units(), "arm", "shop")
    arms_of = {shop: {arm for arm, of in drawn.values() if of == shop} for _, shop in drawn.values()}
    assert all(len(arms) == 1 for arms in arms_of.values())
    assert len(arms_of) == SHOPS
    assert {row.method for row in analysis.effects} == {"cluster_cr2"}
    checks = _checks(analysis)
    assert checks["units_split"].status == "pass"
    counts = {arm: sum(arm in arms for arms in arms_of.values()) for arm in ("control", "mail", "call")}
    expected = chisquare(list(counts.values()), [SHOPS / 2, SHOPS / 4, SHOPS / 4]).pvalue
    assert checks["sample_ratio"].p_value == pytest.approx(expected)


def test_more_units_than_one_pass_fetches_are_refused(
    tmp_path: Path, members: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_query, "LARGEST_PASS", 50)
    with _open(tmp_path, members) as opened, pytest.raises(RefusedError, match="units"):
        analyze(opened.experiment)


def test_simulation_draws_shops_and_keeps_its_level(tmp_path: Path, members: dict[str, np.ndarray]) -> None:
    """300 draws of 40 shops: an engine blind to them errs several times as often."""
    with _open(tmp_path / "by-shop", members) as opened:
        by_shop = simulate(opened.experiment, runs=300, processes=1)
    assert by_shop.calibrated, [rate for rate in by_shop.rates if rate.status == "fail"]


def test_a_simulated_draw_is_summed_as_the_engine_sums(
    tmp_path: Path, members: dict[str, np.ndarray]
) -> None:
    with _open(tmp_path, members) as opened:
        assigned = assigned_members(opened.experiment, opened.catalogue)
        units = build_units(opened.experiment, opened.catalogue, assigned)
        measured = measure(opened.experiment, units)
        sample = fetch_sample(opened.experiment.definition, opened.experiment.engine, units, measured)
    arms = ("control", "mail", "call")
    # Shops are numbered by the sample; any member of a shop tells its arm.
    keys = {tuple(row): place for place, row in enumerate(sample.values[:, -1:].tolist())}
    arm = np.zeros(sample.members, dtype=np.int64)
    for before, name in zip(members["before"].tolist(), members["arm"], strict=True):
        arm[keys[(before,)]] = arms.index(name)
    again = Remeasure.of(sample, arms, tuple(sample.metrics)).measure(arm)
    for name, metric in measured.metrics.items():
        for segment in (None, "old"):
            engine, ours = metric.by_unit("call", segment), again.metrics[name].by_unit("call", segment)
            assert engine is not None
            assert ours is not None
            sides = [(each, metric) for each in (engine, ours)]
            one, two = (
                ClusterComparison(side, side, of.value, True, of.denominator).estimates[0]
                for side, of in sides
            )
            assert (one.members, one.mean) == (two.members, pytest.approx(two.mean, rel=1e-9))
            assert one.variance == pytest.approx(two.variance, rel=1e-7)
            assert one.degrees == pytest.approx(two.degrees, rel=1e-7)


def test_a_plan_by_shop_counts_shops(tmp_path: Path) -> None:
    """The same members need many more when whole shops are assigned, and the design says how many times."""
    members = _members(shops=400)
    plans = {}
    for unit in ("shop", "id"):
        with _open(tmp_path / unit, members, unit=unit, covariates="[]") as opened:
            plans[unit] = design(opened.experiment)
    by_shop, alone = plans["shop"], plans["id"]
    assert by_shop.members_needed is not None
    assert alone.members_needed is not None
    assert by_shop.members_needed > 2 * alone.members_needed
    (said,) = [reason.text for reason in by_shop.reasons if reason.code == "by_unit"]
    control = members["arm"] == "control"
    bought = members["bought"][control].astype(float)
    shop = np.unique(members["shop"][control], return_inverse=True)[1]
    sums = ClusterSums.from_rows(["bought"], [], bought[:, None], shop)
    times = design_effect(sums, float(bought.var(ddof=1)), "bought")
    assert f"{times:.2f} times" in said
    assert times > 2
