"""Exclusive groups whose tests are in tables of PostgreSQL: they see one another from whichever folder they are assigned."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.assignment.assignment import assign
from experiments.assignment.open_ledger import open_ledger
from experiments.definition.errors import RefusedError
from offerwise.journey import Journey
from tests.assignment.campaign import Campaign, members
from tests.assignment.on_postgresql import DATABASE, copied, rows
from tests.assignment.started import start
from tests.engines.postgresql_server import PostgreSQLServer

pytest.importorskip("psycopg", reason="psycopg is not installed")

GROUP = {"snapshot": "2026-11-25", "exclusive_group": "winback"}


@pytest.fixture
def campaign(tmp_path: Path, server: PostgreSQLServer) -> Campaign:
    return Campaign(tmp_path, server.url(DATABASE))


def test_members_of_a_running_test_of_the_group_are_left_out(
    campaign: Campaign, server: PostgreSQLServer
) -> None:
    plain = {"method": "hash", "salt": "s", "sample_size": 100}
    campaign.write(members(300), audience=GROUP, assignment=plain)
    with campaign.open() as experiment:
        assign(experiment)
    campaign.define(id="test-2", audience=GROUP, assignment={**plain, "sample_size": 300})
    with campaign.open() as experiment:
        second = assign(experiment)
    assert (second.refused["exclusive_group"], second.sampled) == (100, 200)
    drawn = rows(server)
    assert len({row[1] for row in drawn}) == len(drawn) == 300


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
