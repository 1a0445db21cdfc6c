"""Decision: what makes an experiment invalid, what makes an arm eligible, and how the winner is picked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experiments.definition.block import Block, Probability


class InvalidIf(Block):
    """What makes the experiment invalid, whatever its effects."""

    srm_p_below: Probability = 0.001
    """The split differs from the shares with a p-value below this."""
    arm_missing: bool = True
    """An arm has no members."""
    window_open: bool = True
    """A member's window has not closed; open windows are never read, whatever is written here."""
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
