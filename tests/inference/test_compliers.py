"""The effect on compliers: two-stage least squares by its own formula, coverage by simulation, what is too weak to tell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.inference.compliers import ComplierEffect
from experiments.inference.moments import Moments

Rows = NDArray[np.float64]


def draw(
    rng: np.random.Generator, members: int, reach: tuple[float, float], effect: float
) -> tuple[Rows, Rows]:
    """Outcome and reach of the members of an arm and of control; who is easily reached buys more anyway."""
    sides = []
    for share in reach:
        ease = rng.random(members)
        reached = (ease < share).astype(float)
        sides.append(np.column_stack([rng.normal(5 - 3 * ease, 2) + effect * reached, reached]))
    return sides[0], sides[1]


def effect_of(arm: Rows, versus: Rows) -> ComplierEffect:
    sides = [Moments.from_rows(("y", "d"), rows) for rows in (arm, versus)]
    return ComplierEffect(sides[0], sides[1], "y", "d")


def two_stage(arm: Rows, versus: Rows) -> tuple[float, float]:
    """Estimate and HC0 standard error of y on d with assignment as the instrument, from the sandwich over all rows."""
    rows = np.vstack([arm, versus])
    ones = np.ones(len(rows))
    x = np.column_stack([ones, rows[:, 1]])
    z = np.column_stack([ones, np.repeat([1.0, 0.0], [len(arm), len(versus)])])
    bread = np.linalg.inv(z.T @ x)
    solved = bread @ z.T @ rows[:, 0]
    residual = rows[:, 0] - x @ solved
    sandwich = bread @ (z.T * residual**2) @ z @ bread.T
    return float(solved[1]), float(np.sqrt(sandwich[1, 1]))


@pytest.mark.parametrize("reach", [(0.7, 0.0), (0.8, 0.3)])
def test_it_is_two_stage_least_squares(reach: tuple[float, float]) -> None:
    members = 4_000
    arm, versus = draw(np.random.default_rng(11), members, reach, 1.5)
    found = effect_of(arm, versus)
    estimate, std_error = two_stage(arm, versus)
    assert found.effect == pytest.approx(estimate, rel=1e-10)
    # HC0 divides by the members of an arm where a sample variance divides by one less.
    assert found.std_error == pytest.approx(std_error * np.sqrt(members / (members - 1)), rel=1e-10)
    assert found.is_one_sided is (reach[1] == 0.0)
    assert not found.is_weak


def test_its_interval_covers_the_effect_on_compliers() -> None:
    """3,000 runs: 95 % within four binomial standard errors; the plain comparison of the reached is far off."""
    rng, runs, hits, naive = np.random.default_rng(12), 3_000, 0, 0.0
    for _ in range(runs):
        arm, versus = draw(rng, 400, (0.6, 0.1), 1.0)
        low, high = effect_of(arm, versus).interval(0.05)
        hits += low <= 1.0 <= high
        reached = np.vstack([arm, versus])
        naive += (reached[reached[:, 1] == 1, 0].mean() - reached[reached[:, 1] == 0, 0].mean()) / runs
    assert abs(hits / runs - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)
    assert naive > 1.5


def test_shares_reached_that_are_alike_are_weak() -> None:
    rng = np.random.default_rng(13)
    assert effect_of(*draw(rng, 500, (0.5, 0.5), 1.0)).is_weak
    assert effect_of(*draw(rng, 500, (0.2, 0.7), 1.0)).is_weak
    nobody = effect_of(*draw(rng, 500, (0.0, 0.0), 1.0))
    assert nobody.is_weak
    assert nobody.difference_reached == 0.0
    assert not effect_of(*draw(rng, 500, (1.0, 0.0), 1.0)).is_weak


def test_two_members_are_needed() -> None:
    one = Moments.from_rows(("y", "d"), [(1.0, 1.0)])
    with pytest.raises(ValueError, match="two members"):
        ComplierEffect(one, one, "y", "d")
