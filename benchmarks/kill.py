"""Does the ledger stay whole when `assign` is killed at random moments?

    python -m benchmarks.kill

Assigns 20,000 members, then 5,000 more, kills the command (kill -9) at a random moment of its life, 50 times, and runs it again each
time. After every kill the ledger holds a batch whole or not at all; after every second run each member has the one arm that an
undisturbed run gives. Then pairs of commands start at once. Exit code 1 at the first ledger that is not as it should be.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from benchmarks.assign.tables import define
from experiments.assignment.file_ledger import FileLedger
from experiments.engines.connect import connect
from experiments.files import Workspace
from experiments.queries import column, relation

ROOT = Path(__file__).resolve().parents[1]
ARM = tuple[str, str, int]
"""A member, its arm and its batch."""


@dataclass(frozen=True)
class Campaign:
    """Members in a folder, and a definition without orders and contacts.

    Attributes:
        folder: Where it stands.
        first: Members at the first call.
        later: Members who are added before the second.
    """

    folder: Path
    first: int
    later: int

    @property
    def definition(self) -> Path:
        """The definition's file."""
        return self.folder / "assign.yml"

    def write(self, members: int) -> None:
        """The data with so many members."""
        self.folder.mkdir(exist_ok=True)
        body = define()
        body["data"] = {"members": {"table": "members.csv", "key": "member_id"}}
        body["features"], body["design"] = {}, {}
        body["audience"] = {"snapshot": body["audience"]["snapshot"]}
        body["assignment"]["strata"] = ["tier"]
        body["metrics"] = {"bought": {"type": "binary", "from": "members", "value": "bought"}}
        self.definition.write_text(json.dumps(body), encoding="utf8")
        with (self.folder / "members.csv").open("w", newline="", encoding="utf8") as file:
            rows = csv.writer(file)
            rows.writerow(("member_id", "tier", "bought"))
            rows.writerows((f"{n:06d}", ("basic", "gold", "vip")[n % 3], 0) for n in range(members))

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        """The command, running."""
        command = [sys.executable, "-m", "offerwise", "assign", str(self.definition), "--out", str(out)]
        return subprocess.Popen(
            [*command, "--no-mlflow", "--engine", "duckdb://?threads=1", "--json"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def finish(self, out: Path) -> float:
        """Run the command to its end; the seconds that it took."""
        started = time.perf_counter()
        code = self.start(out).wait()
        assert code == 0, f"assign ended with {code}"
        return time.perf_counter() - started

    def arms(self, out: Path) -> list[ARM]:
        """Every row of the ledger, by member."""
        engine = connect(files=[out])
        try:
            FileLedger(Workspace(out, "assign"), engine).read("ledger")
            query = exp.select(column("member"), column("arm"), column("batch")).from_(relation("ledger"))
            return [(str(member), str(arm), int(batch)) for member, arm, batch in sorted(engine.rows(query))]
        finally:
            engine.cancel_and_close()


def kill_at_random(folder: Path, *, first: int, later: int, times: int, seed: int) -> int:
    """Kill and run again, so many times, half of them at a first batch and half at a second; how many kills hit a running command.

    Raises:
        AssertionError: A ledger is not whole, a member stands twice, or an arm is another one.
    """
    campaign, moments = Campaign(folder, first, later), random.Random(seed)
    campaign.write(first)
    calm = folder / "calm"
    took = campaign.finish(calm)
    states: list[list[ARM]] = [[], campaign.arms(calm)]
    begun = folder / "begun"
    shutil.copytree(calm, begun)
    campaign.write(first + later)
    took = max(took, campaign.finish(calm))
    states.append(campaign.arms(calm))
    assert [len(state) for state in states] == [0, first, first + later]
    assert {row for row in states[2] if row[2] == 0} == set(states[1])
    hits = 0
    for number in range(times):
        before = number % 2
        campaign.write(first + later * before)
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        if before:
            shutil.copytree(begun, out)
        process = campaign.start(out)
        time.sleep(moments.uniform(0.1, 1.1) * took)
        process.kill()
        hits += process.wait() == -signal.SIGKILL
        out.mkdir(exist_ok=True)
        assert campaign.arms(out) in states[before : before + 2], f"kill {number}: the ledger is not whole"
        campaign.finish(out)
        assert campaign.arms(out) == states[before + 1], f"kill {number}: members or arms differ"
    return hits


def start_at_once(folder: Path, *, members: int, times: int) -> None:
    """Start two commands at once, so many times; there is one result.

    Raises:
        AssertionError: One ends with an error, or the ledger is another than that of one command.
    """
    campaign = Campaign(folder, members, 0)
    campaign.write(members)
    campaign.finish(folder / "calm")
    expected = campaign.arms(folder / "calm")
    for number in range(times):
        out = folder / f"pair-{number}"
        pair = [campaign.start(out) for _ in range(2)]
        assert [process.wait() for process in pair] == [0, 0]
        assert campaign.arms(out) == expected, f"pair {number}: the ledger differs"
        assert len(list((out / "assign" / "ledger").glob("manifest-*.json"))) == 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was tried; 1 when a ledger is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="kills")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of commands at once")
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            kills, pairs = Path(folder) / "kills", Path(folder) / "pairs"
            hits = kill_at_random(kills, first=20_000, later=5_000, times=options.times, seed=options.seed)
            print(
                f"{options.times} kills, {hits} of a running command: whole every time, the same arms after every second run"
            )
            start_at_once(pairs, members=20_000, times=options.pairs)
            print(f"{options.pairs} pairs at once: one result each")
        except AssertionError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
