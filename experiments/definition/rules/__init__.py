"""Rules between the keys of a definition: what each block alone cannot know."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem
from experiments.definition.rules.arms import check_arms
from experiments.definition.rules.assignment import check_assignment
from experiments.definition.rules.audience import check_audience
from experiments.definition.rules.closed import check_closed
from experiments.definition.rules.contacts import check_contacts
from experiments.definition.rules.days import check_days
from experiments.definition.rules.decision import check_decision
from experiments.definition.rules.delivery import check_delivery
from experiments.definition.rules.design import check_design
from experiments.definition.rules.features import check_features
from experiments.definition.rules.goals import check_goals
from experiments.definition.rules.metrics import check_metrics
from experiments.definition.rules.names import check_names
from experiments.definition.rules.rollout import check_rollout
from experiments.definition.rules.send import check_send
from experiments.definition.rules.sources import check_sources
from experiments.definition.rules.timezone import check_timezone
from experiments.definition.rules.uplift import check_uplift


def check(draft: Draft) -> Iterator[Problem]:
    """Every problem between keys; where a block has faults of its own, only what can be said in spite of them."""
    for rule in (
        check_names,
        check_sources,
        check_features,
        check_audience,
        check_contacts,
        check_days,
        check_arms,
        check_timezone,
        check_send,
        check_assignment,
        check_closed,
        check_metrics,
        check_goals,
        check_design,
        check_decision,
        check_delivery,
        check_uplift,
        check_rollout,
    ):
        yield from rule(draft)
