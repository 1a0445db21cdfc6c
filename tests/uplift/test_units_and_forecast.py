"""Where members of one unit act alike, what is told of totals is wider: the forecast's interval and the cost's bound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from experiments.analysis import analyze
from experiments.queries import column
from tests.uplift.campaign import ARMS, BENEFIT, DEFINITION, Campaign, keep_analysis, people
from uplift.costs import measure_costs
from uplift.design_effect import design_effect
from uplift.evidence import open_evidence
from uplift.reading import read_sample
from uplift.rollout import rollout
from uplift.rules import Everybody
from uplift.search import find_policy

SIZE = 4


def household_campaign(
    folder: Path, *, audience: Mapping[str, Any] | None = None, **more: Any
) -> tuple[Campaign, pd.DataFrame]:
    """Households of four are assigned together; all of a household buy, or nobody does; `more` changes the definition."""
    campaign = Campaign(folder)
    count = 24_000
    frame = people(count)
    frame["household"] = [f"h{n // SIZE:05d}" for n in range(count)]
    frame.to_parquet(folder / "members.parquet")
    changes = {
        "audience": {"snapshot": "2026-11-25", "unit": "household", **(audience or {})},
        "assignment": {"method": "hash", "sample_size": 16_000},
        "decision": {**DEFINITION["decision"], "pick": {"by": "overall"}},
        "uplift": None,
        "rollout": {"ramp": [1.0]},
        **more,
    }
    campaign.define(**changes)
    from experiments.assignment.assignment import assign

    with campaign.open() as experiment:
        assign(experiment)
        arm = campaign.arms_of(frame)
    draw = np.repeat(np.random.default_rng(5).random(count // SIZE), SIZE)
    chance = np.array([0.10, 0.20, 0.18])[arm]
    bought = (draw < chance) & (arm >= 0)
    frame = frame.assign(
        bought=bought.astype(int), spend=12.0 * bought, benefit=np.where(bought & (arm > 0), BENEFIT, 0.0)
    )
    frame.to_parquet(folder / "members.parquet")
    return campaign, frame.assign(arm=arm)


@pytest.fixture(scope="module")
def households(tmp_path_factory: pytest.TempPathFactory) -> tuple[Campaign, pd.DataFrame]:
    return household_campaign(tmp_path_factory.mktemp("households"))


def test_the_design_effect_is_that_of_whole_households(households: tuple[Campaign, pd.DataFrame]) -> None:
    """Four who do the same are worth one: by hand from the households' sums, and near four."""
    campaign, frame = households
    tested = frame[frame["arm"] >= 0]
    profit = 0.5 * tested["spend"] - tested["benefit"] - 0.02 * (tested["arm"] > 0)
    centred = profit - profit.groupby(tested["arm"]).transform("mean")
    by_hand = (centred.groupby(tested["household"]).sum() ** 2).sum() / (centred**2).sum()
    with campaign.open() as experiment:
        evidence = open_evidence(experiment)
        found = design_effect(evidence, column(evidence.units.metric_columns["profit"]))
        costs = measure_costs(evidence, Everybody(1), 1)
    assert found == pytest.approx(by_hand, rel=1e-9)
    assert 3.5 < found <= 4.0
    paid = tested[tested["arm"] == 1]["benefit"]
    assert costs.variance[0, 1] == pytest.approx(paid.var() * 4, rel=0.05)
    assert costs.error[0, 1] == pytest.approx(paid.std() * 2 / np.sqrt(len(paid)), rel=0.05)


def test_households_are_drawn_together_and_the_interval_covers_their_total(
    households: tuple[Campaign, pd.DataFrame],
) -> None:
    campaign, frame = households
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        document = rollout(experiment)
    ledger = pd.read_parquet(document.files["ledger"]).set_index("member")
    home = frame.set_index("id")["household"].reindex(ledger.index)
    assert (ledger.groupby(home)["reason"].nunique() == 1).all()
    assert (ledger.groupby(home)["ramp_step"].nunique() == 1).all()
    contacted = ledger.index[ledger["arm"] != "control"]
    # Within a household all buy or nobody: the total varies as that of a quarter as many.
    alone = np.sqrt(len(contacted) * 6.0**2 * 0.2 * 0.8)
    assert (document.high - document.low) / (2 * 1.96) > 2 * alone
    assert set(ARMS) >= set(ledger["arm"])


def test_households_are_learned_from_as_one_and_so_many_more_members_are_asked_for(tmp_path: Path) -> None:
    """Four who do the same are worth one: the usual size, times the design effect."""
    learning = {"features": ["recency"], "policy": {"kinds": ["best_single_arm"]}, "folds": 3}
    campaign, frame = household_campaign(tmp_path, uplift=learning)
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        sample = read_sample(open_evidence(experiment), "profit").sample
        found = find_policy(experiment).document.next_test
    assert sample.unit is not None
    homes = pd.DataFrame({"home": sample.unit, "arm": sample.arm, "fold": sample.fold}).groupby("home")
    assert set(homes.size()) == {SIZE}
    assert (homes.nunique() == 1).to_numpy().all()
    assert found is not None
    assert found.members is not None
    tested = frame[frame["arm"] >= 0]
    profit = 0.5 * tested["spend"] - tested["benefit"] - 0.02 * (tested["arm"] > 0)
    spread = profit.groupby(tested["arm"]).std()[1:].max()
    quantiles = norm.ppf(1 - 0.05 / found.arms / 2) + norm.ppf(found.power)
    alone = (found.arms + 1) * 2 * (spread / found.minimum_effect * quantiles) ** 2
    assert found.members == pytest.approx(SIZE * alone, rel=0.05)
