"""After the decision: the uplift models, the rollout and where runs are logged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Money, Proportion, Slug

LearnerName = Literal[
    "s_learner", "t_learner", "x_learner", "dr_learner", "r_learner", "uplift_forest", "joint"
]
PolicyKind = Literal["treat_nobody", "best_single_arm", "by_segment", "tree", "individual"]


class OfferPolicy(Block):
    """The kinds of policy that may be proposed."""

    kinds: tuple[PolicyKind, ...] = ("best_single_arm", "by_segment", "tree", "individual")
    max_depth: int = Field(default=2, ge=1, le=3)


class Uplift(Block):
    """What the policies may look at and which learners compete."""

    features: tuple[str, ...] = Field(min_length=1)
    learners: tuple[LearnerName, ...] = Field(
        default=("x_learner", "dr_learner", "uplift_forest"), min_length=1
    )
    policy: OfferPolicy = OfferPolicy()
    folds: int = Field(default=5, ge=2, le=20)


class Budget(Block):
    """What the rollout may cost: the costs it covers, held at their expectation or at an upper bound."""

    amount: Money
    covers: tuple[Literal["contact", "benefit"], ...] = Field(default=("contact", "benefit"), min_length=1)
    at: Literal["expected", "upper_90", "upper_95", "upper_99"] = "upper_90"


class Rollout(Block):
    """To whom the chosen policy goes, within which limits, and how the rollout measures itself."""

    to: Literal["eligible_not_sampled"] = "eligible_not_sampled"
    budget: Budget | None = None
    holdout_share: Proportion = 0.05
    explore_share: Proportion = 0.05
    ramp: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0,)


class Tracking(Block):
    """Names in MLflow; they default to the experiment's id."""

    experiment: str | None = Field(default=None, min_length=1)
    model: Slug | None = None
