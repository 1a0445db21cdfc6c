"""The analysis: from the members assigned to a verdict."""

from __future__ import annotations

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.data.catalogue import open_data
from experiments.decision.conclusion import Lock, conclude
from experiments.decision.looks import require_fixed_looks
from experiments.decision.sentences import Sentences
from experiments.documents import Analysis
from experiments.experiment import Experiment
from experiments.health.health import check_health
from experiments.measurement.measurement import build_units, measure


def analyze(experiment: Experiment) -> Analysis:
    """Read the data once and decide by the definition's rule.

    Everybody assigned is counted, by the arm assigned, whatever reached them. While a window is open, or when the
    experiment is invalid, the document holds health and counts only: no effect, no money, no guardrail.

    Raises:
        InputError: The data do not fit the definition.
        RefusedError: Nobody is assigned yet, or the definition plans looks that are not fixed.
        OutsideError: The engine fails.
    """
    require_fixed_looks(experiment.definition)
    catalogue = open_data(experiment)
    assigned = assigned_members(experiment, catalogue)
    experiment.progress("Measuring every member assigned")
    measurement = measure(experiment, build_units(experiment, catalogue, assigned))
    experiment.progress("Comparing the arms")
    health = check_health(experiment, assigned, measurement)
    sentences = Sentences(experiment.definition, experiment.words)
    return conclude(experiment.definition, measurement, health, _lock(assigned), sentences)


def _lock(assigned: Assigned) -> Lock:
    return Lock(assigned.locked, tuple(key for key, _, _ in assigned.differences))
