"""Contrasts and the blocks beside the effects: which estimator, which rows, and what is left out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.posterior import posterior_rows
from experiments.definition.expressions import Expression
from experiments.documents.analysis import Analysis
from experiments.documents.storage import read_document, to_json
from experiments.files import write_whole
from experiments.inference.adjustment import LinComparison
from experiments.inference.moments import Moments
from experiments.inference.ratios import DeltaRatioComparison
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import MetricMoments
from experiments.money.value_formula import linear_weights, value_formula
from tests.decision.campaign import Campaign, Did, analysis, define, metric

COVERED = ("spend", "before")


def covered(strata: tuple[str, ...], seed: int = 11) -> MetricMoments:
    """A mean with one covariate, in strata whose means differ and whose sizes are unequal."""
    rng = np.random.default_rng(seed)
    cells = {}
    for place, stratum in enumerate(strata):
        for arm, effect in (("control", 0.0), ("points", 0.4), ("coupon", 0.0), ("gift", 0.0)):
            before = rng.normal(place, 1, 300 + 200 * place)
            spend = 2 * place + effect + 0.7 * before + rng.normal(0, 1, before.size)
            cells[Cell(arm, "vip" if place % 2 else "others", stratum)] = Moments.from_rows(
                COVERED, np.column_stack([spend, before])
            )
    return replace(metric("spend", cells), covariates=("before",))


def test_raw_and_adjusted_readings_name_their_estimators() -> None:
    metrics = {"spend": covered(("a", "b", "c"))}
    raw = Contrasts(metrics).compare("spend", "points", "control")
    lin = Contrasts(metrics, adjusted=True).compare("spend", "points", "control")
    strata = Contrasts(metrics, adjusted=True, stratified=True).compare("spend", "points", "control")
    assert raw is not None
    assert lin is not None
    assert strata is not None
    assert [raw.method, lin.method, strata.method] == ["welch", "lin", "stratified"]
    assert strata.std_error < lin.std_error < raw.std_error
    for comparison in (raw, lin, strata):
        low, high = comparison.interval(0.01)
        assert low < 0.4 < high


def test_strata_are_weighted_by_the_members_of_all_arms() -> None:
    measured = covered(("a", "b", "c"))
    found = Contrasts({"spend": measured}, adjusted=True, stratified=True).compare("spend", "gift", "control")
    names = ("a", "b", "c")
    sides = [[measured.strata(arm)[name] for name in names] for arm in ("gift", "control")]
    expected = LinComparison(*sides, "spend", ("before",), [4 * 300.0, 4 * 500.0, 4 * 700.0])
    assert found is not None
    assert found.difference == pytest.approx(expected.difference)
    assert found.p_value() == pytest.approx(expected.p_value())


def test_a_segment_that_is_one_stratum_without_covariates_is_read_raw() -> None:
    both = covered(("a", "b"))
    alone = {cell: moments.select(("spend",)) for cell, moments in both.cells.items()}
    plain = replace(both, covariates=(), cells=alone)
    reading = Contrasts({"spend": plain}, adjusted=True, stratified=True)
    segment = reading.compare("spend", "points", "control", "vip")
    overall = reading.compare("spend", "points", "control")
    assert segment is not None
    assert overall is not None
    assert (segment.method, overall.method) == ("welch", "stratified")


@pytest.mark.parametrize(("events", "method"), [(4, "exact_conditional"), (40, "stratified")])
def test_a_rate_with_few_events_is_tested_exactly_in_every_reading(events: int, method: str) -> None:
    """A t test of some five events an arm rejects 6 % to 7 % of equal arms, and a family of six 8 %."""
    rows = np.zeros((2_000, 2))
    rows[:events, 0] = 1
    rows[:, 1] = np.arange(2_000) % 7
    moments = Moments.from_rows(("converted", "before"), rows)
    cells = {Cell(arm, "", stratum): moments for arm in ("control", "gift") for stratum in ("a", "b")}
    measured = replace(metric("converted", cells), covariates=("before",))
    reading = Contrasts({"converted": measured}, adjusted=True, stratified=True)
    found = reading.compare("converted", "gift", "control")
    assert found is not None
    assert found.method == method


def test_the_decision_reads_adjusted_estimates_where_there_is_something_to_adjust_with(
    tmp_path: Path,
) -> None:
    plain = define(tmp_path / "plain")
    drawn = define(
        tmp_path / "drawn",
        assignment={"method": "stratified", "strata": ["tier"], "from": None, "column": None},
    )
    with_covariate = define(tmp_path / "covariate", design={"covariates": ["age"]})
    readings = [read_by_decision(each, {}) for each in (plain, drawn, with_covariate)]
    assert [(each.adjusted, each.stratified) for each in readings] == [
        (False, False),
        (True, True),
        (True, False),
    ]


def test_a_ratio_is_compared_by_the_delta_method_and_has_no_row_over_nothing() -> None:
    rng = np.random.default_rng(5)
    cells = {}
    for arm, orders in (("control", 1.0), ("points", 1.2), ("gift", 0.0)):
        count = rng.poisson(orders, 500)
        cells[Cell(arm, "", "")] = Moments.from_rows(
            ("sales", "orders"), np.column_stack([count * 30.0, count])
        )
    ratio = MetricMoments("value", "ratio", "sales", "orders", (), cells, None, None, {})
    contrasts = Contrasts({"value": ratio})
    found = contrasts.compare("value", "points", "control")
    assert isinstance(found, DeltaRatioComparison)
    assert found.mean_arm == pytest.approx(30.0)
    assert contrasts.compare("value", "gift", "control") is None


FACTORS = {
    "=": {
        "control": {"share": "1/5"},
        "factors": {"offer": {"pts": {}, "cpn": {}}, "copy": {"care": {}, "urgent": {}}},
        "share_each": "1/5",
        "channel": {"id": "sms", "cost_per_send": 0.05},
    }
}


def test_factors_are_separated_and_a_plain_list_has_none(tmp_path: Path) -> None:
    rates = {"control": 0.05, "pts__care": 0.08, "pts__urgent": 0.07, "cpn__care": 0.06, "cpn__urgent": 0.05}
    campaign = Campaign({arm: Did(rate=rate, spend=100 * rate) for arm, rate in rates.items()})
    document = analysis(define(tmp_path / "f", arms=FACTORS), campaign)
    terms = {row.term: row for row in document.factorial if row.metric == "converted"}
    assert set(terms) == {"offer", "copy", "offer:copy"}
    assert terms["offer"].estimate == pytest.approx(0.02)
    assert terms["copy"].estimate == pytest.approx(0.01)
    assert terms["offer:copy"].estimate == pytest.approx(0.0, abs=1e-12)
    assert terms["offer:copy"].p_value_adjusted == 1.0
    assert analysis(define(tmp_path / "l"), Campaign()).factorial == ()


def test_a_departing_segment_is_corrected_for_its_own_choice(tmp_path: Path) -> None:
    campaign = Campaign(
        {"points": Did(rate=0.08, spend=9.0), "gift": Did(rate=0.08, spend=8.0)},
        {("gift", "vip"): Did(rate=0.09, spend=9.9), ("points", "vip"): Did(rate=0.08, spend=7.5)},
    )
    document = analysis(define(tmp_path), campaign)
    departed = {s for s, arm in document.verdict.winner_by_segment.items() if arm != document.verdict.winner}
    assert departed
    assert [row.segment for row in document.winner_corrected] == [None, *sorted(departed)]
    for row in document.winner_corrected:
        assert row.low < row.corrected < row.high
    rows = {(row.metric, row.arm): row for row in document.segments}
    gift = rows["profit", "gift"]
    assert gift.p_value < 0.05
    first, second = gift.rows
    assert abs(first.shrunken - second.shrunken) < abs(first.difference - second.difference)
    best = {row.arm: row.probability_best for row in document.bayes if row.metric == "profit"}
    assert sum(best.values()) == pytest.approx(1.0, abs=1e-6)


def test_the_document_survives_being_written_and_read(tmp_path: Path) -> None:
    nobody = {("gift", segment): Did(members=0) for segment in ("vip", "others")}
    document = analysis(define(tmp_path), Campaign({"points": Did(rate=0.08, spend=8.0)}, nobody))
    path = write_whole(tmp_path / "analysis.json", to_json(document))
    assert read_document(Analysis, path) == document


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        (
            "0.4 * (spend - 2 * returns) / 2 - contact_cost",
            {"spend": 0.2, "returns": -0.4, "contact_cost": -1},
        ),
        ("-(spend) + 3", {"spend": -1.0, "1": 3.0}),
        ("spend * 0.5 * 0.5", {"spend": 0.25}),
        ("spend / visits", None),
        ("spend * spend", None),
        ("ABS(spend)", None),
        ("spend / 0", None),
    ],
)
def test_linear_weights(text: str, weights: dict[str, float] | None) -> None:
    assert linear_weights(Expression.parse(text).tree) == (
        None if weights is None else pytest.approx(weights)
    )


def test_a_formula_of_formulas_is_expanded(tmp_path: Path) -> None:
    definition = define(
        tmp_path,
        metrics={
            "margin": {"type": "formula", "value": "0.5 * spend - benefit"},
            "profit": {"value": "2 * margin - contact_cost + 1"},
        },
    )
    formula = value_formula(definition)
    assert formula is not None
    assert formula.terms == {"spend": 1.0, "benefit": -2.0}
    assert (formula.contact, formula.constant, formula.revenue) == (-1.0, 1.0, ("spend",))
    assert (formula.gains, formula.costs) == ({"spend": 1.0}, {"benefit": 2.0})


@pytest.mark.parametrize("adjusted", [False, True])
def test_the_odds_are_of_the_differences_that_the_decision_reads(tmp_path: Path, adjusted: bool) -> None:
    definition = define(tmp_path, goals={"value": "spend", "secondary": []})
    metrics = {**Campaign().measure(definition).metrics, "spend": covered(("a", "b", "c"))}
    contrasts = Contrasts(metrics, adjusted=adjusted, stratified=adjusted)
    odds = {row.arm: row for row in posterior_rows(definition, contrasts) if row.metric == "spend"}
    compared = {arm: contrasts.compare("spend", arm, "control") for arm in ("points", "coupon", "gift")}
    for arm, comparison in compared.items():
        expected = norm.cdf(comparison.difference / comparison.std_error)
        assert odds[arm].probability_better_than_control == pytest.approx(expected, abs=1e-9)
    draws = np.random.default_rng(4)
    control = draws.normal(0, math.sqrt(compared["points"].variance_versus), 200_000)
    drawn = [
        each.difference + draws.normal(0, math.sqrt(each.variance_arm), 200_000) for each in compared.values()
    ]
    best = np.bincount(np.argmax([control, *drawn], axis=0), minlength=4)[1:] / 200_000
    assert [odds[arm].probability_best for arm in compared] == pytest.approx(list(best), abs=0.005)
