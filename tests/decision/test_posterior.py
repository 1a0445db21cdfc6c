"""The posterior's rows: the prior that the definition states, and that nothing of it enters the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import norm

from experiments.definition.lock import canonical_json
from experiments.documents.analysis import Bayes
from experiments.inference.bayes import NormalPosterior
from tests.decision.campaign import Campaign, Did, analysis, define

CAMPAIGN = Campaign({"points": Did(rate=0.060, spend=5.6), "gift": Did(rate=0.055, spend=5.2)})
PRIORS = {"converted": {"mean": 0.001, "sd": 0.002}}


def rows(folder: Path, priors: object = None, **changes: object) -> dict[tuple[str, str], Bayes]:
    definition = define(folder, design={"priors": priors}, **changes)
    return {(row.metric, row.arm): row for row in analysis(definition, CAMPAIGN).bayes}


def test_without_a_prior_the_posterior_is_the_estimate(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), CAMPAIGN)
    effects = {(row.metric, row.arm): row for row in document.effects if row.segment is None}
    assert {(row.metric, row.arm) for row in document.bayes} == {
        (metric, arm) for metric in ("converted", "profit") for arm in ("points", "coupon", "gift")
    }
    for row in document.bayes:
        effect = effects[row.metric, row.arm]
        assert (row.prior_mean, row.prior_sd) == (None, None)
        assert row.posterior_mean == effect.difference
        flat = NormalPosterior(effect.difference, effect.std_error)
        assert row.probability_better_than_control == pytest.approx(
            norm.cdf(flat.mean / flat.std_dev), rel=1e-9
        )
        assert (row.low, row.high) == pytest.approx(flat.interval(0.05), rel=1e-12)


def test_a_stated_prior_is_shown_and_draws_its_own_metric_only(tmp_path: Path) -> None:
    flat, informed = rows(tmp_path / "flat"), rows(tmp_path / "stated", PRIORS)
    for (metric, arm), row in informed.items():
        if metric == "profit":
            assert row == flat[metric, arm]
            continue
        assert (row.prior_mean, row.prior_sd) == (0.001, 0.002)
        plain = flat[metric, arm]
        assert row.high - row.low < plain.high - plain.low
        if arm != "coupon":
            assert 0.001 < row.posterior_mean < plain.posterior_mean
    # Arms so far above what was believed say that control came out low, also for the arm that equals it.
    assert informed["converted", "coupon"].posterior_mean < 0
    strong = rows(tmp_path / "strong", {"converted": {"sd": 1e-7}})["converted", "points"]
    assert strong.posterior_mean == pytest.approx(0.0, abs=1e-6)
    assert strong.probability_better_than_control == pytest.approx(0.5, abs=0.01)


def test_where_less_is_better_the_odds_turn_and_the_posterior_does_not(tmp_path: Path) -> None:
    fall = {"goals": {"primary": {"metric": "converted", "better": "down"}, "value": None}}
    upward, downward = rows(tmp_path / "up", PRIORS), rows(tmp_path / "down", PRIORS, **fall)
    for arm in ("points", "coupon", "gift"):
        up, down = upward["converted", arm], downward["converted", arm]
        assert (up.posterior_mean, up.low) == (down.posterior_mean, down.low)
        assert up.probability_better_than_control == pytest.approx(
            1 - down.probability_better_than_control, abs=1e-12
        )


def test_the_prior_is_locked_and_moves_no_other_figure(tmp_path: Path) -> None:
    plain, stated = define(tmp_path / "plain"), define(tmp_path / "stated", design={"priors": PRIORS})
    assert '"priors"' in canonical_json(stated)
    assert '"priors"' not in canonical_json(plain)
    first, second = analysis(plain, CAMPAIGN), analysis(stated, CAMPAIGN)
    assert first.bayes != second.bayes
    assert first.verdict.winner_by_segment == second.verdict.winner_by_segment
    assert (first.effects, first.money, first.winner_corrected) == (
        second.effects,
        second.money,
        second.winner_corrected,
    )
