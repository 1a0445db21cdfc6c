"""What is asked and how it is decided: goals, guardrails, the design's numbers and the decision rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Probability

Direction = Literal["up", "down"]


class Primary(Block):
    """The metric that the test is powered for, and the direction that is good."""

    metric: str
    better: Direction = "up"


class Guardrail(Block):
    """A metric that may not get worse by more than a limit (arm minus control, or relative to control)."""

    metric: str
    better: Direction
    limit: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    limit_relative: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Goals(Block):
    """The metrics' roles; `value` is what the decision maximises and defaults to the primary metric."""

    primary: Primary
    value: str | None = None
    secondary: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()

    @property
    def value_metric(self) -> str:
        """The metric that the decision maximises."""
        return self.value or self.primary.metric


Correction = Literal["none", "bonferroni", "holm", "hochberg", "bh", "dunnett"]


class FixedLooks(Block):
    """One look, when every window has closed."""

    kind: Literal["fixed"] = "fixed"


class GroupSequentialLooks(Block):
    """Planned looks at fractions of the information, the last one at 1."""

    kind: Literal["group_sequential"]
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"
    at: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(min_length=2)


class AlwaysValidLooks(Block):
    """Any number of looks, by asymptotic confidence sequences."""

    kind: Literal["always_valid"]


Looks = Annotated[FixedLooks | GroupSequentialLooks | AlwaysValidLooks, Field(discriminator="kind")]


class Design(Block):
    """The numbers that the test was planned with."""

    baseline: float | None = Field(default=None, allow_inf_nan=False)
    minimum_effect: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    alpha: Probability = 0.05
    power: Probability = 0.80
    correction: Correction = "holm"
    looks: Looks = FixedLooks()
    covariates: tuple[str, ...] = ()


class InvalidIf(Block):
    """What makes the experiment invalid, whatever its effects."""

    srm_p_below: Probability = 0.001
    arm_missing: bool = True
    window_open: bool = True
    sample_below_plan: float | None = Field(default=None, gt=0, le=1)


class EligibleIf(Block):
    """What an arm must show to be eligible for a rollout."""

    primary: Literal["better_than_control"] | None = "better_than_control"
    guardrails: Literal["all_pass"] | None = None
    value_low_above: float | None = Field(default=None, allow_inf_nan=False)


class Pick(Block):
    """How the winner is chosen among the eligible arms."""

    maximise: Literal["value", "primary"] = "value"
    by: Literal["overall", "segment"] = "overall"
    min_members_per_arm: int = Field(default=500, ge=2)
    fallback: Literal["overall_winner", "control"] = "overall_winner"
    tie: Literal["cheapest", "first"] = "cheapest"


class Decision(Block):
    """The decision rule, written before the data."""

    invalid_if: InvalidIf = InvalidIf()
    eligible_if: EligibleIf = EligibleIf()
    pick: Pick = Pick()
    otherwise: Literal["no_rollout"] = "no_rollout"
