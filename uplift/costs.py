"""What offers cost: the contact, which is known, and the benefit, which the test measured, up to a joint bound of their sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlglot import exp

from experiments.definition.rollout import Budget
from experiments.money.value_formula import value_formula
from experiments.queries import as_double, coalesce, column, double, fetch_rows, named, relation
from uplift.design_effect import design_effect
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.reading import segment_names
from uplift.rules import Rule
from uplift.sample import FEWEST, Flags
from uplift.sql import cell_case

_QUANTILES = {
    "expected": 0.0,
    "upper_90": 1.2815515655446004,
    "upper_95": 1.6448536269514722,
    "upper_99": 2.3263478740408408,
}


@dataclass(frozen=True)
class Costs:
    """Costs per member, of each arm in each part of the audience.

    Attributes:
        contact: Shape (K,): certain.
        benefit: Shape (C, K): mean of the benefits that the value formula subtracts.
        error: Shape (C, K): its standard error.
        variance: Shape (C, K): variance between members, raised where members of one unit act alike.
        shared: Shape (C, K): whether mean and error are the arm's everywhere, for want of members in the part.
    """

    contact: Array
    benefit: Array
    error: Array
    variance: Array
    shared: Flags

    @property
    def expected(self) -> Array:
        """Shape (C, K): all costs at their expectation."""
        return self.contact + self.benefit

    def covered(self, budget: Budget | None) -> Array:
        """Shape (C, K): the costs that the budget covers, at their expectation; all of them where there is no budget."""
        covers = budget.covers if budget else ("contact", "benefit")
        nothing = np.zeros_like(self.benefit)
        contact = self.contact if "contact" in covers else 0.0
        return np.asarray(nothing + contact + (self.benefit if "benefit" in covers else nothing))

    def bound(self, members: Array, budget: Budget | None) -> float:
        """The cost of giving `members` of shape (C, K) their arms, at the budget's level.

        The one-sided normal bound of the total: its expectation plus the quantile times the root of two variances, that of the
        estimated means, each times its members, and that of the members around their means. Means of different members of
        the test are independent. Parts that share an arm's mean have one error, which adds up before it is squared; with the
        parts that have a mean of their own, from some of the same members, it is taken to go together.
        """
        expected = float((members * self.covered(budget)).sum())
        if budget is not None and "benefit" not in budget.covers:
            return expected
        errors = members * self.error
        own = np.sqrt((np.where(self.shared, 0.0, errors) ** 2).sum(axis=0))
        together = np.where(self.shared, errors, 0.0).sum(axis=0)
        variance = ((own + together) ** 2).sum() + (members * self.variance).sum()
        return expected + quantile(budget) * float(np.sqrt(variance))


def quantile(budget: Budget | None) -> float:
    """The one-sided normal quantile of the budget's level; 0 for the expected cost."""
    return _QUANTILES[budget.at] if budget else 0.0


def measure_costs(evidence: Evidence, rule: Rule, parts: int) -> Costs:
    """Benefit costs of the test's members, by the parts of the audience that a rule knows.

    The benefit of a member is what the negative terms of the value formula add up to, uncapped. Where the value is no such
    formula, an arm whose benefits are charged when claimed or redeemed is taken to cost every member all of them.
    """
    definition = evidence.experiment.definition
    contact = np.array([arm.contact_cost for arm in definition.all_arms])
    formula = value_formula(definition)
    shape = (parts, len(definition.all_arms))
    if formula is None or not formula.costs:
        unknown = np.array([arm.unit_cost_if_taken for arm in definition.all_arms])
        benefit = np.broadcast_to(unknown, shape).copy()
        return Costs(contact, benefit, np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool))
    units = evidence.units
    paid: exp.Expr = double(0.0)
    for metric, weight in formula.costs.items():
        measured = column(units.raw_columns.get(metric, units.metric_columns[metric]))
        term = exp.Mul(this=double(weight), expression=coalesce(measured, double(0.0)))
        paid = exp.Add(this=paid, expression=term)
    return _by_cell(evidence, rule, shape, exp.paren(paid), contact)


def _by_cell(
    evidence: Evidence, rule: Rule, shape: tuple[int, int], benefit: exp.Expr, contact: Array
) -> Costs:
    definition, engine = evidence.experiment.definition, evidence.experiment.engine
    case = cell_case(rule, engine, segment_names(definition))
    cell = case or exp.Literal.number(0)
    arms = [arm.id for arm in definition.all_arms]
    inner = exp.select(named(column("arm"), "arm"), named(cell, "cell"), named(benefit, "benefit")).from_(
        relation(evidence.units.relation)
    )
    value = as_double(column("benefit"))
    query = (
        exp.select(
            column("arm"),
            column("cell"),
            named(exp.Count(this=exp.Star()), "members"),
            named(exp.Sum(this=value), "total"),
            named(exp.Sum(this=exp.Mul(this=value.copy(), expression=value.copy())), "squares"),
        )
        .from_(inner.subquery("costs"))
        .group_by(column("arm"), column("cell"))
    )
    sums = np.zeros((3, *shape))
    overall = np.zeros((3, shape[1]))
    for row in fetch_rows(engine, query):
        found = [float(row["members"]), float(row["total"]), float(row["squares"])]
        arm = arms.index(row["arm"])
        overall[:, arm] += found
        if 0 <= int(row["cell"]) < sums.shape[1]:
            sums[:, int(row["cell"]), arm] += found
    # Of a rule that is a model, the engine does not know the parts.
    shared = (sums[0] < FEWEST) | (case is None)
    sums = np.where(shared, overall[:, None, :], sums)
    members = np.maximum(sums[0], 2.0)
    mean = sums[1] / members
    variance = np.maximum(sums[2] / members - mean**2, 0.0) * members / (members - 1)
    mean, variance = np.maximum(mean, 0.0), np.where(np.arange(mean.shape[1]) == 0, 0.0, variance)
    mean[:, 0] = 0.0
    # Members of one unit take their benefits together.
    variance = variance * design_effect(evidence, benefit)
    return Costs(contact, mean, np.sqrt(variance / members), variance, shared)
