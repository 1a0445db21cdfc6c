"""The tables of a simulation: each rate, what was promised of it, and the bounds that chance leaves."""

from __future__ import annotations

from experiments.simulation.documents import Scenario, SimulatedRate, Simulation
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words

_EXPERIMENTS = "experiments"


def simulation_table(narrator: Narrator, simulation: Simulation, scenario: Scenario) -> Table | None:
    """The rates of one scenario; None where it was not simulated."""
    rates = [rate for rate in simulation.rates if rate.scenario == scenario]
    if not rates:
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
        rows=tuple(_rate_row(narrator, rate) for rate in rates),
    )


def planted_sentence(narrator: Narrator, simulation: Simulation) -> str:
    """What was simulated, in a sentence."""
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


def _rate_row(narrator: Narrator, rate: SimulatedRate) -> Row:
    say, share = narrator.say, narrator.numbers.share
    bounds = absent(say("why.not_judged"))
    if rate.low is not None and rate.high is not None:
        bounds = words(narrator.numbers.interval(share(rate.low), share(rate.high)))
    place = [
        *([] if rate.metric is None else [narrator.metric(rate.metric)]),
        *([] if rate.arm is None else [narrator.arm(rate.arm)]),
    ]
    result = words(say("status.unjudged"))
    if rate.status != "unjudged":
        result = Cell(say(f"status.{rate.status}"), status=rate.status)
    return row(
        [
            words(narrator.words.say(_EXPERIMENTS, f"simulated.{rate.kind}"), ", ".join(place)),
            words(share(rate.rate)),
            absent(say("why.not_judged"))
            if rate.target is None
            else words(narrator.numbers.level(rate.target)),
            bounds,
            result,
        ],
        strong=rate.status == "fail",
    )
