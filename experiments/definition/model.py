"""The whole definition: every block of the YAML file as one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

from experiments.definition.arms import Arm, Arms
from experiments.definition.assignment import Assignment
from experiments.definition.audience import Audience
from experiments.definition.block import Block, Name, Slug
from experiments.definition.contact_policy import ContactKind
from experiments.definition.decision import Decision
from experiments.definition.delivery import Delivery
from experiments.definition.design import Design
from experiments.definition.features import Feature
from experiments.definition.goals import Goals
from experiments.definition.holdout import Holdout
from experiments.definition.metrics import BinaryMetric, CountMetric, Metric, SumMetric
from experiments.definition.origin import Origin
from experiments.definition.rollout import Rollout
from experiments.definition.scenario import Scenario
from experiments.definition.send import Send
from experiments.definition.sources import Source
from experiments.definition.tracking import Tracking
from experiments.definition.uplift import Uplift

MEMBERS = "members"
"""The data source with one row for each member."""


class Definition(Block):
    """An experiment, as its file says it, with a brand's defaults resolved.

    `origin` knows the files, the line of every key and the SHA-256 of the resolved definition.
    """

    version: Literal[1]
    """The version of this format."""
    id: Slug
    """ASCII; salt, file names and MLflow names derive from it."""
    title: str = Field(min_length=1)
    """In any language."""
    owner: str = Field(min_length=1)
    """Whom to ask."""
    hypothesis: str = Field(min_length=1)
    """What should turn out to be true."""
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    """Three letters; every amount is in it."""
    timezone: str
    """An IANA name; every date and hour is local to it."""
    scenario: Scenario | None = None
    """A kind of campaign whose usual features, audience, primary metric and window fill what the file leaves open."""
    data: Mapping[Name, Source]
    """Name to file or table; `members` has one row for each member."""
    features: Mapping[Name, Feature] = Field(default_factory=dict)
    """One value for each member, from rows before the snapshot."""
    audience: Audience = Audience()
    """Who may enter."""
    holdout: Holdout | None = None
    """The brand's standing holdout."""
    arms: Arms
    """What is compared."""
    assignment: Assignment
    """How arms are drawn or read."""
    send: Send | None = None
    """When messages may go out."""
    metrics: Mapping[Name, Metric]
    """What is measured."""
    goals: Goals
    """The metrics' roles."""
    delivery: Delivery | None = None
    """Whom the messages reached."""
    design: Design = Design()
    """Effect, error rates, family and looks that the test was planned with."""
    decision: Decision
    """The rule, written before the data."""
    uplift: Uplift | None = None
    """What policies may look at."""
    rollout: Rollout | None = None
    """To whom the chosen policy goes."""
    mlflow: Tracking = Tracking()
    """Where runs are logged."""

    _origin: Origin = PrivateAttr()

    def read_from(self, origin: Origin) -> Definition:
        """The same definition, knowing where it was read."""
        located = self.model_copy()
        located._origin = origin  # noqa: SLF001 - a copy of its own class
        return located

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
    def sent_kind(self) -> ContactKind:
        """What kind of contact the messages are."""
        return (self.send.kind if self.send else None) or "marketing"

    @property
    def prefers_under_floor(self) -> bool:
        """Whether members under the floor of their stage come first where not everybody can be reached."""
        return self.audience.contact_policy is not None and self.audience.contact_policy.prefer is not None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of every date and hour in the file."""
        return ZoneInfo(self.timezone)

    @property
    def metrics_of_others(self) -> tuple[str, ...]:
        """The metrics that other people than the member decide, whom members of several arms may know."""
        measured = (BinaryMetric, SumMetric, CountMetric)
        return tuple(
            name for name, metric in self.metrics.items() if isinstance(metric, measured) and metric.of_others
        )

    def arm(self, arm_id: str) -> Arm:
        """The arm of that id; KeyError where there is none."""
        return {arm.id: arm for arm in self.arms.resolved}[arm_id]
