"""Simulated tests of which the expected value of every member in every arm is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from experiments.definition.arms import Arm
from uplift.features import CategoryFeature, FeatureSpace, NumberFeature
from uplift.sample import LearningSample, Members

Array = NDArray[np.float64]

FEATURES = 20
CITIES = ("a", "b", "c", "d")
CONTACT = 0.05


@dataclass(frozen=True)
class Population:
    """Members, and what each would do in each arm.

    Attributes:
        codes: Shape (n, features): a city's number in column 0, then numbers.
        chance: Shape (n, K): probability of a purchase.
        amount: Shape (n,): the expected value of a purchase before costs.
        spread: Standard deviation of the logarithm of amounts; 0 where every purchase is worth the same.
        redeemed: Shape (K,): what the benefit costs with each purchase.
        contact: Shape (K,): what the contact costs.
    """

    codes: Array
    chance: Array
    amount: Array
    spread: float
    redeemed: Array
    contact: Array

    @property
    def value(self) -> Array:
        """Shape (n, K): expected value of each member in each arm."""
        return self.chance * (self.amount[:, None] - self.redeemed) - self.contact

    @property
    def never_covered(self) -> NDArray[np.bool_]:
        """Shape (n, K): where a purchase is worth less than the benefit that it costs."""
        return self.amount[:, None] < self.redeemed

    def observe(self, arm: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """What members do who are assigned to `arm`, shape (n,)."""
        bought = rng.random(len(arm)) < self.chance[np.arange(len(arm)), arm]
        noise = np.exp(rng.normal(-(self.spread**2) / 2, self.spread, len(arm))) if self.spread else 1.0
        return np.where(bought, self.amount * noise - self.redeemed[arm], 0.0) - self.contact[arm]


@dataclass(frozen=True)
class Truth:
    """How a population comes about.

    Attributes:
        what: What is true, in words.
        lift: From the members' features to what each arm adds to the chance of a purchase, shape (n, K - 1).
        arms: Ids of the arms but control; two underscores join the levels of two factors.
        numbers: Numeric features, most of which matter to nothing.
        profit: Whether purchases have heavy-tailed amounts and arms have costs.
        redeemed: What each arm's benefit costs with a purchase.
    """

    what: str
    lift: Callable[[Array], Array]
    arms: tuple[str, ...] = ("offer1", "offer2", "offer3")
    numbers: int = FEATURES - 1
    profit: bool = False
    redeemed: tuple[float, ...] = (0.0, 0.0, 0.0)

    def population(self, members: int, rng: np.random.Generator) -> Population:
        """Members drawn at random."""
        codes = np.column_stack(
            [
                rng.integers(0, len(CITIES), members).astype(float),
                rng.normal(size=(members, self.numbers)),
            ]
        )
        base = 0.05 if self.profit else 0.12
        chance = base * np.exp(0.35 * codes[:, 5] + 0.25 * (codes[:, 0] == 1) - 0.1)
        lift = np.column_stack([np.zeros(members), self.lift(codes)])
        amount = 12.0 * np.exp(0.3 * codes[:, 6]) if self.profit else np.ones(members)
        contact = CONTACT if self.profit else 0.0
        return Population(
            codes=codes,
            chance=np.clip(chance[:, None] + lift, 0.001, 0.999),
            amount=amount,
            spread=1.0 if self.profit else 0.0,
            redeemed=np.array(
                [0.0, *self.redeemed[: len(self.arms)]] if self.profit else [0.0] * (len(self.arms) + 1)
            ),
            contact=np.array([0.0] + [contact] * len(self.arms)),
        )

    def test(self, members: int, seed: int, folds: int = 5) -> LearningSample:
        """A randomised test with equal shares; segments are the cities."""
        rng = np.random.default_rng([seed, 1])
        population = self.population(members, rng)
        arms = resolved(self.arms)
        arm = rng.integers(0, len(arms), members)
        return LearningSample(
            arms=arms,
            space=FeatureSpace(
                (
                    CategoryFeature("city", CITIES),
                    *(NumberFeature(f"x{i}", 0.0) for i in range(1, self.numbers + 1)),
                )
            ),
            segments=CITIES,
            members=Members(population.codes, population.codes[:, 0].astype(np.int64)),
            arm=arm,
            value=population.observe(arm, rng),
            propensity=np.full(members, 1 / len(arms)),
            fold=rng.integers(0, folds, members),
            folds=folds,
            seed=seed,
        )

    def others(self, members: int, seed: int) -> Population:
        """Members who were not in the test: the policy is for them."""
        return self.population(members, np.random.default_rng([seed, 2]))


def resolved(names: tuple[str, ...]) -> tuple[Arm, ...]:
    """Control and the arms by name, with equal shares."""
    share = Fraction(1, len(names) + 1)
    found = [Arm("control", "control", share)]
    for name in names:
        parts = name.split("__")
        levels = tuple(zip(("incentive", "copy"), parts, strict=True)) if len(parts) == 2 else ()
        found.append(Arm(name, name, share, levels=levels))
    return tuple(found)


def _steps(x: Array) -> Array:
    """A tree of depth 2: each arm has members to whom it alone matters."""
    first, second, third = x[:, 1] > 0.6, x[:, 2] > 0, x[:, 3] > -0.5
    helped = np.column_stack([first, ~first & second, ~first & ~second & third])
    return np.asarray(0.005 + 0.06 * helped)


def _smooth(x: Array) -> Array:
    """Each arm's effect grows with directions of its own, none of which is a single feature."""
    directions = np.column_stack([x[:, 1] + x[:, 2], x[:, 3] - x[:, 1], -x[:, 2] - x[:, 3] + 0.5 * x[:, 4]])
    return 0.02 + 0.07 * (1 / (1 + np.exp(-directions)) - 0.5)


