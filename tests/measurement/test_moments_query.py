"""Sums about pilots in the engine: digits kept at 1e8, halves that add, missing covariates at their mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from experiments.engines.connect import connect
from experiments.engines.protocol import Engine
from experiments.inference.moments import Moments, pool
from experiments.measurement.cells import Cell, CellNumbers, cell_columns
from experiments.measurement.moments_query import MomentsQuery, mean_pilot
from experiments.queries import column, fetch_rows, named, relation

ALL = Cell("mail", "", "")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = connect("duckdb://", files=[tmp_path])
    yield opened
    opened.cancel_and_close()


NUMBERS = CellNumbers(("control", "mail"), (("", ""), ("", "a"), ("", "b")))


def take(engine: Engine, folder: Path, table: pa.Table) -> None:
    """Make a table the relation `units`, its cells numbered, in one cell unless it says otherwise."""
    for name, value in {"arm": "mail", "segment": None, "stratum": ""}.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    pq.write_table(table, folder / "units.parquet")
    engine.read_files("rows", [folder / "units.parquet"], exp.select("*"))
    rows = exp.select("*").from_(exp.to_table("rows"))
    engine.create("units", NUMBERS.added_to(rows, engine, "rows"))


def ask(engine: Engine, *names: str, imputed: tuple[str, ...] = ()) -> dict[Cell, Moments]:
    means = exp.select(*(named(mean_pilot(column(name), 1e100), name) for name in names))
    (row,) = fetch_rows(engine, means.from_(relation("units")))
    pilots = {name: row[name] or 0.0 for name in names}
    query = MomentsQuery(pilots, frozenset(imputed), (), (names,), NUMBERS)
    (answer,) = query.run(engine, "units")
    return answer


def test_six_digits_of_a_variance_of_1_are_kept_at_1e8(engine: Engine, tmp_path: Path) -> None:
    draws = np.random.default_rng(8)
    rows = 1e8 + draws.standard_normal((50_000, 2))
    take(engine, tmp_path, pa.table({"x": rows[:, 0], "y": rows[:, 1]}))
    moments = ask(engine, "x", "y")[ALL]
    shifted = rows - 1e8
    assert moments.average("x") == pytest.approx(1e8 + shifted[:, 0].mean(), abs=1e-7)
    assert moments.variance("x") == pytest.approx(shifted[:, 0].var(ddof=1), rel=1e-9)
    assert moments.covariance("x", "y") == pytest.approx(np.cov(shifted.T)[0, 1], rel=1e-6)


def test_moments_of_halves_add_to_those_of_the_whole(engine: Engine, tmp_path: Path) -> None:
    draws = np.random.default_rng(9)
    values = np.where(draws.random(4_000) < 0.05, np.round(draws.lognormal(4, 1, 4_000), 2), 0.0)
    halves = np.where(draws.random(4_000) < 0.3, "a", "b")
    age = draws.normal(40, 12, 4_000)
    take(engine, tmp_path, pa.table({"x": values, "age": age, "stratum": halves}))
    cells = ask(engine, "x", "age")
    take(engine, tmp_path, pa.table({"x": values, "age": age}))
    whole = ask(engine, "x", "age")[ALL]
    assert len(cells) == 2
    joined = pool(cells.values())
    assert (joined.count, joined.nonzero) == (whole.count, whole.nonzero)
    np.testing.assert_allclose(joined.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(joined.comoment, whole.comoment, rtol=1e-12)


def test_a_missing_covariate_counts_as_the_mean_over_all_arms(engine: Engine, tmp_path: Path) -> None:
    arms = ["control", "control", "mail", "mail"]
    age = pa.array([20.0, None, 40.0, 60.0])
    take(engine, tmp_path, pa.table({"x": [1.0, 2.0, 3.0, 5.0], "age": age, "arm": arms}))
    cells = ask(engine, "x", "age", imputed=("age",))
    control, mail = cells[Cell("control", "", "")], cells[Cell("mail", "", "")]
    assert (control.count, control.average("age"), mail.average("age")) == (2, 30.0, 50.0)
    assert control.covariance("x", "age") == pytest.approx(np.cov([1, 2], [20, 40])[0, 1])


def test_a_constant_has_no_variance_and_nobody_has_no_cell(engine: Engine, tmp_path: Path) -> None:
    take(engine, tmp_path, pa.table({"x": [0.1] * 1_000}))
    assert ask(engine, "x")[ALL].variance("x") == 0.0
    take(engine, tmp_path, pa.table({"x": pa.array([], pa.float64())}))
    assert ask(engine, "x") == {}


@pytest.mark.parametrize(
    "places",
    [
        [("", "")],
        [("new", ""), ("old", "")],
        [("new", "new|gold"), ("new", "new|vip"), ("old", "old|vip")],
        [("new", "gold"), ("new", "vip"), ("old", "vip"), ("old", "gold"), ("", "vip")],
    ],
)
def test_a_number_is_the_cell_that_it_was_given_for(
    engine: Engine, tmp_path: Path, places: list[tuple[str, str]]
) -> None:
    """No segment is NULL in the data, an empty one in the cell; a stratum may tell its segment, or not."""
    cells = [Cell(arm, *place) for arm in ("control", "mail", "sms") for place in places]
    rows = cells * 2
    table = {
        "arm": [cell.arm for cell in rows],
        "segment": pa.array([cell.segment or None for cell in rows], pa.string()),
        "stratum": [cell.stratum for cell in rows],
    }
    pq.write_table(pa.table(table), tmp_path / "cells.parquet")
    engine.read_files("rows", [tmp_path / "cells.parquet"], exp.select("*"))
    numbers = CellNumbers.of(cells)
    query = exp.select(*cell_columns()).from_(exp.to_table("rows"))
    found = engine.rows(numbers.added_to(query, engine, "rows"))
    assert len(found) == len(rows)
    assert {numbers.cell(value): Cell(*texts) for *texts, value in found} == {cell: cell for cell in cells}
