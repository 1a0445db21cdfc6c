"""Curves and surfaces: waves and interactions are found, nothing is found where there is nothing, and any column is taken."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from tests.uplift.simulated import space
from tests.uplift.test_stacked_effects import ARMS
from uplift.curve_basis import shapes_of
from uplift.curve_moments import CurveMoments
from uplift.curves import fit_curves
from uplift.grouped_ridge import grouped_ridge
from uplift.residuals import ArmDesign, Residuals

N = 20_000


def residuals(points: np.ndarray, codes: np.ndarray, seed: int) -> tuple[Residuals, np.ndarray]:
    """Noise of variance 1, and what the incentive points adds; its truth has shape (n, K), without its mean over arms."""
    rng = np.random.default_rng([seed, 1])
    truth = np.column_stack([np.zeros(len(codes)), points, points, np.zeros((len(codes), 2))])
    truth = truth - truth.mean(axis=0)
    truth -= truth.mean(axis=1, keepdims=True)
    arm = rng.integers(0, 5, len(codes))
    rest = truth[np.arange(len(codes)), arm] + rng.normal(size=len(codes))
    return Residuals(space(5), codes, arm, rest, ArmDesign.of(ARMS), seed), truth


def columns(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, 3, N).astype(float), rng.normal(size=(N, 5))])


def errors(data: Residuals, truth: np.ndarray) -> list[float]:
    """For lines, curves and surfaces the squared error as a part of the variance of the truth."""
    found = [data.design.by_arm(parts) for parts in fit_curves(data).parts(data.codes)]
    return [float(((each - truth) ** 2).mean() / truth.var(axis=0).mean()) for each in found]


def test_a_wave_is_a_curve_and_no_line() -> None:
    codes = columns(1)
    lines, curves, surfaces = errors(*residuals(0.4 * np.cos(2 * codes[:, 2]), codes, 1))
    assert lines > 0.95
    assert curves < 0.2
    assert surfaces == curves


def test_what_two_features_do_together_is_a_surface() -> None:
    codes = columns(2)
    _, curves, surfaces = errors(*residuals(0.4 * np.sign(codes[:, 2] * codes[:, 4]), codes, 2))
    assert curves > 0.95
    assert surfaces < 0.4


def test_a_feature_that_matters_in_one_level_only_is_a_surface() -> None:
    codes = columns(3)
    _, curves, surfaces = errors(*residuals(0.8 * (codes[:, 0] == 1) * codes[:, 3], codes, 3))
    assert surfaces < 0.5 * curves


def test_without_differences_no_surface_passes_and_curves_stay_flat() -> None:
    """Of 150 fits without an effect 1.5 would find a surface; 6 or more have a chance of under 1 %."""
    surfaces, spreads = 0, []
    for seed in range(150):
        codes = columns(seed)[:2000]
        data, _ = residuals(np.zeros(2000), codes, seed)
        _, curves, paired = fit_curves(data).parts(codes)
        surfaces += not np.array_equal(curves, paired)
        spreads.append(data.design.by_arm(curves).std(axis=0).max())
    assert surfaces < 6
    # 37 free coefficients for each arm of 400 members would vary by sqrt(37 / 400) = .3.
    assert np.median(spreads) < 0.15


def test_any_column_is_taken_and_a_row_is_as_good_as_a_batch() -> None:
    codes = columns(4)
    codes[:, 2] = np.where(codes[:, 2] < -0.5, np.nan, codes[:, 2])
    codes[:, 3] = 7.0
    codes[:, 4] = np.nan
    codes[:, 5] = np.round(np.exp(3 * codes[:, 5]))
    truth = 0.5 * np.where(np.isnan(codes[:, 2]), 1.0, codes[:, 2] > 0)
    data, wanted = residuals(truth, codes, 4)
    fitted = fit_curves(data)
    assert errors(data, wanted)[1] < 0.3
    strange = np.array([[3.0, np.nan, np.inf, 8.0, 1e300, -np.inf], [0.0, -1e30, 0.0, np.nan, 0.0, 1e12]])
    for stage, one in zip(fitted.parts(strange), fitted.parts(strange[:1]), strict=True):
        assert np.isfinite(stage).all()
        assert np.abs(stage).max() < 10
        np.testing.assert_allclose(stage[:1], one, rtol=1e-12, atol=1e-15)


def test_only_what_is_wanted_is_given() -> None:
    codes = columns(5)
    data, _ = residuals(0.3 * codes[:, 2] ** 2, codes, 5)
    lines, curves, surfaces = fit_curves(data).parts(codes)
    for wanted, stages in (
        ((True, False, False), [lines]),
        ((False, True, False), [curves]),
        ((False, False, True), [surfaces]),
    ):
        for given, stage in zip(fit_curves(data, wanted).parts(codes), stages, strict=True):
            np.testing.assert_array_equal(given, stage)


def test_the_variance_of_a_group_is_that_of_the_largest_likelihood() -> None:
    """Against the density of y itself, maximised by scipy."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(120, 8))
    y = x @ rng.normal(0, 0.5, 8) + rng.normal(0, 2.0, 120)

    def loss(log: float) -> float:
        return -float(multivariate_normal.logpdf(y, cov=4.0 * np.eye(120) + np.exp(log) * x @ x.T))

    variance = np.exp(minimize_scalar(loss, bounds=(-8, 4), method="bounded").x)
    wanted = np.linalg.solve(x.T @ x + 4.0 / variance * np.eye(8), x.T @ y)
    found = grouped_ridge(x.T @ x, x.T @ y, np.zeros(8, dtype=np.int64), 4.0)
    assert found == pytest.approx(wanted, rel=0.02)


def test_a_group_of_noise_is_drawn_to_zero_and_leaves_the_others() -> None:
    rng = np.random.default_rng(7)
    x = np.linalg.qr(rng.normal(size=(400, 12)))[0]
    noise = rng.normal(size=12)
    noise[6:] *= 0.5 / np.abs(noise[6:]).max()
    moment = np.r_[np.full(6, 8.0), np.zeros(6)] + noise
    found = grouped_ridge(x.T @ x, moment, np.repeat([0, 1], 6), 1.0)
    assert np.abs(found[6:]).max() < 0.01
    assert found[:6] == pytest.approx(moment[:6], rel=0.05)


def test_curves_of_members_in_two_parts_are_those_of_all() -> None:
    codes = columns(5)
    data, _ = residuals(0.4 * np.cos(2 * codes[:, 2]) + 0.2 * codes[:, 3], codes, 5)
    shapes = shapes_of(data.space, data.codes)
    few, others = (CurveMoments.of(data.rows(part), shapes) for part in (slice(7_000), slice(7_000, None)))
    whole, joined = fit_curves(data), fit_curves(data, moments=few + others)
    for of_all, of_both in zip(whole.parts(codes), joined.parts(codes), strict=True):
        assert of_all.std() > 0.03
        np.testing.assert_allclose(of_both, of_all, atol=1e-4)
