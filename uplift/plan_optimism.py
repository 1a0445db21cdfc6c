"""The winner's curse of a plan: its profit is told by the same estimates that chose which parts the budget reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uplift.budget import Problem
from uplift.features import Array

_PAIRS, _PAIRS_WITHIN_LIMITS = 50, 20
_SHARED = 0.5
_SEED = 20_210_722


def plan_optimism(problem: Problem, capacities: Sequence[float | None]) -> Array:
    """By how much the estimated profits of plans are too high, for having been chosen by the estimates that value them.

    The coupled bootstrap (Oliveira, Lei and Tibshirani 2021, "Unbiased risk estimation in the normal means problem via coupled
    bootstrap techniques"): with w drawn like the errors of the estimates g, g + w and g - w are independent, and each is right on
    average. The plan that the first one gives, valued by the second one, is therefore an unbiased estimate of what planning by
    such estimates earns; its mean over draws of w is taken from the plan's profit at g itself. This is cross-fitting with one
    half of the members to plan and the other half to value, over all ways to divide them; a plan of all of them is a little
    better, so that what remains is a little too low. More members to plan would leave fewer to value, and a figure that varies
    more. Within a part the arms share their control, so that half of an error's variance is common to them.

    It is 0 where every draw leaves the plan as it is, and for a rule that is a model: its plan reads predictions, not these
    estimates.

    Args:
        problem: Whose offers' gains and errors plan.
        capacities: Expected costs that the plans are held to; None for a plan without a budget.

    Returns:
        Shape (len(capacities),): amounts of the value metric, 0 or more.
    """
    found = np.zeros(len(capacities))
    by_model = problem.groups is not None and problem.groups.worth is not None
    if by_model or not problem.offers.errors.any():
        return found
    gains = problem.offers.gains
    planned = [_expected(problem, capacity, gains) for capacity in capacities]
    draws = _draws(problem)
    for error in draws:
        other = replace(problem, offers=replace(problem.offers, gains=gains + error))
        valued_by = gains - error
        found += [_expected(other, capacity, valued_by) for capacity in capacities]
    return np.maximum(planned - found / len(draws), 0.0)


def _draws(problem: Problem) -> Array:
    """Shape (draws, C, K): errors like those of the gains, each with its opposite, the same for every plan."""
    rng = np.random.default_rng(_SEED)
    pairs = _PAIRS_WITHIN_LIMITS if problem.limits else _PAIRS
    cells, arms = problem.offers.errors.shape
    own, shared = rng.standard_normal((pairs, cells, arms)), rng.standard_normal((pairs, cells, 1))
    errors = problem.offers.errors * (np.sqrt(1 - _SHARED) * own + np.sqrt(_SHARED) * shared)
    return np.concatenate([errors, -errors])


def _expected(problem: Problem, capacity: float | None, gains: Array) -> float:
    return float((problem.by_cell(problem.reached(capacity)) * gains).sum())
