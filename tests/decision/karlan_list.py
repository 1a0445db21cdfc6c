"""Karlan and List (2007): matching grants in fund-raising letters, a control and a 3 x 4 x 3 factorial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import duckdb

from experiments.analysis import analyze
from experiments.documents.analysis import Analysis
from offerwise.opening import open_experiment

RATIOS = {"one": "1:1", "two": "2:1", "three": "3:1"}
SIZES = {"k25": "25k", "k50": "50k", "k100": "100k", "unstated": "unstated"}
ASKS = {"low": "low", "mid": "mid", "high": "high"}
CELLS = list(product(RATIOS, SIZES, ASKS))

FACTORIAL: dict[str, Any] = {
    "arms": {
        "control": {"label": "No match", "share": "16687/50083"},
        "factors": {
            name: {level: {"label": label} for level, label in levels.items()}
            for name, levels in (("ratio", RATIOS), ("size", SIZES), ("ask", ASKS))
        },
        "share_each": "33396/1802988",
        "channel": {"id": "letter", "cost_per_send": 0},
    },
    "values": {"control": "control control control"}
    | {f"{r}__{s}__{a}": f"{RATIOS[r]} {SIZES[s]} {ASKS[a]}" for r, s, a in CELLS},
    "column": "arm",
}
"""All 36 letters, each an arm."""

RATIO: dict[str, Any] = {
    "arms": {
        "control": {"label": "No match", "share": "16687/50083"},
        "offers": {
            "one": {"label": "1:1", "share": "11133/50083"},
            "two": {"label": "2:1", "share": "11134/50083"},
            "three": {"label": "3:1", "share": "11129/50083"},
        },
        "channel": {"id": "letter", "cost_per_send": 0},
    },
    "values": {"control": "control", **RATIOS},
    "column": "ratio",
}
"""The letters of a ratio together."""

MATCH: dict[str, Any] = {
    "arms": {
        "control": {"label": "No match", "share": "16687/50083"},
        "offers": {"match": {"label": "A match", "share": "33396/50083"}},
        "channel": {"id": "letter", "cost_per_send": 0},
    },
    "values": {"control": "control", "match": "match"},
    "column": "any_match",
}
"""All letters with a match together."""


def definition(arms: Mapping[str, Any], missing: str | None) -> dict[str, Any]:
    """The experiment; `missing` says what counts where the amount is not known."""
    amount = {"type": "sum", "from": "members", "value": "amount"} | ({"missing": missing} if missing else {})
    return {
        "version": 1,
        "id": "karlan-list-2007",
        "title": "Does price matter in charitable giving?",
        "owner": "tests@example.com",
        "hypothesis": "A matching grant makes more people give.",
        "currency": "USD",
        "timezone": "UTC",
        "data": {"members": {"table": "members.parquet", "key": "row_number"}},
        "arms": arms["arms"],
        "assignment": {
            "method": "recorded",
            "from": "members",
            "column": arms["column"],
            "values": arms["values"],
        },
        "metrics": {"gave": {"type": "binary", "from": "members", "value": "gave"}, "amount": amount},
        "goals": {"primary": {"metric": "gave", "better": "up"}, "value": "amount"},
        "design": {"correction": "holm"},
        "decision": {
            "eligible_if": {"primary": "better_than_control"},
            "pick": {"maximise": "primary", "by": "overall", "min_members_per_arm": 500, "tie": "first"},
        },
    }


def analyze_letters(
    shared: Path, folder: Path, arms: Mapping[str, Any], missing: str | None = None
) -> Analysis:
    """The analysis; the members' arm stands in one column, as `recorded` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = duckdb.read_csv(str(shared / "data" / "karlan_list_2007.csv.gz"))
    arm = "ratio || ' ' || size || ' ' || ask AS arm"
    match = "CASE WHEN ratio = 'control' THEN ratio ELSE 'match' END AS any_match"
    rows.project(f"*, {arm}, {match}").write_parquet(str(folder / "members.parquet"))
    file = folder / "karlan.yml"
    file.write_text(json.dumps(definition(arms, missing)), encoding="utf8")
    with open_experiment(file, out=folder) as experiment:
        return analyze(experiment)
