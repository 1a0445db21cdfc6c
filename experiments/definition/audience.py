"""Who may enter: eligibility, contact caps and segments, by what was known before the snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from experiments.definition.block import Block, ColumnName, Slug
from experiments.definition.contact_policy import ContactCap, ContactPolicy
from experiments.definition.errors import BadValueError
from experiments.definition.expressions import OTHERWISE, Expression
from experiments.definition.origin import KeyPath
from experiments.definition.segment_grid import SegmentGrid, is_one_of, segments_of, values_of

SEGMENT = "segment"
"""What strata, covariates and policies call the member's segment."""

DAILY = "daily"

_LIKE_OTHERWISE = frozenset({OTHERWISE, "else", "default", "rest", "others"})


def _when(value: object) -> object:
    if isinstance(value, str) and value != OTHERWISE and value.strip().casefold() in _LIKE_OTHERWISE:
        raise BadValueError(f"`{value}` is not `{OTHERWISE}`", f"write `when: {OTHERWISE}`")
    return value


class Segment(Block):
    """A part of the audience; the first segment whose condition holds is the member's."""

    id: Slug
    """Its name in every table and file."""
    when: Annotated[
        Literal["otherwise"] | Expression, Field(union_mode="left_to_right"), BeforeValidator(_when)
    ]
    """A condition over members and features; `otherwise` in the last segment."""

    @property
    def is_otherwise(self) -> bool:
        """Whether this segment takes everybody who is left."""
        return self.when == OTHERWISE


class Audience(Block):
    """Eligibility and segments, decided on what was known before the snapshot."""

    snapshot: date | Literal["daily"] | None = None
    """Only rows before 00:00 of this day decide eligibility, segment and covariates; `daily` is the day of each `assign`, for journeys."""
    until: date | None = None
    """With `snapshot: daily`, the last day on which members enter; until the sample is full when absent."""
    unit: ColumnName | None = None
    """The column whose values are assigned together (a shop, a household), so that variances are by them; the member when absent.

    The member's own key changes no draw, and asks for HC2 variances of adjusted estimates.
    """
    include: Expression | None = None
    """Who is eligible: a condition over members and features."""
    reachable: Expression | Mapping[Slug, Expression] | None = None
    """Who can be reached, by one condition or one for each channel; others are left out before power is computed."""
    opted_out: Expression | Mapping[Slug, Expression] | None = None
    """Who does not want to be contacted, by one condition or one for each channel."""
    exempt: Expression | None = None
    """Who is exempt from marketing altogether."""
    exempt_lists: tuple[str, ...] | None = None
    """Files of members who are exempt from marketing, relative to the file in which they are named."""
    exclude_lists: tuple[str, ...] = ()
    """Files of members to leave out, relative to the file in which they are named."""
    contact_caps: tuple[ContactCap, ...] = ()
    """Checked before randomising, and again on the send day."""
    contact_policy: ContactPolicy | None = None
    """Floors and ceilings by lifecycle stage; a member at the ceiling of the kind that is sent may not enter."""
    global_holdout: Literal["exclude", "include"] = "include"
    """Whether members of the brand's standing holdout are kept out."""
    exclusive_group: Slug | None = None
    """A member is in one running test of a group at a time."""
    cool_down_days: int | None = Field(default=None, ge=1, le=3660)
    """Members of another test of the group stay out for so many days after their window in it."""
    yields_to: tuple[Slug, ...] | None = Field(default=None, min_length=1)
    """Experiments of the group that come first: `assign` is refused until they have assigned their members."""
    segments: tuple[Segment, ...] = ()
    """The first segment whose condition holds is the member's."""
    segment_grid: SegmentGrid | None = Field(default=None, min_length=1)
    """Instead of `segments`, one for each cell of a crossing: features or columns with their values or groups of values."""

    @property
    def is_daily(self) -> bool:
        """Whether members enter day by day, each by what was known before the own day of entry."""
        return self.snapshot == DAILY

    @property
    def day(self) -> date | None:
        """The one day of the snapshot; None where there is none, or a new one every day."""
        return self.snapshot if isinstance(self.snapshot, date) else None

    @model_validator(mode="before")
    @classmethod
    def _with_grid(cls, written: Any) -> Any:
        """A grid is resolved into its segments, so that the lock holds each of them."""
        if not isinstance(written, Mapping) or "segment_grid" not in written or "segments" in written:
            return written
        return {**written, "segments": segments_of(written["segment_grid"])}

    def conditions(self) -> Iterator[tuple[KeyPath, Expression]]:
        """Every condition over members and features, with the key where it stands."""
        if self.include is not None:
            yield ("audience", "include"), self.include
        for key, written in (("reachable", self.reachable), ("opted_out", self.opted_out)):
            if isinstance(written, Expression):
                yield ("audience", key), written
            elif written is not None:
                for channel, condition in written.items():
                    yield ("audience", key, channel), condition
        if self.exempt is not None:
            yield ("audience", "exempt"), self.exempt
        for place, cap in enumerate(self.contact_caps):
            if cap.when is not None:
                yield ("audience", "contact_caps", place, "when"), cap.when
        for name, cells in (self.segment_grid or {}).items():
            yield ("audience", "segment_grid", name), is_one_of(name, values_of(cells))
        for place, segment in enumerate(self.segments if self.segment_grid is None else ()):
            if isinstance(segment.when, Expression):
                yield ("audience", "segments", place, "when"), segment.when
