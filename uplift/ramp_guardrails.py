"""The gate between two steps of a ramp: what guardrails say of the members sent so far, and whether the next step may follow.

A guardrail that fails stops the ramp. One that is unclear lets it go on only where the test has shown the arm to hold it: a small
step proves little, and then adds to a proof. Where the test has not shown it either, somebody has to accept that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.decision.contrasts import Contrasts
from experiments.decision.guardrails import judge_comparison
from experiments.definition.arms import CONTROL
from experiments.definition.errors import RefusedError
from experiments.documents.analysis import Analysis, GuardrailResult, Reason
from experiments.documents.storage import read_document, to_json
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.measurement.measurement import Measurement
from uplift.evidence import PACKAGE


@dataclass(frozen=True)
class RampGate:
    """The guardrails of the steps released so far.

    Attributes:
        results: Each for each arm that is contacted, against the rollout's own holdout.
        held_in_test: (metric, arm) that the test has shown to hold.
    """

    results: tuple[GuardrailResult, ...] = ()
    held_in_test: frozenset[tuple[str, str]] = frozenset()

    @property
    def failed(self) -> tuple[GuardrailResult, ...]:
        """Harm that reaches the limit is shown."""
        return tuple(each for each in self.results if each.status == "fail")

    @property
    def unclear(self) -> tuple[GuardrailResult, ...]:
        """Neither harm nor its absence is shown here."""
        return tuple(each for each in self.results if each.status == "unclear")

    @property
    def unproven(self) -> tuple[GuardrailResult, ...]:
        """Unclear here, and not shown to hold by the test either."""
        return tuple(each for each in self.unclear if (each.metric, each.arm) not in self.held_in_test)


@dataclass(frozen=True)
class AcceptedUnclear:
    """That somebody let a step follow, kept beside the step: when (ISO 8601), and what was unclear."""

    step: int
    accepted_at: str
    guardrails: tuple[GuardrailResult, ...]
    schema: str = "offerwise.accepted_unclear/1"


def judge_released(experiment: Experiment, measured: Measurement, analysis: Analysis) -> RampGate:
    """Every guardrail for every arm that is contacted, among the members to whom the policy gives it, by the test's rule."""
    contrasts = Contrasts(measured.metrics)
    results = tuple(
        judge_comparison(
            guardrail, arm.id, contrasts.compare(guardrail.metric, arm.id, CONTROL, segment=arm.id)
        )
        for guardrail in experiment.definition.goals.guardrails
        for arm in experiment.definition.offer_arms
        if measured.members(arm.id, arm.id)
    )
    held = frozenset((each.metric, each.arm) for each in analysis.guardrails if each.status == "pass")
    return RampGate(results, held)


def refuse_harm(experiment: Experiment, gate: RampGate) -> None:
    """Stop the ramp.

    Raises:
        RefusedError: A guardrail has failed.
    """
    say = experiment.words.say
    told = [
        say(
            PACKAGE,
            "rollout.guardrail_failed",
            metric=each.metric,
            arm=each.arm,
            difference=_figure(each.difference),
            limit=_figure(each.limit),
        )
        for each in gate.failed
    ]
    if told:
        raise RefusedError(told, say(PACKAGE, "rollout.stop_ramp"))


def told_unclear(experiment: Experiment, gate: RampGate) -> Iterator[Reason]:
    """Every guardrail that is unclear, with what was seen, what is not ruled out, and what the test has shown."""
    for each in gate.unclear:
        text = experiment.words.say(
            PACKAGE,
            "rollout.guardrail_unproven" if each in gate.unproven else "rollout.guardrail_unclear",
            metric=each.metric,
            arm=each.arm,
            difference=_figure(each.difference),
            bound=_figure(each.bound),
            limit=_figure(each.limit),
        )
        yield Reason("guardrail_unclear", text)


def record_acceptance(experiment: Experiment, step: int, accepted: tuple[GuardrailResult, ...]) -> None:
    """Keep who let the step follow, before it is released; nothing where nobody had to."""
    path = _path(experiment, step)
    if accepted:
        at = experiment.now.isoformat()
        write_whole(path, to_json(AcceptedUnclear(step, at, accepted)))
    else:
        path.unlink(missing_ok=True)


def accepted_at(experiment: Experiment, step: int) -> str | None:
    """When somebody let a step follow though guardrails were unclear; None where nobody had to."""
    found = read_document(AcceptedUnclear, _path(experiment, step))
    return None if found is None else found.accepted_at


def _path(experiment: Experiment, step: int) -> Path:
    return experiment.workspace.rollout / f"accepted-{step}.json"


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"
