"""Who may enter: data sources, features as of the snapshot, eligibility, contact caps, segments, the draw and the send."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from experiments.definition.block import Block, ColumnName, Days, ExactShare, Name, Slug
from experiments.definition.expressions import OTHERWISE, Expression

ROW_NUMBER = "row_number"


class Source(Block):
    """A table of the data: a file relative to the definition, an absolute path, or a table of the engine."""

    table: str = Field(min_length=1)
    key: ColumnName
    """The column with the member's key; `row_number` numbers the rows of one file from 1."""
    time: ColumnName | None = None
    """When the event happened; a source with a time is an event source."""


class Feature(Block):
    """One value for each member, from the rows of an event source before the snapshot, or a stage of another feature.

    Exactly one of `days_since, count, sum, mean, distinct` stands beside `from`; `stages` stands beside `on`.
    """

    from_: str | None = Field(default=None, alias="from")
    days_since: Literal["first", "last"] | None = None
    count: Literal["rows"] | None = None
    sum: Expression | None = None
    mean: Expression | None = None
    distinct: ColumnName | None = None
    where: Expression | None = None
    days: Days | None = None
    stages: str | Mapping[Name, tuple[int, int | None]] | None = None
    """The name of a preset, or a half-open range of days for each stage."""
    on: str | None = None


class ContactCap(Block):
    """At most `max` contacts of a kind over channels in the rolling `days` that end at the snapshot."""

    channels: tuple[Slug, ...] = Field(min_length=1)
    kind: str = "any"
    max: int = Field(ge=0)
    days: Days


class Segment(Block):
    """A part of the audience; the first segment whose condition holds is the member's."""

    id: Slug
    when: Expression | Literal["otherwise"]

    @property
    def is_otherwise(self) -> bool:
        """Whether this segment takes everybody who is left."""
        return self.when == OTHERWISE


class Audience(Block):
    """Eligibility and segments, decided on what was known before the snapshot."""

    snapshot: date | None = None
    unit: ColumnName | None = None
    """The column whose values are assigned together (a shop, a household); the member when absent."""
    include: Expression | None = None
    exclude_lists: tuple[str, ...] = ()
    contact_caps: tuple[ContactCap, ...] = ()
    global_holdout: Literal["exclude", "include"] = "include"
    exclusive_group: Slug | None = None
    segments: tuple[Segment, ...] = ()


class Holdout(Block):
    """The brand's standing holdout: members who are never contacted, drawn by a salt of its own."""

    share: ExactShare
    salt: str = Field(min_length=1)


class Assignment(Block):
    """How arms are drawn, or where the arms that another system drew are read."""

    method: Literal["stratified", "hash", "recorded"]
    strata: tuple[str, ...] = ()
    salt: str | None = Field(default=None, min_length=1)
    sample_size: int | None = Field(default=None, gt=0)
    from_: str | None = Field(default=None, alias="from")
    column: ColumnName | None = None
    values: Mapping[str, str | int] | None = None


def _clock(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'{value!r} is not a time of day; write it in quotes, such as "09:00"')
    return value


Clock = Annotated[time, BeforeValidator(_clock)]


class Send(Block):
    """The days and the hours (from, until) in which messages may go out; control members are planned too."""

    days: tuple[date, ...] = Field(min_length=1)
    hours: tuple[Clock, Clock] = (time(9), time(20))
