"""An exact policy tree of 1,000,000 members x 20 features x 4 arms: seconds, processor seconds and memory.

    python -m benchmarks.policy_tree [--depth 3]

Bins of the features and the search are timed apart; a tree that gives each quadrant of two features an arm of its own is
planted and must be found. The exit code is 1 when a tree of depth 2 takes 15 seconds or more.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.uplift.truths import TRUTHS
from uplift.binning import bin_features
from uplift.rules import learn_tree

LONGEST = 15.0
SMALLEST_LEAF = 1_200
NOISE = 3.0

Found = TypeVar("Found")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; 1 when depth 2 takes too long."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.policy_tree",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--depth", type=int, choices=(1, 2, 3), default=2)
    options = parser.parse_args(arguments)
    sample = TRUTHS["steps"].test(options.members, seed=0)
    codes, space = sample.members.codes, sample.space
    best = 2 * (codes[:, 7] > 0) + (codes[:, 11] > 0)
    scores = np.random.default_rng(0).normal(scale=NOISE, size=(len(codes), 4)) + np.eye(4)[best]
    binned, *binning = timed(lambda: bin_features(space, codes, 16 if options.depth == 3 else 32))
    tree, *search = timed(lambda: learn_tree(scores, binned, options.depth, SMALLEST_LEAF))
    found = float((tree.choose(space, sample.members) == best).mean())
    print("| step | seconds | CPU, s |\n| --- | --- | --- |")
    print(f"| bins of {len(space.features)} features | {binning[0]:.2f} | {binning[1]:.2f} |")
    print(f"| exact tree of depth {options.depth} | {search[0]:.2f} | {search[1]:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"\n{options.members:,} members; {found:.1%} get the arm that was planted; peak memory {peak:.2f} GB"
    )
    return int(options.depth == 2 and binning[0] + search[0] >= LONGEST)


def timed(work: Callable[[], Found]) -> tuple[Found, float, float]:
    """What `work` gives, its seconds and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    sys.exit(main())
