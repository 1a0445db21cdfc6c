"""The tables and the chart of a rollout: offers, figures, the budget curve, limits and the ramp."""

from __future__ import annotations

from datetime import datetime

from reports.curves import Curve
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words
from uplift.documents import LimitUse, Offer, RampStep, Rollout, RolloutClass


def rollout_sentences(rollout: Rollout) -> tuple[str, ...]:
    """What a rollout has to say: its reasons, and what comes next."""
    told = tuple(reason.text for reason in rollout.reasons)
    return (*told, rollout.next_step) if rollout.next_step else told


def budget_curves(narrator: Narrator, rollout: Rollout) -> tuple[Curve, ...]:
    """The expected value metric against the cost bound, the budget marked; none where there is no budget."""
    if rollout.budget is None or not rollout.budget_curve:
        return ()
    metric = narrator.definition.goals.value_metric
    name, numbers = narrator.metric(metric), narrator.numbers
    written = numbers.money if narrator.unit(metric) == "money" else numbers.number
    budget = numbers.money(rollout.budget, 0)
    points = [
        (each.cost_bound, each.expected_profit)
        for place, each in enumerate(rollout.budget_curve)
        if not place or each.cost_bound > rollout.budget_curve[place - 1].cost_bound
    ]
    curve = Curve(
        name="curve-budget",
        title=narrator.say("chart.budget", metric=name),
        summary=narrator.say(
            "chart.budget_summary",
            metric=name,
            budget=budget,
            value=written(rollout.expected_profit, 0),
        ),
        points=points,
        x_tick=lambda value: numbers.money(value, 0),
        y_tick=lambda value: written(value, 0),
        x_title=narrator.say("rollout.cost_bound"),
        at=(rollout.budget, f"{narrator.say('rollout.budget')} {budget}"),
    )
    return (curve,)


def limits_table(narrator: Narrator, rollout: Rollout) -> Table:
    """Stocks and channels: how many there are, how many are used, what one more would bring."""
    say = narrator.say
    return Table(
        name="limits",
        title=say("limits.title"),
        about=say("limits.about"),
        columns=(
            Column(say("column.limit"), align="left"),
            Column(say("column.most")),
            Column(say("column.used")),
            Column(say("column.one_more")),
        ),
        rows=tuple(_limit_row(narrator, limit) for limit in rollout.limits),
    )


def _limit_row(narrator: Narrator, limit: LimitUse) -> Row:
    numbers, metric = narrator.numbers, narrator.definition.goals.value_metric
    return row(
        [
            words(limit.name),
            words(numbers.count(limit.most)),
            words(numbers.count(limit.used)),
            narrator.total(limit.shadow_price, metric=metric, why=narrator.say("why.no_shadow_price")),
        ]
    )


def ramp_table(narrator: Narrator, rollout: Rollout) -> Table | None:
    """The ramp's steps; None where there is only one."""
    if len(rollout.ramp) < 2:
        return None
    say = narrator.say
    return Table(
        name="ramp",
        title=say("ramp.title"),
        about=say("ramp.about"),
        columns=(
            Column(say("column.step")),
            Column(say("column.share")),
            Column(say("column.members")),
            Column(say("column.released"), align="left"),
            Column(say("column.withdrawn")),
        ),
        rows=tuple(_step_row(narrator, step) for step in rollout.ramp),
    )


def _step_row(narrator: Narrator, step: RampStep) -> Row:
    numbers, later = narrator.numbers, absent(narrator.say("why.not_released"))
    withdrawn = later if step.withdrawn is None else words(numbers.count(step.withdrawn))
    return row(
        [
            words(str(step.step)),
            words(numbers.share(step.share)),
            words(numbers.count(step.members)),
            later if step.released_at is None else words(_local(narrator, step.released_at)),
            withdrawn,
        ]
    )


def _local(narrator: Narrator, moment: str) -> str:
    """A moment as the clock of the definition's time zone shows it."""
    return f"{datetime.fromisoformat(moment).astimezone(narrator.definition.zone):%Y-%m-%d %H:%M}"


def rollout_table(narrator: Narrator, rollout: Rollout) -> Table:
    """Members, the expected value metric and the expected cost of each offer of the rollout."""
    say, metric = narrator.say, narrator.metric(narrator.definition.goals.value_metric)
    return Table(
        name="rollout",
        title=say("rollout.title"),
        about=say("rollout.about", metric=metric),
        columns=(
            Column(say("column.offer"), align="left"),
            Column(say("column.members")),
            Column(say("column.expected_value", metric=metric)),
            Column(say("column.expected_cost")),
        ),
        rows=tuple(_rollout_row(narrator, offer) for offer in rollout.offers),
    )


def _rollout_row(narrator: Narrator, offer: Offer) -> Row:
    why = narrator.say("why.no_forecast")
    return row(
        [
            narrator.arm_cell(offer.arm),
            words(narrator.numbers.count(offer.members)),
            narrator.total(offer.expected_profit, metric=narrator.definition.goals.value_metric, why=why),
            narrator.total(offer.expected_cost, why=why),
        ]
    )


def _class_code(found: RolloutClass) -> str:
    return "under_floor" if found.under_floor else "not_under_floor"


def _class_cell(narrator: Narrator, found: RolloutClass) -> Cell:
    count = narrator.numbers.count
    offered = narrator.say("rollout.class", offered=count(found.offered), members=count(found.members))
    return words(offered)


def rollout_summary_table(narrator: Narrator, rollout: Rollout) -> Table:
    """The rollout's figures, one a line."""
    say, numbers = narrator.say, narrator.numbers
    metric, why = narrator.definition.goals.value_metric, say("why.no_forecast")
    name = narrator.metric(metric)
    shadow = narrator.total(rollout.shadow_price, metric=metric, why=say("why.no_shadow_price"))
    expected = narrator.total(rollout.expected_profit, rollout.low, rollout.high, metric=metric, why=why)
    lines = (
        ("members", words(numbers.count(rollout.members))),
        ("holdout", words(numbers.count(rollout.holdout))),
        ("explore", words(numbers.count(rollout.explore))),
        ("not_offered", words(numbers.count(rollout.not_offered))),
        *((_class_code(each), _class_cell(narrator, each)) for each in rollout.classes),
        ("budget", narrator.total(rollout.budget, why=say("why.no_budget"))),
        ("cost_bound", narrator.total(rollout.cost_bound, why=why)),
        ("shadow_price", shadow),
        ("expected_value", expected),
    )
    return Table(
        name="rollout_summary",
        title=say("rollout.summary_title"),
        about=say("rollout.summary_about", metric=name),
        columns=(Column(say("column.figure"), align="left"), Column(say("column.planned"))),
        rows=tuple(
            row([words(say(f"rollout.{code}", metric=name)), cell], strong=code == "expected_value")
            for code, cell in lines
        ),
    )
