"""The test as far as policies need it: members, outcomes and health, read anew; nothing that `analyze` chose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.data.catalogue import Catalogue, open_data
from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.eligibility import judge_arms
from experiments.decision.guardrails import judge_guardrails
from experiments.decision.look_ledger import LookLedger
from experiments.decision.looks import look_already_taken
from experiments.decision.obstacles import find_obstacle
from experiments.decision.sentences import Sentences
from experiments.definition.errors import InputError, RefusedError
from experiments.experiment import Experiment
from experiments.health.health import check_health
from experiments.measurement.measurement import Measurement, Units, build_units, measure


@dataclass(frozen=True)
class Evidence:
    """Everybody assigned, measured, of a test that is whole and over.

    Attributes:
        experiment: The experiment.
        catalogue: Its data.
        assigned: Its members.
        units: Their metrics.
        measurement: The moments of the metrics.
        sentences: Words for figures.
    """

    experiment: Experiment
    catalogue: Catalogue
    assigned: Assigned
    units: Units
    measurement: Measurement
    sentences: Sentences

    @cached_property
    def eligible(self) -> tuple[str, ...]:
        """The arms that the definition's rule lets be rolled out.

        Raises:
            RefusedError: The design looks more than once, and these members were not looked at by `analyze`.
        """
        definition, metrics = self.experiment.definition, self.measurement.metrics
        book = LookLedger(self.experiment.workspace).read()
        look = look_already_taken(definition, self.measurement, book, self.experiment.now)
        reading = read_by_decision(definition, metrics, look)
        guardrails = judge_guardrails(definition, Contrasts(metrics, look=look))
        found = judge_arms(definition, reading, guardrails, self.sentences)
        return tuple(each.arm for each in found if each.eligible)


def open_evidence(experiment: Experiment) -> Evidence:
    """Read and measure the test.

    Raises:
        RefusedError: A health check fails, such as the sample ratio: what is learned from a broken split misleads.
        InputError: The data do not fit the definition.
    """
    definition = experiment.definition
    catalogue = open_data(experiment)
    assigned = assigned_members(experiment, catalogue)
    experiment.progress("Measuring every member assigned")
    units = build_units(experiment, catalogue, assigned)
    measurement = measure(experiment, units)
    sentences = Sentences(definition, experiment.words)
    obstacle = find_obstacle(definition, check_health(experiment, assigned, measurement), sentences)
    if obstacle is not None:
        raise RefusedError((reason.text for reason in obstacle.reasons), obstacle.next_step)
    return Evidence(experiment, catalogue, assigned, units, measurement, sentences)


def value_metric_of(experiment: Experiment, asked: str | None) -> str:
    """The metric that policies maximise: the one asked for, else the definition's value.

    Raises:
        InputError: There is no such metric, it is a ratio, or less of it is better.
    """
    definition = experiment.definition
    name = asked or definition.goals.value_metric
    key = "--value" if asked else "goals.value"
    metric = definition.metrics.get(name)
    known = [each for each, found in definition.metrics.items() if found.type != "ratio"]
    if metric is None:
        raise InputError.single(f"there is no metric '{name}'", f"use one of {', '.join(known)}", key=key)
    if metric.type == "ratio":
        raise InputError.single(
            f"'{name}' is a ratio, which no single member has", f"use one of {', '.join(known)}", key=key
        )
    primary = definition.goals.primary
    worse = {each.metric for each in definition.goals.guardrails if each.better == "down"}
    if (name == primary.metric and primary.better == "down") or name in worse:
        raise InputError.single(
            f"less of '{name}' is better, and policies maximise",
            f"write a formula metric such as `{{type: formula, value: 1 - {name}}}` and name that",
            key=key,
        )
    return name
