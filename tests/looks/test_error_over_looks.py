"""Error rates of whole experiments that are looked at five times, from moments to the verdict, through the path of `analyze`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from experiments.decision.conclusion import Lock, conclude
from experiments.decision.look_ledger import LookBook
from experiments.decision.looks import Look, find_look
from experiments.definition.model import Definition
from experiments.documents.analysis import Analysis
from experiments.inference.moments import Moments
from experiments.measurement.cells import Cell
from experiments.measurement.measurement import Measurement
from experiments.measurement.windows import WindowState
from tests.decision.campaign import define, metric, sentences

ARMS = ("control", "points", "coupon")
LOOKS, STEP, RATE = 5, 2_000, 0.06
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def looked_at_five_times(folder: Path, kind: str, correction: str = "holm") -> Definition:
    at = {"at": [0.2, 0.4, 0.6, 0.8, 1]} if kind == "group_sequential" else {}
    return define(
        folder,
        arms={
            "control": {"share": "1/3"},
            "offers": {"=": {arm: {"label": arm, "share": "1/3"} for arm in ARMS[1:]}},
        },
        assignment={"method": "hash", "from": None, "column": None, "sample_size": len(ARMS) * LOOKS * STEP},
        send={"days": ["2026-11-26", "2026-12-31"]},
        goals={"primary": {"metric": "converted"}, "value": None, "secondary": []},
        design={"looks": {"kind": kind, **at}, "correction": correction},
        decision={
            "eligible_if": {"=": {"primary": "better_than_control"}},
            "pick": {"maximise": "primary", "by": "overall"},
        },
    )


def measured(successes: np.ndarray, members: int) -> Measurement:
    """The moments of arms of equal size."""
    cells = {
        Cell(arm, "others", ""): Moments(
            ("converted",),
            members,
            np.array([hits / members]),
            np.array([[hits * (members - hits) / members]]),
            (int(hits),),
        )
        for arm, hits in zip(ARMS, successes, strict=True)
    }
    counts = dict.fromkeys(cells, members)
    nothing = {
        name: metric(name, {cell: replace(moments, names=(name,)) for cell, moments in cells.items()})
        for name in ("converted", "unsubscribed", "spend", "benefit", "profit")
    }
    everybody = dict.fromkeys(cells, LOOKS * STEP)
    return Measurement(counts, nothing, WindowState(1, NOW), (), 0, {}, everybody)


def run(definition: Definition, hits: np.ndarray) -> Iterator[Analysis]:
    """The documents of an experiment's looks; hits: successes by arm, in each fifth of the members."""
    book, words = None, sentences(definition)
    for number in range(1, LOOKS + 1):
        measurement = measured(hits[:, :number].sum(axis=1), STEP * number)
        look = find_look(definition, measurement, book, NOW)
        assert isinstance(look, Look)
        document = conclude(definition, measurement, (), Lock(True), words, look)
        assert document.look == number
        book = LookBook(definition.id, look.plan, look.planned, document.looks)
        yield document


def proven(document: Analysis) -> bool:
    """Whether an arm is shown to differ from control, in either direction."""
    return any(row.p_value_adjusted <= 0.05 for row in document.effects if row.segment is None)


def found(definition: Definition, rates: tuple[float, ...], runs: int, rng: np.random.Generator) -> list[int]:
    """Looks at which each experiment first showed an arm to differ; 0 where none did."""
    drawn = rng.binomial(STEP, np.array(rates)[:, None], (runs, len(ARMS), LOOKS))
    return [next((each.look or 0 for each in run(definition, hits) if proven(each)), 0) for hits in drawn]


def at_most(runs: int, rate: float) -> float:
    return rate * runs + 2.6 * sqrt(runs * rate * (1 - rate))


