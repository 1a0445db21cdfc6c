"""What is kept of each part of the audience, those without a member of the test included."""

from __future__ import annotations

import numpy as np
import pytest

from tests.uplift.simulated import simulate
from uplift.rules import Everybody, Rule, SegmentTable
from uplift.sample import FEWEST
from uplift.search import cell_figures


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
    found = cell_figures(scores, sample, rule)
    assert len(found) == rule.parts(2)
    assert [cell.members for cell in found] == (
        members or np.bincount(sample.members.segment, minlength=len(found)).tolist()
    )
    assert all(cell.gains == cell.std_errors == (0.0, 0.0) for cell in found if not cell.members)
    assert all(min(cell.spread) > 0 for cell in found)
