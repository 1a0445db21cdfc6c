"""Planting: a true effect of known size, put into the outcomes of the arms that are to have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.decision.eligibility import goodness
from experiments.definition.model import Definition
from experiments.documents.simulation import Planted
from experiments.simulation.sample import MemberSample


@dataclass(frozen=True)
class Planting:
    """How outcomes change in the planted arms.

    A binary metric: members without success are flipped to success (or back, where less is better), each with the
    same probability, so that the expected difference is the effect. A mean: the effect is added to each member's value;
    a ratio: the effect times the member's denominator is added to the numerator, which moves the ratio of sums by it.

    Attributes:
        planted: Metric, true difference and arms.
        arms: The planted arms' numbers, control being 0.
        column: The position of the column that changes.
        denominator: The position of a ratio's denominator; None for other metrics.
        flip: For binary metrics the probability of a flip, from the other value; None for others.
    """

    planted: Planted
    arms: tuple[int, ...]
    column: int
    denominator: int | None
    flip: float | None

    def apply(
        self, sample: MemberSample, arm: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Shape (n,): the metric's column after the arms have worked."""
        values = sample.values[:, self.column].copy()
        treated = np.isin(arm, self.arms)
        if self.flip is None:
            by = 1.0 if self.denominator is None else sample.values[treated, self.denominator]
            values[treated] += self.planted.effect * by
            return values
        success = 1.0 if self.planted.effect > 0 else 0.0
        flipped = treated & (values == 1 - success) & (rng.random(len(values)) < self.flip)
        values[flipped] = success
        return values


def plan_planting(definition: Definition, sample: MemberSample) -> Planting | None:
    """The minimum effect on the primary metric, in the good direction, in every other offer arm from the first on.

    The arms between have no effect, so that false discoveries can be counted beside true ones.

    Returns:
        None where the definition names no minimum effect, or a binary metric has no room for it.
    """
    size, metric = definition.design.minimum_effect, definition.goals.primary.metric
    if size is None:
        return None
    effect = goodness(definition, metric) * size
    measured = sample.metrics[metric]
    flip = None
    if measured.kind == "binary":
        rate = float(np.nanmean(sample.values[:, sample.at(measured.value)]))
        room = 1 - rate if effect > 0 else rate
        if size > room:
            return None
        flip = size / room
    numbers = range(1, len(definition.all_arms), 2)
    planted = Planted(metric, effect, tuple(definition.all_arms[number].id for number in numbers))
    below = None if measured.denominator is None else sample.at(measured.denominator)
    return Planting(planted, tuple(numbers), sample.at(measured.value), below, flip)
