"""What is kept of each part of the audience, those without a member of the test included."""

from __future__ import annotations

import numpy as np
import pytest

from tests.uplift.simulated import simulate
from uplift.crossfit import Arena, Plan
from uplift.rules import Everybody, Individual, Rule, SegmentTable
from uplift.sample import FEWEST
from uplift.search import cell_figures, held_out_parts


def test_a_part_has_the_spread_of_its_own_members_unless_they_are_few() -> None:
    sample = simulate(4000, effects="each", seed=3, arms=2, spend=True).sample
    part = sample.members.segment == 1
    few = np.flatnonzero(part & (sample.arm == 1))[FEWEST - 1 :]
    part[few] = False
    assert sample.spread(part) == pytest.approx(
        [sample.value[part & (sample.arm == 0)].std(ddof=1), sample.value[sample.arm == 1].std(ddof=1)]
    )


@pytest.mark.parametrize(
    ("rule", "members"),
    [(Everybody(1), [3000]), (SegmentTable((1, 0, 1, 1)), None), (SegmentTable((0, 1, 1)), None)],
)
def test_every_part_of_the_rule_has_figures(rule: Rule, members: list[int] | None) -> None:
    """The sample has three segments; the fourth of a table had nobody in the test, and may have in the rollout."""
    sample = simulate(3000, effects="each", seed=4, arms=2).sample
    scores = np.random.default_rng(5).normal(size=(3000, 2))
    found = cell_figures(scores, sample, rule, rule.cells(sample.space, sample.members))
    assert len(found) == rule.parts(2)
    assert [cell.members for cell in found] == (
        members or np.bincount(sample.members.segment, minlength=len(found)).tolist()
    )
    assert all(cell.gains == cell.std_errors == (0.0, 0.0) for cell in found if not cell.members)
    assert all(min(cell.spread) > 0 for cell in found)


def test_the_best_part_of_a_model_is_worth_what_it_brings_to_others() -> None:
    """Whom a model ranks highest among its own members were lucky; the parts' figures are those of members it has not seen."""
    held_out, own, truth = [], [], []
    for seed in (50, 51, 52):
        sample = simulate(6000, effects="each", seed=seed, numbers=8).sample
        arena = Arena(sample, Plan(("best_single_arm", "individual"), ("x_learner",), 2, 300))
        contest = arena.run()
        learned = arena.refit("individual", contest)
        assert isinstance(learned, Individual)
        rule = learned.banded(sample.members, 5)
        best = [part for part, arm in enumerate(rule.arms_of_parts(4)) if arm and part % 5 == 4]
        others = simulate(20_000, effects="each", seed=seed + 1000, numbers=8)
        placed = rule.cells(others.sample.space, others.sample.members)
        gains = others.truth - others.truth[:, :1]
        truth.append(
            np.mean([gains[placed == part, part // 5].mean() for part in best if (placed == part).any()])
        )
        for found, cells in (
            (held_out, held_out_parts(rule, sample, contest)),
            (own, rule.cells(sample.space, sample.members)),
        ):
            figures = cell_figures(contest.scores, sample, rule, cells)
            members = [figures[part].members for part in best]
            found.append(np.average([figures[part].gains[part // 5] for part in best], weights=members))
    assert np.mean(truth) < 0.06
    assert np.mean(own) > 0.15
    assert abs(np.mean(held_out) - np.mean(truth)) < 0.06
