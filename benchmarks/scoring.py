"""10,000,000 members scored by a tree policy inside DuckDB, beside a bare scan-and-write of the same file.

    python -m benchmarks.scoring

Both read the same Parquet file and write the member and one more column to Parquet, in turns. The exit code is 1 when scoring
takes more than 1.5 times as long.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from sqlglot import exp

from experiments.engines.connect import connect
from experiments.engines.protocol import Engine
from experiments.queries import column, named, number, relation
from uplift.rules import Tree
from uplift.sql import arm_case
from uplift.tree_nodes import Branch, CategorySplit, Leaf, Node, NumberSplit

MEMBERS = 10_000_000
LONGEST = 1.5
ARMS = ("control", "gift", "coupon", "points")


def tree() -> Tree:
    """Depth 3 over two numbers, one with missing values, and two texts."""

    def vip(first: int, second: int) -> Node:
        return Branch(CategorySplit("tier", ("vip", "svip", None)), Leaf(first), Leaf(second))

    lately = Branch(
        NumberSplit("spend", 250.0), vip(1, 2), Branch(CategorySplit("city", ("t1",)), Leaf(3), Leaf(0))
    )
    long_ago = Branch(NumberSplit("spend", 80.0), vip(0, 3), vip(2, 1))
    return Tree(Branch(NumberSplit("days", 180.0), lately, long_ago))


def write_members(engine: Engine, members: int, path: Path) -> None:
    """Members with features as a warehouse has them: integers, decimals, texts, missing values."""
    rows = exp.select(named(exp.column("range"), "i")).from_(
        exp.Table(this=exp.Anonymous(this="range", expressions=[number(members)]))
    )
    shuffled = exp.Mod(
        this=exp.paren(exp.Mul(this=column("i"), expression=number(7_919))), expression=number(1_000_003)
    )
    parts = exp.select(column("i"), named(shuffled, "r")).from_(rows.subquery("numbered"))

    def some(values: tuple[str | None, ...], of: int) -> exp.Expr:
        case = exp.Case(
            this=exp.Mod(
                this=exp.paren(exp.IntDiv(this=column("r"), expression=number(of))),
                expression=number(len(values)),
            )
        )
        for place, value in enumerate(values):
            case = case.when(number(place), exp.null() if value is None else exp.Literal.string(value))
        return case

    query = exp.select(
        named(exp.cast(column("i"), exp.DType.TEXT), "member"),
        named(exp.Mod(this=column("r"), expression=number(730)), "days"),
        named(exp.Div(this=exp.cast(column("r"), exp.DType.DOUBLE), expression=number(2_000)), "spend"),
        named(some(("vip", "svip", "basic", "new", None), 11), "tier"),
        named(some(("t1", "t2", "t3"), 5), "city"),
    ).from_(parts.subquery("parts"))
    engine.write(query, path)


def timed(engine: Engine, value: exp.Expr, path: Path) -> float:
    """Seconds to scan the members and write each with `value`."""
    query = exp.select(column("member"), named(value, "value")).from_(relation("members"))
    started = time.perf_counter()
    engine.write(query, path)
    return time.perf_counter() - started


def main() -> int:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__)
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        engine = connect("duckdb://?threads=2", files=[files])
        try:
            write_members(engine, given.members, files / "members.parquet")
            engine.open_source("members", str(files / "members.parquet"))
            case = arm_case(tree(), engine, ("",), ARMS)
            assert case is not None
            # A text of few values, as the arm is one, so that both write as much.
            bare = column("tier")
            seconds = np.array(
                [
                    (
                        timed(engine, bare, files / "bare.parquet"),
                        timed(engine, case, files / "scored.parquet"),
                    )
                    for _ in range(given.rounds)
                ]
            )
        finally:
            engine.cancel_and_close()
    scan, scored = median(seconds[:, 0]), median(seconds[:, 1])
    print(f"{given.members:,} members, {given.rounds} rounds\n")
    print("| | seconds |\n| --- | --- |")
    print(
        f"| scan and write | {scan:.2f} |\n| scored by a tree of depth 3 | {scored:.2f} |\n| ratio | {scored / scan:.2f} |"
    )
    return 0 if scored / scan <= LONGEST else 1


if __name__ == "__main__":
    sys.exit(main())
