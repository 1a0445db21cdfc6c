"""A small demo campaign, answered once for all tests."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from experiments.definition.load import load
from offerwise.demo.calendar import Season
from offerwise.demo.campaign import generate, respond
from offerwise.demo.members import HISTORY_DAYS, draw_population
from tests.demo.answered import SEED, SIZE, TODAY, Answered, write_ledger


@pytest.fixture(scope="session")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    directory = tmp_path_factory.mktemp("demo") / "campaign"
    campaign = generate(directory, SEED, members=SIZE, today=TODAY)
    definition = load(campaign.definition)
    population = draw_population(SEED, SIZE, Season.before(campaign.snapshot, HISTORY_DAYS))
    ledger = write_ledger(directory.with_name("ledger.parquet"), campaign, definition, population)
    return Answered(
        campaign, definition, ledger, respond(campaign, definition, pq.read_table(ledger)), population
    )
