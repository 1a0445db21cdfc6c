"""What is known of each member on the own day of entry is the same on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from experiments.assignment.assignment import assign
from tests.assignment.campaign import Campaign
from tests.assignment.test_daily_entry import FIRST, noon
from tests.assignment.test_own_days import DAYS, known, write
from tests.engines.postgresql_server import PostgreSQLServer


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Assigned on DuckDB, to a ledger on files."""
    campaign = Campaign(tmp_path_factory.mktemp("journey"))
    write(campaign)
    for number in range(DAYS):
        with campaign.open(noon(FIRST + timedelta(days=number))) as experiment:
            assign(experiment)
    return campaign


def test_postgresql_knows_the_same(journey: Campaign, postgresql_server: PostgreSQLServer) -> None:
    assert_same(journey, postgresql_server.url("chinese"))


def test_spark_knows_the_same(journey: Campaign, spark_url: str) -> None:
    assert_same(journey, spark_url)


def assert_same(journey: Campaign, engine: str) -> None:
    expected, found = known(journey), known(replace(journey, engine=engine))
    assert {member: rounded(values) for member, values in found.items()} == {
        member: rounded(values) for member, values in expected.items()
    }


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Means and shares are quotients of small numbers; the rest is exact."""
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in values.items()}
