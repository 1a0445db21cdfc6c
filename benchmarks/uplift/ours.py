"""Our own way through a simulated test: every kind of policy, and the one that the gate lets ship."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.uplift.rows import Row, judge
from benchmarks.uplift.truths import Population
from experiments.definition.uplift import PolicyKind
from uplift.crossfit import Arena, Plan
from uplift.gate import run_gate
from uplift.rules import Rule
from uplift.sample import LearningSample, Members
from uplift.search import NOBODY

KINDS: tuple[PolicyKind, ...] = ("best_single_arm", "by_segment", "tree", "individual")
MAX_DEPTH = 3
MIN_MEMBERS_PER_ARM = 300


def run_ours(sample: LearningSample, others: Population) -> list[Row]:
    """What ships, and each kind as if it had shipped, on members who were not in the test."""
    started = time.perf_counter()
    plan = Plan(KINDS, ("joint",), MAX_DEPTH, MIN_MEMBERS_PER_ARM * len(sample.arms))
    arena = Arena(sample, plan)
    contest = arena.run()
    gate = run_gate(contest.scores, contest.choices, sample.folds, contest.expected)
    shipped = gate.chosen.kind
    rules: dict[PolicyKind, Rule] = {
        shipped: NOBODY if shipped == "treat_nobody" else arena.refit(shipped, contest)
    }
    seconds = time.perf_counter() - started
    rules |= {kind: arena.refit(kind, contest) for kind in contest.choices if kind not in rules}
    members = Members(others.codes, others.codes[:, 0].astype(np.int64))
    chosen = {kind: rule.choose(sample.space, members) for kind, rule in rules.items()}
    rows = [judge("Offerwise, what ships", shipped, chosen[shipped], others, seconds)]
    return rows + [judge(f"Offerwise, {kind}", kind, arms, others, seconds) for kind, arms in chosen.items()]
