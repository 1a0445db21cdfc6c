"""Policies in the engine and in Python give every member the same arm, and survive their file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlglot import exp

from experiments.definition.errors import InputError, OutsideError
from experiments.engines.connect import connect
from experiments.files import Workspace
from experiments.queries import column, named, relation
from tests.uplift.simulated import simulate
from uplift.binning import bin_features
from uplift.features import FeatureSpace
from uplift.learners import fit_learner
from uplift.outcome import fit_outcome
from uplift.policy import CellFigures, ShippedPolicy, load_policy, save_policy
from uplift.rules import Everybody, Individual, Rule, SegmentTable, Tree
from uplift.sql import arm_case, cell_case
from uplift.tree_search import search_tree

ARMS = ("control", "a", "b")
SEGMENTS = ("vip", "rest", "")
KINDS = {"money": "number", "days": "number", "city": "category", "app": "category"}


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "money": rng.gamma(1.0, 100.0, n).round(2),
            "days": pd.array(rng.integers(0, 50, n), dtype="Int64"),
            "city": rng.choice(np.array(["上海", "it's", "c|d", "e", "f"], dtype=object), n),
            "app": pd.array(rng.random(n) < 0.5, dtype="boolean"),
            "segment": rng.choice(np.array(["vip", "rest"], dtype=object), n),
        }
    )
    for name in frame.columns:
        frame.loc[rng.random(n) < 0.08, name] = None
    return frame


def shipped(rule: Rule, space: FeatureSpace, kind: str) -> ShippedPolicy:
    cell = CellFigures(10, (0.0, 0.1, 0.2), (0.0, 0.01, 0.02), (1.0, 2.0, 3.0))
    return ShippedPolicy("sha", "profit", kind, True, ARMS, SEGMENTS, KINDS, space, rule, (cell,), 0.1, 0.02)  # type: ignore[arg-type]


def rules() -> list[tuple[str, Rule, FeatureSpace]]:
    frame = people(3000, 0)
    space = FeatureSpace.fit(frame, KINDS)  # type: ignore[arg-type]
    found: list[tuple[str, Rule, FeatureSpace]] = [
        ("best_single_arm", Everybody(2), space),
        ("by_segment", SegmentTable((1, 0, 2)), space),
    ]
    codes = space.codes(frame)
    for seed in range(6):
        scores = np.random.default_rng(seed).normal(size=(3000, 3))
        found.append(
            ("tree", Tree(search_tree(bin_features(space, codes, 16), scores, 1 + seed % 3, 30)), space)
        )
    return found


@pytest.mark.parametrize("at", range(8))
def test_the_engine_and_python_agree_and_the_file_keeps_the_policy(at: int, tmp_path: Path) -> None:
    kind, rule, space = rules()[at]
    policy = shipped(rule, space, kind)
    others = people(4000, 99)
    others.loc[:50, "city"] = "never seen"
    others.to_parquet(tmp_path / "people.parquet")
    engine = connect("duckdb://?threads=2", files=[tmp_path])
    try:
        engine.open_source("people", str(tmp_path / "people.parquet"))
        arm, cell = arm_case(rule, engine, SEGMENTS, ARMS), cell_case(rule, engine, SEGMENTS)
        assert arm is not None
        assert cell is not None
        names = [named(column(name), name) for name in others.columns]
        query = exp.select(*names, named(arm, "arm"), named(cell, "cell")).from_(relation("people"))
        frame = engine.fetch(query).to_pandas()
    finally:
        engine.cancel_and_close()
    chosen = policy.choose(frame)
    assert [ARMS[k] for k in chosen] == frame["arm"].tolist()
    assert rule.cells(space, policy.members(frame)).tolist() == frame["cell"].tolist()
    workspace = Workspace(tmp_path, "x")
    save_policy(policy, workspace)
    assert load_policy(workspace) == policy


def test_a_model_is_opened_only_if_it_is_the_one_that_was_kept(tmp_path: Path) -> None:
    found = simulate(3000, effects="each", seed=1, arms=3)
    rule = Individual(fit_learner("x_learner", found.sample, fit_outcome(found.sample)))
    policy = shipped(rule, found.sample.space, "individual")
    workspace = Workspace(tmp_path, "x")
    assert load_policy(workspace) is None
    save_policy(policy, workspace)
    loaded = load_policy(workspace)
    assert loaded is not None
    members = found.sample.members
    np.testing.assert_array_equal(
        loaded.rule.choose(loaded.space, members), rule.choose(policy.space, members)
    )
    (tmp_path / "x" / "policy.model").write_bytes(b"something else")
    with pytest.raises(OutsideError, match="not the one"):
        load_policy(workspace)


Edit = Callable[[dict[str, Any]], object]

EDITS: Mapping[str, Edit] = {
    "other arms": lambda body: body.update(arms=["control", "b", "a"]),
    "an arm that nobody knows": lambda body: body["rule"]["tree"].update(left={"arm": 9}),
    "another threshold": lambda body: body["rule"]["tree"].update(at_most=1.0),
    "other features": lambda body: body.update(kinds={}),
    "another verdict": lambda body: body.update(proven=not body["proven"]),
    "no figures": lambda body: body.update(cells=[]),
    "another version": lambda body: body.update(schema="offerwise.policy/2"),
    "no version": lambda body: body.pop("schema"),
    "no rule": lambda body: body.pop("rule"),
    "no digest": lambda body: body.pop("content_sha256"),
}


@pytest.fixture
def kept(tmp_path: Path) -> Workspace:
    """A folder with a tree that was saved."""
    kind, rule, space = rules()[3]
    workspace = Workspace(tmp_path, "x")
    save_policy(shipped(rule, space, kind), workspace)
    return workspace


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_policy_that_was_changed_by_hand_sends_nobody_anything(edit: Edit, kept: Workspace) -> None:
    path = kept.document("policy")
    body = json.loads(path.read_text(encoding="utf8"))
    edit(body)
    path.write_text(json.dumps(body), encoding="utf8")
    with pytest.raises(InputError, match=r"policy\.json: (was|is|cannot).*; run `offerwise uplift` again"):
        load_policy(kept)


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b'"rule"', b'{"schema": "offer', b"\xff\xfe{}", b"[" * 100_000 + b"]" * 100_000],
)
def test_a_damaged_policy_is_named(content: bytes, kept: Workspace) -> None:
    kept.document("policy").write_bytes(content)
    with pytest.raises(InputError, match=r"policy\.json"):
        load_policy(kept)


def test_a_policy_that_is_a_folder_is_named(kept: Workspace) -> None:
    kept.document("policy").unlink()
    kept.document("policy").mkdir()
    with pytest.raises(InputError, match=r"policy\.json: cannot be read"):
        load_policy(kept)


def test_the_sql_reads_as_people_would_write_it(tmp_path: Path) -> None:
    engine = connect("duckdb://", files=[tmp_path])
    case = arm_case(SegmentTable((1, 0, 2)), engine, SEGMENTS, ARMS)
    engine.cancel_and_close()
    assert case is not None
    assert case.sql("duckdb") == (
        "CASE WHEN \"segment\" = 'vip' THEN 'a' WHEN \"segment\" = 'rest' THEN 'control'"
        " WHEN \"segment\" IS NULL THEN 'b' ELSE 'control' END"
    )
