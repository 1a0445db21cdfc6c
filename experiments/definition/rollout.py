"""The rollout: to whom, within which budget and limits, and how it measures itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Count, Money, Proportion, Slug


class Budget(Block):
    """What the rollout may cost: the costs it covers, held at their expectation or at an upper bound."""

    amount: Money
    """In the currency of the definition."""
    covers: tuple[Literal["contact", "benefit"], ...] = Field(default=("contact", "benefit"), min_length=1)
    """The costs that it covers."""
    at: Literal["expected", "upper_90", "upper_95", "upper_99"] = "upper_90"
    """Held at the expected cost, or at an upper bound of it."""


class Rollout(Block):
    """To whom the chosen policy goes, within which limits, and how the rollout measures itself."""

    to: Literal["eligible_not_sampled"] = "eligible_not_sampled"
    """Eligibility and caps are checked again on the send day."""
    budget: Budget | None = None
    """What it may cost."""
    stock: Mapping[Slug, Count] | None = None
    """Members who may be offered an arm, or any arm with a level of a factor, at most; exploration counts."""
    contacts: Mapping[Slug, Count] | None = None
    """Members who may be contacted through a channel, at most; exploration counts."""
    holdout_share: Proportion = 0.05
    """Random, without contact: measures the rollout itself."""
    explore_share: Proportion = 0.05
    """A random arm with its propensity: keeps the next model honest."""
    ramp: tuple[Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)], ...] = Field(
        default=(1.0,), min_length=1
    )
    """Growing parts of the audience; the last is 1."""
