"""Schedule: when each simulated experiment is read, and by which bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from experiments.decision.look_ledger import LookPlan
from experiments.decision.looks import Look
from experiments.definition.design import FixedLooks, GroupSequentialLooks
from experiments.definition.model import Definition
from experiments.simulation.remeasure import Remeasure
from experiments.simulation.sample import MemberSample

ALWAYS_VALID_AT = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Parts of the members at which an always-valid design, which may look at any time, is read."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One reading of the data.

    Attributes:
        members: How many members have matured, the first ones of the sample.
        remeasure: Takes their moments.
        look: The bounds; None for the one reading of a fixed design.
    """

    members: int
    remeasure: Remeasure
    look: Look | None


def fractions(definition: Definition) -> tuple[float, ...]:
    """The parts of the members at which a simulated experiment is read, the last one being all."""
    looks = definition.design.looks
    if isinstance(looks, FixedLooks):
        return (1.0,)
    return looks.at if isinstance(looks, GroupSequentialLooks) else ALWAYS_VALID_AT


def plan_stages(definition: Definition, sample: MemberSample, metrics: Sequence[str]) -> tuple[Stage, ...]:
    """The readings of one experiment, in order.

    Members mature in the sample's order, which is random. Looks come at exactly the planned information, whose bounds
    are then the same in every experiment.

    Args:
        definition: The planned looks, the arms and their shares.
        sample: The members.
        metrics: What is measured.
    """
    at = fractions(definition)
    arms = [arm.id for arm in definition.all_arms]
    stages = []
    for number, part in enumerate(at, start=1):
        members = round(part * sample.members)
        remeasure = Remeasure.of(sample.first(members), arms, metrics)
        stages.append(Stage(members, remeasure, _look(definition, at[:number], members, sample.members)))
    return tuple(stages)


def _look(definition: Definition, at: tuple[float, ...], matured: int, planned: int) -> Look | None:
    if isinstance(definition.design.looks, FixedLooks):
        return None
    shares = {arm.id: float(arm.share) for arm in definition.all_arms}
    return Look(
        number=len(at),
        information=at,
        matured={arm: round(share * matured) for arm, share in shares.items()},
        plan=LookPlan.of(definition),
        planned={arm: share * planned for arm, share in shares.items()},
        final=at[-1] >= 1,
        at=datetime.min.replace(tzinfo=UTC),
    )
