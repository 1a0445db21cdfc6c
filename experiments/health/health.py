"""Health: may the effects be read, and how far may they be trusted? Each check is one row with one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.assignment.assigned import Assigned
from experiments.assignment.entry import is_entry_over
from experiments.assignment.sampled import classes_of_test, told_classes
from experiments.data.catalogue import Catalogue
from experiments.definition.model import Definition
from experiments.documents.analysis import CheckStatus, HealthCheck
from experiments.experiment import Experiment
from experiments.health.delivery import DeliveryHealth
from experiments.health.event_book import EventEvidence, read_events
from experiments.health.events import EventHealth
from experiments.health.outcomes import OutcomeHealth
from experiments.health.pre_period import PrePeriodHealth
from experiments.health.split import SplitHealth
from experiments.health.stages import StageHealth
from experiments.health.telling import HealthWording
from experiments.measurement.measurement import Measurement
from experiments.measurement.open_arms import OpenArms
from experiments.measurement.stage_counts import StageCount, count_stages
from experiments.measurement.units import Units

_SHOWN_KEYS = 8
_CLASSES_CHECK = "sample_classes"

_NOT_MEASURED = frozenset({"title", "owner", "hypothesis", "mlflow", "uplift", "rollout", "label"})
"""Keys of the definition that no figure of an analysis depends on."""


@dataclass(frozen=True)
class AsDrawn:
    """Everybody whom the draw gave an arm, where the analysis leaves arms out that were closed.

    Attributes:
        definition: With all arms.
        measurement: Its counts of members assigned are those of all arms.
    """

    definition: Definition
    measurement: Measurement


def examine(
    opened: OpenArms, catalogue: Catalogue, units: Units, measurement: Measurement
) -> tuple[HealthCheck, ...]:
    """Every check of an experiment whose data are open: what `check_health` says, with events and stages counted for it.

    Args:
        opened: The members whom the analysis counts, and everybody, by whom the split is judged.
        catalogue: The experiment's sources.
        units: The members measured.
        measurement: What they did.

    Raises:
        OutsideError: The engine or the disk fails, or the book of events is damaged.
    """
    experiment = opened.experiment
    experiment.progress("Checking the health of the experiment")
    return check_health(
        experiment,
        opened.assigned,
        measurement,
        events=read_events(experiment, catalogue, opened.assigned, measurement),
        stages=count_stages(experiment, units, measurement),
        drawn=AsDrawn(opened.whole.definition, opened.as_drawn(measurement)),
    )


def check_health(
    experiment: Experiment,
    assigned: Assigned,
    measurement: Measurement,
    events: EventEvidence | None = None,
    stages: Sequence[StageCount] = (),
    drawn: AsDrawn | None = None,
) -> tuple[HealthCheck, ...]:
    """Every check that applies, in the order in which people read them.

    The split (`arm_missing, sample_ratio, sample_ratio_by_segment, sample_ratio_by_day, duplicates,
    sample_below_plan, sample_classes`), the outcomes (`window_open, heavy_tails, missingness, interference`), their
    events where these were counted (`repeated_events, late_events`), the split after the draw where its stages were
    counted (`sample_ratio_at_send, sample_ratio_at_analysis`, each also `_by_segment` and `_by_day`, and
    `control_sent`), delivery (`differential_delivery, control_reached`), and for arms that Offerwise drew whether the
    definition still is the one that was locked (`definition_changed`). A p-value below `invalid_if.srm_p_below` (below
    .001 for missingness) fails, one below .01 warns.
    """
    definition = experiment.definition
    drawn = drawn or AsDrawn(definition, measurement)
    wording = HealthWording(drawn.definition, experiment.words)
    members = sum(drawn.measurement.assigned_to(arm.id) for arm in drawn.definition.all_arms)
    still_entering = not is_entry_over(definition, members, experiment.now)
    by_unit = measurement.unit_counts is not None
    checks = [
        *SplitHealth(drawn.definition, drawn.measurement, wording).checks(),
        *_sample_classes(experiment),
        *StageHealth(definition, stages, by_unit, wording).checks(),
        *OutcomeHealth(definition, measurement, wording, still_entering=still_entering).checks(),
    ]
    if events is not None:
        checks += EventHealth(definition, events, wording).checks()
    checks += DeliveryHealth(definition, measurement, wording).checks()
    checks += PrePeriodHealth(definition, measurement, wording).checks()
    if not assigned.recorded:
        checks.append(_definition_changed(wording, [key for key, _, _ in assigned.differences]))
    return tuple(checks)


def _sample_classes(experiment: Experiment) -> Iterator[HealthCheck]:
    """Where members under a floor came first, effects are of another mix than that of all who are eligible."""
    for reason in told_classes(experiment, classes_of_test(experiment)):
        yield HealthCheck(_CLASSES_CHECK, "warn", None, reason.text)


def _definition_changed(wording: HealthWording, keys: Sequence[str]) -> HealthCheck:
    """A change that figures depend on fails; one of names and texts warns."""
    if not keys:
        return wording.told("definition_changed", "pass", "definition_locked")
    status: CheckStatus = "fail" if any(map(_matters, keys)) else "warn"
    shown = [*keys[:_SHOWN_KEYS], *(["..."] if len(keys) > _SHOWN_KEYS else [])]
    code = "definition_changed" if status == "fail" else "names_changed"
    return wording.told("definition_changed", status, code, keys=wording.listed(shown))


def _matters(key: str) -> bool:
    parts = key.split(".")
    return parts[0] not in _NOT_MEASURED and parts[-1] not in _NOT_MEASURED
