"""Does the gate keep to its error rate, and does it find gains? Simulated tests from outcomes to the gate's choice.

    python -m benchmarks.gate --seeds 500

Equal effects and constant unequal effects must seldom be personalised; effects that differ must be found. Segment tables,
trees and the joint learner's individual policies compete. The exit code is 1 when false
personalisation exceeds 5 % by more than the 99.5 % point of the binomial, or 3.2 standard errors are found in under 70 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.uplift.truths import TRUTHS, Truth
from experiments.definition.uplift import PolicyKind
from uplift.crossfit import Arena, Plan
from uplift.gate import GateResult, run_gate

LARGEST_ERROR = 0.05
LEAST_POWER = 0.70
GAIN = 3.2
_KINDS: tuple[PolicyKind, ...] = ("by_segment", "tree", "individual")


@dataclass(frozen=True)
class Tally:
    """How often the gate passed in some simulated tests."""

    what: str
    runs: int
    passed: int

    @property
    def rate(self) -> float:
        """The share of tests in which it passed."""
        return self.passed / self.runs


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the three rates; 1 when one misses its target."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed, to run in pieces")
    parser.add_argument("--members", type=int, default=6000)
    parser.add_argument(
        "--null", choices=("equal", "constant"), action="append", help="one null; may be repeated"
    )
    options = parser.parse_args(arguments)
    seeds = range(options.first, options.first + options.seeds)
    most = _binomial_bound(len(seeds))
    print("| simulated tests | runs | personalised | target |\n| --- | --- | --- | --- |")
    fails = False
    for name in options.null or ("equal", "constant"):
        passed = sum(gate_of(TRUTHS[name], options.members, seed).passed for seed in seeds)
        tally = Tally(TRUTHS[name].what, len(seeds), passed)
        print(
            f"| {tally.what} | {tally.runs} | {tally.rate:.1%} | at most {most / len(seeds):.1%} |",
            flush=True,
        )
        fails |= passed > most
    found = power(len(seeds))
    print(
        f"| a gain of {GAIN} standard errors | {found.runs} | {found.rate:.1%} | at least {LEAST_POWER:.0%} |"
    )
    return int(fails or found.rate < LEAST_POWER)


def gate_of(truth: Truth, members: int, seed: int) -> GateResult:
    """The gate on one simulated test of a truth with few features."""
    sample = replace(truth, numbers=6).test(members, seed)
    contest = Arena(sample, Plan(_KINDS, ("joint",), 2, max(100, members // 20))).run()
    return run_gate(contest.scores, contest.choices, sample.folds, contest.expected)


def power(runs: int, members: int = 20_000) -> Tally:
    """How often a fixed policy is proven whose true gain is GAIN standard errors of its estimate."""
    passed = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        scores = rng.normal(size=(members, 2))
        choice = (rng.random(members) < 0.5).astype(np.int64)
        # Half of the members gain, each with noise of variance 2: the mean has the variance 1 / members.
        scores[choice == 1, 1] += 2 * GAIN / np.sqrt(members)
        single = np.zeros(members, dtype=np.int64)
        passed += run_gate(scores, {"best_single_arm": single, "tree": choice}, 5).passed
    return Tally(f"a true gain of {GAIN} standard errors", runs, passed)


def _binomial_bound(runs: int) -> int:
    from scipy.stats import binom

    return int(binom.ppf(0.995, runs, LARGEST_ERROR))


if __name__ == "__main__":
    sys.exit(main())
