"""A policy that is SQL gives every member the same arm on every engine as in Python."""

from __future__ import annotations

from pathlib import Path

from sqlglot import exp

from experiments.queries import column, named
from tests.engines.conftest import Opened
from tests.uplift.test_policy_in_sql import ARMS, SEGMENTS, people, rules, shipped
from uplift.sql import arm_case


def test_trees_and_tables_give_the_same_arms(opened: Opened, tmp_path: Path) -> None:
    members = people(2000, 99)
    members.loc[:50, "city"] = "never seen"
    members["n"] = range(len(members))
    members.to_parquet(tmp_path / "people.parquet")
    policies = rules()
    with opened.open([tmp_path]) as engine:
        engine.open_source("people", str(tmp_path / "people.parquet"))
        query = exp.select(column("n"))
        for place, (_, rule, _) in enumerate(policies):
            arm = arm_case(rule, engine, SEGMENTS, ARMS)
            assert arm is not None
            query = query.select(named(arm, f"arm_{place}"))
        found = engine.rows(query.from_("people").order_by(column("n")))
    for place, (kind, rule, space) in enumerate(policies):
        chosen = shipped(rule, space, kind).choose(members)
        assert [row[1 + place] for row in found] == [ARMS[arm] for arm in chosen]
