"""The analysis: from the members assigned to a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.ledger import hold
from experiments.data.catalogue import open_data
from experiments.decision.conclusion import Lock, conclude
from experiments.decision.look_ledger import LookBook, LookLedger
from experiments.decision.looks import Look, NotDue, find_look
from experiments.decision.sentences import Sentences
from experiments.definition.goals import FixedLooks
from experiments.documents.analysis import Analysis, HealthCheck
from experiments.experiment import Experiment
from experiments.health.health import examine
from experiments.measurement.measurement import Measurement, build_units, measure
from experiments.measurement.windows import closed_members


def analyze(experiment: Experiment) -> Analysis:
    """Read the data and decide by the definition's rule: once, or at the looks that the definition plans.

    Everybody assigned is counted, by the arm assigned, whatever reached them. A fixed design shows no effect while a window
    is open. A design with looks counts at each the members whose window has closed; before anything is shown the look
    enters the ledger of looks. When the experiment is invalid or it is too early, the document holds health and counts
    only: no effect, no money, no guardrail.

    Raises:
        InputError: The data do not fit the definition.
        RefusedError: Nobody is assigned yet, or no look may be taken any more.
        OutsideError: The engine or the disk fails, or a ledger is damaged.
    """
    definition = experiment.definition
    catalogue = open_data(experiment)
    assigned = assigned_members(experiment, catalogue)
    if isinstance(definition.design.looks, FixedLooks):
        experiment.progress("Measuring every member assigned")
        units = build_units(experiment, catalogue, assigned)
        measurement = measure(experiment, units)
        health = examine(experiment, catalogue, assigned, units, measurement)
        return _conclude(experiment, assigned, measurement, health)
    experiment.progress("Measuring every member whose window has closed")
    closed = closed_members(experiment, assigned)
    units = build_units(experiment, catalogue, closed)
    measurement = measure(experiment, units, assigned)
    health = examine(experiment, catalogue, assigned, units, measurement)
    with hold(experiment.workspace.out, experiment.progress):
        return _look(experiment, assigned, measurement, health)


def _look(
    experiment: Experiment, assigned: Assigned, measurement: Measurement, health: Sequence[HealthCheck]
) -> Analysis:
    """Conclude at a look, and enter it into its ledger unless the experiment is invalid; nothing was shown before."""
    ledger = LookLedger(experiment.workspace)
    book = ledger.read()
    look = find_look(experiment.definition, measurement, book, experiment.now)
    document = _conclude(experiment, assigned, measurement, health, look)
    if (
        isinstance(look, Look)
        and document.look is not None
        and (book is None or look.number > len(book.looks))
    ):
        plan, planned = look.plan, look.planned
        ledger.add(LookBook(experiment.definition.id, plan, planned, document.looks))
    return document


def _conclude(
    experiment: Experiment,
    assigned: Assigned,
    measurement: Measurement,
    health: Sequence[HealthCheck],
    look: Look | NotDue | None = None,
) -> Analysis:
    experiment.progress("Comparing the arms")
    sentences = Sentences(experiment.definition, experiment.words, experiment.arguments)
    return conclude(experiment.definition, measurement, health, _lock(assigned), sentences, look)


def _lock(assigned: Assigned) -> Lock:
    return Lock(assigned.locked, tuple(key for key, _, _ in assigned.differences))
