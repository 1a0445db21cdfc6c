"""The best offer in the document: only what cannot be the best is ruled out, in the metric's own direction."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.decision.campaign import Campaign, Did, analysis, define

CLEAR = Campaign({"points": Did(rate=0.09), "coupon": Did(rate=0.060), "gift": Did(rate=0.061)})


def test_a_clear_best_and_those_that_are_not(tmp_path: Path) -> None:
    rows = {row.arm: row for row in analysis(define(tmp_path), CLEAR).with_best if row.metric == "converted"}
    assert rows["points"].is_best
    assert rows["points"].low == 0
    assert rows["points"].difference == pytest.approx(0.029)
    assert not any(rows[arm].may_be_best for arm in ("coupon", "gift"))
    assert rows["gift"].high == 0 > rows["gift"].low


def test_where_less_is_better_the_lowest_is_the_best(tmp_path: Path) -> None:
    definition = define(tmp_path, goals={"primary": {"metric": "converted", "better": "down"}, "value": None})
    rows = {row.arm: row for row in analysis(definition, CLEAR).with_best}
    assert not rows["points"].may_be_best
    assert rows["points"].low == 0 < rows["points"].difference == pytest.approx(0.03)
    assert rows["coupon"].may_be_best
    assert rows["gift"].may_be_best
    assert rows["coupon"].low < 0 < rows["coupon"].high


def test_the_tie_of_the_decision_holds_nobody_who_cannot_be_the_best(tmp_path: Path) -> None:
    """Both ask which arms may be the best: an arm that these intervals rule out is proven worse by the decision's Holm too."""
    campaign = Campaign(
        {arm: Did(rate=0.08, spend=s) for arm, s in (("points", 9.0), ("coupon", 8.9), ("gift", 6.0))}
    )
    document = analysis(define(tmp_path), campaign)
    rows = {row.arm: row for row in document.with_best if row.metric == "profit"}
    assert rows["points"].may_be_best
    assert rows["coupon"].may_be_best
    assert not rows["gift"].may_be_best
    tie = next(
        reason.text
        for reason in document.verdict.reasons
        if reason.code in {"tie_cheapest", "best_and_cheapest"}
    )
    assert "Gift" not in tie


def test_one_offer_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    offers = {"=": {"points": {"label": "Points", "share": "3/4"}}}
    assert analysis(define(tmp_path, arms={"offers": offers}), Campaign()).with_best == ()


def test_no_variance_no_bound(tmp_path: Path) -> None:
    campaign = Campaign({arm: Did(spread=0.0, spend=0.0) for arm in ("points", "coupon", "gift")})
    rows = [row for row in analysis(define(tmp_path), campaign).with_best if row.metric == "profit"]
    assert [(row.low, row.high, row.may_be_best) for row in rows] == [(None, None, True)] * 3
    assert all(math.isfinite(row.difference) for row in rows)
