"""Stock of offers and members of a channel as constraints of a rollout."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.analysis import analyze
from experiments.definition.errors import RefusedError
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


def test_exploration_that_exceeds_a_stock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"Exploration alone takes .* of gift"):
        rolled_out(tmp_path, {"stock": {"gift": 10}, "ramp": [1.0]}, policy=False)


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
