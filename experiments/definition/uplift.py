"""What offer policies may look at, which learners and which kinds of policy compete."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experiments.definition.block import Block

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
