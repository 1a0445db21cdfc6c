"""A demo campaign whose arms the test drew itself, so that truth and files can be held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.definition.model import Definition
from offerwise.demo.calendar import midnight
from offerwise.demo.campaign import Campaign
from offerwise.demo.members import Population
from offerwise.demo.truth import TrueEffects

SEED = 11
SIZE = 24_000
TODAY = date(2026, 6, 30)


@dataclass(frozen=True)
class Answered:
    campaign: Campaign
    definition: Definition
    ledger: Path
    truth: TrueEffects
    population: Population


def write_ledger(path: Path, campaign: Campaign, definition: Definition, population: Population) -> Path:
    """A ledger of everybody within 181 to 730 days, arms drawn by numpy."""
    rng = np.random.default_rng(5)
    lapsed = (population.days_since_last_order >= 181) & (population.days_since_last_order <= 730)
    chosen = rng.permutation(np.flatnonzero(lapsed))
    near = population.days_since_last_order[chosen] <= 365
    shares = np.array([float(arm.share) for arm in definition.all_arms])
    seconds = rng.integers(0, 11 * 3600, len(chosen)) + 86_400 * rng.integers(0, 2, len(chosen))
    sent = midnight(campaign.snapshot + timedelta(days=1)) + (9 * 3600 + seconds) * 1_000_000
    table = pa.table(
        {
            "member": population.member_id[chosen],
            "arm": rng.choice([arm.id for arm in definition.all_arms], len(chosen), p=shares / shares.sum()),
            "segment": np.where(population.is_vip[chosen], "vip", np.where(near, "near_dormant", "dormant")),
            "planned_send_at": pa.array(sent, type=pa.timestamp("us", tz="UTC")),
        }
    )
    pq.write_table(table, path)
    return path
