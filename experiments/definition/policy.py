"""After the decision: the uplift models, the rollout and where runs are logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Count, Money, Proportion, Slug

LearnerName = Literal[
    "s_learner", "t_learner", "x_learner", "dr_learner", "r_learner", "uplift_forest", "joint"
]
PolicyKind = Literal["treat_nobody", "best_single_arm", "by_segment", "tree", "individual"]


class OfferPolicy(Block):
    """The kinds of policy that may be proposed."""

    kinds: tuple[PolicyKind, ...] = ("best_single_arm", "by_segment", "tree", "individual")
    """The kinds of policy that may be proposed."""
    max_depth: int = Field(default=2, ge=1, le=3)
    """The depth of a tree."""


class Uplift(Block):
    """What the policies may look at and which learners compete."""

    features: tuple[str, ...] = Field(min_length=1)
    """Features or columns of members that a policy may look at."""
    learners: tuple[LearnerName, ...] = Field(default=("joint",), min_length=1)
    """The learners that compete."""
    policy: OfferPolicy = OfferPolicy()
    """The policies that compete."""
    folds: int = Field(default=5, ge=2, le=20)
    """Parts for cross-fitting."""


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


class Tracking(Block):
    """Names in MLflow; they default to the experiment's id."""

    experiment: str | None = Field(default=None, min_length=1)
    """The experiment in MLflow."""
    model: Slug | None = None
    """The registered model in MLflow."""
