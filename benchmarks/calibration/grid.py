"""Every estimator by number of arms, shares and look schedule: how often arms without effect are called effective."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.judging import Cell, Judge, Table
from benchmarks.calibration.population import Counts, Population, binary, covaried, orders, spending
from experiments.decision.family import Contrast, Family
from experiments.inference.adjustment import LinComparison
from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.comparison import Comparison, compare
from experiments.inference.dunnett import dunnett_critical
from experiments.inference.moments import Array, Moments
from experiments.inference.proportions import compare_proportions
from experiments.inference.ratios import DeltaRatioComparison
from experiments.inference.score import TwoByTwo
from experiments.inference.sequential import SpendingName, nominal_level, spending_bounds, spending_function
from experiments.inference.tails import critical_value

ALPHA = 0.05
ARMS = (2, 7, 23)
# Members of every arm and of control, as multiples of the smallest.
SHARES = {"equal": (1, 1), "control 9 x an arm": (1, 9), "arm 9 x control": (9, 1)}
CHUNK = 500

Strata = list[Moments]


@dataclass(frozen=True)
class Method:
    """An estimator with members to try it on.

    Attributes:
        name: As rows of an analysis say it.
        population: Members of every arm.
        members: Of the smallest arm at the last look.
        compare: The comparison of an arm with control, from their moments by stratum.
        exact: Whether the test is an exact one: conservative, and corrected by Bonferroni.
        margin: How far the estimator's deviate may lie above the screening one.
    """

    name: str
    population: Population
    members: int
    compare: Callable[[Strata, Strata], Comparison]
    exact: bool = False
    margin: float = 0.3


@dataclass(frozen=True)
class Schedule:
    """Looks at fractions of the planned members, and the rule that pays for them."""

    name: str
    kind: Literal["fixed", "naive", "always_valid"] | SpendingName
    looks: int

    @cached_property
    def at(self) -> tuple[Fraction, ...]:
        """Information fraction of each look."""
        return tuple(Fraction(look, self.looks) for look in range(1, self.looks + 1))

    def bounds(self, alpha: float) -> tuple[float, ...]:
        """Bound of the deviate of one arm at each look, at a two-sided error rate."""
        fractions = [float(fraction) for fraction in self.at]
        if self.kind == "fixed" or self.kind == "naive":
            return (critical_value(alpha),) * self.looks
        if self.kind == "always_valid":
            return tuple(ConfidenceSequence(0.0, 1.0, t, 1.0, alpha).interval[1] for t in fractions)
        return spending_bounds(fractions, spending_function(self.kind, alpha / 2))

    def fits(self, method: Method) -> bool:
        """Confidence sequences want a hundred events, with which no test is exact."""
        return not (method.exact and self.kind == "always_valid")

    def judge(self, arms: int, method: Method) -> Judge:
        """Exact for one arm, and for many with Dunnett; Bonferroni and confidence sequences promise at most alpha."""
        if self.kind == "naive":
            return "shown"
        if method.exact or self.kind == "always_valid":
            return "upper"
        return "both" if arms == 2 or self.kind == "fixed" else "upper"


SCHEDULES = (
    Schedule("fixed", "fixed", 1),
    Schedule("OBF, 5 looks", "obrien_fleming", 5),
    Schedule("OBF, 14 looks", "obrien_fleming", 14),
    Schedule("Pocock, 5 looks", "pocock", 5),
    Schedule("Pocock, 14 looks", "pocock", 14),
    Schedule("always valid, 14 looks", "always_valid", 14),
    Schedule("naive, 14 looks", "naive", 14),
)
FRACTIONS = tuple(sorted({fraction for schedule in SCHEDULES for fraction in schedule.at}))


def methods() -> tuple[Method, ...]:
    """The estimators, sized by what the first of 14 looks holds in the smallest arm.

    100 events for `score`, 1,000 buyers for `welch` and `delta`, 500 members for the regressions.
    """
    return (
        Method("score", binary(0.05), 28_000, lambda arm, versus: compare(arm[0], versus[0], "y", "binary")),
        Method("boschloo", binary(0.06), 140, _sparse, exact=True, margin=1.2),
        Method("exact_conditional", binary(0.002), 3_500, _sparse, exact=True, margin=1.2),
        Method("welch", spending(0.05), 280_000, lambda arm, versus: compare(arm[0], versus[0], "y")),
        Method(
            "delta",
            orders(),
            35_000,
            lambda arm, versus: DeltaRatioComparison(arm[0], versus[0], "num", "den"),
        ),
        Method("lin", covaried([1.0]), 7_000, _adjusted),
        Method("stratified", covaried([0.5, 0.3, 0.2]), 14_000, _adjusted),
    )


def type_one_errors(rng: np.random.Generator, runs: int) -> Iterator[Table]:
    """One table for each number of arms, control among them."""
    cells: dict[int, list[Cell]] = {arms: [] for arms in ARMS}
    for method in methods():
        for shares in SHARES:
            hits = rejections(method, shares, rng, runs)
            for (arms, schedule), count in hits.items():
                judge = schedule.judge(arms, method)
                cells[arms].append(Cell(f"{method.name}, {shares}", schedule.name, count, runs, ALPHA, judge))
    for arms, found in cells.items():
        correction = (
            "" if arms == 2 else " Fixed looks by Dunnett (exact tests by Bonferroni), others by Bonferroni."
        )
        yield Table(
            f"Type I error, {arms} arms",
            f"Share of experiments without any effect in which some arm is called different.{correction}",
            tuple(found),
        )


def rejections(
    method: Method, shares: str, rng: np.random.Generator, runs: int, *, screen: bool = True
) -> dict[tuple[int, Schedule], int]:
    """Experiments in which a schedule rejects for some arm, by number of arms and schedule.

    The same members serve all of them: an experiment of fewer arms has the first arms of the largest. `screen`
    leaves out comparisons whose screening deviate lies far below every bound.
    """
    per_arm, per_control = SHARES[shares]
    largest = max(ARMS)
    sizes = np.array([per_control] + [per_arm] * (largest - 1))
    members = np.outer(sizes, np.diff([0, *(_members_at(method, fraction) for fraction in FRACTIONS)]))
    loading = math.sqrt(per_arm / (per_arm + per_control))
    tests = [
        _Test(method, schedule, arms - 1, loading)
        for arms in ARMS
        for schedule in SCHEDULES
        if schedule.fits(method)
    ]
    hits = dict.fromkeys(((test.comparisons + 1, test.schedule) for test in tests), 0)
    done = 0
    while done < runs:
        size = min(CHUNK, runs - done)
        counts = method.population.draw(rng, members, size).cumsum(axis=2)
        deviates = (
            _screen(method.population, counts)
            if screen
            else np.full((size, largest - 1, len(FRACTIONS)), np.inf)
        )
        for test in tests:
            for run in test.candidates(deviates):
                hits[test.comparisons + 1, test.schedule] += test.rejects(counts[run], deviates[run])
        done += size
    return hits


@dataclass(frozen=True)
class _Test:
    """A schedule applied to a number of arms against control."""

    method: Method
    schedule: Schedule
    comparisons: int
    loading: float

    @cached_property
    def dunnett(self) -> bool:
        return self.schedule.kind == "fixed" and self.comparisons > 1 and not self.method.exact

    @cached_property
    def places(self) -> list[int]:
        return [FRACTIONS.index(fraction) for fraction in self.schedule.at]

    @cached_property
    def bounds(self) -> tuple[float, ...]:
        if self.dunnett:
            return (dunnett_critical(ALPHA, [self.loading] * self.comparisons),)
        return self.schedule.bounds(ALPHA / self.comparisons)

    def near(self, deviates: Array) -> NDArray[np.bool_]:
        """Which comparisons may reject, the last axes being arms and looks of this schedule."""
        return (
            deviates[..., : self.comparisons, :][..., self.places]
            >= np.array(self.bounds) - self.method.margin
        )

    def candidates(self, deviates: Array) -> Counts:
        return np.flatnonzero(self.near(deviates).any(axis=(1, 2)))

    def rejects(self, counts: Counts, deviates: Array) -> bool:
        """Whether one experiment is called effective; counts have shape (arms, looks, S, T)."""
        moments = lru_cache(lambda arm, look: self.method.population.moments(counts[arm, look]))

        def comparison(arm: int, look: int) -> Comparison:
            return self.method.compare(moments(arm + 1, look), moments(0, look))

        if self.dunnett:
            arms = range(self.comparisons)
            contrasts = tuple(
                Contrast(f"{arm}", "control", None, comparison(arm, self.places[0])) for arm in arms
            )
            return min(Family(contrasts, "dunnett", ALPHA).p_values()) <= ALPHA
        return any(
            self._crosses(comparison(int(arm), self.places[look]), int(look))
            for arm, look in np.argwhere(self.near(deviates))
        )

    def _crosses(self, comparison: Comparison, look: int) -> bool:
        if self.schedule.kind != "always_valid":
            return comparison.p_value() <= nominal_level(self.bounds[look])
        if comparison.std_error is None:
            return False
        fraction = float(self.schedule.at[look])
        sequence = ConfidenceSequence(
            comparison.difference, comparison.std_error, fraction, 1.0, ALPHA / self.comparisons
        )
        low, high = sequence.interval
        return not low <= 0 <= high


def _members_at(method: Method, fraction: Fraction) -> int:
    members = method.members * fraction
    if members.denominator != 1:
        raise ValueError(f"{fraction} of {method.members} members is not a whole number")
    return int(members)


def _screen(population: Population, counts: Counts) -> Array:
    """Absolute deviate of the influence's means, shape (runs, arms - 1, looks); pooled where it is 0 or 1."""
    members = counts.sum(axis=(-2, -1))
    total = np.einsum("...st,st->...", counts, population.influence)
    squares = np.einsum("...st,st->...", counts, population.influence**2)
    mean = total / members
    gap = np.abs(mean[:, 1:] - mean[:, :1])
    if population.values.shape[1] == 2:
        rate = (total[:, 1:] + total[:, :1]) / (members[:, 1:] + members[:, :1])
        variance = rate * (1 - rate) * (1 / members[:, 1:] + 1 / members[:, :1])
    else:
        own = (squares / members - mean**2) / members
        variance = own[:, 1:] + own[:, :1]
    deviates: Array = np.divide(gap, np.sqrt(variance), out=np.zeros_like(gap), where=variance > 0)
    return deviates


def _sparse(arm: Strata, versus: Strata) -> Comparison:
    return _of_table(arm[0].nonzero[0], arm[0].count, versus[0].nonzero[0], versus[0].count)


@lru_cache(maxsize=200_000)
def _of_table(successes: int, members: int, others: int, of: int) -> Comparison:
    # The same few tables come back in most runs, an exact test is dear, and a comparison remembers its own.
    return compare_proportions(TwoByTwo(successes, members, others, of))


def _adjusted(arm: Strata, versus: Strata) -> Comparison:
    return LinComparison(arm, versus, "y", ("a", "b"))
