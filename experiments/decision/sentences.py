"""Sentences: reasons and next steps in the user's language, with figures in the metric's own unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from experiments.definition.metric_units import unit_of
from experiments.definition.model import Definition
from experiments.documents.analysis import Reason
from experiments.inference.comparison import Comparison
from experiments.language import Words
from experiments.numbers import Numbers, probability

PACKAGE = "experiments"


@dataclass(frozen=True)
class Sentences:
    """What the decision says.

    A rate reads as a percentage and its differences in points, money (see `definition.metric_units`) in the definition's
    currency, everything else as a plain number.

    Attributes:
        definition: Gives arms, units and the currency.
        words: The language.
        arguments: What a command in a next step must be given; the definition's file where that is not known.
    """

    definition: Definition
    words: Words
    arguments: str = ""

    def reason(self, code: str, **facts: object) -> Reason:
        """The reason of a code with its sentence."""
        return Reason(code, self.words.say(PACKAGE, f"reason.{code}", **facts))

    def plan(self, code: str, **facts: object) -> Reason:
        """The reason of a design with its sentence."""
        return Reason(code, self.words.say(PACKAGE, f"plan.{code}", **facts))

    def finding(self, code: str, **facts: object) -> str:
        """A sentence on factors or segments."""
        return self.words.say(PACKAGE, f"finding.{code}", **facts)

    def simulation(self, code: str, **facts: object) -> Reason:
        """The reason of a simulation with its sentence."""
        return Reason(code, self.words.say(PACKAGE, f"simulation.{code}", **facts))

    def next_step(self, code: str, **facts: object) -> str:
        """What to do next, with the command where there is one."""
        return self.words.say(PACKAGE, f"next_step.{code}", file=self.file, **facts)

    @property
    def file(self) -> str:
        """The definition's file and the options that a command needs with it."""
        return self.arguments or str(self.definition.origin.path)

    def arm(self, arm: str) -> str:
        """An arm by its label and its id."""
        label = self.definition.arm(arm).label
        return arm if label == arm else f"{label} ({arm})"

    def arms(self, arms: tuple[str, ...]) -> str:
        """Several arms in a row."""
        return self.words.say(PACKAGE, "figure.comma").join(self.arm(arm) for arm in arms)

    def level(self, metric: str, value: float) -> str:
        """A mean of a metric."""
        if self._is_rate(metric):
            return self.numbers.share(value, _places_of_rate(value))
        return self.amount(value) if self._is_money(metric) else self.numbers.number(value)

    def total(self, metric: str, value: float, *, sign: bool = False) -> str:
        """A sum of a metric over members: an amount, or a plain number, such as that of those who bought."""
        if self._is_money(metric):
            return self.amount(value, sign=sign)
        return self.numbers.number(value, 0 if abs(value) >= 1000 or value == 0 else None, sign=sign)

    def change(self, metric: str, value: float) -> str:
        """A difference of a metric between two arms, with its sign."""
        if self._is_rate(metric):
            points = self.numbers.number(100 * value, _places_of_rate(value), sign=True)
            return self.words.say(PACKAGE, "figure.points", value=points)
        if self._is_money(metric):
            return self.amount(value, sign=True)
        return self.numbers.number(value, sign=True)

    def relative(self, value: float) -> str:
        """A relative change, with its sign."""
        return self.numbers.share(value, 1, sign=True)

    def interval(self, metric: str, bounds: tuple[float, float]) -> str:
        """A 1 - alpha interval of a difference."""
        low, high = (self.change(metric, bound) if math.isfinite(bound) else self.unknown for bound in bounds)
        level = f"{100 * (1 - self.definition.design.alpha):.4g}%"
        return self.words.say(PACKAGE, "figure.interval", low=low, high=high, level=level)

    def amount(self, value: float, *, sign: bool = False) -> str:
        """An amount in the definition's currency, in whole units from a thousand on."""
        return self.numbers.money(value, 0 if abs(value) >= 1000 or value == 0 else None, sign=sign)

    @property
    def numbers(self) -> Numbers:
        """How numbers are written in this language and currency."""
        return Numbers(self.words.language, self.definition.currency)

    @property
    def unknown(self) -> str:
        """A figure that does not exist."""
        return self.words.say(PACKAGE, "figure.unknown")

    @property
    def no_test(self) -> str:
        """A p-value that does not exist, and why."""
        return self.words.say(PACKAGE, "figure.no_test")

    def evidence(self, metric: str, comparison: Comparison, p_adjusted: float) -> dict[str, str]:
        """The facts that a sentence about one comparison may use."""
        alpha = self.definition.design.alpha
        bounds = comparison.interval(alpha)
        interval = self.interval(metric, bounds)
        if comparison.has_test and disagree(comparison.p_value(), bounds, alpha):
            interval = self.words.say(PACKAGE, "figure.overruled", interval=interval)
        return {
            "metric": metric,
            "mean_arm": self.level(metric, comparison.mean_arm),
            "mean_versus": self.level(metric, comparison.mean_versus),
            "difference": self.change(metric, comparison.difference),
            "interval": interval,
            "p": probability(p_adjusted) if comparison.has_test else self.no_test,
        }

    def _is_rate(self, metric: str) -> bool:
        return self.definition.metrics[metric].type == "binary"

    def _is_money(self, metric: str) -> bool:
        return unit_of(self.definition, metric) == "money"


def disagree(p_value: float, bounds: tuple[float, float], alpha: float) -> bool:
    """Whether an uncorrected p-value and its interval say different things about no difference; the p-value then decides.

    An exact test and the score interval may, and so may the pooled z and that interval with few members.

    >>> disagree(0.0479, (-0.0001, 0.5), 0.05), disagree(0.06, (-0.01, 0.5), 0.05)
    (True, False)
    """
    return (p_value <= alpha) != (not bounds[0] <= 0 <= bounds[1])


def _places_of_rate(value: float) -> int:
    return 2 if abs(value) >= 0.001 or value == 0 else 4
