"""Money: what each arm brought as attributed, and what of it is incremental to no contact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import finite
from experiments.definition.arms import CONTROL, Arm
from experiments.definition.metrics import FormulaMetric
from experiments.definition.model import Definition
from experiments.documents.analysis import Money
from experiments.measurement.measurement import Measurement
from experiments.money.buyers import Buyers, find_buyers
from experiments.money.value_formula import ValueFormula, value_formula


@dataclass(frozen=True)
class Profit:
    """An arm's incremental profit and its 1 - alpha interval, not corrected for the number of arms."""

    amount: float
    low: float | None
    high: float | None


def money_rows(definition: Definition, measurement: Measurement, contrasts: Contrasts) -> tuple[Money, ...]:
    """One row for each arm, control first.

    Args:
        definition: Names the metrics, the arms and their costs.
        measurement: The members and the moments.
        contrasts: Those that the decision reads.
    """
    books = Books(definition, measurement, contrasts)
    return tuple(books.row(arm) for arm in definition.all_arms)


@dataclass(frozen=True)
class Books:
    """Totals and effects turned into money.

    Attributed figures are totals over everybody assigned to the arm, uncapped. Incremental figures are the decision's
    effects (capped, adjusted where it adjusts) times the arm's members. Cost is what the negative terms of the value
    formula add up to, contact included; contact alone where the value is not such a formula. Profit is the value metric
    where that is a formula; a sum less the contact cost; nothing where the value is no amount.
    """

    definition: Definition
    measurement: Measurement
    contrasts: Contrasts

    @cached_property
    def formula(self) -> ValueFormula | None:
        """The value metric as a linear formula; None where it is no amount or not linear."""
        return value_formula(self.definition)

    @cached_property
    def buyers(self) -> Buyers | None:
        """Who counts as a buyer."""
        return find_buyers(self.definition, self.formula.revenue if self.formula else ())

    def row(self, arm: Arm) -> Money:
        """The money of one arm; incremental figures do not exist for control."""
        members = self.measurement.members(arm.id)
        cost, contact = self.cost(arm), arm.contact_cost * members
        bought = self.buyers.attributed(self.contrasts, arm.id) if self.buyers else None
        won = None if arm.is_control else self._incremental_buyers(arm.id, members)
        profit = None if arm.is_control else self._incremental_profit(arm, members)
        return Money(
            arm=arm.id,
            members=members,
            attributed_buyers=bought,
            incremental_buyers=won,
            attributed_revenue=self._attributed_revenue(arm.id),
            incremental_revenue=None if arm.is_control else self._incremental_revenue(arm.id, members),
            cost=cost,
            attributed_profit=self._attributed_profit(arm, members),
            incremental_profit=profit.amount if profit else None,
            incremental_profit_low=profit.low if profit else None,
            incremental_profit_high=profit.high if profit else None,
            roi=_quotient(profit.amount, cost) if profit else None,
            cost_per_incremental_buyer=_quotient(cost, won),
            break_even_lift=None if arm.is_control else self._break_even_lift(arm, members),
            removed_by_cap=self._removed_by_cap(arm.id),
            contact_cost=contact,
            cost_per_attributed_buyer=_quotient(cost, bought),
        )

    def cost(self, arm: Arm) -> float:
        """What the arm cost in all: contact, and every benefit that the value formula subtracts."""
        contact = arm.contact_cost * self.measurement.members(arm.id)
        if self.formula is None or not isinstance(self._value_metric, FormulaMetric):
            return contact
        benefits = sum(weight * self._total(metric, arm.id) for metric, weight in self.formula.costs.items())
        return benefits + max(0.0, -self.formula.contact) * contact

    @property
    def _value_metric(self) -> object:
        return self.definition.metrics[self.definition.goals.value_metric]

    def _total(self, metric: str, arm: str) -> float:
        """The uncapped total of a metric over an arm."""
        measured = self.contrasts.metrics[metric]
        moments = measured.raw[arm] if measured.raw and arm in measured.raw else measured.arm(arm)
        return _amount(moments.total(measured.value))

    def _attributed_revenue(self, arm: str) -> float | None:
        if self.formula is None or not self.formula.revenue:
            return None
        return sum(self._total(metric, arm) for metric in self.formula.revenue)

    def _attributed_profit(self, arm: Arm, members: int) -> float | None:
        if self.formula is not None:
            contact = self.formula.contact * arm.contact_cost * members
            terms = (weight * self._total(metric, arm.id) for metric, weight in self.formula.terms.items())
            return sum(terms) + contact + self.formula.constant * members
        if isinstance(self._value_metric, FormulaMetric):
            return self._total(self.definition.goals.value_metric, arm.id)
        return None

    def _incremental_buyers(self, arm: str, members: int) -> float | None:
        return self.buyers.incremental(self.contrasts, arm, members) if self.buyers else None

    def _incremental_revenue(self, arm: str, members: int) -> float | None:
        if self.formula is None or not self.formula.revenue:
            return None
        found = [self.contrasts.compare(metric, arm, CONTROL) for metric in self.formula.revenue]
        differences = [comparison.difference for comparison in found if comparison is not None]
        return sum(differences) * members if len(differences) == len(found) else None

    def _incremental_profit(self, arm: Arm, members: int) -> Profit | None:
        if self.formula is None and not isinstance(self._value_metric, FormulaMetric):
            return None
        effect = self.contrasts.compare(self.definition.goals.value_metric, arm.id, CONTROL)
        if effect is None:
            return None
        low, high = (finite(bound) for bound in effect.interval(self.definition.design.alpha))
        contact = 0.0 if isinstance(self._value_metric, FormulaMetric) else arm.contact_cost
        return Profit(
            (effect.difference - contact) * members,
            None if low is None else (low - contact) * members,
            None if high is None else (high - contact) * members,
        )

    def _break_even_lift(self, arm: Arm, members: int) -> float | None:
        """The lift of what control brings at which the gains pay what the arm costs beyond control, per member."""
        others = self.measurement.members(CONTROL)
        if self.formula is None or not members or not others:
            return None
        control = self.definition.arm(CONTROL)
        brought = sum(
            weight * self._capped_mean(metric, CONTROL) for metric, weight in self.formula.gains.items()
        )
        extra = self.cost(arm) / members - self.cost(control) / others
        return _quotient(extra, brought)

    def _capped_mean(self, metric: str, arm: str) -> float:
        measured = self.contrasts.metrics[metric]
        return measured.arm(arm).average(measured.value)

    def _removed_by_cap(self, arm: str) -> float | None:
        """The revenue above the cap; None where no revenue is capped."""
        revenue = self.formula.revenue if self.formula else ()
        capped = [metric for metric in revenue if self.contrasts.metrics[metric].raw is not None]
        if not capped:
            return None
        measured = [self.contrasts.metrics[metric] for metric in capped]
        return _amount(sum(self._total(m.metric, arm) - m.arm(arm).total(m.value) for m in measured))


def _quotient(amount: float, by: float | None) -> float | None:
    """Amount / by; None where there is nothing to divide by, or too little for the quotient to be finite."""
    return finite(amount / by) if by is not None and by > 0 else None


def _amount(total: float) -> float:
    """A total to the millionth of the currency: what lies below is the rounding of sums about a pilot."""
    return round(total, 6) + 0.0