def _wavy(x: Array) -> Array:
    """Effects that rise and fall, and interactions of two features."""
    return 0.025 + 0.045 * np.column_stack(
        [np.sin(2 * x[:, 1]), np.tanh(x[:, 2] * x[:, 3]), np.cos(2 * x[:, 4])]
    )


def _crossed(x: Array) -> Array:
    """What counts is whether two features lie on the same side; no feature matters by itself."""
    return 0.02 + 0.04 * np.sign(np.column_stack([x[:, 1] * x[:, 2], x[:, 3] * x[:, 4], x[:, 7] * x[:, 8]]))


def _constant(*lifts: float) -> Callable[[Array], Array]:
    def same(x: Array) -> Array:
        return np.tile(np.array(lifts), (len(x), 1))

    return same


def _harmful(x: Array) -> Array:
    """The third arm puts everybody off; the first two are for different members."""
    return np.column_stack([0.04 * (x[:, 1] > 0), 0.04 * (x[:, 1] <= 0), -0.03 - 0.02 * (x[:, 2] > 0)])


def _coupons(x: Array) -> Array:
    """The dearer the benefit the more buy, and those who buy little anyhow are moved most by a small one."""
    small = 0.035 * (x[:, 1] > 0) + 0.005
    middle = 0.045 * (x[:, 2] > 0) + 0.005
    return np.column_stack([small, middle, np.full(len(x), 0.07)])


def _factorial(x: Array) -> Array:
    """Incentive and copy each have members of their own, and their effects add."""
    points, coupon = 0.045 * (x[:, 1] > 0), 0.045 * (x[:, 1] <= 0)
    care, fun = 0.02 * (x[:, 2] > 0.3), 0.02 * (x[:, 2] <= 0.3)
    return np.column_stack([points + care, points + fun, coupon + care, coupon + fun])


TRUTHS: Mapping[str, Truth] = {
    "steps": Truth("each arm is the best for somebody, by steps", _steps),
    "smooth": Truth("each arm is the best for somebody, smoothly", _smooth),
    "wavy": Truth("each arm is the best for somebody, by waves and interactions", _wavy),
    "crossed": Truth("each arm is the best for somebody, by two features together", _crossed),
    "equal": Truth("every arm has the same effect for everybody", _constant(0.02, 0.02, 0.02)),
    "constant": Truth("arms differ, members do not", _constant(0.01, 0.02, 0.03)),
    "harmful": Truth("one arm harms everybody", _harmful),
    "costs": Truth(
        "rare purchases, heavy-tailed amounts; what most buy with costs more than it brings",
        _coupons,
        profit=True,
        redeemed=(1.0, 3.0, 40.0),
    ),
    "irrelevant": Truth("100 features, of which three matter", _steps, numbers=99),
    "factorial": Truth(
        "incentive and copy add",
        _factorial,
        arms=("points__care", "points__fun", "coupon__care", "coupon__fun"),
    ),
}
