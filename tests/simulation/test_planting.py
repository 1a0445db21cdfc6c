"""Planted effects have the size that they are said to have, and only in the arms that are to have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.simulation.planting import plan_planting
from tests.decision.campaign import define
from tests.simulation.members import members

EFFECT = 0.06


@pytest.mark.parametrize(
    ("metric", "better", "sign"), [("converted", "up", 1), ("converted", "down", -1), ("spend", "up", 1)]
)
def test_the_mean_moves_by_the_effect(metric: str, better: str, sign: int, tmp_path: Path) -> None:
    """Over 400 plantings the mean change has a standard error far under a tenth of the effect."""
    goals: dict[str, Any] = {"primary": {"metric": metric, "better": better}, "secondary": []}
    definition = define(tmp_path, goals=goals, design={"minimum_effect": EFFECT})
    sample = members(1000, rate=0.3)
    planting = plan_planting(definition, sample)
    assert planting is not None
    assert planting.planted.arms == ("points", "gift")
    assert planting.planted.effect == sign * EFFECT
    rng = np.random.default_rng(4)
    changes = np.zeros(4)
    for _ in range(400):
        arm = rng.permutation(np.arange(1000) % 4)
        changed = planting.apply(sample, arm, rng) - sample.values[:, planting.column]
        changes += np.bincount(arm, changed) / np.bincount(arm) / 400
    np.testing.assert_allclose(changes, [0, sign * EFFECT, 0, sign * EFFECT], atol=EFFECT / 10)


def test_the_ratio_of_sums_moves_by_the_effect(tmp_path: Path) -> None:
    definition = define(
        tmp_path,
        metrics={"basket": {"type": "ratio", "numerator": "spend", "denominator": "converted"}},
        goals={"primary": {"metric": "basket", "better": "up"}},
        design={"minimum_effect": 3.0},
    )
    sample = members(1000)
    planting = plan_planting(definition, sample)
    assert planting is not None
    arm = np.ones(1000, dtype=np.int64)
    spend = planting.apply(sample, arm, np.random.default_rng(0))
    bought = sample.values[:, 0].sum()
    assert spend.sum() / bought == pytest.approx(sample.values[:, 1].sum() / bought + 3.0)


def test_nothing_is_planted_where_there_is_no_room(tmp_path: Path) -> None:
    sample = members(1000)
    goals = {"primary": {"metric": "converted", "better": "down"}}
    assert plan_planting(define(tmp_path, goals=goals, design={"minimum_effect": 0.5}), sample) is None
    assert plan_planting(define(tmp_path, goals=goals), sample) is None
