"""Campaigns made of moments: what members of each arm and segment did, said in a few figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.decision.conclusion import Lock, conclude
from experiments.decision.sentences import Sentences
from experiments.definition.load import load
from experiments.definition.model import Definition
from experiments.documents.analysis import Analysis, HealthCheck
from experiments.inference.moments import Moments
from experiments.language import Language, Words
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import Measurement, MetricMoments
from experiments.measurement.windows import WindowState

CONTACT = 0.05
MARGIN = 0.4

BASE: dict[str, Any] = {
    "version": 1,
    "id": "winback",
    "title": "Win-back",
    "owner": "a@example.com",
    "hypothesis": "Some offer brings members back at a profit.",
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "data": {"members": {"table": "members.csv", "key": "member_id"}},
    "arms": {
        "control": {"label": "No contact", "share": "1/4"},
        "offers": {
            "points": {"label": "Points", "share": "1/4"},
            "coupon": {"label": "Coupon", "share": "1/4"},
            "gift": {"label": "Gift", "share": "1/4"},
        },
        "channel": {"id": "sms", "cost_per_send": CONTACT},
    },
    "audience": {
        "snapshot": "2026-11-25",
        "segments": [{"id": "vip", "when": "tier = 'vip'"}, {"id": "others", "when": "otherwise"}],
    },
    "assignment": {"method": "recorded", "from": "members", "column": "arm"},
    "metrics": {
        "converted": {"type": "binary", "from": "members", "value": "bought"},
        "spend": {"type": "sum", "from": "members", "value": "amount"},
        "benefit": {"type": "sum", "from": "members", "value": "benefit"},
        "profit": {"type": "formula", "value": f"{MARGIN} * spend - benefit - contact_cost"},
        "unsubscribed": {"type": "binary", "from": "members", "value": "left_us"},
    },
    "goals": {"primary": {"metric": "converted", "better": "up"}, "value": "profit", "secondary": ["spend"]},
    "decision": {
        "eligible_if": {"primary": "better_than_control", "value_low_above": 0},
        "pick": {
            "maximise": "value",
            "by": "segment",
            "min_members_per_arm": 500,
            "fallback": "overall_winner",
            "tie": "cheapest",
        },
    },
}


def define(folder: Path, **changes: Any) -> Definition:
    """A definition with blocks merged over the base; a change of None leaves a key out."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "definition.yml"
    file.write_text(json.dumps(_merged(deepcopy(BASE), changes)), encoding="utf8")
    return load(file)


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(base.get(key), dict) and "=" not in value:
            base[key] = _merged(base[key], value)
        else:
            base[key] = value["="] if isinstance(value, Mapping) and "=" in value else value
    return base


@dataclass(frozen=True)
class Did:
    """What the members of an arm did, per member.

    `spread` is the standard deviation of spend; benefits vary as little as rounding.
    """

    members: int = 10_000
    rate: float = 0.05
    spend: float = 5.0
    spread: float = 20.0
    benefit: float = 0.0
    unsubscribed: float = 0.002


ARMS = ("control", "points", "coupon", "gift")
SEGMENTS = ("vip", "others")


@dataclass(frozen=True)
class Campaign:
    """What each arm did in each segment; where nothing is said of a segment, it did the same in all."""

    arms: Mapping[str, Did] = field(default_factory=dict)
    segments: Mapping[tuple[str, str], Did] = field(default_factory=dict)

    def did(self, arm: str, segment: str) -> Did:
        return self.segments.get((arm, segment), self.arms.get(arm, Did()))

    def measure(self, definition: Definition) -> Measurement:
        segments = [segment.id for segment in definition.audience.segments] or [""]
        cells = {
            Cell(arm.id, segment, ""): (self.did(arm.id, segment), arm.contact_cost)
            for arm in definition.all_arms
            for segment in segments
            if self.did(arm.id, segment).members
        }
        moments = {
            "converted": {
                cell: _binary("converted", did.members, did.rate) for cell, (did, _) in cells.items()
            },
            "unsubscribed": {
                cell: _binary("unsubscribed", did.members, did.unsubscribed)
                for cell, (did, _) in cells.items()
            },
            "spend": {cell: _mean("spend", did, did.spend, did.spread) for cell, (did, _) in cells.items()},
            "benefit": {cell: _mean("benefit", did, did.benefit, 0.0) for cell, (did, _) in cells.items()},
            "profit": {
                cell: _mean("profit", did, MARGIN * did.spend - did.benefit - contact, MARGIN * did.spread)
                for cell, (did, contact) in cells.items()
            },
        }
        return Measurement(
            counts={cell: did.members for cell, (did, _) in cells.items()},
            metrics={name: metric(name, found) for name, found in moments.items()},
            window=WindowState(0, None),
            assigned=(),
            repeated_members=0,
            pilots={},
        )


def metric(
    name: str, cells: Mapping[Cell, Moments], raw: Mapping[str, Moments] | None = None
) -> MetricMoments:
    kind = "binary" if name in {"converted", "unsubscribed"} else "mean"
    return MetricMoments(name, kind, name, None, (), cells, None, raw, {})


def _binary(name: str, members: int, rate: float) -> Moments:
    ones = round(members * rate)
    spread = ones * (members - ones) / members
    return Moments((name,), members, np.array([ones / members]), np.array([[spread]]), (ones,))


def _mean(name: str, did: Did, mean: float, spread: float) -> Moments:
    buyers = round(did.members * did.rate)
    comoment = np.array([[spread**2 * (did.members - 1)]])
    return Moments((name,), did.members, np.array([mean]), comoment, (buyers if mean else 0,))


def sentences(definition: Definition, language: Language = "en") -> Sentences:
    return Sentences(definition, Words(language))


def analysis(
    definition: Definition,
    campaign: Campaign,
    *,
    health: tuple[HealthCheck, ...] = (),
    lock: Lock | None = None,
    language: Language = "en",
) -> Analysis:
    """What `analyze` concludes from such members."""
    measured = campaign.measure(definition)
    return conclude(definition, measured, health, lock or Lock(True), sentences(definition, language))


def codes(document: Analysis) -> list[str]:
    """The codes of the verdict's reasons."""
    return [reason.code for reason in document.verdict.reasons]
