"""The ledger as a table of PostgreSQL: the same arms, whole after a kill, one result of many commands, and nothing lost."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlglot import exp

from experiments.assignment.assignment import assign
from experiments.assignment.file_ledger import FileLedger
from experiments.assignment.ledger import LedgerState, ledger_rows
from experiments.assignment.open_ledger import open_ledger
from experiments.assignment.table_ledger import TableLedger
from experiments.definition.errors import OutsideError, RefusedError
from experiments.queries import number
from offerwise.journey import Journey
from tests.assignment.campaign import NOW, Campaign, members
from tests.engines.postgresql_server import PostgreSQLServer

pytest.importorskip("psycopg", reason="psycopg is not installed")

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "icu"
ROWS = "SELECT * FROM offerwise.assignments ORDER BY experiment, member"
ASSIGN = """
import sys
from datetime import datetime
from offerwise.opening import open_experiment
from experiments.assignment.assignment import assign
def say(doing):
    print(doing, flush=True)
definition, out, engine, now = sys.argv[1:]
with open_experiment(definition, engine=engine, out=out, now=datetime.fromisoformat(now), progress=say) as experiment:
    assign(experiment)
"""


@pytest.fixture
def server(postgresql_server: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    postgresql_server.execute("DROP SCHEMA IF EXISTS offerwise CASCADE", DATABASE)
    yield postgresql_server
    postgresql_server.execute("DROP SCHEMA IF EXISTS offerwise CASCADE", DATABASE)


@pytest.fixture
def campaign(tmp_path: Path, server: PostgreSQLServer) -> Campaign:
    return Campaign(tmp_path, server.url(DATABASE))


def copied(campaign: Campaign, name: str, engine: str | None = None) -> Campaign:
    """The same data and definition in another folder."""
    folder = campaign.folder / name
    folder.mkdir()
    for path in (*campaign.folder.glob("*.csv"), campaign.folder / "test.yml"):
        shutil.copy(path, folder)
    return Campaign(folder, engine or campaign.engine)


def start(campaign: Campaign) -> subprocess.Popen[str]:
    given = (campaign.folder / "test.yml", campaign.folder / "runs", campaign.engine, NOW.isoformat())
    command = [sys.executable, "-c", ASSIGN, *map(str, given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(server: PostgreSQLServer) -> list[tuple[object, ...]]:
    ((there,),) = server.execute("SELECT to_regclass('offerwise.assignments') IS NOT NULL", DATABASE)
    return server.execute(ROWS, DATABASE) if there else []


def test_it_holds_what_the_ledger_on_files_holds(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(3000))
    on_files = copied(campaign, "files", "duckdb://?threads=2")
    with on_files.open() as experiment:
        expected = assign(experiment)
        FileLedger(experiment.workspace, experiment.engine).read("written")
        query = exp.select("*").from_("written").order_by("member")
        drawn = experiment.engine.rows(query)
    with campaign.open() as experiment:
        found = assign(experiment)
        lists = {arm: Path(path).read_bytes() for arm, path in found.files.send_lists.items()}
        state = open_ledger(experiment.workspace, experiment.engine).state()
        sha256 = experiment.definition.origin.sha256
    assert rows(server) == drawn
    assert len(drawn) == 3000
    assert found.files.ledger == "offerwise.assignments"
    assert state == LedgerState(sha256, 1, 3000)
    assert found.arms == expected.arms
    for one, other in zip(found.balance, expected.balance, strict=True):
        assert one.feature == other.feature
        assert one.max_standardised_difference == pytest.approx(other.max_standardised_difference, rel=1e-9)
    assert lists == {arm: Path(path).read_bytes() for arm, path in expected.files.send_lists.items()}


def test_later_members_are_a_new_batch_and_nobody_moves(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(300))
    with campaign.open() as experiment:
        assign(experiment)
    before = rows(server)
    with campaign.open() as experiment:
        assign(experiment)
    assert rows(server) == before
    campaign.write(members(400, first=100))
    with campaign.open() as experiment:
        assign(experiment)
    after = rows(server)
    assert [row for row in after if row[5] == 0] == before
    assert {row[1] for row in after if row[5] == 1} == {row["会员"] for row in members(200, first=300)}


def test_a_kill_at_any_moment_leaves_it_whole(campaign: Campaign, server: PostgreSQLServer) -> None:
    """Every kill leaves no batch or all of it, and the next call ends with the arms that an undisturbed one gives."""
    campaign.write(members(4000))
    calm = copied(campaign, "calm")
    with calm.open() as experiment:
        assign(experiment)
    expected = rows(server)
    server.execute("DROP SCHEMA offerwise CASCADE", DATABASE)
    moments, killed = random.Random(11), 0
    for stage in ("Drawing arms", *["Writing 4,000 members"] * 4, "Writing the send list of a"):
        process = start(campaign)
        assert process.stdout is not None
        while (doing := process.stdout.readline()) and not doing.startswith(stage):
            pass
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        process.communicate()
        assert rows(server) in ([], expected)
    assert killed > 0
    process = start(campaign)
    assert process.communicate()[1] == ""
    assert rows(server) == expected


def test_commands_at_once_from_different_folders_give_one_result(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    """No file is shared: the lock is the database's."""
    campaign.write(members(3000))
    everybody = [campaign, copied(campaign, "second"), copied(campaign, "third")]
    processes = [start(each) for each in everybody]
    for process in processes:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    drawn = rows(server)
    assert len(drawn) == 3000
    assert {row[5] for row in drawn} == {0}
    lists = [
        {path.name: path.read_bytes() for path in (each.folder / "runs" / "test-1" / "send_lists").iterdir()}
        for each in everybody
    ]
    assert lists[0] == lists[1] == lists[2]


