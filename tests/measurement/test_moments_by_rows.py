"""Moments from the engine against a slow recomputation of every metric, member by member and row by row, in Python."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.measurement.cells import Cell
from experiments.measurement.measurement import measure
from tests.measurement.campaign import ASSIGNED, campaign

ZONE = ZoneInfo("America/New_York")
# The clocks go back on 2026-11-01, inside of every window: seven times 24 hours are not seven calendar days.
PLANNED = (datetime(2026, 10, 30, 13, tzinfo=UTC), datetime(2026, 10, 31, 18, 30, tzinfo=UTC))
MEMBERS = tuple(f"m{number}" for number in range(8))
ARMS = ("control", "card", "mail")
COSTS = {"control": 0.0, "card": 0.75, "mail": 0.05}

TEXT = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: buyer, time: at}
    arms:
      control: {share: 0.5}
      offers:
        card: {share: 0.25, unit_cost: 0.70, charged_when: sent}
        mail: {share: 0.25}
      channel: {id: post, cost_per_send: 0.05}
    audience: {snapshot: 2026-10-29, segments: [{id: new, when: age < 40}, {id: old, when: otherwise}]}
    assignment: {method: stratified, strata: [segment]}
    send: {days: [2026-10-30, 2026-10-31]}
    metrics:
      bought:   {type: binary, from: sales, where: status = 'paid', window_days: 7}
      revenue:  {type: sum, from: sales, value: "amount - COALESCE(refund, 0)", where: status = 'paid', window_days: 7, winsorize_at: 0.6}
      points:   {type: sum, from: sales, value: weight, window_days: 3}
      baskets:  {type: count, from: sales, where: status = 'paid' OR refund > 0, window_days: 3}
      basket:   {type: ratio, numerator: revenue, denominator: baskets}
      opted_in: {type: binary, from: members, value: opted}
      rating:   {type: sum, from: members, value: rating, missing: drop}
      stamps:   {type: sum, from: members, value: stamps, missing: zero}
      profit:   {type: formula, value: 0.4 * revenue - contact_cost - 0.01 * stamps}
      margin:   {type: formula, value: "profit - COALESCE(rating, 0) / 2"}
      per_star: {type: ratio, numerator: revenue, denominator: rating}
    goals: {primary: {metric: bought}}
    design: {minimum_effect: 0.1, covariates: [age, member_since]}
    decision: {}
"""


@dataclass(frozen=True)
class Sale:
    """A row of the event source."""

    buyer: str | None
    at: datetime | None
    amount: Decimal
    refund: Decimal | None
    status: str | None
    weight: float


@dataclass(frozen=True)
class Member:
    """A member with the row of the members table and what was assigned."""

    id: str
    cell: Cell
    planned: datetime
    opted: bool
    rating: float | None
    stamps: int | None
    age: int | None


def _moments_in_time() -> st.SearchStrategy[datetime | None]:
    """Around every edge of a window, to the microsecond, and anywhere near."""
    edges = [planned + timedelta(days=days) for planned in PLANNED for days in (0, 3, 7)]
    near = st.sampled_from(
        [timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(hours=1)]
    )
    anywhere = st.integers(-48 * 60, 9 * 24 * 60).map(lambda minutes: PLANNED[0] + timedelta(minutes=minutes))
    exact = st.builds(lambda edge, step: edge + step, st.sampled_from(edges), near)
    return st.none() | exact | anywhere.filter(_unambiguous)


def _unambiguous(moment: datetime) -> bool:
    """Whether the local clock shows this moment once."""
    return moment.astimezone(ZONE).replace(tzinfo=None).replace(tzinfo=ZONE).astimezone(UTC) == moment


cents = st.integers(0, 20_000).map(lambda amount: Decimal(amount).scaleb(-2))
sales = st.lists(
    st.builds(
        Sale,
        buyer=st.sampled_from([*MEMBERS, "somebody else", None]),
        at=_moments_in_time(),
        amount=cents,
        refund=st.none() | cents,
        status=st.sampled_from(["paid", "open", None]),
        weight=st.floats(-1e3, 1e3, width=32),
    ),
    max_size=40,
).filter(lambda rows: not rows or any(row.at is not None for row in rows))
"""Rows of which one has a moment, if there are any: a source without a single one is refused."""


