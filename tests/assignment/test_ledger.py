"""The ledger stays whole: killed at any moment, asked twice at once, damaged, or where nothing can be written."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlglot import exp

from benchmarks.kill import Campaign as Killed
from benchmarks.kill import kill_at_random
from benchmarks.kill_ledgers import FilesUnderTest
from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.assignment.file_ledger import FileLedger
from experiments.assignment.ledger import LedgerState, ledger_shape
from experiments.definition.errors import OutsideError
from experiments.engines.connect import connect
from experiments.engines.duckdb import DuckDBEngine
from experiments.files import Workspace
from experiments.queries import relation
from offerwise.journey import Journey
from tests.assignment.campaign import Campaign, members
from tests.assignment.started import kill_in, start


def arms(campaign: Campaign) -> list[tuple[object, ...]]:
    engine = connect(files=[campaign.folder])
    FileLedger(Workspace(campaign.folder / "runs", "test-1"), engine).read("ledger")
    rows = engine.rows(exp.select("member", "arm", "batch").from_(relation("ledger")).order_by("member"))
    engine.cancel_and_close()
    return rows


def test_a_kill_at_any_moment_leaves_the_ledger_whole(campaign: Campaign) -> None:
    """Every kill leaves no batch or all of it, and the next call ends with the arms that an undisturbed one gives."""
    people = members(4000)
    campaign.write(people)
    calm = Campaign(campaign.folder / "calm")
    calm.folder.mkdir()
    calm.write(people)
    with calm.open() as experiment:
        assign(experiment)
    expected, moments = arms(calm), random.Random(7)
    killed = 0
    for stage in ("Drawing arms", *["Writing 4,000 members"] * 3, "Writing the send list of a"):
        killed += kill_in(stage, campaign, moments.uniform(0, 0.08))
        assert arms(campaign) in ([], expected)
        lists = campaign.folder / "runs" / "test-1" / "send_lists"
        for path in lists.glob("*.csv"):
            assert (
                path.read_bytes() == (calm.folder / "runs" / "test-1" / "send_lists" / path.name).read_bytes()
            )
    assert killed > 0
    process = start(campaign)
    assert process.communicate()[1] == ""
    assert arms(campaign) == expected
    assert list((campaign.folder / "runs" / "test-1" / "ledger" / "tmp").iterdir()) == []


def test_kills_at_random_moments_of_the_command(tmp_path: Path) -> None:
    """First and second batches, by the command as people run it; `make kill-test` does the same fifty times."""
    campaign = Killed(tmp_path, FilesUnderTest(), first=3000, later=500)
    hits, _ = kill_at_random(campaign, times=6, seed=5)
    assert hits > 0


def test_what_a_killed_command_left_is_seen_by_nobody_and_swept(campaign: Campaign) -> None:
    campaign.write(members(60))
    ledger = campaign.folder / "runs" / "test-1" / "ledger"
    for stray in (
        ledger / "tmp" / "batch.parquet",
        ledger / "batches" / "batch-000000-0123456789abcdef.parquet",
    ):
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"half")
    assert arms(campaign) == []
    with campaign.open() as experiment:
        assign(experiment)
    assert len(arms(campaign)) == 60
    assert len(list((ledger / "batches").iterdir())) == 1
    assert list((ledger / "tmp").iterdir()) == []


def test_two_commands_at_once_give_one_result(campaign: Campaign) -> None:
    campaign.write(members(3000))
    processes = [start(campaign) for _ in range(3)]
    for process in processes:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    rows = arms(campaign)
    assert len(rows) == 3000
    assert {row[2] for row in rows} == {0}
    assert len(list((campaign.folder / "runs" / "test-1" / "ledger").glob("manifest-*.json"))) == 1


def test_a_manifest_is_never_overwritten(tmp_path: Path) -> None:
    """Another writer who got past the lock and publishes first wins; the one who comes second says so."""
    workspace = Workspace(tmp_path, "test-2")
    rivals = workspace.ledger / "manifest-1.json"

    class Overtaken(DuckDBEngine):
        def write(self, query: exp.Query, path: Path) -> None:
            super().write(query, path)
            rivals.write_bytes((workspace.ledger / "manifest-0.json").read_bytes())

    ledger = FileLedger(workspace, DuckDBEngine(files=[tmp_path]))
    ledger.append(ledger_shape(), members=1, definition_sha256="a")
    overtaken = FileLedger(workspace, Overtaken(files=[tmp_path]))
    with pytest.raises(OutsideError, match="The ledger is as it was"):
        overtaken.append(ledger_shape(), members=1, definition_sha256="b")
    assert rivals.read_bytes() == (workspace.ledger / "manifest-0.json").read_bytes()
    assert ledger.state().definition_sha256 == "a"


def damage(ledger: Path, how: str) -> None:
    (batch,) = (ledger / "batches").iterdir()
    if how == "missing":
        batch.unlink()
    elif how == "cut":
        batch.write_bytes(batch.read_bytes()[:-10])
    elif how == "flipped":
        content = bytearray(batch.read_bytes())
        content[len(content) // 3] ^= 1
        batch.write_bytes(content)
    elif how == "kinds":
        body = json.loads((ledger / "manifest-0.json").read_text())
        body["batches"][0]["file"] = True
        (ledger / "manifest-0.json").write_text(json.dumps(body))
    else:
        (ledger / "manifest-0.json").write_text("{")


@pytest.mark.parametrize("how", ["missing", "cut", "flipped", "manifest", "kinds"])
def test_damage_is_told_and_nothing_is_drawn(campaign: Campaign, how: str) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        assign(experiment)
    ledger = campaign.folder / "runs" / "test-1" / "ledger"
    damage(ledger, how)
    with campaign.open() as experiment, pytest.raises(OutsideError, match="do not assign again"):
        assign(experiment)
    assert [path.name for path in ledger.glob("manifest-*.json")] == ["manifest-0.json"]


@pytest.mark.parametrize("trace", ["definition.lock.json", "send_lists/a.csv", "assignment.json"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_lost_ledger_is_not_drawn_anew(campaign: Campaign, trace: str, changed: bool) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        Journey(experiment).assign()
        root = experiment.workspace.root
    kept = (root / trace).read_bytes()
    shutil.rmtree(root)
    (root / trace).parent.mkdir(parents=True)
    (root / trace).write_bytes(kept)
    if changed:
        campaign.define(assignment={"method": "hash", "salt": "another"})
    with campaign.open() as experiment:
        with pytest.raises(OutsideError, match=r"arms were drawn.*from a backup"):
            assign(experiment)
        with pytest.raises(OutsideError, match="arms were drawn"):
            analyze(experiment)
    assert [path for path in root.rglob("*") if path.is_file()] == [root / trace]


def test_a_first_assign_that_was_killed_after_the_lock_can_be_run_again(campaign: Campaign) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        assign(experiment)
        expected, space = arms(campaign), experiment.workspace
        shutil.rmtree(space.send_lists)
        shutil.rmtree(space.ledger)
        (space.ledger / "tmp").mkdir(parents=True)
        assert space.lock.exists()
        assign(experiment)
    assert arms(campaign) == expected


def test_the_manifest_names_hash_size_and_members(campaign: Campaign) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        assign(experiment)
        sha256 = experiment.definition.origin.sha256
        assert FileLedger(experiment.workspace, experiment.engine).state() == LedgerState(sha256, 1, 60)
    body = json.loads((campaign.folder / "runs" / "test-1" / "ledger" / "manifest-0.json").read_text())
    assert (body["schema"], body["experiment"], body["definition_sha256"]) == (
        "offerwise.ledger/1",
        "test-1",
        sha256,
    )
    (batch,) = body["batches"]
    file = campaign.folder / "runs" / "test-1" / "ledger" / "batches" / batch["file"]
    done: Sequence[str] = subprocess.run(
        ["sha256sum", str(file)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert (batch["sha256"], batch["bytes"], batch["members"]) == (done[0], file.stat().st_size, 60)


def test_an_out_that_is_a_file_is_told(campaign: Campaign) -> None:
    campaign.write(members(10))
    (campaign.folder / "runs").write_text("x")
    with campaign.open() as experiment, pytest.raises(OutsideError, match="--out"):
        assign(experiment)
