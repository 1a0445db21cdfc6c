"""Runs in MLflow: one MLflow experiment for each definition, one run for each command, without a member's trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.definition.errors import InputError, OutsideError
from experiments.definition.lock import canonical_json
from experiments.definition.model import Definition
from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from experiments.documents.storage import to_json
from experiments.experiment import Experiment
from experiments.files import Workspace
from reports.quiet_mlflow import quiet_mlflow
from reports.runs import RunContent, ascii_name, run_content
from reports.store import GO_ON, SAFE, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from experiments.documents.simulation import Simulation
    from uplift.documents import Rollout, Uplift

Item = TypeVar("Item")

_METRICS_AT_ONCE, _PARAMETERS_AT_ONCE = 1000, 100
"""What one request to a tracking server may carry."""

_NO_MEMBERS_IN = frozenset({".html", ".json", ".sql", ".svg", ".yml", ".yaml"})


@dataclass(frozen=True)
class Tracker:
    """Logs documents as runs.

    Each run has the definition as parameters, the document's numbers as metrics, the lock and the verdict as tags, and
    as artifacts the definition as written and as resolved, the document, and the files given. Ledgers and send lists
    name members and are refused.

    Attributes:
        uri: The tracking URI; None for MLFLOW_TRACKING_URI, and where that is unset SQLite under `--out`.
        workspace: The experiment's folder.
    """

    uri: str | None
    workspace: Workspace

    @cached_property
    def store(self) -> Store:
        """The store that the URI names."""
        return Store.of(self.uri, self.workspace)

    def log_design(self, experiment: Experiment, design: Design, files: Sequence[Path] = ()) -> str:
        """Log a plan; the run's id. Raises OutsideError when the store fails."""
        return self._log(experiment, "design", design, "feasible" if design.feasible else "infeasible", files)

    def log_assignment(
        self, experiment: Experiment, assignment: Assignment, files: Sequence[Path] = ()
    ) -> str:
        """Log a draw; the run's id. Raises OutsideError when the store fails."""
        return self._log(experiment, "assignment", assignment, "assigned", files)

    def log_analysis(self, experiment: Experiment, analysis: Analysis, files: Sequence[Path] = ()) -> str:
        """Log an analysis; the run's id. Raises OutsideError when the store fails."""
        return self._log(experiment, "analysis", analysis, analysis.verdict.status, files)

    def log_uplift(self, experiment: Experiment, uplift: Uplift, files: Sequence[Path] = ()) -> str:
        """Log the search for a policy; the run's id. Raises OutsideError when the store fails."""
        return self._log(experiment, "uplift", uplift, uplift.chosen.kind, files)

    def log_rollout(self, experiment: Experiment, rollout: Rollout, files: Sequence[Path] = ()) -> str:
        """Log a rollout; the run's id. Raises OutsideError when the store fails."""
        return self._log(experiment, "rollout", rollout, "listed", files)

    def log_simulation(
        self, experiment: Experiment, simulation: Simulation, files: Sequence[Path] = ()
    ) -> str:
        """Log a simulation; the run's id. Raises OutsideError when the store fails."""
        verdict = "calibrated" if simulation.calibrated else "not_calibrated"
        return self._log(experiment, "simulation", simulation, verdict, files)

    def _log(
        self, experiment: Experiment, command: str, document: object, verdict: str, files: Sequence[Path]
    ) -> str:
        for path in files:
            if path.suffix not in _NO_MEMBERS_IN:
                raise ValueError(f"{path.name} may name members, who have no place in MLflow")
        content = run_content(experiment.definition, command, document, verdict)
        experiment.progress("Logging the run in MLflow")
        with self.client(f"Logging the {command}") as client:
            experiment_id = self._experiment_id(client, experiment.definition)
            run_id: str = client.create_run(
                experiment_id, tags=dict(content.tags), run_name=command
            ).info.run_id
            with _ended(client, run_id):
                _log_numbers(client, run_id, content)
                _log_artifacts(client, run_id, experiment.definition, command, document, files)
        return run_id

    @contextmanager
    def client(self, doing: str) -> Iterator[MlflowClient]:
        """A quiet client of the store; its failures are OutsideError."""
        with quiet_mlflow(), self.store.used_for(doing):
            from mlflow import MlflowClient

            yield MlflowClient(tracking_uri=self.store.uri)

    def _experiment_id(self, client: MlflowClient, definition: Definition) -> str:
        """The id of the definition's MLflow experiment, created at its first run."""
        from mlflow.exceptions import MlflowException

        name = definition.mlflow.experiment or definition.id
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                location = self.store.artifact_location(ascii_name(name.replace("/", "-")))
                created: str = client.create_experiment(name, artifact_location=location)
            except MlflowException as error:
                # Another client of the same server may have created it since.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise OutsideError(
                        f"The MLflow experiment {name} could not be created", SAFE, GO_ON
                    ) from error
            else:
                return created
        if found.lifecycle_stage != "active":
            raise InputError([definition.origin.fault(("mlflow", "experiment"), *_deleted(name))])
        return str(found.experiment_id)


def _deleted(name: str) -> tuple[str, str]:
    return f"the MLflow experiment {name!r} is deleted", "restore it in MLflow, or give another name"


@contextmanager
def _ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Leave no run that looks as if it were still going on."""
    try:
        yield
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _log_numbers(client: MlflowClient, run_id: str, content: RunContent) -> None:
    from time import time

    from mlflow.entities import Metric, Param

    moment = int(time() * 1000)
    for part in _parts(content.parameters, _PARAMETERS_AT_ONCE):
        client.log_batch(run_id, params=[Param(key, value) for key, value in part.items()])
    for numbers in _parts(content.metrics, _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=[Metric(key, value, moment, 0) for key, value in numbers.items()])


def _parts(items: Mapping[str, Item], size: int) -> Iterator[dict[str, Item]]:
    left = iter(items.items())
    while part := dict(islice(left, size)):
        yield part


def _log_artifacts(
    client: MlflowClient,
    run_id: str,
    definition: Definition,
    command: str,
    document: Any,
    files: Sequence[Path],
) -> None:
    if hasattr(document, "mlflow_run_id"):
        document = dataclasses.replace(document, mlflow_run_id=run_id)
    client.log_text(run_id, to_json(document), f"{command}.json")
    client.log_text(run_id, definition.origin.text, "definition/definition.yml")
    client.log_text(run_id, canonical_json(definition), "definition/resolved.json")
    for path in files:
        client.log_artifact(run_id, str(path))
