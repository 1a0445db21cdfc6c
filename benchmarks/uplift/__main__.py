"""How much of what a personal offer could earn does the policy capture? Simulated tests whose truth is known.

    python -m benchmarks.uplift --seeds 5

100,000 members, 20 features, control and three offers unless the truth says otherwise; policies are judged on 100,000 other
members by what is true for them. causalml and EconML run on the same members in the same run. `--rows FILE` keeps every
result as one JSON line and does not repeat what is there, so that a long run may be stopped and taken up again.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from benchmarks.uplift.ours import run_ours
from benchmarks.uplift.peers import peers_named, run_peer
from benchmarks.uplift.rows import Row
from benchmarks.uplift.truths import TRUTHS

JUDGED_ON = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table for each truth."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.uplift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--truth", choices=TRUTHS, action="append", help="one truth; may be repeated")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed, to run in pieces")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument(
        "--peers", choices=("none", "quick", "all"), default="quick", help="all: the causal forest too"
    )
    parser.add_argument("--rows", type=Path, help="keep results here, and take up where they end")
    options = parser.parse_args(arguments)
    if options.peers != "none" and find_spec("econml") is None:
        raise SystemExit(
            "econml is not installed; `pip install -e .[dev]`, or leave the peers out with --peers none"
        )
    for name in options.truth or TRUTHS:
        found = [
            (seed, row)
            for seed in range(options.first, options.first + options.seeds)
            for row in run_seed(name, seed, options.members, options.peers, options.rows)
        ]
        print(table(name, [row for _, row in found]), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory of the whole run {peak:.1f} GB")
    return 0


def run_seed(name: str, seed: int, members: int, peers: str, kept: Path | None) -> list[Row]:
    """The rows of one simulated test, from the file where it has them."""
    known: dict[str, list[Row]] = {}
    if kept is not None and kept.exists():
        for line in map(json.loads, kept.read_text(encoding="utf8").splitlines()):
            known.setdefault(line["key"], []).append(Row(**line["row"]))
    truth = TRUTHS[name]
    test = cache(lambda: (truth.test(members, seed), truth.others(JUDGED_ON, seed)))
    found = []
    for method in ("Offerwise", *peers_named(peers)):
        key = f"{name}/{seed}/{members}/{method}"
        rows = known.get(key)
        if rows is None:
            rows = run_ours(*test()) if method == "Offerwise" else [run_peer(method, *test())]
            if kept is not None:
                with kept.open("a", encoding="utf8") as file:
                    file.writelines(json.dumps({"key": key, "row": asdict(row)}) + "\n" for row in rows)
        found += rows
    return found


def table(name: str, rows: Iterable[Row]) -> str:
    """The means and the worst over seeds, as Markdown."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    lines = [
        f"### {name}: {TRUTHS[name].what}\n",
        "| policy | captured, mean | worst | loss per 1,000 members, worst | treated below cost | kinds | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method, of_method in by_method.items():
        captured = [row.captured for row in of_method if row.captured is not None]
        mean, worst = (f"{f(captured):.2f}" if captured else "-" for f in (statistics.mean, min))
        kinds = sorted(
            {row.kind for row in of_method}, key=[row.kind for row in of_method].count, reverse=True
        )
        counts = ", ".join(f"{kind} {sum(row.kind == kind for row in of_method)}" for kind in kinds)
        lines.append(
            f"| {method} | {mean} | {worst} | {1000 * max(row.loss for row in of_method):.1f} "
            f"| {max(row.uncovered for row in of_method):.1%} | {counts} "
            f"| {statistics.mean(row.seconds for row in of_method):.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
