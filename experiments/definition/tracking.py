"""Where runs are logged."""

from __future__ import annotations

from pydantic import Field

from experiments.definition.block import Block, Slug


class Tracking(Block):
    """Names in MLflow; they default to the experiment's id."""

    experiment: str | None = Field(default=None, min_length=1)
    """The experiment in MLflow."""
    model: Slug | None = None
    """The registered model in MLflow."""
