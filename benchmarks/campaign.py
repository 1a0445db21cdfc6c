"""Campaigns of any size for benchmarks: a definition with K offer arms and S segments, and drawn moments for it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.decision.conclusion import Lock, conclude
from experiments.decision.sentences import Sentences
from experiments.definition.load import load
from experiments.definition.model import Definition
from experiments.documents.analysis import Analysis
from experiments.inference.moments import Moments
from experiments.language import Words
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import Measurement, MetricKind, MetricMoments
from experiments.measurement.windows import WindowState

BINARY = ("bought", "opened")
AMOUNTS = ("profit", "spend", "visits", "refunds")
METRICS = (*BINARY, *AMOUNTS)


@dataclass(frozen=True)
class Campaign:
    """K offer arms beside control, S segments, two binary metrics and four amounts.

    The definition decides by `bought` and maximises `profit`, by segment where there are any.

    Attributes:
        offers: Number of offer arms.
        segments: Number of segments.
        members: Of each arm in each segment.
    """

    offers: int
    segments: int
    members: int

    @property
    def arms(self) -> tuple[str, ...]:
        """Control and the offers."""
        return ("control", *(f"offer{number}" for number in range(self.offers)))

    @property
    def places(self) -> tuple[str, ...]:
        """The segments' ids; one empty one where there are none."""
        return tuple(f"segment{number}" for number in range(self.segments)) or ("",)

    def definition(self, **design: Any) -> Definition:
        """The definition, loaded from a file as any other; keywords change `design`."""
        share = f"1/{self.offers + 1}"
        offers = {arm: {"label": arm, "share": share} for arm in self.arms[1:]}
        segments = [{"id": place, "when": f"part = '{place}'"} for place in self.places[:-1]]
        document = {
            "version": 1, "id": "campaign", "title": "Campaign", "owner": "benchmarks@example.com",
            "hypothesis": "Offers differ.", "currency": "EUR", "timezone": "UTC",
            "data": {"members": {"table": "members.csv", "key": "member"}},
            "arms": {"control": {"label": "No contact", "share": share}, "offers": offers,
                     "channel": {"id": "email", "cost_per_send": 0.0}},
            "audience": {"segments": [*segments, {"id": self.places[-1], "when": "otherwise"}] if self.segments else []},
            "assignment": {"method": "recorded", "from": "members", "column": "arm"},
            "metrics": {name: {"type": "binary" if name in BINARY else "sum", "from": "members", "value": name}
                        for name in METRICS},
            "goals": {"primary": {"metric": "bought", "better": "up"}, "value": "profit",
                      "secondary": [name for name in METRICS if name not in {"bought", "profit"}]},
            "design": {"correction": "holm", **design},
            "decision": {"eligible_if": {"primary": "better_than_control"},
                         "pick": {"maximise": "value", "by": "segment" if self.segments else "overall",
                                  "min_members_per_arm": 2, "fallback": "overall_winner", "tie": "first"}},
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "campaign.yml"
            file.write_text(json.dumps(document), encoding="utf8")
            return load(file)

    def measure(self, values: Mapping[str, Mapping[Cell, Moments]]) -> Measurement:
        """Everybody measured, every window closed."""
        metrics = {
            name: MetricMoments(name, _kind(name), name, None, (), cells, None, None, {})
            for name, cells in values.items()
        }
        counts = dict.fromkeys(self.cells, self.members)
        return Measurement(counts, metrics, WindowState(0, None), (), 0, {})

    @property
    def cells(self) -> Sequence[Cell]:
        """Every arm in every segment."""
        return [Cell(arm, place, "") for arm in self.arms for place in self.places]

    def draw(self, rng: np.random.Generator, rates: Mapping[str, float], effect: float) -> Measurement:
        """Members whose offers all have the same effect: `rates` of `bought` by arm, amounts of `effect` in deviations."""
        values: dict[str, dict[Cell, Moments]] = {name: {} for name in METRICS}
        for cell in self.cells:
            for name in BINARY:
                ones = int(rng.binomial(self.members, rates[cell.arm]))
                values[name][cell] = _binary(name, self.members, ones)
            mean = 0.0 if cell.arm == "control" else effect
            for name in AMOUNTS:
                values[name][cell] = _amount(name, self.members, mean, rng)
        return self.measure(values)


def decide(definition: Definition, measurement: Measurement) -> Analysis:
    """What `analyze` concludes from such members."""
    return conclude(definition, measurement, (), Lock(True), Sentences(definition, Words("en")))


def _kind(name: str) -> MetricKind:
    return "binary" if name in BINARY else "mean"


def _binary(name: str, members: int, ones: int) -> Moments:
    spread = ones * (members - ones) / members
    return Moments((name,), members, np.array([ones / members]), np.array([[spread]]), (ones,))


def _amount(name: str, members: int, mean: float, rng: np.random.Generator) -> Moments:
    """A normal amount with deviation 1: mean and variance of a sample of it."""
    found = mean + rng.standard_normal() / members**0.5
    spread = rng.chisquare(members - 1)
    return Moments((name,), members, np.array([found]), np.array([[spread]]), (members,))
