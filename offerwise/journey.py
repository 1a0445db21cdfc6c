"""The journey of an experiment: each step computes, keeps its document, logs its run and renews the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.documents import Analysis, Assignment, Design, read_document, to_json
from experiments.experiment import Experiment
from experiments.files import write_whole

if TYPE_CHECKING:
    from reports.tracking import Tracker
    from uplift.documents import Rollout, Uplift

Document = TypeVar("Document", bound=Any)


@dataclass(frozen=True)
class Journey:
    """The steps from design to rollout, for one experiment.

    A step's own result is on disk before anything else is tried: when the tracking server fails, nothing is lost.

    Attributes:
        experiment: The experiment, open for work.
        tracker: Where runs are logged; None logs none.
    """

    experiment: Experiment
    tracker: Tracker | None = None

    def design(self) -> Design:
        """What the plan can detect, kept as `design.json`; see `experiments.design.design`."""
        from experiments.design import design

        document = self._keep("design", design(self.experiment))
        return self._track("design", document, lambda tracker: tracker.log_design)

    def assign(self) -> Assignment:
        """Draw the arms and write the send lists, kept as `assignment.json`; see `experiments.assignment.assign`."""
        from experiments.assignment import assign

        document = self._keep("assignment", assign(self.experiment))
        return self._track("assignment", document, lambda tracker: tracker.log_assignment)

    def analyze(self) -> Analysis:
        """Effects, verdict and report, kept as `analysis.json`; see `experiments.analysis.analyze`."""
        from experiments.analysis import analyze

        document = self._with_report("analysis", analyze(self.experiment))
        return self._track("analysis", document, lambda tracker: tracker.log_analysis)

    def uplift(self, value: str | None = None) -> Uplift:
        """The offer policy, kept as `uplift.json` and registered in MLflow; see `uplift.search.find_policy`.

        With another `value` than the definition's, the answer is printed and logged, and the policy that a rollout
        follows stays as it was.
        """
        from uplift.search import find_policy

        found = find_policy(self.experiment, value)
        asked_for_another = value is not None and value != self.experiment.definition.goals.value_metric
        name = f"uplift-{value}" if asked_for_another else "uplift"
        document = self._with_report(name, found.document)
        return self._track(name, document, lambda tracker: tracker.log_uplift)

    def rollout(self) -> Rollout:
        """Budgeted send lists for members who were not in the test; see `uplift.rollout.rollout`."""
        from uplift.rollout import rollout

        document = self._with_report("rollout", rollout(self.experiment))
        return self._track("rollout", document, lambda tracker: tracker.log_rollout)
