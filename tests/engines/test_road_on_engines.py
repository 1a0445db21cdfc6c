"""The same definition and the same members give the same arms, segments, lists and moments on every engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from offerwise.__main__ import main
from tests.assignment.recomputed import by_hash, by_rank
from tests.engines import road
from tests.engines.conftest import ROOT
from tests.engines.postgresql_server import DATABASES, PostgreSQLServer
from tests.engines.spark_cluster import running_cluster

SHARES = [(arm, Fraction(share)) for arm, share in road.ARMS]
STEPS = ("assign", "analyze", "rollout")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("road")
    road.make(made)
    return made


@pytest.fixture(scope="module")
def on_duckdb(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The road of each method on DuckDB."""
    return {
        name: road.travel("duckdb://?threads=2", folder, name, folder / "duckdb") for name in road.METHODS
    }


def assert_same(found: Any, expected: Any, at: str = "") -> None:
    """Equal, floating numbers to 1e-9 of their size."""
    if isinstance(expected, dict):
        assert sorted(found) == sorted(expected), at
        for name, value in expected.items():
            assert_same(found[name], value, f"{at}/{name}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), at
        for place, value in enumerate(expected):
            assert_same(found[place], value, f"{at}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), at
    else:
        assert found == expected, at


def command(step: str, folder: Path, engine: str, out: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """The document of one command, with nothing of where it ran, and nothing but our words on standard error."""
    given = ["--engine", engine, "--out", str(out), "--json", "--no-mlflow"]
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([step, str(folder / "stratified.yml"), *given])
    shown = capfd.readouterr()
    assert ended.value.code == 0, shown.err
    for word in ("Spark", "WARN", "Exception", "java"):
        assert word not in shown.err
    return _timeless(json.loads(shown.out.replace(str(out), "OUT")))


def _timeless(document: Any) -> Any:
    """Without the moment of the command itself."""
    if isinstance(document, list):
        return [_timeless(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {k: _timeless(v) for k, v in document.items() if k not in {"released_at", "next_step"}}


def test_keys_and_strata_are_awkward(on_duckdb: Mapping[str, Mapping[str, Any]]) -> None:
    """What the comparison rests on is in the data."""
    members, strata = zip(
        *((key, row[2]) for key, row in on_duckdb["stratified"]["members"].items()), strict=True
    )
    assert any(key.startswith("00") for key in members)
    assert any("会员" in key for key in members)
    assert {key.lower() for key in members if key.startswith("Key")} & {
        k.lower() for k in members if k[:3] == "kEy"
    }
    assert any("\\N" in stratum for stratum in strata)
    assert any("a\\|b" in stratum for stratum in strata)
    assert len({row[1] for row in on_duckdb["stratified"]["members"].values()}) == 3
    assert any(moments["cap"] for moments in on_duckdb["stratified"]["moments"].values())
    assert on_duckdb["stratified"]["refused"]["holdout"] > 0
    first, others = on_duckdb["stratified"]["classes"]
    assert first["sampled"] == first["eligible"] > 0
    assert 0 < others["sampled"] < others["eligible"]
    assert any(each["repeats"] for source in on_duckdb["stratified"]["events"] for each in source["counts"])


def test_arms_are_those_of_the_contract_in_plain_python(on_duckdb: Mapping[str, Mapping[str, Any]]) -> None:
    for name, recompute in (
        ("stratified", lambda strata, salt: by_rank(strata, SHARES, salt, 0)),
        ("hash", lambda strata, salt: by_hash(list(strata), SHARES, salt)),
    ):
        members = on_duckdb[name]["members"]
        strata = {key: row[2] for key, row in members.items()}
        assert recompute(strata, road.METHODS[name]["salt"]) == {key: row[0] for key, row in members.items()}


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", road.METHODS)
def test_postgresql_gives_the_same(
    folder: Path,
    on_duckdb: Mapping[str, Mapping[str, Any]],
    postgresql_server: PostgreSQLServer,
    database: str,
    name: str,
) -> None:
    found = road.travel(postgresql_server.url(database), folder, name, folder / database)
    assert_same(found, on_duckdb[name])


def test_a_session_of_the_caller_gives_the_same_and_stays_as_it_was(
    folder: Path, on_duckdb: Mapping[str, Mapping[str, Any]], spark_url: str
) -> None:
    from pyspark.sql import SparkSession

    session = SparkSession.builder.getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    session.conf.set("spark.sql.ansi.enabled", "false")
    found = road.travel(session, folder, "hash", folder / "session")
    assert_same(found, on_duckdb["hash"])
    assert session.conf.get("spark.sql.session.timeZone") == "America/New_York"
    assert session.conf.get("spark.sql.ansi.enabled") == "false"
    assert session.catalog.listTables() == []
    assert session.range(3).count() == 3


def test_the_commands_on_spark_give_the_same(
    folder: Path,
    on_duckdb: Mapping[str, Mapping[str, Any]],
    spark_url: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Assign, analyze and rollout: documents and lists."""
    places = {"duckdb://": folder / "commands-duckdb", spark_url: folder / "commands-spark"}
    told = {
        engine: {step: command(step, folder, engine, out, capfd) for step in STEPS}
        for engine, out in places.items()
    }
    assert_same(told[spark_url], told["duckdb://"])
    assert told[spark_url]["rollout"]["offers"]
    lists = [road.hashes(out / "road-stratified" / "rollout") for out in places.values()]
    assert lists[0] == lists[1] != {}
    assert_same(
        road.measured(spark_url, folder, "stratified", places[spark_url]),
        {name: on_duckdb["stratified"][name] for name in ("members", "lists", "moments", "events")},
    )


def test_a_rollout_on_postgresql_gives_the_same(
    folder: Path, postgresql_server: PostgreSQLServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """With members under the floor of their stage first, within a budget."""
    engines = {
        "duckdb://": folder / "rollout-duckdb",
        postgresql_server.url("icu"): folder / "rollout-postgresql",
    }
    told = [
        [command(step, folder, engine, out, capfd) for step in STEPS][-1] for engine, out in engines.items()
    ]
    assert_same(told[1], told[0])
    assert [each["under_floor"] for each in told[0]["classes"]] == [True, False]
    lists = [road.hashes(out / "road-stratified" / "rollout") for out in engines.values()]
    assert lists[0] == lists[1] != {}


@pytest.mark.slow
def test_a_standalone_cluster_gives_the_same(
    folder: Path, on_duckdb: Mapping[str, Mapping[str, Any]], spark_url: str, tmp_path: Path
) -> None:
    with running_cluster(tmp_path) as cluster:
        done = subprocess.run(
            [sys.executable, "-m", "tests.engines.road", cluster.url, str(folder), "stratified"],
            capture_output=True,
            text=True,
            env=cluster.environment,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert_same(json.loads(done.stdout), json.loads(json.dumps(on_duckdb["stratified"], default=str)))
    left = sorted(path.name for path in (folder / "elsewhere").iterdir())
    assert left == [".offerwise.lock", "road-stratified"]
