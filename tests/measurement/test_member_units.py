"""The member-level table: what is refused, what is capped, what one pass reads, what the real data say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from experiments.data.source_rows import SourceRows
from experiments.definition.errors import InputError
from experiments.measurement.events import event_pass
from tests.measurement.campaign import campaign, ledger_of

SENT = datetime(2026, 10, 30, 13, tzinfo=UTC)
TEXT = """
    data:
      members: {{table: members.parquet, key: id}}
      sales: {{table: sales.parquet, key: buyer, time: at}}
    arms:
      control: {{share: 0.5}}
      offers: {{mail: {{share: 0.5, cost_per_send: 0.5}}}}
    audience: {{snapshot: 2026-10-29}}
    assignment: {{method: hash}}
    send: {{days: [2026-10-30]}}
    metrics:
      bought: {{type: binary, from: sales, window_days: 7}}
{metrics}
    goals: {{primary: {{metric: bought}}}}
    design: {{minimum_effect: 0.1}}
    decision: {{}}
"""


def text(*metrics: str) -> str:
    return TEXT.format(metrics="\n".join(f"      {metric}" for metric in metrics))


def assigned(members: int) -> pa.Table:
    return ledger_of(["control" if number % 2 else "mail" for number in range(members)], [SENT] * members)


def people(members: int, **columns: pa.Array) -> pa.Table:
    return pa.table({"id": [str(number) for number in range(members)], **columns})


def sold(rows: list[tuple[str, float | Decimal | None]], kind: pa.DataType | None = None) -> pa.Table:
    """Sales an hour after the send: buyer and amount."""
    return pa.table(
        {
            "buyer": pa.array([buyer for buyer, _ in rows], pa.string()),
            "at": pa.array([SENT + timedelta(hours=1)] * len(rows), pa.timestamp("us", tz="UTC")),
            "amount": pa.array([amount for _, amount in rows], kind or pa.float64()),
        }
    )


def refusal(folder: Path, metrics: tuple[str, ...], members: pa.Table, sales: pa.Table) -> str:
    """What is said when the units cannot be built, without the folder's name."""
    tables = {"members": members, "sales": sales}
    drawn = assigned(len(members))
    with campaign(folder, text(*metrics), tables, drawn) as opened, pytest.raises(InputError) as refused:
        opened.units()
    return str(refused.value).replace(f"{folder}/", "")


def test_a_missing_value_of_the_members_own_row_is_refused_with_its_count(tmp_path: Path) -> None:
    members = people(6, stars=pa.array([1.0, None, float("nan"), 4.0, 5.0, None]))
    said = refusal(tmp_path, ("stars: {type: sum, from: members, value: stars}",), members, sold([]))
    assert said.startswith("small.yml:21: metrics.stars: 3 members assigned have a missing value; ")
    assert "missing: zero" in said


def test_a_condition_that_cannot_be_told_is_missing_too(tmp_path: Path) -> None:
    members = people(3, stars=pa.array([1.0, 2.0, 3.0]), kind=pa.array(["a", None, "b"]))
    metric = "stars: {type: sum, from: members, value: stars, where: kind = 'a'}"
    assert "1 members assigned have a missing value" in refusal(tmp_path, (metric,), members, sold([]))
    dropping = metric.replace("'a'}", "'a', missing: drop}")
    with campaign(tmp_path, text(dropping), {"members": members, "sales": sold([])}, assigned(3)) as opened:
        units = opened.units()
        assert opened.rows(units, "metric__stars") == {"0": (1.0,), "1": (None,), "2": (0.0,)}
        assert units.missing == {"stars": 1}


def test_a_missing_value_of_an_event_is_refused_and_not_counted_as_0(tmp_path: Path) -> None:
    sales = sold([("0", 5.0), ("0", None), ("2", None), ("nobody", None), ("1", 2.0)])
    said = refusal(
        tmp_path, ("spend: {type: sum, from: sales, value: amount, window_days: 7}",), people(4), sales
    )
    assert said.startswith(
        "small.yml:21: metrics.spend: 2 members assigned have a row in their window whose `value`"
    )
    assert "COALESCE" in said


def test_events_outside_of_the_window_may_lack_a_value(tmp_path: Path) -> None:
    rows = sold([("0", 5.0), ("0", None)])
    late = rows.set_column(1, "at", pa.array([SENT, SENT + timedelta(days=7)], pa.timestamp("us", tz="UTC")))
    metric = "spend: {type: sum, from: sales, value: amount, window_days: 7}"
    with campaign(tmp_path, text(metric), {"members": people(2), "sales": late}, assigned(2)) as opened:
        assert opened.rows(opened.units(), "metric__spend") == {"0": (5.0,), "1": (0.0,)}


def test_a_formula_that_divides_by_0_is_refused(tmp_path: Path) -> None:
    metrics = (
        "spend: {type: sum, from: sales, value: amount, window_days: 7}",
        "price: {type: formula, value: spend / bought}",
    )
    said = refusal(tmp_path, metrics, people(5), sold([("0", 5.0), ("4", 1.0)]))
    assert said.startswith("small.yml:22: metrics.price.value: the formula has no value for 3 members")
    assert "ratio" in said


def test_an_infinite_value_is_refused(tmp_path: Path) -> None:
    members = people(3, stars=pa.array([1.0, float("inf"), 2.0]))
    said = refusal(tmp_path, ("stars: {type: sum, from: members, value: stars}",), members, sold([]))
    assert "metrics.stars.value: a member's value is not a finite number" in said


