"""Assignment: how arms are drawn, or where the arms that another system drew are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from experiments.definition.block import Block, ColumnName, Probability


def _label(value: object) -> object:
    """Data say `true` and `1` where YAML reads a boolean and a number."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


Label = Annotated[str, BeforeValidator(_label), WithJsonSchema({"type": ["string", "integer", "boolean"]})]
"""A value of a column, as text."""


class Rerandomise(Block):
    """Draw the first batch again until the arms are alike on covariates."""

    covariates: tuple[str, ...] = Field(min_length=1)
    """What arms are to be alike on; each stands in `design.covariates` too, so that inference knows of it."""
    accept: Probability = 0.1
    """About this part of all draws is alike enough."""
    max_draws: int = Field(default=100, ge=1, le=10_000)
    """So many draws are made at most."""


class ClosedArm(Block):
    """An arm that is closed in the middle of the test: nobody who is planned from that day on is sent to."""

    arm: str
    """The offer's id."""
    from_: date = Field(alias="from")
    """The first day, local, of which nobody is sent to; not before the day on which `assign` records it."""


class Assignment(Block):
    """How arms are drawn, or where the arms that another system drew are read."""

    method: Literal["stratified", "hash", "recorded"]
    """`stratified` and `hash` draw arms; `recorded` reads them."""
    strata: tuple[str, ...] = ()
    """Features, columns of members, or `segment`, within which arms are drawn."""
    salt: str | None = Field(default=None, min_length=1)
    """What draws the arms; the id when absent."""
    sample_size: int | None = Field(default=None, gt=0)
    """So many eligible members are assigned; all when absent."""
    rerandomise: Rerandomise | None = None
    """Draw again until the arms are alike on covariates; drawn once when absent."""
    closed: tuple[ClosedArm, ...] | None = Field(default=None, min_length=1)
    """Arms that are closed in the middle of the test; entries may be added after the lock, and none be changed."""
    from_: str | None = Field(default=None, alias="from")
    """The source with the recorded arms."""
    column: ColumnName | None = None
    """The column with the recorded arms."""
    values: Mapping[str, Label] | None = None
    """Arm to its label in the column, where they differ."""
