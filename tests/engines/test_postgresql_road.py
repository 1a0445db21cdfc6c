"""The whole road on PostgreSQL by the command line: every figure is DuckDB's, and the password stands nowhere."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from experiments.documents.storage import to_json
from offerwise.demo.campaign import Campaign as Demo
from offerwise.demo.campaign import generate, respond
from offerwise.demo.journey import ledger_rows
from offerwise.journey import Journey
from offerwise.opening import open_experiment
from tests.engines.postgresql_server import PASSWORD, PostgreSQLServer
from tests.uplift.campaign import NOW
from tests.uplift.campaign import Campaign as Planted

pytest.importorskip("psycopg", reason="psycopg is not installed")

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("members", "contacts", "orders", "redemptions", "feedback")
DUCKDB = "duckdb://?threads=2"
OWN = {"files", "table", "next_step", "seconds", "released_at", "mlflow_run_id", "model_uri", "sql"}
"""What a run names its own: folders, times, runs, and the dialect."""


@pytest.fixture(scope="module")
def server(postgresql_server: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    postgresql_server.execute("DROP SCHEMA IF EXISTS offerwise CASCADE; CREATE SCHEMA shop", "chinese")
    yield postgresql_server
    postgresql_server.execute("DROP SCHEMA offerwise, shop CASCADE", "chinese")


def command(server: PostgreSQLServer, *arguments: str | Path, exits: Sequence[int] = (0,)) -> tuple[Any, str]:
    """Run a command on PostgreSQL; its document, and everything that it said."""
    environment = {**os.environ, "OFFERWISE_ENGINE": server.url("chinese")}
    given = [sys.executable, "-m", "offerwise", *map(str, arguments), "--json"]
    done = subprocess.run(given, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in exits, done.stderr
    return json.loads(done.stdout), done.stdout + done.stderr


def differences(one: Any, other: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if key not in OWN:
                yield from differences(one.get(key), other.get(key), f"{at}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{at}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12):
            yield at, one, other
    elif one != other:
        yield at, one, other


def document(of: Any) -> Any:
    return json.loads(to_json(of))


def leaks(folder: Path, said: str) -> list[str]:
    """Where the password stands, as it is or as a URL writes it."""
    forms = [PASSWORD, quote(PASSWORD, safe=""), PASSWORD.partition("/")[0]]
    found = [form for form in forms if form in said]
    for path in folder.rglob("*"):
        if path.is_file():
            found += [str(path) for form in forms if form.encode() in path.read_bytes()]
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, dict[str, Any], pa.Table]:
    """A campaign with events, answered; its documents and its ledger on DuckDB."""
    folder = tmp_path_factory.mktemp("road")
    campaign = generate(folder / "demo", 7, members=9000)
    found: dict[str, Any] = {}
    with open_experiment(campaign.definition, engine=DUCKDB, out=folder / "duckdb") as experiment:
        found |= {"validate": Journey(experiment).validate(), "design": Journey(experiment).design()}
        found["assign"] = Journey(experiment).assign()
        drawn = ledger_rows(experiment)
        respond(campaign, experiment.definition, drawn)
    with open_experiment(campaign.definition, engine=DUCKDB, out=folder / "duckdb") as experiment:
        found["analyze"] = Journey(experiment).analyze()
    return campaign, {step: document(each) for step, each in found.items()}, drawn


def load(server: PostgreSQLServer, campaign: Demo) -> list[str]:
    """The campaign's sources as tables of a warehouse, and the options that map them."""
    from experiments.engines.connect import connect

    engine = connect(server.url("chinese"))
    for source in SOURCES:
        engine.open_source(source, str(campaign.directory / f"{source}.parquet"), key="member_id")
        statement = f'CREATE TABLE shop."{source.title()}" AS SELECT * FROM {source}'
        engine._session.execute(statement)  # type: ignore[attr-defined]
    engine.cancel_and_close()
    return [part for source in SOURCES for part in ("--table", f"{source}=shop.{source.title()}")]


def test_tables_of_a_warehouse_give_what_files_give(
    server: PostgreSQLServer, demo: tuple[Demo, dict[str, Any], pa.Table]
) -> None:
    campaign, expected, drawn = demo
    out = campaign.directory.parent / "tables"
    options = ["--out", str(out), *load(server, campaign)]
    said = ""
    for step in ("validate", "assign", "analyze"):
        tracked = [] if step == "analyze" else ["--no-mlflow"]
        found, words = command(server, step, campaign.definition, *options, *tracked, exits=(0, 3))
        assert list(differences(expected[step], found)) == []
        said += words
    with open_experiment(campaign.definition, engine=server.url("chinese"), out=out) as experiment:
        assert list(differences(expected["design"], document(Journey(experiment).design()))) == []
        assert ledger_rows(experiment).sort_by("member").equals(drawn.sort_by("member"))
    assert (out / "mlflow.db").is_file()
    assert leaks(out, said) == []


def test_staged_files_give_policies_and_send_lists_of_duckdb(
    server: PostgreSQLServer, tmp_path: Path
) -> None:
    campaign = Planted(tmp_path)
    campaign.make(12_000, assignment={"method": "stratified", "strata": ["segment"], "sample_size": 9000})
    with campaign.open() as experiment:
        journey = Journey(experiment)
        expected = {
            "analyze": journey.analyze(),
            "uplift": journey.uplift(),
            "rollout": journey.rollout(),
        }
        root = experiment.workspace.root
    out = tmp_path / "postgresql"
    with open_experiment(
        tmp_path / "planted.yml", engine=server.url("chinese"), out=out, now=NOW
    ) as experiment:
        journey = Journey(experiment)
        journey.assign()
        for step, of in expected.items():
            assert list(differences(document(of), document(getattr(journey, step)()))) == []
    lists = sorted(path.relative_to(root) for path in root.rglob("*.csv"))
    assert lists
    assert sorted(path.relative_to(out / "planted") for path in (out / "planted").rglob("*.csv")) == lists
    for path in lists:
        assert sorted((out / "planted" / path).read_text().splitlines()) == sorted(
            (root / path).read_text().splitlines()
        )
    assert leaks(out, "") == []
