"""Open arms: whom the analysis counts where arms were closed in the middle of the test.

All arms that stayed open are compared over everybody they have: closing another arm changed nobody's arm, so that the shares
among them are the same on every day. An arm that was closed is compared with control over the days on which both were open.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.assignment.closing import closes_at
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.measurement.measurement import Measurement
from experiments.measurement.member_counts import count_members, members_by_cell, repeated_members
from experiments.measurement.unit_counts import count_units
from experiments.measurement.windows import PLANNED
from experiments.queries import as_double, column, double, named, relation

_OPEN = "of_open_arms"
_CONCURRENT = "of_closed_arm"
_PROPENSITY = "propensity"


@dataclass(frozen=True)
class OpenArms:
    """Whom the analysis counts, and everybody whom the draw gave an arm; the same where no arm was closed.

    Attributes:
        experiment: With the arms that stayed open; their shares are of the members whom they have together.
        assigned: The members of these arms.
        whole: The experiment with all arms.
        everybody: Everybody assigned.
    """

    experiment: Experiment
    assigned: Assigned
    whole: Experiment
    everybody: Assigned

    def as_drawn(self, measurement: Measurement) -> Measurement:
        """A measurement of the open arms, its counts of members assigned those of all arms: by these the split is judged."""
        if self.experiment is self.whole:
            return measurement
        counts = count_members(self.whole, self.everybody)
        return replace(
            measurement,
            assigned=counts,
            everybody=members_by_cell(counts),
            repeated_members=repeated_members(self.whole, self.everybody, counts),
            unit_counts=count_units(self.whole, self.everybody),
        )


def open_arms(experiment: Experiment, everybody: Assigned) -> OpenArms:
    """The arms that stayed open, and their members."""
    definition = experiment.definition
    closed = {each.arm for each in definition.assignment.closed or ()}
    if not closed:
        return OpenArms(experiment, everybody, experiment, everybody)
    kept = [arm.id for arm in definition.all_arms if arm.id not in closed]
    experiment.engine.create(_OPEN, _members_of(experiment, everybody, kept))
    return OpenArms(_among(experiment, kept), replace(everybody, relation=_OPEN), experiment, everybody)


def closed_beside_control(
    experiment: Experiment, assigned: Assigned, arm: str
) -> tuple[Experiment, Assigned]:
    """The experiment of control and an arm that was closed, and their members who were planned while both were open."""
    closes, kept = closes_at(experiment.definition, arm), (CONTROL, arm)
    assert closes is not None, f"{arm} was not closed"
    was_open = exp.LT(this=column(PLANNED), expression=experiment.engine.instant_literal(closes))
    experiment.engine.create(_CONCURRENT, _members_of(experiment, assigned, kept).where(was_open))
    return _among(experiment, kept), replace(assigned, relation=_CONCURRENT)


def _among(experiment: Experiment, arms: Collection[str]) -> Experiment:
    definition: Definition = experiment.definition.model_copy(
        update={"arms": experiment.definition.arms.among(arms)}
    )
    return replace(experiment, definition=definition)


def _members_of(experiment: Experiment, assigned: Assigned, arms: Collection[str]) -> exp.Select:
    """The members of these arms, each with the probability of its arm among them."""
    whole = sum((arm.share for arm in experiment.definition.all_arms if arm.id in arms), start=Fraction(0))
    among = exp.Div(this=as_double(column(_PROPENSITY)), expression=double(float(whole)))
    names = experiment.engine.columns(assigned.relation)
    columns = (named(among if name == _PROPENSITY else column(name), name) for name in names)
    is_one = exp.In(this=column("arm"), expressions=[exp.Literal.string(arm) for arm in arms])
    return exp.select(*columns).from_(relation(assigned.relation)).where(is_one)
