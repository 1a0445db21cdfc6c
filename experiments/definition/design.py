"""Design: the numbers that the test was planned with, when it may be looked at, and priors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Name, Probability

Correction = Literal["none", "bonferroni", "holm", "hochberg", "bh", "dunnett"]


class FixedLooks(Block):
    """One look, when every window has closed."""

    kind: Literal["fixed"] = "fixed"
    """One look."""


class GroupSequentialLooks(Block):
    """Planned looks at fractions of the information, the last one at 1."""

    kind: Literal["group_sequential"]
    """Planned looks."""
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"
    """How the error is spent over the looks."""
    at: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(min_length=2)
    """The looks, as fractions of the information; the last is 1."""
    unplanned: Literal["refuse", "spend"] = "refuse"
    """A look between the planned ones: refused, or it spends what the function allows at its information."""


class AlwaysValidLooks(Block):
    """Any number of looks, by asymptotic confidence sequences."""

    kind: Literal["always_valid"]
    """Any number of looks."""


Looks = Annotated[FixedLooks | GroupSequentialLooks | AlwaysValidLooks, Field(discriminator="kind")]


class Prior(Block):
    """A normal prior of each arm's difference from control, per member and in the metric's own unit."""

    mean: float = Field(default=0.0, allow_inf_nan=False)
    """The difference that is expected before the data."""
    sd: float = Field(gt=0, allow_inf_nan=False)
    """Its standard deviation: two thirds of such differences are believed to lie this near to the mean."""


class Design(Block):
    """The numbers that the test was planned with."""

    baseline: float | None = Field(default=None, allow_inf_nan=False)
    """Control mean of the primary metric, from history; estimated from the data when absent."""
    minimum_effect: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The smallest absolute difference worth finding."""
    alpha: Probability = 0.05
    """Two-sided error rate of the whole family."""
    power: Probability = 0.80
    """For each comparison with control."""
    correction: Correction = "holm"
    """How p-values of the family are adjusted."""
    looks: Looks = FixedLooks()
    """When the data may be looked at."""
    covariates: tuple[str, ...] = ()
    """Features or columns of members, known before the snapshot."""
    priors: Mapping[Name, Prior] | None = None
    """Of the primary and the value metric, for the posterior beside the tests; flat where none is named."""
