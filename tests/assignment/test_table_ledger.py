"""The ledger as a table of PostgreSQL: the same arms, whole after a kill, one result of many commands, and nothing lost."""

from __future__ import annotations

import json
import random
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
from tests.assignment.on_postgresql import DATABASE, copied, rows
from tests.assignment.started import kill_in, start
from tests.engines.postgresql_server import PostgreSQLServer

pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture
def campaign(tmp_path: Path, server: PostgreSQLServer) -> Campaign:
    return Campaign(tmp_path, server.url(DATABASE))


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
        killed += kill_in(stage, campaign, moments.uniform(0, 0.15))
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
