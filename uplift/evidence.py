"""The test as far as policies need it: members, outcomes and health, read anew; nothing that `analyze` chose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.locked import refuse_changes
from experiments.data.catalogue import Catalogue, open_data
from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.decision import is_settled
from experiments.decision.eligibility import judge_arms
from experiments.decision.guardrails import judge_guardrails
from experiments.decision.look_ledger import LookLedger
from experiments.decision.looks import Look, look_already_taken
from experiments.decision.obstacles import find_obstacle
from experiments.decision.sentences import Sentences
from experiments.definition.design import FixedLooks
from experiments.definition.errors import InputError, RefusedError
from experiments.documents.analysis import GuardrailResult, Reason
from experiments.experiment import Experiment
from experiments.health.health import examine
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.open_arms import OpenArms, open_arms
from experiments.measurement.units import Units, build_units
from experiments.measurement.windows import closed_members
from uplift.sampled_first import told_sample

PACKAGE = "uplift"

_NO_MEANING = frozenset({"title", "owner", "hypothesis", "mlflow", "rollout", "label"})
"""Keys of the definition that change neither the test nor what is learned from it."""


@dataclass(frozen=True)
class Evidence:
    """The members of a test that is whole and decided, measured.

    Attributes:
        experiment: The experiment.
        catalogue: Its data.
        assigned: Everybody assigned.
        units: The metrics of those that count: everybody, or where the design looks more than once, the members of the
            last look that `analyze` took.
        measurement: The moments of the metrics.
        sentences: Words for figures.
        look: That look; None for a fixed design.
    """

    experiment: Experiment
    catalogue: Catalogue
    assigned: Assigned
    units: Units
    measurement: Measurement
    sentences: Sentences
    look: Look | None = None

    @cached_property
    def versions(self) -> frozenset[str]:
        """The definition's SHA-256, and that of the lock, from which it differs in nothing that matters here."""
        lock = self.experiment.workspace.lock
        locked = not self.assigned.recorded and lock.exists()
        return frozenset(
            {
                self.experiment.definition.origin.sha256,
                *([hashlib.sha256(lock.read_bytes()).hexdigest()] if locked else []),
            }
        )

    @cached_property
    def notes(self) -> tuple[Reason, ...]:
        """What to know of the test: whom its sample let come first, and what has changed since the lock, where it does not matter here."""
        keys = ", ".join(each.key for each in self.assigned.differences)
        say = self.experiment.words.say
        changed = [Reason("names_changed", say(PACKAGE, "rollout.names_changed", keys=keys))] if keys else []
        return (*told_sample(self.experiment), *changed)

    @cached_property
    def contrasts(self) -> Contrasts:
        """The contrasts that the decision reads."""
        return read_by_decision(self.experiment.definition, self.measurement.metrics, self.look)

    @cached_property
    def guardrails(self) -> tuple[GuardrailResult, ...]:
        """The guardrails, as the decision reads them."""
        raw = Contrasts(self.measurement.metrics, look=self.look)
        return judge_guardrails(self.experiment.definition, raw)

    @cached_property
    def eligible(self) -> tuple[str, ...]:
        """The arms that the definition's rule lets be rolled out."""
        found = judge_arms(self.experiment.definition, self.contrasts, self.guardrails, self.sentences)
        return tuple(each.arm for each in found if each.eligible)

    def barred(self, arms: Iterable[str]) -> tuple[str, ...]:
        """Of the arms, in the definition's order, the offers that may not be rolled out."""
        given = set(arms) - set(self.eligible)
        return tuple(arm.id for arm in self.experiment.definition.offer_arms if arm.id in given)


def open_evidence(experiment: Experiment) -> Evidence:
    """Read and measure the test; of its arms, those that were not closed.

    Raises:
        RefusedError: The definition is not the one that was locked, in more than names, texts and the rollout. A health
            check fails, such as the sample ratio: what is learned from a broken split misleads. Or the design looks
            more than once, and no look has settled the decision yet.
        InputError: The data do not fit the definition.
    """
    catalogue = open_data(experiment)
    opened = open_arms(experiment, assigned_members(experiment, catalogue))
    experiment, assigned = opened.experiment, opened.assigned
    refuse_changes(experiment.words, [each for each in assigned.differences if changes_meaning(each.key)])
    sentences = Sentences(experiment.definition, experiment.words, experiment.arguments)
    experiment.progress("Measuring every member assigned")
    if isinstance(experiment.definition.design.looks, FixedLooks):
        units = build_units(experiment, catalogue, assigned)
        evidence = Evidence(experiment, catalogue, assigned, units, measure(experiment, units), sentences)
    else:
        evidence = _at_last_look(experiment, catalogue, assigned, sentences)
    _refuse_undecided(evidence, opened)
    return evidence


def _at_last_look(
    experiment: Experiment, catalogue: Catalogue, assigned: Assigned, sentences: Sentences
) -> Evidence:
    """What the last look read, however long ago that was: later members are another look, which `analyze` alone takes."""
    book = LookLedger(experiment.workspace).read()
    then = experiment
    if book is not None and book.looks:
        then = replace(experiment, now=datetime.fromisoformat(book.looks[-1].taken_at))
    units = build_units(then, catalogue, closed_members(then, assigned))
    measurement = measure(then, units, assigned)
    look = look_already_taken(experiment.definition, measurement, book, then.now, experiment.words)
    return Evidence(experiment, catalogue, assigned, units, measurement, sentences, look)


def _refuse_undecided(evidence: Evidence, opened: OpenArms) -> None:
    definition, look, sentences = evidence.experiment.definition, evidence.look, evidence.sentences
    health = examine(opened, evidence.catalogue, evidence.units, evidence.measurement)
    last = look is None or look.final
    obstacle = find_obstacle(definition, health, sentences, at_the_end=last)
    if obstacle is not None:
        raise RefusedError((reason.text for reason in obstacle.reasons), obstacle.next_step)
    if not (last or is_settled(definition, evidence.contrasts, evidence.guardrails, sentences)):
        raise RefusedError([sentences.reason("look_undecided").text], sentences.next_step("look"))


def changes_meaning(key: str) -> bool:
    """Whether a difference from the lock at this key changes the test, or what may be learned from it.

    >>> changes_meaning("rollout.budget.amount"), changes_meaning("arms.offers.gift.unit_cost")
    (False, True)
    """
    parts = key.split(".")
    return parts[0] not in _NO_MEANING and parts[-1] not in _NO_MEANING


def value_metric_of(experiment: Experiment, asked: str | None) -> str:
    """The metric that policies maximise: the one asked for, else the definition's value.

    Raises:
        InputError: There is no such metric, it is a ratio, or less of it is better.
    """
    definition = experiment.definition
    name = definition.goals.value_metric if asked is None else asked
    key = "goals.value" if asked is None else "--value"
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
