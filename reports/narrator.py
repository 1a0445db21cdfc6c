"""Says an experiment's names and figures in the report's language and in the metric's own unit."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.definition.goals import Guardrail
from experiments.definition.metric_units import Unit, unit_of
from experiments.definition.model import Definition
from experiments.documents.analysis import Effect
from experiments.experiment import Experiment
from experiments.inference.look_names import ALWAYS_VALID, GROUP_SEQUENTIAL
from experiments.language import Words
from experiments.numbers import Numbers, decimals
from reports.tables import Cell, absent

PACKAGE = "reports"
PER = 1000
"""Headline amounts are told per this many members."""


@dataclass(frozen=True)
class Narrator:
    """The definition, the words and the numbers of one report, and what the next command must be given."""

    definition: Definition
    words: Words
    numbers: Numbers
    arguments: str

    @classmethod
    def of(cls, experiment: Experiment) -> Narrator:
        """The narrator of an open experiment, in its language and its currency."""
        numbers = Numbers(experiment.words.language, experiment.definition.currency)
        return cls(experiment.definition, experiment.words, numbers, experiment.arguments)

    def say(self, code: str, **facts: object) -> str:
        """A sentence of this room."""
        return self.words.say(PACKAGE, code, **facts)

    def say_or(self, code: str, default: str) -> str:
        """A sentence of this room, or `default` where there is none for the code."""
        return self.words.say(PACKAGE, code) if self.words.has(PACKAGE, code) else default

    # Names.

    def arm(self, arm_id: str) -> str:
        """What people call an arm; its id where the definition has none of that id."""
        labels = {arm.id: arm.label for arm in self.definition.all_arms}
        return labels.get(arm_id, arm_id)

    def arm_cell(self, arm_id: str) -> Cell:
        """An arm's label with its id below, where they differ."""
        label = self.arm(arm_id)
        return Cell(label, "" if label == arm_id else arm_id)

    def metric(self, name: str) -> str:
        """A metric's name in words."""
        return self.say_or(f"metric.{name}", name.replace("_", " "))

    def segment(self, segment: str | None) -> str:
        """A segment's id, or everybody."""
        return self.say("name.everybody") if segment is None else segment

    def method(self, method: str) -> str:
        """A method's name, with the kind of look where it has the bounds of one; its code where there are no words for it."""
        estimator, look = _at_look(method)
        name = self.say_or(f"method.{estimator}", estimator)
        return self.say(f"at_look.{look}", method=name) if look else name

    def computed(self, method: str) -> str:
        """How a method computes, in one or two sentences; its code where there are no words for it."""
        estimator, look = _at_look(method)
        how = self.say_or(f"computed.{estimator}", estimator)
        return self.say(f"at_look_computed.{look}", computed=how) if look else how

    # Figures.

    @property
    def level(self) -> str:
        """The level of the unadjusted two-sided intervals, as a percentage."""
        return self.numbers.level(1 - self.definition.design.alpha)

    def unit(self, metric: str) -> Unit:
        """What a metric is counted in."""
        return unit_of(self.definition, metric)

    def mean(self, metric: str, value: float | None, why: str = "") -> Cell:
        """A mean per member."""
        if value is None:
            return absent(why)
        unit = self.unit(metric)
        if unit == "share":
            return Cell(self.numbers.share(value))
        return Cell(self.numbers.money(value) if unit == "money" else self.numbers.number(value))

    def difference(
        self,
        metric: str,
        value: float,
        low: float | None,
        high: float | None,
        *,
        times: int = 1,
        sign: bool = True,
    ) -> tuple[str, str]:
        """A difference of means and its interval as texts, with decimals that suit the interval's width.

        Args:
            metric: Whose difference it is.
            value: The estimate per member.
            low: The lower bound, or None where the data set none.
            high: The upper bound, or None.
            times: Told for that many members; a share then becomes a number of members.
            sign: Whether a plus stands before what is above zero; a level has none.

        Returns:
            The estimate with its unit, and the interval; the interval is empty where a bound is missing.
        """
        as_points = self.unit(metric) == "share" and times == 1
        factor = 100 if as_points else times
        width = max((abs(bound - value) for bound in (low, high) if bound is not None), default=0.0)
        places = decimals((width or value) * factor)

        def written(figure: float) -> str:
            if self.unit(metric) == "money":
                return self.numbers.money(figure * factor, min(places, 4), sign=sign)
            return self.numbers.number(figure * factor, places, sign=sign)

        text = self.numbers.points(value, places, sign=sign) if as_points else written(value)
        if low is None or high is None:
            return text, ""
        return text, self.numbers.interval(written(low), written(high))

    def difference_cell(self, effect: Effect) -> Cell:
        """An effect's difference with its unadjusted interval below."""
        # Not at the top: behind it stands scipy.stats, which `validate` must not wait for.
        from experiments.decision.sentences import disagree

        text, interval = self.difference(
            effect.metric, effect.difference, effect.difference_low, effect.difference_high
        )
        if effect.p_value is None or effect.difference_low is None or effect.difference_high is None:
            return Cell(text, interval or self.say("why.no_interval"))
        bounds = effect.difference_low, effect.difference_high
        if disagree(effect.p_value, bounds, self.definition.design.alpha):
            interval = f"{interval}; {self.say('why.p_decides')}"
        return Cell(text, interval)

    def ratio_cell(self, value: float | None, low: float | None, high: float | None, why: str) -> Cell:
        """A lift with its interval below."""
        if value is None:
            return absent(why)
        width = max((abs(bound - value) for bound in (low, high) if bound is not None), default=abs(value))
        places = min(decimals(100 * (width or value)), 2)
        text = self.numbers.share(value, places, sign=True)
        if low is None or high is None:
            return Cell(text)
        ends = (self.numbers.share(end, places, sign=True) for end in (low, high))
        return Cell(text, self.numbers.interval(*ends))

    def lift_cell(self, effect: Effect) -> Cell:
        """An effect's lift with its interval below, or why there is none."""
        return self.ratio_cell(effect.lift, effect.lift_low, effect.lift_high, self.say("why.no_lift"))

    def total(
        self,
        value: float | None,
        low: float | None = None,
        high: float | None = None,
        *,
        why: str,
        metric: str | None = None,
        sign: bool = False,
    ) -> Cell:
        """A sum over a whole arm, of money or in the unit of `metric`, in whole units from a thousand on; its interval below."""
        if value is None:
            return absent(why)
        largest = max(abs(figure) for figure in (value, low, high) if figure is not None)
        places = 0 if largest >= PER else None
        is_money = metric is None or self.unit(metric) == "money"
        written = self.numbers.money if is_money else self.numbers.number
        text = written(value, places, sign=sign)
        if low is None or high is None:
            return Cell(text)
        return Cell(text, self.numbers.interval(*(written(end, places, sign=sign) for end in (low, high))))

    def p_cell(self, value: float | None, why: str) -> Cell:
        """A p-value, or why there is none."""
        return absent(why) if value is None else Cell(self.numbers.p_value(value))

    def number_cell(self, value: float | None, why: str) -> Cell:
        """A plain number, or why there is none."""
        return absent(why) if value is None else Cell(self.numbers.number(value))

    def guardrail_of(self, metric: str) -> Guardrail | None:
        """The guardrail on a metric, as the definition writes it."""
        return next((rail for rail in self.definition.goals.guardrails if rail.metric == metric), None)


def _at_look(method: str) -> tuple[str, str]:
    """A method's estimator and its kind of look; the latter is empty in a fixed design."""
    for look in (GROUP_SEQUENTIAL, ALWAYS_VALID):
        if method.endswith(f"_{look}"):
            return method.removesuffix(f"_{look}"), look
    return method, ""
