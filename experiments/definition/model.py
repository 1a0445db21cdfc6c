"""The whole definition: every block of the YAML file as one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

from experiments.definition.arms import Arm, Arms
from experiments.definition.audience import Assignment, Audience, Feature, Holdout, Send, Source
from experiments.definition.block import Block, Name, Slug
from experiments.definition.goals import Decision, Design, Goals
from experiments.definition.metrics import Metric
from experiments.definition.origin import Origin
from experiments.definition.policy import Rollout, Tracking, Uplift

MEMBERS = "members"
"""The data source with one row for each member."""


class Definition(Block):
    """An experiment, as its file says it, with a brand's defaults resolved.

    `origin` knows the files, the line of every key and the SHA-256 of the resolved definition.
    """

    version: Literal[1]
    id: Slug
    title: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    hypothesis: str = Field(min_length=1)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    timezone: str
    data: Mapping[Name, Source]
    features: Mapping[Name, Feature] = Field(default_factory=dict)
    audience: Audience = Audience()
    holdout: Holdout | None = None
    arms: Arms
    assignment: Assignment
    send: Send | None = None
    metrics: Mapping[Name, Metric]
    goals: Goals
    design: Design = Design()
    decision: Decision
    uplift: Uplift | None = None
    rollout: Rollout | None = None
    mlflow: Tracking = Tracking()

    _origin: Origin = PrivateAttr()

    @property
    def origin(self) -> Origin:
        """Where the definition was read, the lines of its keys, and its lock."""
        return self._origin

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """Every arm, control first."""
        return self.arms.resolved

    @property
    def offer_arms(self) -> tuple[Arm, ...]:
        """Every arm but control."""
        return self.arms.resolved[1:]

    @property
    def salt(self) -> str:
        """The salt of the draw; the id where none is given."""
        return self.assignment.salt or self.id

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of every date and hour in the file."""
        return ZoneInfo(self.timezone)

    def arm(self, arm_id: str) -> Arm:
        """The arm of that id; KeyError where there is none."""
        return {arm.id: arm for arm in self.arms.resolved}[arm_id]
