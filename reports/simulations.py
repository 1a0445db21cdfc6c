"""The tables of a simulation: each rate, what was promised of it, and the bounds that chance leaves."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.documents.simulation import RateStatus, Scenario, SimulatedRate, Simulation
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words

_EXPERIMENTS = "experiments"
_WORST_FIRST: Sequence[RateStatus] = ("fail", "pass", "unjudged")


def simulation_table(narrator: Narrator, simulation: Simulation, scenario: Scenario) -> Table | None:
    """The rates of one scenario, the arms of a metric in one row; None where it was not simulated."""
    groups: dict[tuple[str, str | None, float | None], list[SimulatedRate]] = {}
    for rate in simulation.rates:
        if rate.scenario == scenario:
            groups.setdefault((rate.kind, rate.metric, rate.target), []).append(rate)
    if not groups:
        return None
    say = narrator.say
    return Table(
        name=f"simulation-{scenario}",
        title=say(f"simulation.title_{scenario}"),
        about=say(f"simulation.about_{scenario}"),
        columns=(
            Column(say("column.rate_of"), align="left"),
            Column(say("column.rate")),
            Column(say("column.promised")),
            Column(say("column.bounds")),
            Column(say("column.result"), align="left"),
        ),
        rows=tuple(_row(narrator, rates) for rates in groups.values()),
    )


def simulated_sentence(narrator: Narrator, simulation: Simulation) -> str:
    """What was simulated."""
    facts = {
        "runs": narrator.numbers.count(simulation.runs),
        "members": narrator.numbers.count(simulation.members),
        "source": narrator.say(f"simulation.{simulation.source}"),
        "seed": simulation.seed,
    }
    sentence = narrator.say("simulation.simulated", **facts)
    planted = simulation.planted
    if planted is None:
        return sentence
    effect = narrator.difference(planted.metric, planted.effect, None, None)[0]
    arms = ", ".join(narrator.arm(arm) for arm in planted.arms)
    told = narrator.say(
        "simulation.planted", effect=effect, metric=narrator.metric(planted.metric), arms=arms
    )
    return narrator.say("headline.between").join((sentence, told))


def _row(narrator: Narrator, rates: Sequence[SimulatedRate]) -> Row:
    """Rates of one kind over the arms: their range, the narrowest bounds, the worst result."""
    say, share = narrator.say, narrator.numbers.share
    first = rates[0]
    low, high = min(rate.rate for rate in rates), max(rate.rate for rate in rates)
    simulated = share(low) if low == high else narrator.numbers.interval(share(low), share(high))
    target, bounds = absent(say("why.not_judged")), absent(say("why.not_judged"))
    if first.target is not None:
        target = words(narrator.numbers.level(first.target))
    lows = [rate.low for rate in rates if rate.low is not None]
    highs = [rate.high for rate in rates if rate.high is not None]
    if lows and highs:
        bounds = words(narrator.numbers.interval(share(max(lows)), share(min(highs))))
    status = min((rate.status for rate in rates), key=_WORST_FIRST.index)
    arms = say("simulation.arms", count=len(rates)) if len(rates) > 1 else ""
    result = Cell(say(f"status.{status}"), status=None if status == "unjudged" else status)
    return row(
        [
            words(
                narrator.words.say(_EXPERIMENTS, f"simulated.{first.kind}"),
                "" if first.metric is None else narrator.metric(first.metric),
            ),
            words(simulated, arms),
            target,
            bounds,
            result,
        ],
        strong=status == "fail",
    )
