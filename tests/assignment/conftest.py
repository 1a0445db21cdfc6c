"""The campaign of the tests of this room, and a server without tables of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assignment.campaign import Campaign
from tests.assignment.on_postgresql import without_tables
from tests.engines.postgresql_server import PostgreSQLServer


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(tmp_path)


@pytest.fixture
def server(postgresql_server: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    with without_tables(postgresql_server) as server:
        yield server
