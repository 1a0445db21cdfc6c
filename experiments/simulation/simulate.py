"""`simulate`: A/A and A/B simulations on the experiment's own members and outcomes, through the engine's own code."""

from __future__ import annotations

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.open_ledger import open_ledger
from experiments.data.catalogue import Catalogue, open_data
from experiments.decision.sentences import PACKAGE, Sentences
from experiments.definition.errors import InputError
from experiments.design.history import past_members
from experiments.documents.analysis import Reason
from experiments.documents.simulation import SimulatedRate, Simulation, Source
from experiments.experiment import Experiment
from experiments.measurement.measurement import measure
from experiments.measurement.units import build_units
from experiments.refusals import refusal
from experiments.simulation.judge import LEVEL, judge_rates
from experiments.simulation.parallel import run_trials
from experiments.simulation.planting import Planting, plan_planting
from experiments.simulation.sample import LARGEST_SAMPLE, MemberSample, fetch_sample
from experiments.simulation.schedule import fractions
from experiments.simulation.tally import Tally
from experiments.simulation.trial import Trials

DEFAULT_RUNS = 2000
FEWEST_RUNS = 100
"""With fewer runs the bounds of a rate of 5 % say nothing."""

_FAILED_SHOWN = 5


def simulate(
    experiment: Experiment, *, runs: int = DEFAULT_RUNS, seed: int = 0, processes: int | None = None
) -> Simulation:
    """How often the engine errs, finds and covers when the arms are drawn again and the truth is known.

    The members are those assigned, or before the draw those who were eligible one window before the snapshot, each with
    what they did. A/A: outcomes stay, whatever arm is drawn. A/B: the design's minimum effect is planted in the primary
    metric of every other offer arm. Each simulated experiment is measured, compared and decided on as a real one, at
    every look that the design plans.

    Args:
        experiment: The experiment.
        runs: Simulated experiments of each scenario.
        seed: Decides every draw; the answer is the same for any number of processes.
        processes: How many processes share the work; one for each core when absent.

    Raises:
        InputError: `runs` is too small, or the data do not fit the definition.
        RefusedError: There is nobody to draw.
        OutsideError: The engine fails, or a process ends before its work is done.
    """
    if runs < FEWEST_RUNS:
        raise InputError.single(
            f"{runs} runs show no error rate", f"ask for {FEWEST_RUNS} or more", key="--runs"
        )
    if seed < 0:
        raise InputError.single(f"{seed} is no seed", "give a whole number from 0 on", key="--seed")
    definition = experiment.definition
    sample, source = _members(experiment)
    planting = plan_planting(definition, sample)
    done = [
        _tally(experiment, Trials(definition, sample, seed, each), runs, processes)
        for each in _scenarios(planting)
    ]
    rates = judge_rates(done)
    calibrated = all(rate.status != "fail" for rate in rates)
    return Simulation(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        members=sample.members,
        available=sample.available,
        source=source,
        runs=runs,
        seed=seed,
        planted=planting.planted if planting else None,
        calibrated=calibrated,
        rates=rates,
        reasons=_reasons(experiment, sample, rates, planting),
        next_step=Sentences(definition, experiment.words, experiment.arguments).next_step(
            "calibrated" if calibrated else "not_calibrated"
        ),
    )


def _scenarios(planting: Planting | None) -> tuple[Planting | None, ...]:
    """A/A, and A/B where an effect can be planted."""
    return (None,) if planting is None else (None, planting)


def _tally(experiment: Experiment, trials: Trials, runs: int, processes: int | None) -> tuple[Trials, Tally]:
    name = "A/A" if trials.planting is None else "A/B"

    def tell(done: int) -> None:
        experiment.progress(f"Simulating {name}: {done:,} of {runs:,} experiments")

    tell(0)
    return trials, run_trials(trials, runs, tell, processes)


def _members(experiment: Experiment) -> tuple[MemberSample, Source]:
    """The members assigned once their windows have closed, else those of the past, as many as the plan asks for."""
    catalogue = open_data(experiment)
    definition = experiment.definition
    drawn = definition.assignment.method != "recorded"
    if not drawn or open_ledger(experiment.workspace, experiment.engine).state().exists:
        found = _sample(experiment, catalogue, assigned_members(experiment, catalogue), LARGEST_SAMPLE)
        if found is not None:
            return found, "assigned"
    limit = min(definition.assignment.sample_size or LARGEST_SAMPLE, LARGEST_SAMPLE)
    found = _sample(experiment, catalogue, past_members(experiment, catalogue), limit)
    if found is None or not found.members:
        raise refusal(experiment.words, "nothing_to_simulate", experiment=definition.id)
    return found, "history"


def _sample(
    experiment: Experiment, catalogue: Catalogue, members: Assigned, limit: int
) -> MemberSample | None:
    """The sample; None while a window is open, when outcomes are those of a part of it."""
    experiment.progress("Measuring every member once")
    units = build_units(experiment, catalogue, members)
    measurement = measure(experiment, units)
    if measurement.window.is_open:
        return None
    return fetch_sample(experiment.definition, experiment.engine, units, measurement, limit)


def _reasons(
    experiment: Experiment,
    sample: MemberSample,
    rates: tuple[SimulatedRate, ...],
    planting: Planting | None,
) -> tuple[Reason, ...]:
    """The verdict, each rate that fails it, and what could not be simulated."""
    definition = experiment.definition
    say = Sentences(definition, experiment.words).simulation
    judged = [rate for rate in rates if rate.side is not None]
    failed = [rate for rate in judged if rate.status == "fail"]
    facts = {
        "judged": len(judged),
        "failed": len(failed),
        "level": f"{LEVEL:.1%}",
        "members": f"{sample.members:,}",
    }
    reasons = [say("not_calibrated" if failed else "calibrated", **facts)]
    reasons += [_outside(experiment, rate) for rate in failed[:_FAILED_SHOWN]]
    if planting is None:
        reasons.append(say("nothing_planted"))
    at = fractions(definition)
    if len(at) > 1:
        reasons.append(say("looks", at=", ".join(f"{part:.0%}" for part in at)))
    if sample.available > sample.members:
        reasons.append(say("bounded", members=f"{sample.members:,}", available=f"{sample.available:,}"))
    return tuple(reasons)


def _outside(experiment: Experiment, rate: SimulatedRate) -> Reason:
    """One rate that chance does not explain."""
    sentences = Sentences(experiment.definition, experiment.words)
    place = [name for name in (rate.metric, rate.arm and sentences.arm(rate.arm)) if name]
    return sentences.simulation(
        "outside",
        kind=experiment.words.say(PACKAGE, f"simulated.{rate.kind}"),
        place=" / ".join(place) or experiment.definition.id,
        rate=f"{rate.rate:.2%}",
        low=f"{rate.low:.2%}",
        high=f"{rate.high:.2%}",
    )
