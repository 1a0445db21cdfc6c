"""Scripts for BigQuery and Snowflake: as they were read through once, and, read back by sqlglot, with the arms and moments of DuckDB.

Neither warehouse is there to be asked, so the golden files keep changes from passing unseen; after a change that is meant,
`python -m tests.engines.test_warehouse_sql` writes them anew, to be read in the difference.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from experiments.assignment.assignment import assign
from experiments.engines.script import Warehouse
from experiments.experiment import Experiment
from experiments.warehouse_sql import warehouse_sql
from offerwise.demo.campaign import Campaign, generate, respond
from offerwise.demo.journey import ledger_rows
from offerwise.opening import open_experiment

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
WAREHOUSES = get_args(Warehouse)
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def answered(folder: Path) -> Campaign:
    """The reference campaign, small: three incentives by two texts, caps, a holdout, an exclude list, a formula."""
    campaign = generate(folder / "demo", 7, members=1500, today=date(2026, 11, 21))
    with opened(campaign) as experiment:
        assign(experiment)
        respond(campaign, experiment.definition, ledger_rows(experiment))
    return campaign


@contextmanager
def opened(campaign: Campaign) -> Iterator[Experiment]:
    out = campaign.directory.parent / "runs"
    with open_experiment(campaign.definition, engine="duckdb://?threads=1", out=out, now=NOW) as experiment:
        yield experiment


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return answered(tmp_path_factory.mktemp("warehouse"))


@pytest.fixture(scope="module")
def scripts(campaign: Campaign) -> dict[str, str]:
    with opened(campaign) as experiment:
        before = sorted(experiment.workspace.out.rglob("*"))
        found = {dialect: warehouse_sql(experiment, dialect).sql for dialect in WAREHOUSES}
        assert sorted(experiment.workspace.out.rglob("*")) == before
    return found


@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_a_script_is_as_it_was(scripts: dict[str, str], dialect: str) -> None:
    assert scripts[dialect] == (GOLDEN / f"{dialect}.sql").read_text(encoding="utf8")


@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_a_script_draws_the_arms_and_takes_the_moments(
    campaign: Campaign, scripts: dict[str, str], dialect: str
) -> None:
    """Read as the warehouse's dialect and run on DuckDB; what DuckDB cannot read, the text of a send time, is left out."""
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        for path in campaign.directory.glob("*.parquet"):
            session.from_parquet(str(path)).create_view(path.stem)
        session.read_csv(str(campaign.directory / "staff.csv"), all_varchar=True).create_view(
            "exclude_lists_0"
        )
        *tables, moments = statements(scripts[dialect], dialect)
        for statement in tables:
            session.execute(statement)
        cells = {row[0]: row for row in session.execute(moments).fetchall()}
        columns = "member, arm, segment, stratum, batch, propensity, epoch_us(planned_send_at)"
        drawn = session.sql(f"SELECT {columns} FROM assignments ORDER BY member").fetchall()
        batches = str(campaign.directory.parent / "runs" / "*" / "ledger" / "batches" / "*.parquet")
        ledger = session.sql(f"SELECT {columns} FROM read_parquet('{batches}') ORDER BY member").fetchall()
        buyers = session.sql(
            'SELECT "cell__number", sum("metric__converted") FROM units GROUP BY 1'
        ).fetchall()
    assert drawn == ledger
    assert len(drawn) > 500
    assert sum(row[1] for row in cells.values()) == len(drawn)
    assert {cell: row[2] for cell, row in cells.items()} == dict(buyers)


def statements(script: str, dialect: str) -> Iterator[str]:
    """The statements that make tables, and the moments, in DuckDB's words."""
    for statement in sqlglot.parse(script, read=dialect):
        is_moments = isinstance(statement, exp.Select) and "cell" in statement.named_selects
        if not is_moments and not isinstance(statement, exp.Create):
            continue
        if isinstance(statement, exp.Create) and statement.this.name == "send_times":
            continue
        for number in list(statement.find_all(exp.ToNumber)):
            written = exp.Concat(expressions=[exp.Literal.string("0x"), number.this])
            number.replace(exp.cast(written, exp.DType.BIGINT))
        yield statement.sql("duckdb")


def test_the_command_prints_it(campaign: Campaign, scripts: dict[str, str], tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "offerwise",
        "validate",
        str(campaign.definition),
        "--out",
        str(tmp_path),
    ]
    plain = subprocess.run(
        [*command, "--sql", "snowflake"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert plain.stdout.splitlines()[:3] == scripts["snowflake"].splitlines()[:3]
    assert list(tmp_path.iterdir()) == []
    found = subprocess.run(
        [*command, "--sql", "bigquery", "--json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document = json.loads(found.stdout)
    assert (document["schema"], document["dialect"]) == ("offerwise.sql/1", "bigquery")
    assert document["sql"].startswith("-- winback-demo: audience, draw and moments for bigquery")


def write() -> None:
    """Write the golden files."""
    with tempfile.TemporaryDirectory() as folder, opened(answered(Path(folder))) as experiment:
        for dialect in WAREHOUSES:
            text = warehouse_sql(experiment, dialect).sql
            (GOLDEN / f"{dialect}.sql").write_text(text, encoding="utf8")


if __name__ == "__main__":
    write()
