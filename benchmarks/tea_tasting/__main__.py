"""Is Offerwise at least as fast as tea-tasting on the same rows? 3,000,000 members, 7 arms, 5 metrics, DuckDB both.

    python -m benchmarks.tea_tasting

Installs tea-tasting once into `benchmarks/.venvs/tea_tasting` (it wants Python 3.12 or later, found on the path or given
by --peer-python), lets both take turns, and prints medians and ratios. The exit code is 1 when Offerwise is slower.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.environments import peer_interpreter
from benchmarks.processes import run

HERE = Path(__file__).resolve().parent
PEER = ("tea-tasting>=2,<3", "ibis-framework[duckdb]", f"duckdb=={duckdb.__version__}")
ARMS = ("control", *(f"offer{number}" for number in range(1, 7)))

MEMBERS = """
    CREATE TABLE members AS
    SELECT i AS member, list_extract(?, (1 + hash(i) % ?)::BIGINT) AS arm, hash(i, 1) % 1000 < 60 AS converted,
           CASE WHEN converted THEN 1 + hash(i, 2) % 4 ELSE 0 END::INTEGER AS orders,
           orders * (5 + exp((hash(i, 3) % 1000) / 250.0)) AS spend, (hash(i, 4) % 9)::INTEGER AS visits
    FROM range(?) AS rows(i)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when Offerwise is slower at the moments or at the analysis."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tea_tasting", description=__doc__)
    parser.add_argument("--members", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=4, help="processes of each side, taking turns")
    parser.add_argument("--times", type=int, default=3, help="timed runs in a process, after one to warm up")
    parser.add_argument("--peer-python", help="a Python 3.12 or later for tea-tasting")
    options = parser.parse_args(arguments)
    peer = peer_interpreter("tea_tasting", PEER, lambda: options.peer_python or newer_python())
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    version = ""
    with tempfile.TemporaryDirectory() as folder:
        database, definition = Path(folder) / "members.duckdb", Path(folder) / "members.yml"
        make_members(database, options.members)
        definition.write_text(json.dumps(define()), encoding="utf8")
        times = str(options.times)
        for _ in range(options.rounds):
            own = [sys.executable, "-m", "benchmarks.tea_tasting.ours", str(database), str(definition), times]
            collect(ours, run(own).answer)
            answer = dict(run([str(peer), str(HERE / "peer.py"), str(database), times]).answer)
            version = answer.pop("version")
            collect(theirs, answer)
    print(
        f"{options.members:,} members, {len(ARMS)} arms, 5 metrics; tea-tasting {version}; DuckDB {duckdb.__version__}\n"
    )
    print("| question | Offerwise, s | tea-tasting, s | ratio |\n| --- | --- | --- | --- |")
    for question, seconds in ours.items():
        print(_row(question, median(seconds), median(theirs[question]) if question in theirs else None))
    return int(any(median(ours[question]) > median(theirs[question]) for question in theirs))


def newer_python() -> str:
    """A Python that tea-tasting can run on."""
    found = next(filter(_runs, ("python3.13", "python3.12")), None)
    if found is None:
        raise SystemExit("tea-tasting 2 needs Python 3.12 or later; name one with --peer-python")
    return found


def _runs(python: str) -> bool:
    """Whether there is such an interpreter and it starts: a version manager may only pretend that there is."""
    return (
        shutil.which(python) is not None
        and not subprocess.run([python, "-V"], check=False, capture_output=True).returncode
    )


def make_members(database: Path, members: int) -> None:
    """Members with an arm by hash and skewed outcomes, the same in every run."""
    with duckdb.connect(str(database)) as connection:
        connection.execute(MEMBERS, [list(ARMS), len(ARMS), members])


def define() -> dict[str, Any]:
    """The experiment that such members were in."""
    offers = {arm: {"label": arm, "share": "1/7"} for arm in ARMS[1:]}
    return {
        "version": 1, "id": "speed", "title": "Speed", "owner": "benchmarks@example.com", "hypothesis": "It is fast.",
        "currency": "EUR", "timezone": "UTC", "data": {"members": {"table": "members", "key": "member"}},
        "arms": {"control": {"label": "No contact", "share": "1/7"}, "offers": offers,
                 "channel": {"id": "email", "cost_per_send": 0.0}},
        "assignment": {"method": "recorded", "from": "members", "column": "arm"},
        "metrics": {
            "converted": {"type": "binary", "from": "members", "value": "converted"},
            "spend": {"type": "sum", "from": "members", "value": "spend"},
            "orders": {"type": "count", "from": "members", "value": "orders"},
            "visits": {"type": "count", "from": "members", "value": "visits"},
            "order_value": {"type": "ratio", "numerator": "spend", "denominator": "orders"},
        },
        "goals": {"primary": {"metric": "converted", "better": "up"}, "value": "spend",
                  "secondary": ["orders", "visits", "order_value"]},
        "decision": {"eligible_if": {"primary": "better_than_control"},
                     "pick": {"maximise": "value", "by": "overall", "min_members_per_arm": 500,
                              "fallback": "overall_winner", "tie": "first"}},
    }  # fmt: skip


def _row(question: str, own: float, other: float | None) -> str:
    compared = "" if other is None else f"{other:.3f} | {own / other:.2f}"
    return f"| {question} | {own:.3f} | {compared or ' | '} |"


def collect(into: dict[str, list[float]], answer: Mapping[str, list[float]]) -> None:
    for question, seconds in answer.items():
        into.setdefault(question, []).extend(seconds)


if __name__ == "__main__":
    sys.exit(main())