@pytest.mark.parametrize("huge", [1e308, 1e200, -1e150])
def test_a_value_too_large_to_square_is_refused_by_name(tmp_path: Path, huge: float) -> None:
    members = people(3, stars=pa.array([1.0, huge, 2.0]))
    said = refusal(tmp_path, ("stars: {type: sum, from: members, value: stars}",), members, sold([]))
    assert f"metrics.stars.value: a member's stars is {abs(huge):.3g}, too large to square" in said


def test_a_covariate_too_large_to_square_is_refused_by_name(tmp_path: Path) -> None:
    members = people(3, age=pa.array([20.0, 1e300, 30.0]))
    drawn = assigned(3).append_column("age", members["age"])
    covered = text().replace("minimum_effect: 0.1", "minimum_effect: 0.1, covariates: [age]")
    tables = {"members": members, "sales": sold([])}
    with campaign(tmp_path, covered, tables, drawn) as opened, pytest.raises(InputError) as refused:
        opened.units()
    assert "design.covariates[0]: a member's age is 1e+300, too large to square" in str(refused.value)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_the_cap_is_the_inverted_cdf_of_the_non_zero_values(tmp_path: Path, quantile: float) -> None:
    draws = np.random.default_rng(20261030)
    amounts = np.round(draws.lognormal(3, 1.2, 1_500), 2)
    buyers = draws.integers(0, 900, len(amounts))
    rows = [(str(buyer), float(amount)) for buyer, amount in zip(buyers, amounts, strict=True)]
    metric = f"spend: {{type: sum, from: sales, value: amount, window_days: 7, winsorize_at: {quantile}}}"
    with campaign(
        tmp_path, text(metric), {"members": people(1_000), "sales": sold(rows)}, assigned(1_000)
    ) as opened:
        units = opened.units()
        found = opened.rows(units, "raw__spend", "metric__spend")
    raw = np.array([values[0] for values in found.values()])
    capped = np.array([values[1] for values in found.values()])
    cap = np.quantile(raw[raw != 0], quantile, method="inverted_cdf")
    assert units.caps == {"spend": cap}
    assert cap < raw.max()
    np.testing.assert_array_equal(capped, np.minimum(raw, cap))


@pytest.mark.parametrize("amounts", [[], [-5.0, -3.0, -1.0]])
def test_where_no_value_is_above_0_nothing_is_capped(tmp_path: Path, amounts: list[float]) -> None:
    """A cap below 0 would move the members who have 0."""
    rows = [(str(buyer), amount) for buyer, amount in enumerate(amounts)]
    metric = "spend: {type: sum, from: sales, value: amount, window_days: 7, winsorize_at: 0.5}"
    with campaign(tmp_path, text(metric), {"members": people(5), "sales": sold(rows)}, assigned(5)) as opened:
        units = opened.units()
        found = opened.rows(units, "metric__spend")
    assert units.caps == {}
    assert units.raw_columns == {}
    assert sorted(value for (value,) in found.values()) == [*amounts, *[0.0] * (5 - len(amounts))]


def test_money_is_exact_until_the_members_sum(tmp_path: Path) -> None:
    rows = [("0", Decimal("0.10"))] * 3_000 + [("1", Decimal("90071992547409.93"))]
    metric = "spend: {type: sum, from: sales, value: amount, window_days: 7}"
    tables = {"members": people(2), "sales": sold(rows, pa.decimal128(18, 2))}
    with campaign(tmp_path, text(metric), tables, assigned(2)) as opened:
        assert opened.rows(opened.units(), "metric__spend") == {"0": (300.0,), "1": (90071992547409.93,)}


def test_all_metrics_of_a_source_are_computed_in_one_pass_over_it(tmp_path: Path) -> None:
    metrics = (
        "spend: {type: sum, from: sales, value: amount, window_days: 3}",
        "baskets: {type: count, from: sales, where: amount > 1, window_days: 5}",
    )
    with campaign(tmp_path, text(*metrics), {"members": people(2), "sales": sold([])}, assigned(2)) as opened:
        definition, engine = opened.experiment.definition, opened.experiment.engine
        rows = SourceRows(
            definition, engine, definition.data["sales"], opened.catalogue.sources["sales"], "s"
        )
        query = event_pass(rows, dict(definition.metrics), "assigned_rows", None).query
    assert [table.name for table in query.find_all(exp.Table)].count(rows.opened.relation) == 1


def test_the_grocers_sales_add_up_to_the_cent(tmp_path: Path, shared: Path) -> None:
    """Every basket of the year lies in the window of its household: total and baskets of data/README.md."""
    orders = pq.read_table(shared / "data" / "completejourney_orders.parquet")
    keys = orders["household_id"].cast(pa.string())
    sales = pa.table({"buyer": keys, "at": orders["ts"].cast(pa.timestamp("us")), "amount": orders["sales"]})
    ids = keys.unique().to_pylist()
    before = datetime(2016, 12, 1, tzinfo=UTC)
    drawn = assigned(len(ids)).set_column(0, "member", pa.array(ids))
    drawn = drawn.set_column(
        6, "planned_send_at", pa.array([before] * len(ids), pa.timestamp("us", tz="UTC"))
    )
    metrics = (
        "spend: {type: sum, from: sales, value: amount, window_days: 500}",
        "baskets: {type: count, from: sales, window_days: 500}",
    )
    tables = {"members": pa.table({"id": ids}), "sales": sales}
    with campaign(tmp_path, text(*metrics), tables, drawn) as opened:
        found = opened.measurement().metrics
    spend = [found["spend"].arm(arm).total("metric__spend") for arm in ("control", "mail")]
    baskets = [found["baskets"].arm(arm).total("metric__baskets") for arm in ("control", "mail")]
    assert len(ids) == 2_469
    assert sum(baskets) == pytest.approx(155_848, abs=1e-6)
    assert sum(spend) == pytest.approx(4_596_039.58, abs=0.005)
