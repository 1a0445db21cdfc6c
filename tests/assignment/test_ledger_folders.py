"""Tests of a group under several `--out` folders: they share no member, whoever is asked, and nobody waits for ever."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.assignment.ledger import hold
from experiments.definition.errors import InputError, OutsideError, RefusedError
from experiments.progress import silent
from offerwise.__main__ import main
from offerwise.cli import app
from offerwise.journey import Journey
from tests.assignment.campaign import NOW, Campaign, members
from tests.assignment.test_draw import ledger_rows

ROOT = Path(__file__).resolve().parents[2]
GROUP = {"snapshot": "2026-11-25", "exclusive_group": "winback"}
ASSIGN = """
import sys
from datetime import datetime
from offerwise.opening import open_experiment
from experiments.assignment.assignment import assign
definition, now, out, *ledgers = sys.argv[1:]
with open_experiment(definition, out=out, ledgers=ledgers, now=datetime.fromisoformat(now)) as experiment:
    assign(experiment)
"""


def take(
    campaign: Campaign,
    name: str,
    out: str,
    ledgers: Sequence[str] = (),
    size: int | None = None,
    **audience: object,
) -> set[str]:
    """Assign the test of that name; its members."""
    assignment = {"method": "hash", **({"sample_size": size} if size else {})}
    campaign.define(id=name, audience={**GROUP, **audience}, assignment=assignment)
    with campaign.open(out=out, ledgers=ledgers) as experiment:
        assign(experiment)
        return set(ledger_rows(experiment))  # fmt: skip


@pytest.fixture
def folders(campaign: Campaign) -> Campaign:
    campaign.write(members(100))
    for name in ("a", "b", "c"):
        (campaign.folder / name).mkdir()
    return campaign


def test_tests_under_other_folders_share_no_member(folders: Campaign) -> None:
    first = take(folders, "first", "a", size=30)
    second = take(folders, "second", "b", ["a"], size=30)
    third = take(folders, "third", "c", ["a", "b"])
    assert (len(first), len(second), len(third)) == (30, 30, 40)
    assert len(first | second | third) == 100
    with folders.open(out="c", ledgers=["b", "a"]) as experiment:
        assert explain_assignment(experiment, min(first)).refused_by == "exclusive_group"


def test_other_groups_and_no_group_are_not_looked_at(folders: Campaign) -> None:
    take(folders, "first", "a", size=30)
    shutil.rmtree(folders.folder / "a" / "first" / "ledger" / "batches")
    assert len(take(folders, "second", "b", ["a"], exclusive_group="other")) == 100
    folders.define(id="third", assignment={"method": "hash"})
    with folders.open(out="c", ledgers=["a"]) as experiment:
        assert assign(experiment).sampled == 100
    assert not list((folders.folder / "c").glob(".offerwise.ledgers*"))


def test_who_looked_once_must_be_looked_at(folders: Campaign) -> None:
    """The second test looked at the first folder; a third there that does not look back would share members with it."""
    take(folders, "first", "a", size=30)
    take(folders, "second", "b", ["a"], size=30)
    with pytest.raises(RefusedError, match="does not look at") as caught:
        take(folders, "third", "a")
    assert f"--ledgers {folders.folder / 'b'}" in str(caught.value)
    with folders.open(out="a") as experiment, pytest.raises(RefusedError, match="does not look at"):
        Journey(experiment).design()
    assert not (folders.folder / "a" / "third" / "ledger").exists()
    assert len(take(folders, "third", "a", ["b"], size=30)) == 30
    assert len(take(folders, "elsewhere", "a", exclusive_group="other")) == 100
    record = json.loads((folders.folder / "b" / ".offerwise.ledgers.json").read_text(encoding="utf8"))
    both = [str(folders.folder / name) for name in "ab"]
    assert record == {"schema": "offerwise.ledgers/1", "groups": {"winback": both}}
    (folders.folder / "b" / ".offerwise.ledgers.json").write_text("{", encoding="utf8")
    with pytest.raises(OutsideError, match="which names the folders"):
        take(folders, "fourth", "a", ["b"])


def test_the_record_grows_in_every_folder(folders: Campaign) -> None:
    take(folders, "first", "a", ["b"], size=10)
    take(folders, "second", "b", ["a", "c"], size=10)
    for name in "abc":
        record = json.loads((folders.folder / name / ".offerwise.ledgers.json").read_text(encoding="utf8"))
        assert record["groups"]["winback"] == [str(folders.folder / each) for each in "abc"]


def test_one_test_has_one_ledger(folders: Campaign) -> None:
    take(folders, "first", "a", size=30)
    with pytest.raises(RefusedError, match=r"first has assigned members under .*a already"):
        take(folders, "first", "b", ["a"], size=30)


def test_a_lost_lock_is_no_test_that_never_was(folders: Campaign) -> None:
    take(folders, "first", "a", size=30)
    lock = folders.folder / "a" / "first" / "definition.lock.json"
    for damaged in ("{}", "[]", '{"metrics": {}}', "{", None):
        if damaged is None:
            lock.unlink()
        else:
            lock.write_text(damaged)
        for out, ledgers in (("a", []), ("b", ["a"])):
            with pytest.raises(OutsideError, match="the lock of another test"):
                take(folders, "second", out, ledgers)


def test_who_comes_first_may_stand_in_another_folder(folders: Campaign) -> None:
    with pytest.raises(RefusedError, match="first comes first"):
        take(folders, "second", "b", ["a"], yields_to=["first"])
    first = take(folders, "first", "a", size=30)
    with pytest.raises(RefusedError, match="assigned nobody under"):
        take(folders, "second", "b", yields_to=["first"])
    assert take(folders, "second", "b", ["a"], yields_to=["first"]).isdisjoint(first)


def test_folders_by_several_names_are_one(folders: Campaign) -> None:
    """A folder that is locked twice by one command would be waited for for ever."""
    (folders.folder / "link").symlink_to(folders.folder / "a")
    take(folders, "first", "a", ["link", "a"], size=30)
    assert not list((folders.folder / "a").glob(".offerwise.ledgers*"))
    paths = [folders.folder / name for name in ("link", "b", "a", "b")]
    with hold(folders.folder / "a", silent, paths):
        pass


def test_two_at_once_in_opposite_order_end_and_share_nobody(folders: Campaign) -> None:
    processes = []
    for name, out, other in (("first", "a", "b"), ("second", "b", "a")):
        half = {"method": "hash", "sample_size": 60, "salt": name}
        path = folders.define(id=name, audience=GROUP, assignment=half).rename(folders.folder / f"{name}.yml")
        given = [path, NOW.isoformat(), folders.folder / out, folders.folder / other]
        command = [sys.executable, "-c", ASSIGN, *map(str, given)]
        processes.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True))
    for process in processes:
        assert process.communicate(timeout=120)[1] == ""
    drawn = []
    for name, out in (("first", "a"), ("second", "b")):
        shutil.copy(folders.folder / f"{name}.yml", folders.folder / "test.yml")
        with folders.open(out=out) as experiment:
            drawn.append(set(ledger_rows(experiment)))
    assert sorted(map(len, drawn)) == [40, 60]
    assert len(drawn[0] | drawn[1]) == 100


def test_a_folder_that_is_not_there_is_an_error(folders: Campaign) -> None:
    folders.define(audience=GROUP, assignment={"method": "hash"})
    with pytest.raises(InputError, match="there is no folder"), folders.open(ledgers=["a", "aa"]):
        pass


def test_the_folder_of_one_test_is_no_folder_of_tests(folders: Campaign) -> None:
    """No test of the group stands under it, and a ledger that began under it would be a second one."""
    first = take(folders, "first", "a", size=30)
    folders.define(id="second", audience=GROUP, assignment={"method": "hash"})
    for out, ledgers in (("b", ["a/first"]), ("a/first", [])):
        with (
            pytest.raises(InputError, match="is the folder of one test; name the folder in which it stands"),
            folders.open(out=out, ledgers=ledgers),
        ):
            pass
    assert not (folders.folder / "a" / "first" / ".offerwise.lock").exists()
    with folders.open(out="b", ledgers=["a"]) as experiment:
        assign(experiment)
        assert first.isdisjoint(ledger_rows(experiment))


def test_the_command_takes_them_from_the_option_or_the_environment(
    folders: Campaign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = take(folders, "first", "a", size=30)
    path = folders.define(id="second", audience=GROUP, assignment={"method": "hash"})
    asked = ["assign", str(path), "--out", str(folders.folder / "b"), "--no-mlflow", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--ledgers", " "])
    assert (ended.value.code, "--ledgers: names no folder" in capsys.readouterr().err) == (2, True)
    seen = CliRunner().invoke(app, ["design", *asked[1:], "--ledgers", str(folders.folder / "a")])
    assert json.loads(seen.stdout)["refused"]["exclusive_group"] == 30
    monkeypatch.setenv("OFFERWISE_LEDGERS", f"{folders.folder / 'a'}:{folders.folder / 'c'}")
    found = json.loads(CliRunner().invoke(app, asked).stdout)
    assert (found["refused"]["exclusive_group"], found["sampled"]) == (30, 70)
    with folders.open(out="b", ledgers=["a", "c"]) as experiment:
        assert first.isdisjoint(ledger_rows(experiment))
        assert experiment.arguments.count("--ledgers") == 2