@st.composite
def members(draw: st.DrawFn) -> tuple[Member, ...]:
    return tuple(
        Member(
            id=name,
            cell=Cell(
                draw(st.sampled_from(ARMS)),
                draw(st.sampled_from(["new", "old", ""])),
                draw(st.sampled_from(["a", "b|c"])),
            ),
            planned=draw(st.sampled_from(PLANNED)),
            opted=draw(st.booleans()),
            rating=draw(st.none() | st.integers(1, 5).map(float)),
            stamps=draw(st.none() | st.integers(0, 9)),
            age=draw(st.none() | st.integers(18, 90)),
        )
        for name in MEMBERS
    )


def _tables(people: tuple[Member, ...], rows: list[Sale], kind: str) -> tuple[dict[str, pa.Table], pa.Table]:
    local = [None if row.at is None else row.at.astimezone(ZONE) for row in rows]
    times = {
        "instant": pa.array([row.at for row in rows], pa.timestamp("us", tz="UTC")),
        "local": pa.array(
            [None if at is None else at.replace(tzinfo=None) for at in local], pa.timestamp("us")
        ),
        "day": pa.array([None if at is None else at.date() for at in local], pa.date32()),
    }
    sales_table = pa.table(
        {
            "buyer": pa.array([row.buyer for row in rows], pa.string()),
            "at": times[kind],
            "amount": pa.array([row.amount for row in rows], pa.decimal128(12, 2)),
            "refund": pa.array([row.refund for row in rows], pa.decimal128(12, 2)),
            "status": pa.array([row.status for row in rows], pa.string()),
            "weight": pa.array([row.weight for row in rows], pa.float64()),
        }
    )
    members_table = pa.table(
        {
            "id": [person.id for person in people],
            "opted": [person.opted for person in people],
            "rating": pa.array([person.rating for person in people], pa.float64()),
            "stamps": pa.array([person.stamps for person in people], pa.int16()),
            "age": pa.array([person.age for person in people], pa.int16()),
            "member_since": pa.array([1e8 + position % 3 for position in range(len(people))], pa.float64()),
        }
    )
    assigned = pa.table(
        {
            "member": [person.id for person in people],
            "arm": [person.cell.arm for person in people],
            "segment": [person.cell.segment or None for person in people],
            "stratum": [person.cell.stratum for person in people],
            "batch": [0] * len(people),
            "propensity": [0.5] * len(people),
            "planned_send_at": [person.planned for person in people],
        },
        schema=ASSIGNED,
    )
    for name in ("age", "member_since"):
        assigned = assigned.append_column(name, members_table[name])
    return {"sales": sales_table, "members": members_table}, assigned


def _happened(row: Sale, kind: str) -> datetime | None:
    if row.at is None or kind != "day":
        return row.at
    day: date = row.at.astimezone(ZONE).date()
    return datetime.combine(day, time(0), ZONE).astimezone(UTC)


def _cap(values: list[float], q: float) -> float | None:
    """numpy's `inverted_cdf` quantile of the non-zero values."""
    nonzero = [value for value in values if value != 0]
    cap = float(np.quantile(nonzero, q, method="inverted_cdf")) if nonzero else None
    return cap if cap is not None and cap > 0 else None


@dataclass(frozen=True)
class Expected:
    """Every metric of every member, computed by hand."""

    columns: dict[str, list[float | None]]
    cap: float | None


