"""What should be tested next: arms proven to be behind leave, untested combinations come in, the draft validates."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from scipy.stats import norm

import offerwise
from experiments.analysis import analyze
from experiments.definition.load import load
from tests.uplift.campaign import DEFINITION, Campaign
from uplift.documents import NextTest
from uplift.next_test import _draft
from uplift.search import find_policy

SHARES = {"control": {"share": "1/4"}, "share_each": "1/4", "omit": ["b__urgent"]}
FACTORS = {"incentive": {"a": {}, "b": {}}, "copy": {"care": {"template": "care.txt"}, "urgent": {}}}
ARMS = ("control", "a__care", "a__urgent", "b__care")


def proposed(folder: Path, chances: dict[str, float], **changes: Any) -> tuple[NextTest, pd.DataFrame]:
    """A factorial with one combination left out; who buys spends 10, of which half is margin."""
    campaign = Campaign(folder)
    changes = {
        "arms": {**SHARES, "factors": FACTORS, "channel": DEFINITION["arms"]["channel"]},
        "uplift": {"features": ["recency"], "learners": ["joint"], "policy": {"kinds": ["best_single_arm"]}},
        "rollout": None,
        **changes,
    }
    campaign.make(20_000, **changes)
    frame = campaign.frame()
    ledger = pd.concat(
        pd.read_parquet(path) for path in (folder / "runs/planted/ledger/batches").glob("*.parquet")
    )
    arm = ledger.set_index("member")["arm"].reindex(frame["id"])
    chance = arm.map(chances).fillna(0.0).to_numpy()
    bought = np.random.default_rng(8).random(len(frame)) < chance
    frame.assign(bought=bought.astype(int), spend=10.0 * bought, benefit=0.0).to_parquet(
        folder / "members.parquet"
    )
    with campaign.open() as experiment:
        analyze(experiment)
        document = find_policy(experiment).document
    found = document.next_test
    assert found is not None
    assert document.files == {"next_test": str(folder / "runs/planted/next.yml")}
    values = pd.DataFrame(
        {"arm": arm.to_numpy(), "profit": 5.0 * bought - 0.02 * (arm != "control").to_numpy()}
    )
    return found, values.dropna()


def test_an_arm_behind_leaves_and_a_promising_combination_comes_in(tmp_path: Path) -> None:
    """b is better than a, and urgent better than care, so that b__urgent, which was left out, promises the most."""
    chances = {"control": 0.10, "a__care": 0.10, "a__urgent": 0.17, "b__care": 0.17}
    found, values = proposed(tmp_path, chances)
    assert {(each.arm, each.action) for each in found.proposals} == {
        ("a__care", "drop"),
        ("b__urgent", "add"),
    }
    assert "proven to be behind" in next(each.why for each in found.proposals if each.action == "drop")
    assert found.arms == 3
    draft = load(tmp_path / "runs/planted/next.yml")
    assert [arm.id for arm in draft.offer_arms] == ["a__urgent", "b__care", "b__urgent"]
    assert {arm.share for arm in draft.all_arms} == {Fraction(1, 4)}
    assert draft.assignment.sample_size == found.members
    assert draft.salt == draft.id == "planted-next"
    assert Path(draft.origin.resolve_table("members")).exists()
    # The size by the normal formula: each difference from the best at alpha / 3.
    spread = values.groupby("arm")["profit"].std()[["a__urgent", "b__care"]].max()
    each = 2 * (spread / found.minimum_effect * (norm.ppf(1 - 0.05 / 6) + norm.ppf(found.power))) ** 2
    assert found.members == pytest.approx(4 * each, rel=0.01)


def test_hours_in_the_draft_are_texts_for_every_reader_of_yaml() -> None:
    """YAML 1.1 reads 09:00:00 without quotes as 32,400."""
    winback = load(Path(offerwise.__file__).parent / "examples" / "winback.yml")
    reader = YAML(typ="safe", pure=True)
    reader.version = "1.1"
    draft = reader.load(_draft(winback, winback.all_arms, range(7), [], 1_000))
    assert draft["send"]["hours"] == ["09:00:00", "20:00:00"]


def test_equal_arms_all_stay(tmp_path: Path) -> None:
    found, _ = proposed(tmp_path, {"control": 0.10, "a__care": 0.15, "a__urgent": 0.15, "b__care": 0.15})
    assert not [each for each in found.proposals if each.action == "drop"]


def test_an_arm_that_loses_money_is_said_to(tmp_path: Path) -> None:
    found, _ = proposed(tmp_path, {"control": 0.12, "a__care": 0.02, "a__urgent": 0.18, "b__care": 0.18})
    (drop,) = [each for each in found.proposals if each.action == "drop"]
    assert drop.arm == "a__care"
    assert "loses against no contact" in drop.why
