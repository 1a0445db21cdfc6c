"""Does the ledger stay whole when `assign` is killed at random moments?

    python -m benchmarks.kill [--engine file|postgresql]

Assigns 20,000 members, then 5,000 more, kills the command (kill -9) at a random moment of its life, 50 times, and runs it again each
time. After every kill the ledger holds a batch whole or not at all; after every second run each member has the one arm that an
undisturbed run gives. Then pairs of commands start at once. Both forms of the ledger are tried: files, and the table of a PostgreSQL
server of the benchmark's own. Exit code 1 at the first ledger that is not as it should be.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.assign.tables import define
from benchmarks.kill_ledgers import FilesUnderTest, LedgerUnderTest, TableUnderTest
from tests.engines.postgresql_server import running_server, server_binaries

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("file", "postgresql")


@dataclass(frozen=True)
class Campaign:
    """Members in a folder, and a definition without orders and contacts.

    Attributes:
        folder: Where it stands.
        ledger: What its arms are written to.
        first: Members at the first call.
        later: Members who are added before the second.
    """

    folder: Path
    ledger: LedgerUnderTest
    first: int
    later: int

    @property
    def definition(self) -> Path:
        """The definition's file."""
        return self.folder / "assign.yml"

    @property
    def said(self) -> Path:
        """What the commands said to people."""
        return self.folder / "said.txt"

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
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [*command, "--no-mlflow", "--engine", self.ledger.engine, "--json"],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def finish(self, out: Path) -> float:
        """Run the command to its end; the seconds that it took."""
        started = time.perf_counter()
        code = self.start(out).wait()
        assert code == 0, f"assign ended with {code}: {self.said.read_text(encoding='utf8')[-2000:]}"
        return time.perf_counter() - started


def kill_at_random(campaign: Campaign, *, times: int, seed: int) -> tuple[int, int]:
    """Kill and run again, so many times, half of them at a first batch and half at a second.

    Returns:
        How many kills hit a running command, and how many of these came after its batch was published.

    Raises:
        AssertionError: A ledger is not whole, a member stands twice, or an arm is another one.
    """
    ledger, moments = campaign.ledger, random.Random(seed)
    first, everybody = campaign.first, campaign.first + campaign.later
    out = campaign.folder / "out"
    campaign.write(first)
    ledger.clear(out)
    campaign.finish(out)
    states = [[], ledger.arms(out)]
    ledger.keep(out)
    campaign.write(everybody)
    took = campaign.finish(out)
    states.append(ledger.arms(out))
    assert [len({member for member, _, _ in state}) for state in states] == [0, first, everybody]
    assert [len(state) for state in states] == [0, first, everybody]
    assert {row for row in states[2] if row[2] == 0} == set(states[1])
    hits = published = 0
    for number in range(times):
        before = number % 2
        campaign.write(first + campaign.later * before)
        ledger.restore(out) if before else ledger.clear(out)
        process = campaign.start(out)
        time.sleep(moments.uniform(0.1, 1.1) * took)
        process.kill()
        hit = process.wait() == -signal.SIGKILL
        found = ledger.arms(out)
        assert found in states[before : before + 2], f"kill {number}: the ledger is not whole"
        hits += hit
        published += hit and found == states[before + 1]
        # The latest run tells how long one takes now: the first of all compiles the code too.
        took = campaign.finish(out)
        assert ledger.arms(out) == states[before + 1], f"kill {number}: members or arms differ"
        assert ledger.batches(out) == before + 1, f"kill {number}: a batch stands twice"
    return hits, published


def start_at_once(campaign: Campaign, *, times: int) -> None:
    """Start two commands at once, so many times; there is one result.

    Where folders share a ledger, every second pair works in two of them.

    Raises:
        AssertionError: One ends with an error, or the ledger is another than that of one command.
    """
    ledger = campaign.ledger
    campaign.write(campaign.first)
    folders = [campaign.folder / name for name in ("pair", "other")]
    ledger.clear(folders[0])
    campaign.finish(folders[0])
    expected = ledger.arms(folders[0])
    for number in range(times):
        for folder in folders:
            ledger.clear(folder)
        outs = folders if ledger.is_shared and number % 2 else folders[:1] * 2
        pair = [campaign.start(out) for out in outs]
        assert [process.wait() for process in pair] == [0, 0]
        assert ledger.arms(outs[0]) == expected, f"pair {number}: the ledger differs"
        assert ledger.batches(outs[0]) == 1, f"pair {number}: two results"


@contextmanager
def ledger_on(engine: str) -> Iterator[LedgerUnderTest]:
    """The ledger of an engine, with a server of its own where it needs one."""
    if engine == "file":
        yield FilesUnderTest()
        return
    binaries = server_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL server is installed; leave it out with --engine file")
    with running_server(binaries) as server:
        yield TableUnderTest(server)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was tried; 1 when a ledger is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, help="one form of the ledger; both when absent")
    parser.add_argument("--times", type=int, default=50, help="kills of each form")
    parser.add_argument("--pairs", type=int, default=6, help="pairs of commands at once")
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args(arguments)
    for engine in [options.engine] if options.engine else ENGINES:
        with tempfile.TemporaryDirectory() as folder, ledger_on(engine) as ledger:
            campaign = Campaign(Path(folder), ledger, first=20_000, later=5_000)
            try:
                hits, published = kill_at_random(campaign, times=options.times, seed=options.seed)
                print(
                    f"{engine}: {options.times} kills, {hits} of a running command, {published} of these after its "
                    "batch was published: whole every time, the same arms after every second run"
                )
                start_at_once(campaign, times=options.pairs)
                print(f"{engine}: {options.pairs} pairs at once: one result each", flush=True)
            except AssertionError as error:
                print(f"{engine}: {error}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
