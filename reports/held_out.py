"""Checks of what was learned: values of policies by weights alone, and predicted effects against what came true."""

from __future__ import annotations

from reports.narrator import PER, Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words
from uplift.documents import EffectGroup, Interval, Learner, Policy, Uplift


def weighted_table(narrator: Narrator, uplift: Uplift) -> Table:
    """Each kind's value by doubly robust scores, by inverse propensities, and by these normalised."""
    say = narrator.say
    return Table(
        name="weighted",
        title=say("weighted.title"),
        about=say("weighted.about", metric=narrator.metric(uplift.value_metric)),
        columns=(
            Column(say("column.policy"), align="left"),
            Column(say("column.doubly_robust")),
            Column(say("column.inverse_propensity")),
            Column(say("column.self_normalised")),
        ),
        rows=tuple(
            _weighted_row(narrator, uplift.value_metric, policy)
            for policy in uplift.policies
            if policy.value_ipw is not None
        ),
    )


def _weighted_row(narrator: Narrator, metric: str, policy: Policy) -> Row:
    doubly_robust = Interval(policy.value, policy.low, policy.high)
    return row(
        [
            words(narrator.say_or(f"policy.{policy.kind}", policy.kind)),
            *(
                _level(narrator, metric, each)
                for each in (doubly_robust, policy.value_ipw, policy.value_self_normalised)
            ),
        ]
    )


def calibration_table(narrator: Narrator, uplift: Uplift) -> Table:
    """Of the learner whose policy is worth most: members by predicted effect, and the effect that they had."""
    say = narrator.say
    best = max(uplift.learners, key=lambda learner: learner.policy_value, default=None)
    rows = () if best is None else tuple(_calibration_rows(narrator, uplift.value_metric, best))
    name = "" if best is None else narrator.say_or(f"learner.{best.name}", best.name)
    return Table(
        name="calibration",
        title=say("effect_groups.title"),
        about=say("effect_groups.about", learner=name),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.slope")),
            Column(say("column.autoc")),
            Column(say("column.members")),
            Column(say("column.predicted")),
            Column(say("column.realised")),
        ),
        rows=rows,
    )


def _calibration_rows(narrator: Narrator, metric: str, learner: Learner) -> list[Row]:
    return [
        _group_row(narrator, metric, learner, arm, group, first=place == 0)
        for arm, groups in learner.groups.items()
        for place, group in enumerate(groups)
    ]


def _group_row(
    narrator: Narrator, metric: str, learner: Learner, arm: str, group: EffectGroup, *, first: bool
) -> Row:
    blank = Cell("")
    slope, autoc = learner.slope.get(arm), learner.autoc.get(arm)
    alike = absent(narrator.say("why.alike"))
    predicted, _ = narrator.difference(metric, group.predicted, None, None, times=PER)
    return row(
        [
            words(narrator.arm(arm)) if first else blank,
            (_plain(narrator, slope) if slope else alike) if first else blank,
            (_plain(narrator, autoc) if autoc else alike) if first else blank,
            words(narrator.numbers.count(group.members)),
            words(predicted),
            _gain(narrator, metric, group.realised),
        ]
    )


def _plain(narrator: Narrator, each: Interval) -> Cell:
    numbers = narrator.numbers
    return Cell(numbers.number(each.value), numbers.interval(*map(numbers.number, (each.low, each.high))))


def _gain(narrator: Narrator, metric: str, each: Interval) -> Cell:
    return Cell(*narrator.difference(metric, each.value, each.low, each.high, times=PER))


def _level(narrator: Narrator, metric: str, each: Interval | None) -> Cell:
    if each is None:
        return absent(narrator.say("why.no_gain"))
    return Cell(*narrator.difference(metric, each.value, each.low, each.high, times=PER, sign=False))
