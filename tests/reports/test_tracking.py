"""Runs in a real MLflow: SQLite and a server on loopback."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import multiprocessing
import os
import socket
import string
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.definition.errors import InputError, OutsideError
from experiments.experiment import Experiment
from experiments.files import Workspace
from reports.quiet_mlflow import quiet_mlflow
from reports.runs import LONGEST_KEY, LONGEST_VALUE, ascii_name, flat_metrics, flat_parameters
from reports.store import Store
from reports.tracking import Tracker
from tests.reports.report_examples import (
    CHINESE,
    analysis,
    assignment,
    design,
    open_experiment,
    rollout,
    uplift,
)

PASSWORD = "hunter2-secret"


def read_run(tracker: Tracker, run_id: str) -> tuple[Any, dict[str, str]]:
    """A run and the text of each of its artifacts."""
    with tracker.client("Reading a run") as client:
        run = client.get_run(run_id)
        folder = Path(client.download_artifacts(run_id, ""))
    return run, {
        str(path.relative_to(folder)): path.read_text(encoding="utf8")
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Tracker]:
    """An experiment with a SQLite store that is initialised once for the module."""
    experiment = open_experiment(tmp_path_factory.mktemp("tracking"), CHINESE, "zh")
    return experiment, Tracker(None, experiment.workspace)


def test_the_default_is_sqlite_under_out_with_artifacts_beside_it(
    sqlite: tuple[Experiment, Tracker],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment, tracker = sqlite
    report = experiment.workspace.report
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("<!doctype html><title>report</title>", encoding="utf8")
    run_id = tracker.log_analysis(experiment, analysis(experiment), [report])
    run, artifacts = read_run(tracker, run_id)

    assert list(tmp_path.iterdir()) == [], "nothing lands in the current folder"
    assert (experiment.workspace.out / "mlflow.db").is_file()
    assert run.info.artifact_uri.startswith((experiment.workspace.out.absolute() / "mlartifacts").as_uri())
    assert run.info.status == "FINISHED"
    assert run.data.tags["offerwise.verdict"] == "rollout"
    assert run.data.tags["offerwise.command"] == "analysis"
    assert run.data.tags["offerwise.definition_sha256"] == experiment.definition.origin.sha256
    assert run.data.params["metrics.converted.window_days"] == "14"
    assert run.data.params["arms.offers.care.label"] == CHINESE["care"]
    assert run.data.metrics["money/care/incremental_profit"] == 5544.0
    assert run.data.metrics["effects/converted/care/control/difference"] == pytest.approx(0.0061)
    assert run.data.metrics["health/sample_ratio/p_value"] == 0.904
    assert all(name.isascii() for name in run.data.metrics)
    assert all(math.isfinite(value) for value in run.data.metrics.values())
    assert set(artifacts) == {
        "analysis.json",
        "report.html",
        "definition/definition.yml",
        "definition/resolved.json",
    }
    assert artifacts["definition/definition.yml"] == experiment.definition.origin.text
    assert json.loads(artifacts["analysis.json"])["mlflow_run_id"] == run_id
    assert capfd.readouterr() == ("", ""), "MLflow says nothing on its own account"


def test_every_command_is_a_run_of_the_same_mlflow_experiment(sqlite: tuple[Experiment, Tracker]) -> None:
    experiment, tracker = sqlite
    lists = experiment.workspace.send_lists
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "care.csv").write_text("member,planned_send_at\nM-7777777,2026-11-01\n", encoding="utf8")
    runs = {
        "design": tracker.log_design(experiment, design(experiment)),
        "assignment": tracker.log_assignment(experiment, assignment(experiment)),
        "analysis": tracker.log_analysis(experiment, analysis(experiment, "too_early")),
        "uplift": tracker.log_uplift(experiment, uplift()),
        "rollout": tracker.log_rollout(experiment, rollout()),
    }
    found = {command: read_run(tracker, run_id) for command, run_id in runs.items()}
    assert len({run.info.experiment_id for run, _ in found.values()}) == 1
    for command, (run, artifacts) in found.items():
        assert run.info.run_name == run.data.tags["offerwise.command"] == command
        assert f"{command}.json" in artifacts
    out = experiment.workspace.out
    kept = [out / "mlflow.db", *(path for path in (out / "mlartifacts").rglob("*") if path.is_file())]
    assert len(kept) > 15
    assert [path for path in kept if b"M-7777777" in path.read_bytes()] == []
    assert found["analysis"][0].data.tags["offerwise.verdict"] == "too_early"
    assert found["rollout"][0].data.metrics["offers/care/members"] == rollout().offers[0].members


def test_a_file_that_may_name_members_is_refused(sqlite: tuple[Experiment, Tracker], tmp_path: Path) -> None:
    experiment, tracker = sqlite
    for name in ("send_list.csv", "ledger.parquet", "offers"):
        with pytest.raises(ValueError, match="members"):
            tracker.log_analysis(experiment, analysis(experiment), [tmp_path / name])


def test_a_deleted_mlflow_experiment_is_a_fault_of_the_definition(
    tmp_path: Path, sqlite: tuple[Experiment, Tracker]
) -> None:
    experiment, tracker = sqlite
    named = experiment.definition.mlflow.model_copy(update={"experiment": "crm/召回"})
    changed = experiment.definition.model_copy(update={"mlflow": named})
    experiment = dataclasses.replace(experiment, definition=changed)
    run, _ = read_run(tracker, tracker.log_design(experiment, design(experiment)))
    with tracker.client("Deleting") as client:
        client.delete_experiment(run.info.experiment_id)
    with pytest.raises(InputError, match="deleted"):
        tracker.log_design(experiment, design(experiment))


def test_logging_levels_and_environment_are_as_before(sqlite: tuple[Experiment, Tracker]) -> None:
    logging.getLogger("alembic").setLevel(logging.INFO)
    before = dict(os.environ)
    with quiet_mlflow():
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert dict(os.environ) == before
    assert logging.getLogger("alembic").level == logging.INFO


def _first_use(folder: Path, name: str, other: str) -> str:
    """Log a design, starting when the other process is ready too; the run's id."""
    experiment = open_experiment(folder / name)
    experiment = dataclasses.replace(
        experiment, workspace=Workspace(folder / "runs", experiment.definition.id)
    )
    with quiet_mlflow():
        import mlflow  # noqa: F401  the race is about the store, not about who imports faster
    (folder / f"{name}.ready").touch()
    while not (folder / f"{other}.ready").exists():
        time.sleep(0.005)
    return Tracker(None, experiment.workspace).log_design(experiment, design(experiment))


