"""A small campaign of ours, from the definition to the outcomes, with effects that are known for every member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from experiments.assignment.assignment import assign
from experiments.documents.analysis import Analysis
from experiments.documents.storage import to_json
from experiments.experiment import Experiment
from experiments.files import write_whole
from offerwise.opening import open_experiment

NOW = datetime(2026, 12, 20, 2, 0, tzinfo=UTC)
ARMS = ("control", "gift", "coupon")
MARGIN, CONTACT, BENEFIT = 0.5, 0.02, 1.0

DEFINITION: dict[str, Any] = {
    "version": 1,
    "id": "planted",
    "title": "Planted effects",
    "owner": "a@example.com",
    "hypothesis": "Each offer is the best for somebody.",
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "data": {"members": {"table": "members.parquet", "key": "id"}},
    "audience": {
        "snapshot": "2026-11-25",
        "segments": [{"id": "vip", "when": "tier = 'vip'"}, {"id": "rest", "when": "otherwise"}],
    },
    "arms": {
        "control": {"share": 0.34},
        "offers": {
            "gift": {"share": 0.33, "unit_cost": BENEFIT, "charged_when": "redeemed"},
            "coupon": {"share": 0.33, "unit_cost": BENEFIT, "charged_when": "redeemed"},
        },
        "channel": {"id": "sms", "cost_per_send": CONTACT},
    },
    "assignment": {"method": "stratified", "strata": ["segment"], "sample_size": 16000},
    "metrics": {
        "bought": {"type": "binary", "from": "members", "value": "bought"},
        "spend": {"type": "sum", "from": "members", "value": "spend"},
        "benefit_cost": {"type": "sum", "from": "members", "value": "benefit"},
        "profit": {"type": "formula", "value": f"{MARGIN} * spend - benefit_cost - contact_cost"},
    },
    "goals": {"primary": {"metric": "bought"}, "value": "profit"},
    "decision": {
        "invalid_if": {},
        "eligible_if": {"primary": "better_than_control", "value_low_above": 0},
        "pick": {"by": "segment", "min_members_per_arm": 300},
    },
    "uplift": {
        "features": ["tier", "recency", "app"],
        "learners": ["joint"],
        "policy": {"kinds": ["best_single_arm", "by_segment", "tree", "individual"], "max_depth": 2},
        "folds": 3,
    },
    "rollout": {"budget": {"amount": 1500, "at": "upper_90"}, "ramp": [0.25, 1.0]},
}


@dataclass(frozen=True)
class Truth:
    """Chance of a purchase for each member (rows) in each arm (columns), and what a purchase brings.

    `coupon` helps those who bought in the last 200 days, `gift` the others; each costs its benefit with every purchase.
    """

    chance: np.ndarray
    amount: float = 12.0

    @property
    def profit(self) -> np.ndarray:
        """Shape (n, arms): expected profit of each member in each arm."""
        benefit = np.array([0.0, BENEFIT, BENEFIT])
        contact = np.array([0.0, CONTACT, CONTACT])
        return self.chance * (MARGIN * self.amount - benefit) - contact


def people(count: int, seed: int = 1) -> pd.DataFrame:
    """Members with a text, a number with missing values and a boolean; ids with leading zeros."""
    rng = np.random.default_rng(seed)
    recency = rng.integers(1, 400, count).astype(float)
    recency[rng.random(count) < 0.05] = np.nan
    tier = rng.choice(
        np.array(["vip", "basic", "新人", None], dtype=object), count, p=[0.25, 0.45, 0.25, 0.05]
    )
    return pd.DataFrame(
        {
            "id": [f"{n:06d}" for n in range(count)],
            "tier": tier,
            "recency": recency,
            "app": rng.random(count) < 0.5,
            "bought": 0,
            "spend": 0.0,
            "benefit": 0.0,
            "complained": 0,
        }
    )


def truth_of(frame: pd.DataFrame, *, equal: bool = False) -> Truth:
    vip = (frame["tier"] == "vip").to_numpy()
    lately = (frame["recency"] <= 200).to_numpy()
    base = np.where(vip, 0.15, 0.10)
    gift = base + (0.08 if equal else np.where(lately, 0.01, 0.20))
    coupon = base + (0.08 if equal else np.where(lately, 0.20, 0.01))
    return Truth(np.column_stack([base, gift, coupon]))


def outcomes(frame: pd.DataFrame, arm: np.ndarray, truth: Truth, seed: int) -> pd.DataFrame:
    """The members after the campaign; `arm` is -1 for members who were not in it, who do nothing."""
    rng = np.random.default_rng(seed)
    bought = (rng.random(len(frame)) < truth.chance[np.arange(len(frame)), arm]) & (arm >= 0)
    spend = np.where(bought, rng.gamma(2.0, truth.amount / 2, len(frame)), 0.0)
    benefit = np.where(bought & (arm > 0), BENEFIT, 0.0)
    return frame.assign(bought=bought.astype(int), spend=spend.round(2), benefit=benefit)


@dataclass(frozen=True)
class Campaign:
    """A folder with data and a definition; commands write under `runs/`."""

    folder: Path

    def make(self, count: int = 24_000, *, seed: int = 1, equal: bool = False, **changes: Any) -> Truth:
        """Write members and definition, assign, and let the members respond."""
        frame = people(count, seed)
        frame.to_parquet(self.folder / "members.parquet")
        self.define(**changes)
        truth = truth_of(frame, equal=equal)
        with self.open() as experiment:
            assign(experiment)
            arms = self.arms_of(frame)
        outcomes(frame, arms, truth, seed + 1).to_parquet(self.folder / "members.parquet")
        return truth

    def define(self, **changes: Any) -> None:
        """Write the definition; a change replaces a block, None removes it."""
        body = {key: value for key, value in {**DEFINITION, **changes}.items() if value is not None}
        with (self.folder / "planted.yml").open("w", encoding="utf8") as file:
            YAML().dump(body, file)

    def record(self, frame: pd.DataFrame, **changes: Any) -> None:
        """Write members whose arms, control or gift by halves, another system drew, and who have bought or not."""
        frame.to_parquet(self.folder / "members.parquet")
        recorded: dict[str, Any] = {
            "audience": None,
            "arms": {"control": {"share": 0.5}, "offers": {"gift": {"share": 0.5}}},
            "assignment": {"method": "recorded", "from": "members", "column": "arm"},
            "metrics": {"bought": {"type": "binary", "from": "members", "value": "bought"}},
            "goals": {"primary": {"metric": "bought"}},
            "decision": {"pick": {"by": "overall"}},
            "rollout": None,
        }
        self.define(**{**recorded, **changes})

    def frame(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "members.parquet")

    def arms_of(self, frame: pd.DataFrame) -> np.ndarray:
        """The number of each member's arm; -1 for who is not in the test."""
        ledger = pd.concat(
            pd.read_parquet(path) for path in (self.folder / "runs/planted/ledger/batches").glob("*.parquet")
        )
        arm = ledger.set_index("member")["arm"].reindex(frame["id"])
        return arm.map({name: k for k, name in enumerate(ARMS)}).fillna(-1).to_numpy(dtype=int)

    @contextmanager
    def open(self, **options: Any) -> Iterator[Experiment]:
        with open_experiment(
            self.folder / "planted.yml",
            engine="duckdb://?threads=2",
            out=self.folder / "runs",
            **{"now": NOW, **options},
        ) as experiment:
            yield experiment


def keep_analysis(experiment: Experiment, analysis: Analysis) -> None:
    """Leave the analysis where the command does."""
    write_whole(experiment.workspace.document("analysis"), to_json(analysis))


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}
