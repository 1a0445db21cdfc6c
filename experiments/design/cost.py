"""The plan's cost: what sending the test is expected to cost, contacts and benefits."""

from __future__ import annotations

from experiments.definition.arms import Arm
from experiments.definition.model import Definition
from experiments.design.plan import Plan
from experiments.money.buyers import find_buyers
from experiments.money.value_formula import value_formula


def expected_cost(plan: Plan) -> float:
    """The expected cost of the test: every member of every offer arm, contacts and benefits."""
    costs = costs_of_member(plan, ("contact", "benefit"))
    return sum(plan.members[arm] * cost for arm, cost in costs.items())


def costs_of_member(plan: Plan, covers: tuple[str, ...]) -> dict[str, float]:
    """What one member of each offer arm is expected to cost.

    A contact is paid for every member. A benefit that is charged when claimed or redeemed is expected of as many members
    as buy: control's rate, and where the primary metric is a rate, the minimum effect on top.

    Args:
        plan: What is known of the metrics.
        covers: Which costs to count: `contact`, `benefit`.
    """
    rate = _rate_of_takers(plan)
    return {arm.id: _cost_of_member(arm, rate, covers) for arm in plan.definition.offer_arms}


def _cost_of_member(arm: Arm, rate: float, covers: tuple[str, ...]) -> float:
    sent_with = arm.contact_cost - arm.cost_per_send
    cost = arm.cost_per_send if "contact" in covers else 0.0
    return cost + (sent_with + rate * arm.unit_cost_if_taken if "benefit" in covers else 0.0)


def _rate_of_takers(plan: Plan) -> float:
    """The share of members who are expected to take a benefit; all of them where nothing says who buys."""
    definition = plan.definition
    primary = definition.metrics[definition.goals.primary.metric]
    if primary.type == "binary" and plan.baseline is not None:
        return min(1.0, max(0.0, plan.baseline + (plan.effect or 0.0)))
    return _rate_of_buyers(definition, plan)


def _rate_of_buyers(definition: Definition, plan: Plan) -> float:
    formula = value_formula(definition)
    buyers = find_buyers(definition, formula.revenue if formula else ())
    if buyers is None:
        return 1.0
    measured, moments = plan.past.metrics[buyers.metric], plan.past.moments(buyers.metric)
    return moments.nonzero_count(measured.value) / moments.count if moments.count else 1.0
