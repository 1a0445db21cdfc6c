"""What is asked and how it is decided: goals, guardrails, the design's numbers and the decision rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Name, Probability

Direction = Literal["up", "down"]


class Primary(Block):
    """The metric that the test is powered for, and the direction that is good."""

    metric: str
    """A metric."""
    better: Direction = "up"
    """The direction that is good."""


class Guardrail(Block):
    """A metric that may not get worse by more than a limit (arm minus control, or relative to control)."""

    metric: str
    """A metric."""
    better: Direction
    """The direction that is good."""
    limit: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How much worse it may get, as arm minus control."""
    limit_relative: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How much worse it may get, as a part of the control mean."""


class Goals(Block):
    """The metrics' roles; `value` is what the decision maximises and defaults to the primary metric."""

    primary: Primary
    """What the test is powered for."""
    value: str | None = None
    """The metric that the decision maximises; the primary metric when absent."""
    secondary: tuple[str, ...] = ()
    """Metrics to report."""
    guardrails: tuple[Guardrail, ...] = ()
    """Metrics that may not get worse."""

    @property
    def value_metric(self) -> str:
        """The metric that the decision maximises."""
        return self.value or self.primary.metric


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


class InvalidIf(Block):
    """What makes the experiment invalid, whatever its effects."""

    srm_p_below: Probability = 0.001
    """The split differs from the shares with a p-value below this."""
    arm_missing: bool = True
    """An arm has no members."""
    window_open: bool = True
    """A member's window has not closed."""
    sample_below_plan: float | None = Field(default=None, gt=0, le=1)
    """Fewer members than this part of the plan."""


class EligibleIf(Block):
    """What an arm must show to be eligible for a rollout."""

    primary: Literal["better_than_control"] | None = "better_than_control"
    """What the primary metric must show."""
    guardrails: Literal["all_pass"] | None = None
    """What the guardrails must show."""
    value_low_above: float | None = Field(default=None, allow_inf_nan=False)
    """The value must be shown to exceed control by more than this, for each member."""


class Pick(Block):
    """How the winner is chosen among the eligible arms."""

    maximise: Literal["value", "primary"] = "value"
    """What the winner has most of."""
    by: Literal["overall", "segment"] = "overall"
    """One winner, or one for each segment."""
    min_members_per_arm: int = Field(default=500, ge=2)
    """Smaller segments follow the fallback."""
    fallback: Literal["overall_winner", "control"] = "overall_winner"
    """What small segments get."""
    tie: Literal["cheapest", "first"] = "cheapest"
    """Which of the arms that are not distinguishable wins."""


class Decision(Block):
    """The decision rule, written before the data."""

    invalid_if: InvalidIf = InvalidIf()
    """What makes the experiment invalid."""
    eligible_if: EligibleIf = EligibleIf()
    """What an arm must show."""
    pick: Pick = Pick()
    """How the winner is chosen."""
    otherwise: Literal["no_rollout"] = "no_rollout"
    """When no arm is eligible."""
