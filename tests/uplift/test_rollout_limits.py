"""Stock of offers and members of a channel as constraints of a rollout."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from experiments.analysis import analyze
from experiments.definition.errors import RefusedError
from reports.narrator import Narrator
from reports.rollouts import budget_curves
from reports.terminal import show
from tests.uplift.campaign import DEFINITION, Campaign, keep_analysis
from uplift.documents import Rollout
from uplift.rollout import rollout
from uplift.search import find_policy

STOCK = 1200


def rolled_out(folder: Path, settings: dict[str, Any], *, policy: bool) -> Rollout:
    campaign = Campaign(folder)
    campaign.make(rollout=settings)
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        if policy:
            find_policy(experiment)
        return rollout(experiment)


@pytest.mark.parametrize("budget", [None, {"amount": 900, "at": "upper_90"}])
def test_stock_and_channel_bind_together_with_the_budget(
    tmp_path: Path, budget: dict[str, Any] | None
) -> None:
    settings = {"stock": {"gift": STOCK}, "contacts": {"sms": 6000}, "ramp": [1.0]}
    document = rolled_out(tmp_path, settings | ({"budget": budget} if budget else {}), policy=True)
    ledger = pd.read_parquet(document.files["ledger"])
    given = ledger["arm"].value_counts()
    assert given["gift"] <= STOCK
    assert given["gift"] + given["coupon"] <= 6000
    uses = {each.name: each for each in document.limits}
    assert uses["gift"].most == STOCK
    assert uses["gift"].used == given["gift"]
    assert uses["sms"].used == given["gift"] + given["coupon"]
    if budget is None:
        assert uses["gift"].used >= STOCK - 1
        assert uses["gift"].shadow_price > 0
        assert any(reason.code == "limit_binds" and "gift" in reason.text for reason in document.reasons)
    else:
        assert document.cost_bound <= budget["amount"]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = Campaign(tmp_path_factory.mktemp("limits"))
    campaign.make()
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
    return campaign


def drawn_by(campaign: Campaign, settings: dict[str, Any]) -> Rollout:
    """A first draw with these settings: what another one drew is gone."""
    rmtree(campaign.folder / "runs/planted/rollout", ignore_errors=True)
    campaign.define(rollout={"ramp": [1.0], **settings})
    with campaign.open() as experiment:
        return rollout(experiment)


def test_what_is_sold_out_is_offered_to_nobody_and_explored_by_nobody(analysed: Campaign) -> None:
    document = drawn_by(analysed, {"stock": {"gift": 0}, "explore_share": 0.1})
    ledger = pd.read_parquet(document.files["ledger"])
    assert set(ledger["arm"]) == {"control", "coupon"}
    exploring = ledger[ledger["reason"] == "explore"]
    assert len(exploring) == pytest.approx(0.1 * len(ledger), rel=0.1)
    assert exploring["propensity"].min() >= 0.1


def test_exploration_that_exceeds_a_stock_is_refused(analysed: Campaign) -> None:
    with pytest.raises(RefusedError, match=r"Exploration alone takes .* of gift") as refused:
        drawn_by(analysed, {"stock": {"gift": 10}})
    assert refused.value.next_step.endswith("under `rollout` in planted.yml.")


def test_sentences_say_what_holds_the_rollout(analysed: Campaign) -> None:
    gone = {"stock": {"gift": 0, "coupon": 0}, "explore_share": 0, "budget": {"amount": 500}}
    document = drawn_by(analysed, gone)
    told = {reason.code: reason.text for reason in document.reasons}
    assert {"winners_followed", "nobody_offered", "limit_binds"} <= set(told)
    assert "limited by gift, coupon" in told["budget_not_binding"]
    assert document.next_step == ""
    little = drawn_by(analysed, {"explore_share": 0, "budget": {"amount": 0.01}})
    assert not {"budget_ample", "budget_not_binding"} & {reason.code for reason in little.reasons}
    ample = drawn_by(analysed, {"budget": {"amount": 1e6}})
    assert "budget_ample" in {reason.code for reason in ample.reasons}


def test_the_curve_says_what_more_budget_brings(tmp_path: Path) -> None:
    document = rolled_out(tmp_path, DEFINITION["rollout"], policy=True)
    curve = document.budget_curve
    bounds, profits = [each.cost_bound for each in curve], [each.expected_profit for each in curve]
    assert bounds == sorted(bounds)
    assert profits == sorted(profits)
    slopes = [(b - a) / (d - c) for a, b, c, d in zip(profits, profits[1:], bounds, bounds[1:], strict=False)]
    # The bound's root of variances bends the curve a little; whole members leave steps.
    assert all(later <= earlier * 1.02 + 0.01 for earlier, later in pairwise(slopes))
    more = document.more_budget
    assert more is not None
    assert more.amount == 200
    assert more.expected_profit == pytest.approx(200 * (document.shadow_price or 0), rel=0.05)
    told = next(reason.text for reason in document.reasons if reason.code == "more_budget")
    assert "Another CN¥200 of budget would bring" in told


def test_a_value_that_is_no_money_is_told_as_what_it_is(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.make(
        goals={"primary": {"metric": "bought"}},
        rollout={"budget": {"amount": 900}, "ramp": [1.0]},
    )
    with campaign.open() as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        document = rollout(experiment)
        text = io.StringIO()
        show(Console(file=text, width=120), document, experiment)
        (curve,) = budget_curves(Narrator.of(experiment), document)
    assert (curve.x_tick(900), curve.y_tick(50)) == ("CN¥900", "50")
    told = {reason.code: reason.text for reason in document.reasons}
    more = document.more_budget
    assert more is not None
    assert (
        f"CN¥100 of budget would bring {more.expected_profit:.1f} more expected bought" in told["more_budget"]
    )
    shown = {line.split("  ")[0].strip(): line for line in text.getvalue().splitlines()}
    assert "CN¥" not in shown["Expected incremental bought"]
    assert f" {document.expected_profit:,.0f} " in shown["Expected incremental bought"]
    assert "CN¥900" in shown["Budget"]