def test_another_command_is_waited_for(campaign: Campaign) -> None:
    campaign.write(members(60))
    said: list[str] = []
    with campaign.open() as experiment:
        ledger = open_ledger(experiment.workspace, experiment.engine)
        with ledger.held(said.append):
            process = start(campaign)
            assert process.stdout is not None
            while not (doing := process.stdout.readline()).startswith("Waiting for another command"):
                assert doing
            assert process.poll() is None
        assert process.wait(60) == 0
        process.communicate()
    assert said == []


def test_a_member_cannot_be_added_twice(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        assign(experiment)
        before = rows(server)
        ledger = open_ledger(experiment.workspace, experiment.engine)
        ledger.read("drawn")
        again = ledger_rows(
            exp.select("*").from_("drawn"),
            experiment="test-1",
            batch=1,
            assigned_at=experiment.engine.instant_literal(NOW),
            definition_sha256="a",
        )
        with pytest.raises(OutsideError, match="another command has added some of the rows meanwhile"):
            ledger.append(again.limit(number(1)), members=1, definition_sha256="a")
        with pytest.raises(OutsideError, match="0 rows instead of 60"):
            ledger.append(again.where(exp.false()), members=60, definition_sha256="a")
    assert rows(server) == before


def test_rows_cannot_be_changed_by_whoever_made_the_table(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    import psycopg

    campaign.write(members(60))
    with crm(campaign, server, may_create=True).open() as experiment:
        assign(experiment)
    with psycopg.connect(server.url(DATABASE, "crm"), autocommit=True) as session:
        for statement in (
            "UPDATE offerwise.assignments SET arm = 'a'",
            "DELETE FROM offerwise.assignments",
            "TRUNCATE offerwise.assignments",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)


def crm(campaign: Campaign, server: PostgreSQLServer, *, may_create: bool) -> Campaign:
    """The campaign with a user who is no administrator."""
    server.execute("DROP OWNED BY crm; DROP ROLE crm" if has_crm(server) else "SELECT 1", DATABASE)
    server.execute("CREATE ROLE crm LOGIN", DATABASE)
    server.execute(
        "UPDATE pg_authid SET rolpassword = (SELECT rolpassword FROM pg_authid WHERE rolname = 'owner') WHERE rolname = 'crm'",
        DATABASE,
    )
    if may_create:
        server.execute(f"GRANT CREATE ON DATABASE {DATABASE} TO crm", DATABASE)
    return Campaign(campaign.folder, server.url(DATABASE, "crm"))


def has_crm(server: PostgreSQLServer) -> bool:
    return bool(server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'crm'", DATABASE))


def test_a_user_who_may_not_create_it_is_told_what_to_ask_for(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    campaign.write(members(60))
    poor = crm(campaign, server, may_create=False)
    with poor.open() as experiment, pytest.raises(OutsideError) as caught:
        assign(experiment)
    assert 'CREATE TABLE IF NOT EXISTS "offerwise"."assignments"' in str(caught.value)
    grant(caught.value, server)
    with (
        poor.open() as experiment,
        pytest.raises(OutsideError, match=r'"offerwise"\."exclusive_groups"') as then,
    ):
        assign(experiment)
    grant(then.value, server)
    with poor.open() as experiment:
        assign(experiment)
    assert len(rows(server)) == 60


def grant(asked_for: OutsideError, server: PostgreSQLServer) -> None:
    """What an administrator does who is shown the message."""
    asked = str(asked_for).partition("administrator run: ")[2].partition("; and grant")[0]
    server.execute(asked, DATABASE)  # type: ignore[arg-type]
    server.execute("GRANT USAGE ON SCHEMA offerwise TO crm", DATABASE)
    server.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA offerwise TO crm", DATABASE)


def test_a_lost_table_is_not_drawn_anew(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        Journey(experiment).assign()
    server.execute("DELETE FROM offerwise.assignments", DATABASE)
    with (
        campaign.open() as experiment,
        pytest.raises(OutsideError, match=r"has no row of test-1.*arms were drawn"),
    ):
        assign(experiment)
    server.execute("DROP SCHEMA offerwise CASCADE", DATABASE)
    with campaign.open() as experiment, pytest.raises(OutsideError, match=r"no such table.*arms were drawn"):
        assign(experiment)
    assert rows(server) == []


def test_a_ledger_stays_where_it_was_begun(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(60))
    begun = copied(campaign, "begun", "duckdb://?threads=2")
    with begun.open() as experiment:
        assign(experiment)
    with Campaign(begun.folder, campaign.engine).open() as experiment:
        ledger = open_ledger(experiment.workspace, experiment.engine)
        assert isinstance(ledger, FileLedger)
        assert assign(experiment).sampled == 60
    assert rows(server) == []
    with campaign.open() as experiment:
        assign(experiment)
        assert isinstance(open_ledger(experiment.workspace, experiment.engine), TableLedger)
    mark = campaign.folder / "runs" / "test-1" / "ledger" / "table.json"
    assert json.loads(mark.read_text()) == {"table": "offerwise.assignments"}
    with (
        Campaign(campaign.folder).open() as experiment,
        pytest.raises(OutsideError, match=r"the table offerwise\.assignments of another engine"),
    ):
        assign(experiment)


def test_a_changed_definition_is_refused_with_the_keys(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(60))
    with campaign.open() as experiment:
        assign(experiment)
    elsewhere = copied(campaign, "elsewhere")
    for each in (campaign, elsewhere):
        each.define(owner="b@example.com")
    with campaign.open() as experiment, pytest.raises(RefusedError, match="owner"):
        assign(experiment)
    with elsewhere.open() as experiment, pytest.raises(OutsideError, match="the lock of the definition"):
        assign(experiment)


def test_members_of_a_running_test_of_the_group_are_left_out(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    audience = {"snapshot": "2026-11-25", "exclusive_group": "winback"}
    plain = {"method": "hash", "salt": "s", "sample_size": 100}
    campaign.write(members(300), audience=audience, assignment=plain)
    with campaign.open() as experiment:
        assign(experiment)
    campaign.define(id="test-2", audience=audience, assignment={**plain, "sample_size": 300})
    with campaign.open() as experiment:
        second = assign(experiment)
    assert (second.refused["exclusive_group"], second.sampled) == (100, 200)
    drawn = rows(server)
    assert len({row[1] for row in drawn}) == len(drawn) == 300


GROUP = {"snapshot": "2026-11-25", "exclusive_group": "winback"}


def sized(size: int | None) -> dict[str, object]:
    return {"method": "hash", **({"sample_size": size} if size else {})}


def test_tests_of_a_group_see_one_another_from_any_folder(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    """Three tests from three folders, none of which is told of another: the table tells who is in which group, and until when."""
    campaign.write(members(300))
    drawn = {}
    for name, out, size in (("first", "a", 100), ("second", "b", 120), ("third", "c", None)):
        campaign.define(id=name, audience=GROUP, assignment=sized(size))
        with campaign.open(out=out) as experiment:
            assign(experiment)
        drawn[name] = {str(row[1]) for row in rows(server) if row[0] == name}
    assert {name: len(each) for name, each in drawn.items()} == {"first": 100, "second": 120, "third": 80}
    assert len(set.union(*drawn.values())) == 300
    announced = server.execute("SELECT * FROM offerwise.exclusive_groups ORDER BY experiment", DATABASE)
    assert [(row[0], row[2], row[3]) for row in announced] == [
        ("first", "winback", 14),
        ("second", "winback", 14),
        ("third", "winback", 14),
    ]
    # The windows close on the evening of December 11 at the latest; three more days cool down.
    for day, cool, left_out in (("2026-12-12", None, 0), ("2026-12-12", 3, 300), ("2026-12-16", 3, 0)):
        audience = {**GROUP, "snapshot": day, **({"cool_down_days": cool} if cool else {})}
        campaign.define(
            id=f"later-{day}-{cool}", audience=audience, assignment=sized(None), send={"days": ["2026-12-24"]}
        )
        with campaign.open(out="d") as experiment:
            plan = Journey(experiment).design()
        assert plan.refused["exclusive_group"] == left_out


def before_there_was_a_table_of_groups(campaign: Campaign, server: PostgreSQLServer) -> dict[str, set[str]]:
    """Two tests, one of the group, each from a folder of its own and without a row that says so; their members."""
    campaign.write(members(300))
    for name, out, audience in (("first", "a", GROUP), ("plain", "b", {"snapshot": "2026-11-25"})):
        campaign.define(id=name, audience=audience, assignment=sized(100))
        with campaign.open(out=out) as experiment:
            assign(experiment)
    server.execute("DROP TABLE offerwise.exclusive_groups", DATABASE)
    return {name: {str(row[1]) for row in rows(server) if row[0] == name} for name in ("first", "plain")}


def test_nobody_is_drawn_beside_tests_that_never_said_in_which_group_they_are(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    drawn = before_there_was_a_table_of_groups(campaign, server)
    before = rows(server)

    def third(*ledgers: str) -> None:
        campaign.define(id="third", audience=GROUP, assignment=sized(None))
        with campaign.open(out="c", ledgers=ledgers) as experiment:
            Journey(experiment).design()
            assign(experiment)

    with pytest.raises(RefusedError) as refused:
        third()
    assert [reason.split()[0] for reason in refused.value.reasons] == ["first", "plain"]
    # That of a test without a group tells, too, that it has none.
    campaign.define(id="plain", audience={"snapshot": "2026-11-25"}, assignment=sized(100))
    with campaign.open(out="b") as experiment:
        assign(experiment)
    with pytest.raises(RefusedError, match="first has members") as refused:
        third()
    assert len(refused.value.reasons) == 1
    campaign.define(id="first", audience=GROUP, assignment=sized(100))
    with campaign.open(out="a") as experiment:
        assign(experiment)
    assert rows(server) == before
    third()
    assert {str(row[1]) for row in rows(server) if row[0] == "third"} == {
        str(person["会员"]) for person in members(300)
    } - drawn["first"]


def test_a_folder_or_an_administrator_tells_as_well(campaign: Campaign, server: PostgreSQLServer) -> None:
    drawn = before_there_was_a_table_of_groups(campaign, server)
    campaign.define(id="third", audience=GROUP, assignment=sized(None))
    with (
        campaign.open(out="c", ledgers=["a"]) as experiment,
        pytest.raises(RefusedError, match="plain has members") as refused,
    ):
        assign(experiment)
    assert len(refused.value.reasons) == 1
    # Of the group's own test, its next command makes the table even where it is refused.
    campaign.define(id="first", audience=GROUP, assignment=sized(100))
    with campaign.open(out="a") as experiment, pytest.raises(RefusedError, match="plain has members"):
        assign(experiment)
    statement = str(refused.value).partition("administrator run: ")[2].replace("its id", "plain")
    server.execute(statement, DATABASE)  # type: ignore[arg-type]
    campaign.define(id="third", audience=GROUP, assignment=sized(None))
    with campaign.open(out="c") as experiment:
        assert assign(experiment).refused["exclusive_group"] == len(drawn["first"])


def test_a_test_that_was_announced_and_stopped_keeps_nobody_out(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    """A kill between the two tables leaves an announcement of nobody; a changed definition announces itself anew."""
    campaign.write(members(60))
    for kept in (True, False):
        campaign.define(id="first", audience=GROUP, assignment=sized(20), owner=f"{kept}@example.com")
        with campaign.open(out="a") as experiment:
            ledger = open_ledger(experiment.workspace, experiment.engine)
            sha256 = experiment.definition.origin.sha256
            for _ in range(2):
                ledger.announce("winback", window_days=14, definition_sha256=sha256)
    campaign.define(id="second", audience=GROUP, assignment=sized(20))
    with campaign.open(out="b") as experiment:
        assert assign(experiment).refused["exclusive_group"] == 0
    campaign.define(id="first", audience=GROUP, assignment=sized(None), owner="False@example.com")
    with campaign.open(out="a") as experiment:
        assert assign(experiment).sampled == 40
    assert len({row[1] for row in rows(server)}) == len(rows(server)) == 60
    assert len(server.execute("SELECT * FROM offerwise.exclusive_groups", DATABASE)) == 4


def test_two_at_once_from_different_folders_share_nobody(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    campaign.write(members(900))
    both = [copied(campaign, name) for name in ("one", "other")]
    for each in both:
        each.define(id=each.folder.name, audience=GROUP, assignment={**sized(600), "salt": each.folder.name})
    processes = [start(each) for each in both]
    for process in processes:
        assert process.communicate()[1] == ""
    drawn = rows(server)
    assert len({row[1] for row in drawn}) == len(drawn) == 900


def test_who_comes_first_is_found_in_the_table(campaign: Campaign, server: PostgreSQLServer) -> None:
    campaign.write(members(60))
    later = {**GROUP, "yields_to": ["first"]}
    campaign.define(id="second", audience=later, assignment=sized(None))
    with campaign.open(out="b") as experiment, pytest.raises(RefusedError, match="first comes first"):
        assign(experiment)
    for group, size in (("other", 20), ("winback", 20)):
        name = "first" if group == "winback" else "misfiled"
        audience = {**GROUP, "exclusive_group": group}
        campaign.define(id=name, audience=audience, assignment=sized(size))
        with campaign.open(out="a") as experiment:
            assign(experiment)
    campaign.define(id="second", audience={**GROUP, "yields_to": ["misfiled"]}, assignment=sized(None))
    with campaign.open(out="b") as experiment, pytest.raises(RefusedError, match="misfiled comes first"):
        assign(experiment)
    campaign.define(id="second", audience=later, assignment=sized(None))
    with campaign.open(out="b") as experiment:
        assert assign(experiment).sampled == 40
