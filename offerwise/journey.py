"""The journey of an experiment: each step computes, keeps its document, renews the report and logs its run."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.definition.errors import InputError
from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from experiments.documents.storage import read_document, to_json
from experiments.documents.validation import Validation, WarehouseSQL
from experiments.experiment import Experiment
from experiments.files import write_whole

if TYPE_CHECKING:
    from experiments.documents.explanation import Explanation
    from experiments.documents.monitoring import Monitoring
    from experiments.documents.simulation import Simulation
    from experiments.engines.script import Warehouse
    from reports.tracking import Tracker
    from uplift.documents import Rollout, Uplift

Document = TypeVar("Document", bound=Any)
Part = TypeVar("Part")

Log = Callable[["Tracker", Document, Sequence[Path]], str]
"""Logs a document and files as a run in MLflow, and gives the run's id."""


@dataclass(frozen=True)
class Journey:
    """The steps from validation to rollout, for one experiment.

    A step's own document is on disk before its run is logged: when the tracking server fails, nothing is lost.

    Attributes:
        experiment: The experiment, open for work.
        tracker: Where runs are logged; None logs none.
        warn: Told what was left out of an answer that is right without it.
    """

    experiment: Experiment
    tracker: Tracker | None = None
    warn: Callable[[str], object] = warnings.warn

    def validate(self) -> Validation:
        """Check the data as the definition uses them; see `experiments.data.validation.validate`."""
        from experiments.data.validation import validate

        return validate(self.experiment)

    def warehouse_sql(self, dialect: Warehouse) -> WarehouseSQL:
        """The script for a warehouse; see `experiments.warehouse_sql.warehouse_sql`."""
        from experiments.warehouse_sql import warehouse_sql

        return warehouse_sql(self.experiment, dialect)

    def design(self) -> Design:
        """What the plan can detect, kept as `design.json` and drawn as `design.svg`; see `experiments.design.design.design`."""
        from experiments.design.design import design
        from reports.detectable import draw_detectable

        found = design(self.experiment)
        return self._finish(
            "design",
            found,
            lambda tracker, document, files: tracker.log_design(self.experiment, document, files),
            chart=draw_detectable(self.experiment, found),
        )

    def assign(self, as_of: date | None = None) -> Assignment:
        """Draw the arms and write the send lists, kept as `assignment.json`; see `experiments.assignment.assignment.assign`.

        `as_of` is the day on which members enter, where they enter day by day; today when absent.
        """
        from experiments.assignment.assignment import assign

        return self._finish(
            "assignment",
            assign(dataclasses.replace(self.experiment, as_of=as_of)),
            lambda tracker, document, files: tracker.log_assignment(self.experiment, document, files),
        )

    def explain(self, member: str) -> Explanation:
        """Why a member is in or out, and in which arm; see `experiments.assignment.explanation.explain_assignment`."""
        from experiments.assignment.explanation import explain_assignment

        return explain_assignment(self.experiment, member)

    def monitor(self) -> Monitoring:
        """Health only, kept as `monitor.json`; see `experiments.monitor.monitor`. It logs no run."""
        from experiments.monitor import monitor

        path = self.experiment.workspace.document("monitor")
        found = dataclasses.replace(monitor(self.experiment), files={"monitor": str(path)})
        write_whole(path, to_json(found))
        return found

    def analyze(self) -> Analysis:
        """Effects, verdict and report, kept as `analysis.json`; see `experiments.analysis.analyze`."""
        from experiments.analysis import analyze

        return self._finish(
            "analysis",
            analyze(self.experiment),
            lambda tracker, document, files: tracker.log_analysis(self.experiment, document, files),
            reported=True,
        )

    def simulate(self, *, runs: int = 2000, seed: int = 0) -> Simulation:
        """Error rates on the experiment's own data, kept as `simulation.json`; see `experiments.simulation.simulate.simulate`.

        The work is spread over processes that import the main module: a script calls this under `if __name__ == "__main__"`.
        """
        from experiments.simulation.simulate import simulate

        return self._finish(
            "simulation",
            simulate(self.experiment, runs=runs, seed=seed),
            lambda tracker, document, files: tracker.log_simulation(self.experiment, document, files),
        )

    def uplift(self, value: str | None = None) -> Uplift:
        """The offer policy, kept as `uplift.json` and registered in MLflow; see `uplift.search.find_policy`.

        Asked of another metric than the definition's value, the answer is kept as `uplift-METRIC.json`, stands in no
        report and registers nothing: a rollout follows the definition's own value.
        """
        from uplift.search import find_policy

        found = find_policy(self.experiment, value)
        metric = found.document.value_metric
        own = metric == self.experiment.definition.goals.value_metric
        name = "uplift" if own else f"uplift-{metric}"
        document = self._finish(
            name,
            found.document,
            lambda tracker, document, files: tracker.log_uplift(self.experiment, document, files),
            reported=own,
        )
        if self.tracker is None or not own or document.mlflow_run_id is None:
            return document
        from reports.registry import register_policy

        uri = register_policy(self.tracker, self.experiment, found.policy, document.mlflow_run_id)
        document = dataclasses.replace(document, model_uri=uri)
        write_whole(self.experiment.workspace.document(name), to_json(document))
        return document

    def rollout(self, *, accept_unclear: bool = False) -> Rollout:
        """Budgeted send lists for members who were not in the test; see `uplift.rollout.rollout`."""
        from uplift.rollout import rollout

        document = self._finish(
            "rollout",
            rollout(self.experiment, accept_unclear=accept_unclear),
            lambda tracker, document, files: tracker.log_rollout(self.experiment, document, files),
            reported=True,
        )
        self._name_champion(document)
        return document

    def _name_champion(self, document: Rollout) -> None:
        """The registered policy that members now receive is the model's champion."""
        if self.tracker is None:
            return
        from reports.registry import promote
        from uplift.documents import Uplift

        found = read_document(Uplift, self.experiment.workspace.document("uplift"))
        if found is not None and document.follows == found.chosen.kind and found.model_uri:
            promote(self.tracker, found.model_uri)

    def _finish(
        self, name: str, found: Document, log: Log[Document], *, reported: bool = False, chart: str = ""
    ) -> Document:
        """Keep a step's document and its chart, renew the report where the step has a part in it, and log the run."""
        path = self.experiment.workspace.document(name)
        report, drawing = self.experiment.workspace.report, path.with_suffix(".svg")
        beside = {"report": report} if reported else {}
        if chart:
            beside["chart"] = write_whole(drawing, chart)
        document = _with_files(found, {name: path, **beside})
        write_whole(path, to_json(document))
        if reported:
            self._renew_report()
        if self.tracker is None:
            return document
        run = log(self.tracker, document, [file for file in beside.values() if file.exists()])
        document = dataclasses.replace(document, mlflow_run_id=run)
        write_whole(path, to_json(document))
        return document

    def _renew_report(self) -> None:
        """Write the report from the documents that the steps have left, as far as they can be read; without an analysis there is none."""
        from reports.html import render_report
        from uplift.documents import Rollout, Uplift

        analysis = self._part(Analysis, "analysis")
        if analysis is None:
            return
        self.experiment.progress("Drawing the report")
        page = render_report(
            self.experiment,
            analysis,
            uplift=self._part(Uplift, "uplift"),
            rollout=self._part(Rollout, "rollout"),
            assignment=self._part(Assignment, "assignment"),
            design=self._part(Design, "design"),
        )
        write_whole(self.experiment.workspace.report, page)

    def _part(self, kind: type[Part], name: str) -> Part | None:
        """A step's document as a part of the report; None where there is none that can be read."""
        try:
            return read_document(kind, self.experiment.workspace.document(name))
        except InputError as error:
            self.warn(f"The report leaves out the part of `{name}`: {error}")
            return None


def _with_files(document: Document, files: Mapping[str, Path]) -> Document:
    """A document that names its files; an assignment names its ledger and lists in a type of its own."""
    if not isinstance(document.files, Mapping):
        return document
    return dataclasses.replace(
        document, files={**document.files, **{name: str(path) for name, path in files.items()}}
    )
