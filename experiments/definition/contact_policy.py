"""Contact policy: how often a member is contacted at most and at least, by channel, kind of contact and lifecycle stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from experiments.definition.block import Block, Days, Name, Slug
from experiments.definition.errors import BadValueError
from experiments.definition.expressions import Expression
from experiments.definition.presets import POLICIES
from experiments.definition.suggest import choose

CONTACTS = "contacts"
"""The event source with every contact; it has the columns `channel` and `kind` beside its key and time."""

ContactKind = Literal["care", "marketing"]
"""What a contact is for; both stand in the column `kind` of the contacts."""


class ContactCap(Block):
    """At most `max` contacts of a kind over channels in the rolling `days` that end at the snapshot."""

    channels: tuple[Slug, ...] = Field(min_length=1)
    """The channels whose contacts count."""
    kind: str = "any"
    """The kind of contact that counts; `any` counts all."""
    max: int = Field(ge=0)
    """So many contacts are still allowed."""
    days: Days
    """The length of the window."""
    when: Expression | None = None
    """The cap is for members who meet this condition; for all when absent."""


Count = Annotated[int, Field(ge=0)]


class StageContacts(Block):
    """What members in one lifecycle stage should and may have: a floor and a ceiling for each kind of contact."""

    days: Days
    """Contacts of so many days that end at the snapshot count."""
    care: tuple[Count, Count | None] | None = None
    """At least and at most so many care contacts; null has no ceiling."""
    marketing: tuple[Count, Count | None] | None = None
    """At least and at most so many marketing contacts; null has no ceiling."""

    def bounds(self, kind: ContactKind) -> tuple[int, int | None]:
        """Floor and ceiling of a kind; no limit where the stage says nothing of it."""
        bounds = self.care if kind == "care" else self.marketing
        return bounds or (0, None)


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in POLICIES:
        raise BadValueError(f"there is no preset `{value}`", choose(value, POLICIES, "preset"))
    return {stage: dict(limits) for stage, limits in POLICIES[value].items()}


class ContactPolicy(Block):
    """Floors and ceilings by lifecycle stage: no member is harassed, no stage is forgotten."""

    on: str
    """The feature with the member's stage."""
    stages: Annotated[
        Mapping[Name, StageContacts],
        BeforeValidator(_preset, json_schema_input_type=str | Mapping[Name, StageContacts]),
    ]
    """Stage to its limits, or the name of a preset."""
    channels: tuple[Slug, ...] | None = Field(default=None, min_length=1)
    """The channels whose contacts count; all when absent."""
    prefer: Literal["under_floor"] | None = None
    """Where not everybody can be reached, members under the floor of their stage for the kind that is sent come first; by chance when absent."""
