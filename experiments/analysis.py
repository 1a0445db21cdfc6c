"""The analysis: from the members assigned to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.ledger import hold
from experiments.data.catalogue import Catalogue, open_data
from experiments.decision.closed_arms import closed_arms
from experiments.decision.conclusion import Lock, conclude
from experiments.decision.look_ledger import LookBook, LookLedger
from experiments.decision.looks import Look, NotDue, find_look
from experiments.decision.sentences import Sentences
from experiments.definition.design import FixedLooks
from experiments.documents.analysis import Analysis, HealthCheck
from experiments.experiment import Experiment
from experiments.health.health import examine
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.open_arms import OpenArms, open_arms
from experiments.measurement.units import build_units
from experiments.measurement.windows import closed_members


def analyze(experiment: Experiment) -> Analysis:
    """Read the data and decide by the definition's rule: once, or at the looks that the definition plans.

    Everybody assigned is counted, by the arm assigned, whatever reached them. A fixed design shows no effect while a window
    is open. A design with looks counts at each the members whose window has closed; before anything is shown the look
    enters the ledger of looks. When the experiment is invalid or it is too early, the document holds health and counts
    only: no effect, no money, no guardrail. Of an arm that was closed in the middle of the test nothing is decided.

    Raises:
        InputError: The data do not fit the definition.
        RefusedError: Nobody is assigned yet, or no look may be taken any more.
        OutsideError: The engine or the disk fails, or a ledger is damaged.
    """
    catalogue = open_data(experiment)
    opened = open_arms(experiment, assigned_members(experiment, catalogue))
    if isinstance(experiment.definition.design.looks, FixedLooks):
        return _at_the_end(opened, catalogue)
    assigned = opened.assigned
    experiment.progress("Measuring every member whose window has closed")
    closed = closed_members(experiment, assigned)
    units = build_units(experiment, catalogue, closed)
    measurement = measure(experiment, units, assigned)
    health = examine(opened, catalogue, units, measurement)
    with hold(experiment.workspace.out, experiment.progress):
        return _look(experiment, assigned, measurement, health)


def _at_the_end(opened: OpenArms, catalogue: Catalogue) -> Analysis:
    """Conclude a fixed design; arms that were closed are told beside it, once effects may be told."""
    experiment = opened.experiment
    experiment.progress("Measuring every member assigned")
    units = build_units(experiment, catalogue, opened.assigned)
    measurement = measure(experiment, units)
    health = examine(opened, catalogue, units, measurement)
    document = _conclude(experiment, opened.assigned, measurement, health)
    shows_effects = bool(document.effects)
    closed = closed_arms(opened.whole, catalogue, opened.everybody, shows_effects=shows_effects)
    return replace(document, closed_arms=closed)


def _look(
    experiment: Experiment, assigned: Assigned, measurement: Measurement, health: Sequence[HealthCheck]
) -> Analysis:
    """Conclude at a look, and enter it into its ledger unless the experiment is invalid; nothing was shown before."""
    ledger = LookLedger(experiment.workspace)
    book = ledger.read()
    look = find_look(experiment.definition, measurement, book, experiment.now, experiment.words)
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
