"""Goals: the metrics' roles, from the one that the test is powered for to those that may not get worse."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experiments.definition.block import Block

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