@pytest.mark.slow
def test_two_simultaneous_first_uses_both_work(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        uses = [pool.submit(_first_use, tmp_path, *names) for names in (("left", "right"), ("right", "left"))]
        run_ids = [use.result(timeout=120) for use in uses]
    assert len(set(run_ids)) == 2
    tracker = Tracker(None, Workspace(tmp_path / "runs", "winback-test"))
    assert {read_run(tracker, run_id)[0].info.status for run_id in run_ids} == {"FINISHED"}


@pytest.mark.slow
def test_a_real_server_keeps_the_run_and_no_password(mlflow_server: str, tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    uri = mlflow_server.replace("http://", f"http://ana:{PASSWORD}@")
    tracker = Tracker(uri, experiment.workspace)
    report = tmp_path / "report.html"
    report.write_text("<!doctype html>", encoding="utf8")
    run, artifacts = read_run(tracker, tracker.log_analysis(experiment, analysis(experiment), [report]))
    assert run.info.status == "FINISHED"
    assert "report.html" in artifacts
    everything = json.dumps(run.to_dictionary()) + json.dumps(artifacts)
    assert PASSWORD not in everything
    assert not (experiment.workspace.out / "mlflow.db").exists()


@pytest.mark.slow
def test_the_environment_names_the_server(
    mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    experiment = open_experiment(tmp_path)
    tracker = Tracker(None, experiment.workspace)
    assert tracker.store.uri == mlflow_server
    assert read_run(tracker, tracker.log_design(experiment, design(experiment)))[0].info.status == "FINISHED"


@pytest.mark.parametrize("scheme", ["http", "postgresql", "postgresql+psycopg2"])
def test_a_server_that_does_not_answer_is_an_outside_failure_without_the_password(
    scheme: str, tmp_path: Path
) -> None:
    """At once: a database would be asked again for minutes."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    experiment = open_experiment(tmp_path)
    tracker = Tracker(f"{scheme}://ana:{PASSWORD}@127.0.0.1:{port}/mlflow", experiment.workspace)
    with pytest.raises(OutsideError, match="does not answer") as caught:
        tracker.log_design(experiment, design(experiment))
    assert caught.value.exit_code == 4
    assert PASSWORD not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "results on disk are safe" in str(caught.value)


def test_a_database_that_is_a_folder_is_told_at_once(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    with pytest.raises(OutsideError, match="is a folder"):
        Tracker(f"sqlite:///{tmp_path}", experiment.workspace).log_design(experiment, design(experiment))


def test_a_broken_database_is_an_outside_failure(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    experiment.workspace.out.mkdir(parents=True)
    (experiment.workspace.out / "mlflow.db").write_text("this is not a database" * 100)
    with pytest.raises(OutsideError, match="MLflow store"):
        Tracker(None, experiment.workspace).log_design(experiment, design(experiment))


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (
            f"postgresql://ana:{PASSWORD}@db.example.com:5432/mlflow?sslpassword={PASSWORD}",
            "postgresql://db.example.com:5432/mlflow",
        ),
        (f"https://{PASSWORD}@mlflow.example.com", "https://mlflow.example.com"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("databricks", "databricks"),
        (f"postgresql+psycopg2://ana:{PASSWORD}@db/mlflow", "postgresql+psycopg2://db/mlflow"),
        (f"banana://{PASSWORD}", "banana://..."),
        (f"banana:{PASSWORD}", "banana://..."),
        (f"http://ana:{PASSWORD}@[::1", "http://..."),
    ],
)
def test_a_uri_is_shown_without_credentials(uri: str, shown: str) -> None:
    assert Store(uri).shown == shown


@given(st.text(min_size=1, max_size=400))
def test_names_are_ascii_short_and_apart(text: str) -> None:
    name = ascii_name(text)
    assert 0 < len(name) <= LONGEST_KEY
    assert set(name) <= set(string.ascii_letters + string.digits + "_./-")
    assert ascii_name(name) == name


def test_different_names_stay_different() -> None:
    names = ["权益", "文案", "a b", "a  b", "a_b", "x" * 300, "x" * 301]
    assert len({ascii_name(name) for name in names}) == len(names)


def test_long_values_are_cut_and_lists_are_one_value() -> None:
    from reports.runs import cut

    assert len(cut("长" * 9000)) == LONGEST_VALUE
    assert dict(flat_parameters({"a": [{"b": 1}, {"b": 2}], "c": [1, 2], "d": {"e": None}})) == {
        "a.0.b": "1",
        "a.1.b": "2",
        "c": "1, 2",
        "d.e": "None",
    }


def test_rows_of_single_segments_stay_in_the_document() -> None:
    rows = {
        "effects": [{"metric": "m", "segment": None, "x": 1.0}, {"metric": "m", "segment": "vip", "x": 2.0}]
    }
    assert dict(flat_metrics(rows)) == {"effects/m/x": 1.0}
