"""The draw against the contract computed again in plain Python, and its properties."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from experiments.assignment.assignment import assign
from experiments.assignment.file_ledger import FileLedger
from experiments.assignment.strata import rank_bounds
from experiments.definition.errors import InputError, RefusedError
from experiments.experiment import Experiment
from experiments.queries import fetch_rows
from tests.assignment import recomputed
from tests.assignment.campaign import Campaign, members

SHARES = [("control", Fraction(1, 3)), ("a", Fraction(1, 4)), ("b", Fraction(5, 12))]
SALT = "盐|1"


def ledger_rows(experiment: Experiment) -> dict[str, Mapping[str, object]]:
    FileLedger(experiment.workspace, experiment.engine).read("checked")
    rows = fetch_rows(
        experiment.engine,
        exp.select(
            "experiment",
            "member",
            "arm",
            "segment",
            "stratum",
            "batch",
            "propensity",
            "planned_send_at",
            "assigned_at",
            "definition_sha256",
        ).from_("checked"),
    )
    found = {row["member"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def stratum_of(person: Mapping[str, object]) -> str:
    city = str(person["city"]).replace("\\", "\\\\").replace("|", "\\|") if person["city"] else "\\N"
    return f"{'vip' if person['tier'] == 'vip' else 'rest'}|{city}"


def test_stratified_arms_equal_the_contract(campaign: Campaign) -> None:
    people = members(997)
    campaign.write(people)
    with campaign.open() as experiment:
        document = assign(experiment)
        ledger = ledger_rows(experiment)
        sha256 = experiment.definition.origin.sha256
    strata = {str(person["会员"]): stratum_of(person) for person in people}
    expected = recomputed.by_rank(strata, SHARES, SALT, 0)
    assert {key: row["arm"] for key, row in ledger.items()} == expected
    assert {key: row["stratum"] for key, row in ledger.items()} == strata
    assert {row["segment"] for row in ledger.values()} == {"vip", "rest"}
    assert {row["propensity"] for row in ledger.values() if row["arm"] == "b"} == {5 / 12}
    assert {(row["experiment"], row["batch"], row["definition_sha256"]) for row in ledger.values()} == {
        ("test-1", 0, sha256)
    }
    counts = Counter(expected.values())
    assert [(arm.arm, arm.members) for arm in document.arms] == [(arm, counts[arm]) for arm, _ in SHARES]
    assert document.sampled == document.eligible == 997


def test_hash_arms_equal_the_contract(campaign: Campaign) -> None:
    people = members(2000)
    campaign.write(people, assignment={"method": "hash", "salt": SALT})
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
    expected = recomputed.by_hash([str(person["会员"]) for person in people], SHARES, SALT)
    assert len(expected) == 2000
    assert {key: row["arm"] for key, row in ledger.items()} == expected
    assert {row["stratum"] for row in ledger.values()} == {""}


@pytest.mark.parametrize("method", ["hash", "stratified"])
def test_arms_of_equal_shares_have_them_as_propensity(campaign: Campaign, method: str) -> None:
    arms = {"control": {"share": "1/2"}, "offers": {"a": {"share": "1/2"}}}
    strata = {"strata": ["segment"]} if method == "stratified" else {}
    campaign.write(members(60), arms=arms, assignment={"method": method, "salt": SALT, **strata})
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
    assert {(row["arm"], row["propensity"]) for row in ledger.values()} == {("control", 0.5), ("a", 0.5)}


def test_a_sample_is_the_lowest_hashes_and_takes_nobody_once_it_is_full(campaign: Campaign) -> None:
    people = members(500)
    keys = [str(person["会员"]) for person in people]
    limited = {"method": "stratified", "strata": ["segment"], "salt": SALT, "sample_size": 200}
    campaign.write(people[:300], assignment=limited)
    with campaign.open() as experiment:
        assert assign(experiment).sampled == 200
        sampled = ledger_rows(experiment)
    assert set(sampled) == set(recomputed.sample(keys[:300], SALT, 200))
    campaign.write(people, assignment=limited)
    with campaign.open() as experiment:
        assert assign(experiment).sampled == 200
        assert ledger_rows(experiment) == sampled


def test_a_sample_with_room_takes_the_lowest_hashes_of_those_who_arrive(campaign: Campaign) -> None:
    people = members(500)
    keys = [str(person["会员"]) for person in people]
    limited = {"method": "hash", "salt": SALT, "sample_size": 250}
    campaign.write(people[:200], assignment=limited)
    with campaign.open() as experiment:
        assert assign(experiment).sampled == 200
    campaign.write(people, assignment=limited)
    with campaign.open() as experiment:
        assign(experiment)
        late = {key for key, row in ledger_rows(experiment).items() if row["batch"] == 1}
    assert late == set(recomputed.sample(keys[200:], SALT, 50))


def test_planned_sends_are_the_contracts_slots_in_local_hours(campaign: Campaign) -> None:
    people = members(400)
    campaign.write(people)
    with campaign.open() as experiment:
        assign(experiment)
        ledger = ledger_rows(experiment)
    zone = ZoneInfo("Asia/Shanghai")
    opens = [datetime(2026, 11, day, 9, tzinfo=zone) for day in (26, 27)]
    slots = [start + timedelta(minutes=minute) for start in opens for minute in range(11 * 60)]
    for key, row in ledger.items():
        assert row["planned_send_at"] == slots[recomputed.slot_of(key, SALT, len(slots))]
        assert row["assigned_at"] == datetime(2026, 11, 25, 2, tzinfo=UTC)
    assert {row["arm"] for row in ledger.values()} == {"control", "a", "b"}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


def test_send_lists_hold_every_contacted_member_once_in_the_order_of_sending(campaign: Campaign) -> None:
    campaign.write(members(300))
    with campaign.open() as experiment:
        document = assign(experiment)
        ledger = ledger_rows(experiment)
    assert set(document.files.send_lists) == {"a", "b"}
    for arm, path in document.files.send_lists.items():
        rows = read(Path(path))
        assert {row["member"] for row in rows} == {key for key, row in ledger.items() if row["arm"] == arm}
        assert [
            (datetime.fromisoformat(row["planned_send_at"]), row["member"].encode()) for row in rows
        ] == sorted((datetime.fromisoformat(row["planned_send_at"]), row["member"].encode()) for row in rows)
        assert all(
            datetime.fromisoformat(row["planned_send_at"]) == ledger[row["member"]]["planned_send_at"]
            for row in rows
        )
        assert all(row["planned_send_at"].endswith("+08:00") for row in rows)
        assert {(row["arm"], row["channel"], row["template"]) for row in rows} == {
            (arm, "sms" if arm == "a" else "wecom", "a.txt" if arm == "a" else "")
        }


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_assigning_again_changes_nothing(campaign: Campaign) -> None:
    campaign.write(members(120))
    with campaign.open() as experiment:
        first = assign(experiment)
    before = files_of(campaign.folder / "runs")
    with campaign.open(now=datetime(2027, 1, 1, tzinfo=UTC)) as experiment:
        assert assign(experiment) == first
    assert files_of(campaign.folder / "runs") == before


def test_new_members_are_a_new_batch_and_nobody_moves(campaign: Campaign) -> None:
    people = members(240)
    campaign.write(people[:100])
    with campaign.open() as experiment:
        assign(experiment)
        before = ledger_rows(experiment)
    # Some leave the data, some change their stratum, many arrive.
    moved = [{**person, "tier": "vip"} for person in people[20:]]
    campaign.write(moved)
    with campaign.open() as experiment:
        document = assign(experiment)
        after = ledger_rows(experiment)
    assert {key: after[key] for key in before} == before
    late = {str(person["会员"]): stratum_of(person) for person in moved if str(person["会员"]) not in before}
    assert {key: row["arm"] for key, row in after.items() if row["batch"] == 1} == recomputed.by_rank(
        late, SHARES, SALT, 1
    )
    assert document.sampled == 240
    assert sum(arm.members for arm in document.arms) == 240


def test_a_changed_definition_is_refused_with_the_keys(campaign: Campaign) -> None:
    campaign.write(members(50))
    with campaign.open() as experiment:
        assign(experiment)
    before = files_of(campaign.folder / "runs")
    campaign.define(design={"alpha": 0.1}, title="Another title")
    with campaign.open() as experiment, pytest.raises(RefusedError) as caught:
        assign(experiment)
    assert any(
        "design.alpha" in reason and "0.05" in reason and "0.1" in reason for reason in caught.value.reasons
    )
    assert files_of(campaign.folder / "runs") == before


def test_nobody_eligible_is_refused_and_locks_nothing(campaign: Campaign) -> None:
    campaign.write(
        members(50),
        audience={"snapshot": "2026-11-25", "include": "tier = 'gold'"},
        assignment={"method": "hash"},
    )
    with campaign.open() as experiment, pytest.raises(RefusedError, match="include 50"):
        assign(experiment)
    assert not (campaign.folder / "runs" / "test-1" / "definition.lock.json").exists()


def test_recorded_arms_are_not_drawn(campaign: Campaign) -> None:
    people = [
        {**person, "arm": ["control", "a", "b"][n % 3], "visit": n % 2}
        for n, person in enumerate(members(60))
    ]
    campaign.write(
        people,
        assignment={"method": "recorded", "from": "members", "column": "arm"},
        metrics={"bought": {"type": "binary", "from": "members", "value": "visit"}},
    )
    with campaign.open() as experiment, pytest.raises(RefusedError, match="nothing to draw"):
        assign(experiment)


def test_units_are_assigned_together(campaign: Campaign) -> None:
    people = members(301)
    audience = {"snapshot": "2026-11-25", "unit": "household"}
    campaign.write(people, audience=audience, assignment={"method": "hash", "salt": SALT, "sample_size": 101})
    with campaign.open() as experiment:
        document = assign(experiment)
        ledger = ledger_rows(experiment)
    house = {str(person["会员"]): str(person["household"]) for person in people}
    expected = recomputed.by_hash(sorted(set(house.values())), SHARES, SALT)
    assert {key: row["arm"] for key, row in ledger.items()} == {key: expected[house[key]] for key in ledger}
    complete = Counter(house.values())
    assert all(
        Counter(house[key] for key in ledger)[unit] == complete[unit]
        for unit in {house[key] for key in ledger}
    )
    assert 99 <= document.sampled <= 101
    campaign.write(
        people, audience=audience, assignment={"method": "stratified", "strata": ["city"]}, id="other"
    )
    with campaign.open() as experiment, pytest.raises(InputError, match="have members in several strata"):
        assign(experiment)


shares = st.lists(st.integers(1, 50), min_size=2, max_size=9).map(
    lambda parts: [Fraction(part, sum(parts)) for part in parts]
)


@given(shares=shares, members_=st.integers(0, 400), stratum=st.text(max_size=8), batch=st.integers(0, 9))
def test_counts_are_within_one_of_share_times_n(
    shares: list[Fraction], members_: int, stratum: str, batch: int
) -> None:
    bounds = rank_bounds(shares, members_, "salt", stratum, batch)
    assert (bounds[0], bounds[-1]) == (0, members_)
    for share, low, high in zip(shares, bounds, bounds[1:], strict=False):
        assert abs((high - low) - share * members_) < 1


def test_the_smallest_stratum_has_each_arm_with_its_share() -> None:
    """One member, many salts: binomial bounds of five standard errors."""
    shares, runs = [Fraction(28, 100), *[Fraction(12, 100)] * 6], 6000
    counts: Counter[int] = Counter()
    for run in range(runs):
        bounds = rank_bounds(shares, 1, f"salt-{run}", "vip", 0)
        counts[next(arm for arm in range(len(shares)) if bounds[arm] < bounds[arm + 1])] += 1
    for arm, share in enumerate(shares):
        assert abs(counts[arm] - runs * share) < 5 * (runs * share * (1 - share)) ** 0.5