def _by_hand(people: tuple[Member, ...], rows: list[Sale], kind: str) -> Expected:
    def of(person: Member, days: int) -> list[Sale]:
        closes = person.planned + timedelta(hours=24 * days)
        return [
            row
            for row in rows
            if row.buyer == person.id
            and (at := _happened(row, kind)) is not None
            and person.planned <= at < closes
        ]

    week = [[row for row in of(person, 7) if row.status == "paid"] for person in people]
    three = [of(person, 3) for person in people]
    raw = [float(sum((row.amount - (row.refund or 0) for row in found), Decimal(0))) for found in week]
    cap = _cap(raw, 0.6)
    revenue = [value if cap is None else min(value, cap) for value in raw]
    stamps = [float(person.stamps or 0) for person in people]

    def profit(amounts: list[float]) -> list[float]:
        costs = [COSTS[person.cell.arm] for person in people]
        return [0.4 * a - c - 0.01 * s for a, c, s in zip(amounts, costs, stamps, strict=True)]

    def margin(profits: list[float]) -> list[float | None]:
        return [None if m.rating is None else p - m.rating / 2 for p, m in zip(profits, people, strict=True)]

    return Expected(
        columns={
            "bought": [float(bool(found)) for found in week],
            "revenue": [*revenue],
            "raw revenue": [*raw],
            "points": [float(sum(row.weight for row in found)) for found in three],
            "baskets": [
                float(sum(row.status == "paid" or (row.refund or 0) > 0 for row in found)) for found in three
            ],
            "opted_in": [float(person.opted) for person in people],
            "rating": [person.rating for person in people],
            "stamps": [*stamps],
            "profit": [*profit(revenue)],
            "raw profit": [*profit(raw)],
            "margin": margin(profit(revenue)),
            "raw margin": margin(profit(raw)),
        },
        cap=cap,
    )


VARIABLES = {
    "bought": ("bought",),
    "revenue": ("revenue",),
    "points": ("points",),
    "baskets": ("baskets",),
    "basket": ("revenue", "baskets"),
    "opted_in": ("opted_in",),
    "rating": ("rating",),
    "stamps": ("stamps",),
    "profit": ("profit",),
    "margin": ("margin",),
    "per_star": ("revenue", "rating"),
}
KINDS = {"bought": "binary", "opted_in": "binary", "basket": "ratio", "per_star": "ratio"}
CAPPED = {"revenue", "basket", "per_star", "profit", "margin"}
DROPPING = {"rating", "margin", "per_star"}


def _imputed(values: list[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else 0.0
    return [mean if value is None else value for value in values]


@pytest.mark.parametrize("kind", ["instant", "local", "day"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=members(), rows=sales)
def test_moments_are_those_of_the_rows(people: tuple[Member, ...], rows: list[Sale], kind: str) -> None:
    expected = _by_hand(people, rows, kind)
    tables, assigned = _tables(people, rows, kind)
    with (
        tempfile.TemporaryDirectory() as folder,
        campaign(Path(folder), TEXT, tables, assigned) as opened,
    ):
        units = opened.units()
        found = measure(opened.experiment, units)
    assert units.caps == ({} if expected.cap is None else {"revenue": expected.cap})
    covariates = [
        _imputed([None if person.age is None else float(person.age) for person in people]),
        [1e8 + position % 3 for position in range(len(people))],
    ]
    for metric, parts in VARIABLES.items():
        moments = found.metrics[metric]
        assert moments.kind == KINDS.get(metric, "mean")
        columns = np.array([expected.columns[part] for part in parts] + covariates, dtype=float).T
        present = ~np.isnan(columns).any(axis=1)
        for cell in {person.cell for person in people}:
            chosen = present & np.array([person.cell == cell for person in people])
            _same(moments.cells.get(cell), columns[chosen])
        dropped = dict.fromkeys({person.cell.arm for person in people}, 0)
        for person, counted in zip(people, present, strict=True):
            dropped[person.cell.arm] += int(not counted)
        assert moments.dropped == dropped
        assert metric in DROPPING or not any(dropped.values())
        capped = metric in CAPPED and expected.cap is not None
        assert (moments.raw is not None) == capped
        if moments.raw is not None:
            raw = np.array(
                [expected.columns.get(f"raw {part}", expected.columns[part]) for part in parts], dtype=float
            ).T
            for arm, pooled in moments.raw.items():
                chosen = present & np.array([person.cell.arm == arm for person in people])
                _same(pooled, raw[chosen])
                assert pooled.names == moments.variables[: len(parts)]
        assert moments.cap == (expected.cap if metric == "revenue" else None)


def _same(moments, rows: np.ndarray) -> None:
    if not len(rows):
        assert moments is None or moments.count == 0
        return
    centred = rows - rows.mean(axis=0)
    assert moments.count == len(rows)
    assert moments.nonzero == tuple(np.count_nonzero(rows, axis=0))
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.comoment, centred.T @ centred, rtol=1e-9, atol=1e-7)
