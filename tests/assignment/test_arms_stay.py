"""Members come and go by the hundred thousand: nobody who stays changes arm, and every batch has its exact shares."""

from __future__ import annotations

from math import ceil, floor

import duckdb
import pytest

from experiments.assignment.assignment import assign
from experiments.definition.errors import RefusedError
from tests.assignment.campaign import Campaign, definition, members
from tests.assignment.test_draw import SALT, SHARES, ledger_rows

MEMBERS = """
    COPY (SELECT 'm' || i AS "会员", CASE WHEN i % 5 = 0 THEN 'vip' ELSE 'basic' END AS tier, 'c' || (i % 7) AS city
          FROM range({first}, {last}) AS rows(i)) TO '{path}' (FORMAT parquet)
"""


def write(campaign: Campaign, first: int, last: int) -> None:
    path = campaign.folder / "members.parquet"
    duckdb.execute(MEMBERS.format(first=first, last=last, path=path))


@pytest.mark.parametrize("method", ["stratified", "hash"])
def test_a_hundred_thousand_come_and_go(campaign: Campaign, method: str) -> None:
    strata = {"strata": ["segment", "city"]} if method == "stratified" else {}
    campaign.define(
        data={"members": {"table": "members.parquet", "key": "会员"}},
        features=None,
        assignment={"method": method, "salt": SALT, **strata},
        metrics={"bought": {"type": "binary", "from": "members", "value": "tier = 'vip'"}},
    )
    batches = campaign.folder / "runs" / "test-1" / "ledger" / "batches"
    with duckdb.connect() as session:
        ledger = f"read_parquet('{batches}/*.parquet')"
        for first, last, name in ((0, 200_000, "before"), (100_000, 300_000, "after")):
            write(campaign, first, last)
            with campaign.open() as experiment:
                assign(experiment)
            session.execute(f"CREATE TABLE {name} AS SELECT member, arm, stratum, batch FROM {ledger}")
        moved = "SELECT count(*), count(*) FILTER (a.arm = b.arm) FROM before a JOIN after b USING (member)"
        assert session.execute(moved).fetchone() == (200_000, 200_000)
        totals = "SELECT count(*), count(DISTINCT member), count(DISTINCT batch) FROM after"
        assert session.execute(totals).fetchone() == (300_000, 300_000, 2)
        counts = session.execute("SELECT stratum, batch, arm, count(*) FROM after GROUP BY ALL").fetchall()
    sizes: dict[tuple[str, int], int] = {}
    for stratum, batch, _, count in counts:
        sizes[stratum, batch] = sizes.get((stratum, batch), 0) + count
    assert len(sizes) == (28 if method == "stratified" else 2)
    for stratum, batch, arm, count in counts:
        expected = dict(SHARES)[arm] * sizes[stratum, batch]
        if method == "stratified":
            assert count in {floor(expected), ceil(expected)}
        else:
            assert abs(count - expected) < 5 * float(expected) ** 0.5


def test_an_arm_that_is_taken_away_re_randomises_nobody(campaign: Campaign) -> None:
    """The shorter definition is refused by name; with the locked one everybody has the arm of before."""
    campaign.write(members(300))
    arms = definition()["arms"]
    with campaign.open() as experiment:
        assign(experiment)
        before = ledger_rows(experiment)
    offers = {name: offer for name, offer in arms["offers"].items() if name != "b"}
    campaign.write(members(400), arms={**arms, "control": {"share": "3/4"}, "offers": offers})
    with campaign.open() as experiment:
        with pytest.raises(RefusedError, match=r"arms\.offers\.b"):
            assign(experiment)
        assert ledger_rows(experiment) == before
    campaign.define()
    with campaign.open() as experiment:
        assign(experiment)
        after = ledger_rows(experiment)
    assert {key: after[key] for key in before} == before
    assert len(after) == 400