@pytest.mark.parametrize("kind", ["group_sequential", "always_valid"])
def test_equal_arms_are_told_apart_in_at_most_five_percent_of_experiments(
    tmp_path: Path, rng: np.random.Generator, kind: str
) -> None:
    runs = 300
    stops = found(looked_at_five_times(tmp_path, kind), (RATE,) * 3, runs, rng)
    assert sum(stop > 0 for stop in stops) <= at_most(runs, 0.05)


def test_five_looks_of_one_comparison_spend_the_level_and_no_more(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Five looks at 1.96 reject in 14 % of experiments (Armitage, McPherson and Rowe 1969); at the bounds, in 5 % at most."""
    runs = 400
    definition = looked_at_five_times(tmp_path, "group_sequential", correction="none")
    rejected = peeked = 0
    for hits in rng.binomial(STEP, RATE, (runs, len(ARMS), LOOKS)):
        *_, last = documents = list(run(definition, hits))
        assert last.looks[-1].final
        rejected += any(
            row.p_value <= 0.05 for each in documents for row in each.effects if row.arm == "points"
        )
        arm, control = hits[1].cumsum(), hits[0].cumsum()
        total = arm + control
        members = 2 * STEP * np.arange(1, LOOKS + 1)
        peeked += bool((np.abs(arm - control) / np.sqrt(total * (1 - total / members)) > 1.96).any())
    assert rejected <= at_most(runs, 0.05)
    assert peeked > at_most(runs, 0.05)


def test_a_planted_effect_stops_early_and_nothing_is_shown_before(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    definition = looked_at_five_times(tmp_path, "group_sequential")
    stops = found(definition, (RATE, RATE, 0.085), 40, rng)
    assert sum(0 < stop < LOOKS for stop in stops) >= 36
    (hits,) = rng.binomial(STEP, np.array((RATE, RATE, 0.085))[:, None], (1, len(ARMS), LOOKS))
    documents = list(run(definition, hits))
    early = [each for each in documents if each.verdict.status == "too_early"]
    assert early
    assert all(not (each.effects or each.winner_corrected or each.bayes) for each in early)
    stopped = next(each for each in documents if each.verdict.status == "rollout")
    assert stopped.verdict.winner == "coupon"
    (row,) = stopped.winner_corrected
    assert row.method == "projection"
    assert row.low < 0.025 < row.high


def test_the_interval_of_an_early_winner_covers_its_effect(tmp_path: Path, rng: np.random.Generator) -> None:
    """Stopping at the first crossing picks high estimates: an ordinary interval of the same data misses too often."""
    definition, effect, runs = looked_at_five_times(tmp_path, "group_sequential"), 0.012, 150
    stopped = missed = naive = 0
    for hits in rng.binomial(STEP, np.array((RATE, RATE, RATE + effect))[:, None], (runs, len(ARMS), LOOKS)):
        ended = next((each for each in run(definition, hits) if each.verdict.status == "rollout"), None)
        if ended is None or ended.verdict.winner != "coupon" or ended.look == LOOKS:
            continue
        stopped += 1
        (winner,) = ended.winner_corrected
        row = next(each for each in ended.effects if each.arm == "coupon" and each.segment is None)
        assert row.std_error is not None
        missed += not winner.low <= effect <= winner.high
        naive += abs(row.difference - effect) > 1.96 * row.std_error
    assert stopped >= 30
    assert missed <= 0.05 * runs + 2.6 * sqrt(runs * 0.05 * 0.95)
    assert missed < naive


def test_harm_in_every_arm_ends_the_experiment_too(tmp_path: Path, rng: np.random.Generator) -> None:
    definition = looked_at_five_times(tmp_path, "group_sequential")
    (hits,) = rng.binomial(STEP, np.array((0.09, 0.05, 0.05))[:, None], (1, len(ARMS), LOOKS))
    ended = next(each for each in run(definition, hits) if each.verdict.status != "too_early")
    assert (ended.verdict.status, ended.looks[-1].final) == ("no_rollout", False)
    assert {"primary_worse"} <= {reason.code for reason in ended.verdict.reasons}
