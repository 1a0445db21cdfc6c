"""Peeking at real experiments: how many of the 381 ASOS streams each rule of looks calls effective.

    python -m benchmarks.asos ../shared/data/asos_digital_experiments_dataset.parquet

Prints Markdown tables; the exit code is 1 when an error rate on streams without effect misses its target.
Data: Liu, Cardoso, Couturier and McCoy 2021, "Datasets for Online Controlled Experiments" (CC BY 4.0).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.calibration.judging import Cell, Judge, Table, failures
from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Array, Moments
from experiments.inference.sequential import SpendingName, spending_bounds, spending_function
from experiments.inference.tails import critical_value

ALPHA = 0.05
# A planned look that adds less of the information than this is left to the next one.
LEAST_STEP = 0.004


@dataclass(frozen=True, eq=False)
class Stream:
    """One metric of one variant against control, watched over time.

    Attributes:
        times: Shape (looks,): days since the start.
        members: Members of both arms.
        information: Members of the smaller arm as a fraction of its last count, never falling.
        deviates: The t statistic of the difference; 0 where the data show no variance.
    """

    times: Array
    members: Array
    information: Array
    deviates: Array


@dataclass(frozen=True)
class Rule:
    """A rule of looks.

    Attributes:
        name: As the table says it.
        bounds: For a stream, the places of its looks and the bound of each.
        judge: How its error rate is judged.
        reference: The figure that `statistics.md` gives, if it gives one.
    """

    name: str
    bounds: Callable[[Stream], tuple[list[int], Array]]
    judge: Judge
    reference: str = ""


def read_streams(file: Path) -> list[Stream]:
    """Every experiment x variant x metric with at least one look; a look is a row with members in both arms, and both variances."""
    rows = pd.read_parquet(file).dropna(subset=["variance_c", "variance_t"]).sort_values("time_since_start")
    rows = rows[(rows.count_c > 0) & (rows.count_t > 0)]
    parts = rows.groupby(["experiment_id", "variant_id", "metric_id"])
    return [_stream(part) for _, part in parts]


def stops(stream: Stream, rule: Rule) -> bool:
    """Whether the rule calls the stream effective at some look."""
    places, bounds = rule.bounds(stream)
    return bool((np.abs(stream.deviates[places]) > bounds).any())


def null_stops(stream: Stream, rule: Rule, paths: Array) -> int:
    """How many of the paths, shape (runs, looks) of deviates, the rule calls effective."""
    places, bounds = rule.bounds(stream)
    return int((np.abs(paths[:, places]) > bounds).any(axis=1).sum())


def null_paths(stream: Stream, rng: np.random.Generator, runs: int) -> Array:
    """Deviates without any effect at the stream's own information: Brownian motion over its square root."""
    steps = np.diff(np.concatenate([[0.0], stream.information]))
    walks = (rng.normal(size=(runs, len(steps))) * np.sqrt(steps)).cumsum(axis=1)
    return np.asarray(walks / np.sqrt(stream.information))


def rules() -> tuple[Rule, ...]:
    """The rules: at the end, at every look unpaid, by spending, always valid at every look."""
    fixed = critical_value(ALPHA)
    return (
        Rule("fixed, at the last look", lambda s: ([len(s.times) - 1], np.array([fixed])), "both", "105"),
        Rule("naive, every look", lambda s: ([*range(len(s.times))], np.full(len(s.times), fixed)), "shown", "225"),
        Rule("O'Brien-Fleming, 5 looks", _spent("obrien_fleming", 5), "both"),
        Rule("O'Brien-Fleming, 14 looks", _spent("obrien_fleming", 14), "both", "about 120"),
        Rule("Pocock, 5 looks", _spent("pocock", 5), "both"),
        Rule("Pocock, 14 looks", _spent("pocock", 14), "both"),
        Rule("always valid, every look", _always_valid, "upper", "about 105"),
    )  # fmt: skip


def planned_looks(stream: Stream, looks: int) -> list[int]:
    """The first row at or after each of `looks` even steps of the stream's time, the last row among them.

    A look that adds less than .4 % of the information is left to the next one.
    """
    times = stream.times[-1] * np.arange(1, looks + 1) / looks
    places: list[int] = []
    seen = 0.0
    for place in np.unique(np.searchsorted(stream.times, times - 1e-9)):
        now = float(stream.information[place])
        if place < len(stream.times) - 1 and (now - seen < LEAST_STEP or 1 - now < LEAST_STEP):
            continue
        places.append(int(place))
        seen = now
    return places


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints both tables; 1 when an error rate misses, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asos", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--draws", type=int, default=100, help="streams without effect for each real one")
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args(arguments)
    streams = read_streams(options.file)
    print(counted(streams))
    table = error_rates(streams, np.random.default_rng(options.seed), options.draws)
    print(table.markdown())
    return min(failures([table]), 1)


def counted(streams: Sequence[Stream]) -> str:
    """How many streams each rule stops on, as a Markdown table."""
    lines = ["| rule | streams called effective | reference |", "| --- | --- | --- |"]
    lines += [
        f"| {rule.name} | {sum(stops(stream, rule) for stream in streams)} of {len(streams)} | {rule.reference} |"
        for rule in rules()
    ]
    return "\n".join([*lines, ""])


def error_rates(streams: Sequence[Stream], rng: np.random.Generator, draws: int) -> Table:
    """Each rule on streams without effect that have the real ones' looks and information."""
    hits = {rule.name: 0 for rule in rules()}
    for stream in streams:
        paths = null_paths(stream, rng, draws)
        for rule in rules():
            hits[rule.name] += null_stops(stream, rule, paths)
    runs = draws * len(streams)
    return Table(
        "Streams without effect",
        "Share called effective, at the looks and the information of the real streams.",
        tuple(Cell(rule.name, "rate", hits[rule.name], runs, ALPHA, rule.judge) for rule in rules()),
    )


def _stream(part: pd.DataFrame) -> Stream:
    arms = [part[[f"count_{arm}", f"mean_{arm}", f"variance_{arm}"]].to_numpy(float) for arm in "tc"]
    deviates = [_deviate(*rows) for rows in zip(*arms, strict=True)]
    counts = np.minimum(arms[0][:, 0], arms[1][:, 0])
    # Counts fall now and then where rows were taken back; information does not.
    information = np.minimum(np.maximum.accumulate(counts) / counts[-1], 1.0)
    information[-1] = 1.0
    members = arms[0][:, 0] + arms[1][:, 0]
    return Stream(part.time_since_start.to_numpy(float), members, information, np.array(deviates))


def _deviate(arm: Array, control: Array) -> float:
    sides = [
        Moments(("x",), int(count), np.array([mean]), np.array([[variance * (count - 1)]]), (0,))
        for count, mean, variance in (arm, control)
    ]
    return WelchComparison(sides[0], sides[1], "x").statistic or 0.0


def _spent(name: SpendingName, looks: int) -> Callable[[Stream], tuple[list[int], Array]]:
    def bounds(stream: Stream) -> tuple[list[int], Array]:
        places = planned_looks(stream, looks)
        information = [float(stream.information[place]) for place in places]
        return places, np.array(spending_bounds(information, spending_function(name, ALPHA / 2)))

    return bounds


def _always_valid(stream: Stream) -> tuple[list[int], Array]:
    bounds = [
        ConfidenceSequence(0.0, 1.0, float(seen), float(stream.members[-1]), ALPHA).interval[1]
        for seen in stream.members
    ]
    return [*range(len(stream.times))], np.array(bounds)


if __name__ == "__main__":
    sys.exit(main())
