"""Features: one value for each member, from what was known before the snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from experiments.definition.block import Block, ColumnName, Days, Name
from experiments.definition.errors import BadValueError
from experiments.definition.expressions import Expression
from experiments.definition.presets import SEVEN_LAYERS, STAGES
from experiments.definition.suggest import choose

StageDays = Mapping[Name, tuple[int, int | None]]
"""Half-open ranges of days: `[7, 45]` holds from day 7 up to, but not including, day 45; null has no end."""


class Layers(Block):
    """Where the seven layers of a member's life begin and end; the first that fits is the member's.

    `potential` has no row; `churned` none in the last `churned` days; `new` has the first within `new` days; `trial` has
    one; `active` has one within `active` days; the others are pre-churn, `high_repurchase_pre_churn` from
    `high_repurchase` rows on, `low_repurchase_pre_churn` below.
    """

    new: Days
    """A member is new for so many days after the first row."""
    active: Days
    """A member is active for so many days after the last row."""
    churned: Days
    """A member has churned from so many days after the last row on."""
    high_repurchase: int = Field(ge=2)
    """From so many rows on, repurchase is high."""


LAYERS = (
    "potential", "churned", "new", "trial", "active", "high_repurchase_pre_churn", "low_repurchase_pre_churn"
)  # fmt: skip
"""The layers, in the order in which they are asked for."""


class StagesOfNever(Block):
    """Stages of the members for whom the stages' own days do not exist."""

    stages: StageDays
    """A half-open range of days for each stage."""
    on: str
    """The feature whose days are cut into stages, such as the days since registration."""


def _layers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value != SEVEN_LAYERS.name:
        raise BadValueError(f"there is no preset `{value}`", choose(value, [SEVEN_LAYERS.name], "preset"))
    return dict(SEVEN_LAYERS.limits)


class Feature(Block):
    """One value for each member, from the rows of an event source before the snapshot, or from another feature.

    Exactly one of `days_since, count, sum, mean, distinct, share, gap, layers` stands beside `from`, and exactly one of
    `stages, bands` beside `on`.
    """

    from_: str | None = Field(default=None, alias="from")
    """An event source; `members` for the days since one of their own columns."""
    days_since: Literal["first", "last"] | ColumnName | None = None
    """Days from the first or the last row to the snapshot; of `members`, from the day in this column."""
    count: Literal["rows"] | None = None
    """The number of rows."""
    sum: Expression | None = None
    """The sum of an expression."""
    mean: Expression | None = None
    """The mean of an expression."""
    distinct: ColumnName | None = None
    """The number of different values of a column."""
    share: Expression | None = None
    """The share of the rows that meet this condition; of the amount in `of`, where that is given."""
    of: Expression | None = None
    """The amount whose share is taken."""
    gap: Literal["median"] | None = None
    """Days between one day with a row and the next, the median: the member's own purchase cycle."""
    layers: Annotated[
        Layers | None,
        BeforeValidator(_layers, json_schema_input_type=Literal["seven_layers"] | Layers | None),
    ] = None
    """The seven layers of a member's life: a preset's name, or where each begins."""
    where: Expression | None = None
    """Only rows that meet this condition."""
    days: Days | None = None
    """Only rows of so many days before the snapshot."""
    stages: str | StageDays | None = None
    """The name of a preset, or a half-open range of days for each stage."""
    never: Name | StagesOfNever | None = None
    """The stage of members without those days (they never bought), or their stages by other days."""
    bands: Annotated[int, Field(ge=2, le=100)] | tuple[float, ...] | None = None
    """Numbered bands from 1: so many by quantiles of all members who have a value, or bands that begin at these values."""
    better: Literal["up", "down"] | None = None
    """Whether high or low values get the high band; `up` when absent."""
    on: str | None = None
    """The feature that is cut into stages or bands; bands may also cut a column of members."""


def stages_of(feature: Feature) -> StageDays:
    """The half-open ranges of a feature's stages, whether a preset's or its own; none where it has no stages."""
    if isinstance(feature.stages, str):
        return STAGES.get(feature.stages, {})
    return feature.stages or {}


def stage_names(feature: Feature) -> tuple[str, ...]:
    """Every value that a feature of stages or layers may have, in order; empty for other features."""
    if feature.layers is not None:
        return LAYERS
    stages = stages_of(feature)
    if not stages or feature.never is None:
        return tuple(stages)
    never = feature.never.stages if isinstance(feature.never, StagesOfNever) else [feature.never]
    return (*stages, *never)
