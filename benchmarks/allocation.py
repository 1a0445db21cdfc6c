"""Allocation of 1,000,000 members x 3 offers under a budget, and with stocks, beside HiGHS on a problem it can take whole.

    python -m benchmarks.allocation

The exit code is 1 when the allocation under a budget takes 3 seconds or more, or a value differs from HiGHS by more than 1e-9.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, kron, vstack

from uplift.allocation import Hull
from uplift.features import Array
from uplift.limits import Limit, allocate_within

MEMBERS = 1_000_000
LONGEST = 3.0
CLOSEST = 1e-9


@dataclass(frozen=True)
class Problem:
    """Members with values and costs of three offers, a budget, and two stocks."""

    value: Array
    cost: Array
    budget: float
    limits: tuple[Limit, ...]

    @classmethod
    def draw(cls, members: int, seed: int) -> Problem:
        rng = np.random.default_rng(seed)
        cost = rng.exponential(1.0, (members, 3))
        limits = (Limit("first", (0,), 0.05 * members), Limit("others", (1, 2), 0.15 * members))
        return cls(rng.normal(1.0, 2.0, (members, 3)), cost, float(cost.sum()) / 12, limits)

    @property
    def size(self) -> Array:
        return np.ones(len(self.value))


def timed(problem: Problem) -> tuple[float, float, float]:
    """Seconds of the allocation under a budget, of the whole curve after it, and with stocks."""
    started = time.perf_counter()
    hull = Hull.of(problem.value, problem.cost, problem.size)
    hull.allocate(problem.budget)
    allocated = time.perf_counter()
    hull.curve()
    curve = time.perf_counter()
    allocate_within(problem.value, problem.cost, problem.size, problem.budget, problem.limits)
    return allocated - started, curve - allocated, time.perf_counter() - curve


def by_highs(problem: Problem, limits: tuple[Limit, ...]) -> tuple[float, float]:
    """The optimum of the whole linear programme, and the seconds it took."""
    members = len(problem.value)
    counted = [np.tile(np.isin(np.arange(3), limit.options).astype(float), members) for limit in limits]
    shared = csr_matrix(np.stack([problem.cost.ravel(), *counted]))
    rows = vstack([kron(eye(members), np.ones((1, 3))), shared], format="csr")
    capacity = np.r_[np.ones(members), problem.budget, [limit.most for limit in limits]]
    started = time.perf_counter()
    found = linprog(-problem.value.ravel(), A_ub=rows, b_ub=capacity, method="highs")
    return -float(found.fun), time.perf_counter() - started


def compare(members: int) -> list[tuple[str, float, float, float]]:
    """Name, our seconds, HiGHS's seconds, relative difference of the values."""
    problem = Problem.draw(members, 1)
    rows = []
    for name, limits in (("budget", ()), ("budget and two stocks", problem.limits)):
        started = time.perf_counter()
        ours = allocate_within(problem.value, problem.cost, problem.size, problem.budget, limits)
        seconds = time.perf_counter() - started
        value, theirs = by_highs(problem, limits)
        rows.append((name, seconds, theirs, abs(ours.value / value - 1)))
    return rows


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.allocation", description=__doc__)
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument(
        "--compared", type=int, default=20_000, help="members of the problem that HiGHS takes whole"
    )
    given = parser.parse_args()
    budget, curve, stocks = timed(Problem.draw(given.members, 0))
    print(f"{given.members:,} members x 3 offers\n\n| asked | seconds |\n| --- | --- |")
    print(f"| under a budget | {budget:.2f} |\n| the whole budget curve, after that | {curve:.2f} |")
    print(f"| under a budget and two stocks | {stocks:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\npeak memory {peak:.1f} GB\n\n{given.compared:,} members x 3 offers, all at once\n")
    print("| asked | ours, s | HiGHS, s | relative difference of the value |\n| --- | --- | --- | --- |")
    rows = compare(given.compared)
    for name, ours, theirs, difference in rows:
        print(f"| {name} | {ours:.3f} | {theirs:.3f} | {difference:.1e} |")
    return 1 if budget >= LONGEST or max(row[3] for row in rows) > CLOSEST else 0


if __name__ == "__main__":
    sys.exit(main())
