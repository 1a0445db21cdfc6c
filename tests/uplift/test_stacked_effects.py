"""Effects learned apart from the mean: steps, slopes, shared factors, and none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from experiments.definition.arms import Arm
from tests.uplift.simulated import space
from uplift import effects
from uplift.effects import fit_quick, fit_stack
from uplift.features import CategoryFeature, FeatureSpace, NumberFeature
from uplift.residuals import ArmDesign, Residuals

N = 12_000
ARMS = tuple(
    Arm(name, name, Fraction(1, 5), levels=levels)
    for name, levels in [
        ("control", ()),
        ("points__care", (("incentive", "points"), ("copy", "care"))),
        ("points__fun", (("incentive", "points"), ("copy", "fun"))),
        ("coupon__care", (("incentive", "coupon"), ("copy", "care"))),
        ("coupon__fun", (("incentive", "coupon"), ("copy", "fun"))),
    ]
)


def residuals(shape: str, seed: int) -> tuple[Residuals, np.ndarray]:
    """Noise of variance 1 and an effect of points that depends on a number; its truth has shape (n, K)."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, 3, N).astype(float), rng.normal(size=(N, 4))])
    number = codes[:, 2]
    points = {"slope": 0.3 * number, "step": 0.6 * (number > 0.5), "none": np.full(N, 0.2)}[shape]
    truth = np.column_stack([np.zeros(N), points, points, np.zeros(N), np.zeros(N)])
    arm = rng.integers(0, 5, N)
    rest = truth[np.arange(N), arm] - truth.mean(axis=1) + rng.normal(size=N)
    return Residuals(space(4), codes, arm, rest, ArmDesign.of(ARMS), seed), truth


def test_columns_are_contact_levels_and_arms_each_once() -> None:
    design = ArmDesign.of(ARMS)
    assert design.columns.shape == (5, 1 + 4 + 4)
    assert design.shares == pytest.approx([0.8, *[0.4] * 4, *[0.2] * 4])
    plain = ArmDesign.of([Arm("control", "", Fraction(1, 2)), Arm("offer", "", Fraction(1, 2))])
    assert plain.columns.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("shape", ["slope", "step"])
def test_effects_of_a_shared_incentive_are_found(shape: str) -> None:
    data, truth = residuals(shape, 1)
    half = np.random.default_rng(0).random(N) < 0.5
    found = fit_stack(data, half).predict(data.codes)
    wanted = truth - truth.mean(axis=1, keepdims=True)
    assert ((found - wanted) ** 2).mean() < 0.25 * wanted.var(axis=0).mean()


def test_without_differences_between_members_little_is_left() -> None:
    """The spread of predicted effects is far below that of their noise without shrinkage, which is about .06."""
    half = np.random.default_rng(0).random(N) < 0.5
    spreads = []
    for seed in range(4):
        data, _ = residuals("none", seed)
        spreads.append(fit_stack(data, half).predict(data.codes).std(axis=0).max())
    assert np.median(spreads) < 0.03


def test_categories_of_many_levels_that_do_nothing_leave_a_step_alone() -> None:
    """Of the sets that 40 levels can be cut into, the best fits the noise better than the step on a number fits the truth."""
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        codes = np.column_stack([rng.integers(0, 40, (N, 8)).astype(float), rng.normal(size=N)])
        levels = tuple(f"{level:02d}" for level in range(40))
        categories = (CategoryFeature(f"c{i}", levels) for i in range(8))
        points = 0.5 * (codes[:, 8] > 0.5)
        truth = np.column_stack([np.zeros(N), points, points, np.zeros(N), np.zeros(N)])
        arm = rng.integers(0, 5, N)
        rest = truth[np.arange(N), arm] - truth.mean(axis=1) + rng.normal(size=N)
        features = FeatureSpace((*categories, NumberFeature("number", 0.0)))
        data = Residuals(features, codes, arm, rest, ArmDesign.of(ARMS), seed)
        wanted = truth - truth.mean(axis=1, keepdims=True)
        found = fit_quick(data).predict(codes)
        assert ((found - wanted) ** 2).mean() < 0.7 * wanted.var(axis=0).mean()


def test_of_many_members_the_first_weigh_what_the_others_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slopes and steps are found as they are by halves, which then do not matter."""
    monkeypatch.setattr(effects, "JUDGES", 3000)
    half = np.random.default_rng(0).random(N) < 0.5
    for shape in ("slope", "step"):
        data, truth = residuals(shape, 1)
        found = fit_stack(data, half).predict(data.codes)
        wanted = truth - truth.mean(axis=1, keepdims=True)
        assert ((found - wanted) ** 2).mean() < 0.25 * wanted.var(axis=0).mean()
    others = np.random.default_rng(1).random(N) < 0.5
    np.testing.assert_array_equal(found, fit_stack(data, others).predict(data.codes))
