"""What tests of the ledger on PostgreSQL share: a database without any table of ours, copies of a campaign, and all rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.assignment.campaign import Campaign
from tests.engines.postgresql_server import PostgreSQLServer

DATABASE = "icu"
ROWS = "SELECT * FROM offerwise.assignments ORDER BY experiment, member"


@contextmanager
def without_tables(server: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    """The server, without tables of ours before and afterwards."""
    server.execute("DROP SCHEMA IF EXISTS offerwise CASCADE", DATABASE)
    yield server
    server.execute("DROP SCHEMA IF EXISTS offerwise CASCADE", DATABASE)


def copied(campaign: Campaign, name: str, engine: str | None = None) -> Campaign:
    """The same data and definition in another folder."""
    folder = campaign.folder / name
    folder.mkdir()
    for path in (*campaign.folder.glob("*.csv"), campaign.folder / "test.yml"):
        shutil.copy(path, folder)
    return Campaign(folder, engine or campaign.engine)


def rows(server: PostgreSQLServer) -> list[tuple[object, ...]]:
    ((there,),) = server.execute("SELECT to_regclass('offerwise.assignments') IS NOT NULL", DATABASE)
    return server.execute(ROWS, DATABASE) if there else []
