"""What is DuckDB's own: headers of CSV files, the files that a session can reach, its URL, patterns in names."""

from __future__ import annotations

import gzip
import math
import subprocess
import sys
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from experiments.definition.errors import InputError, OfferwiseError, OutsideError
from experiments.engines.connect import connect
from experiments.engines.protocol import ColumnType, Engine, ReadsInOrder, ShiftsClocks


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return connect(files=[tmp_path])


def everything(engine: Engine, name: str) -> list[tuple[object, ...]]:
    return engine.rows(exp.select("*").from_(name))


def test_tables_of_a_duckdb_file_are_read_only(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as shop:
        shop.sql("CREATE TABLE orders AS SELECT 1 AS id, 'b'::ENUM('b', 'a') AS tier")
        shop.sql("CREATE SCHEMA crm")
        shop.sql('CREATE TABLE crm."会员" AS SELECT 7 AS x')
    engine = connect(f"duckdb://{path}?threads=1&memory_limit=500MB")
    assert engine.open_source("o", "orders") == {"id": ColumnType.INTEGER, "tier": ColumnType.TEXT}
    assert engine.open_source("m", "crm.会员") == {"x": ColumnType.INTEGER}
    with pytest.raises(OutsideError):
        engine.rows(
            exp.Create(this=exp.to_table("warehouse.main.t"), kind="TABLE", expression=exp.select("1"))
        )  # type: ignore[arg-type]
    with pytest.raises(InputError, match="row_number"):
        engine.open_source("n", "orders", key="row_number")
    engine.cancel_and_close()
    engine.cancel_and_close()


def test_a_row_with_too_many_cells_is_not_dropped(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("k,v\n" + "1,2\n" * 500 + "2\n3,4,5\n")
    try:
        engine.open_source("x", str(path))
    except InputError:
        return
    assert engine.rows(exp.select(exp.Count(this=exp.Star())).from_("x")) == [(502,)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,tier,age\na,vip\nb,vip,1,2\n", "no header that the engine can read"),
        ("id,tier,age\na,vip,1\nb\n", "no header that the engine can read"),
        ("id,tier,tier\na,vip,1\n", "the column `tier` stands twice"),
        ("\ufeffid;Tier;tier\na;vip;1\n", "the column `tier` stands twice"),
        ('"id",x,"id"\na,vip,1\n', "the column `id` stands twice"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_a_header_that_does_not_fit_is_told(
    engine: Engine, tmp_path: Path, text: str, words: str, ending: str
) -> None:
    path = tmp_path / f"m{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending == ".csv.gz" else text.encode())
    with pytest.raises(InputError, match=words):
        engine.open_source("m", str(path), key="id")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("id\na\nb\n", ["id"]),
        ("id;a,b\na;1\n", ["id", "a,b"]),
        ('"a,b"\nx\n', ["a,b"]),
        ("# made by the shop\nid,v\na,x\n", ["id", "v"]),
        ("\ufeffid,v\na,x\n", ["id", "v"]),
        ("id,v,v_1\na,x,y\n", ["id", "v", "v_1"]),
    ],
)
def test_headers_that_fit_are_read(engine: Engine, tmp_path: Path, text: str, columns: list[str]) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    assert list(engine.open_source("m", str(path), key=columns[0])) == columns


def test_no_other_file_can_be_reached(tmp_path: Path) -> None:
    inside, outside = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in (inside, outside):
        path.write_text("k\n1\n")
    engine = connect(files=[inside])
    engine.open_source("a", str(inside))
    read = exp.Anonymous(this="read_csv", expressions=[exp.Literal.string(str(outside))])
    with pytest.raises(OfferwiseError):
        engine.rows(exp.select("*").from_(read))
    with pytest.raises(OfferwiseError):
        engine.write(exp.select("*").from_("a"), outside)
    unlock = exp.Set(
        expressions=[exp.SetItem(this=exp.EQ(this=exp.column("threads"), expression=exp.Literal.number(1)))]
    )
    with pytest.raises(OfferwiseError):
        engine.rows(unlock)  # type: ignore[arg-type]
    assert outside.read_text() == "k\n1\n"


def test_files_behind_links_and_dots_are_reached(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    (real / "a.csv").write_text("k\n1\n")
    for path in (link / "a.csv", real / ".." / "real" / "a.csv"):
        engine = connect(files=[path, link / "out"])
        assert engine.open_source("a", str(path), key="k") == {"k": ColumnType.TEXT}
        engine.write(exp.select("*").from_("a"), link / "out" / "b.csv")
        assert (real / "out" / "b.csv").read_text() == "k\n1\n"


@given(
    values=st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    q=st.sampled_from(["0.5", "0.9", "0.99", "0.999", "0.25", "0.3"]),
)
def test_quantile_is_the_smallest_value_with_enough_rows_at_or_below_it(values: list[int], q: str) -> None:
    engine = connect("duckdb://?threads=1")
    rows = exp.values([(value,) for value in values], alias="t", columns=["v"])
    (found,) = engine.rows(exp.select(engine.quantile_disc(exp.column("v"), float(q))).from_(rows))
    engine.cancel_and_close()
    assert found[0] == sorted(values)[math.ceil(Fraction(q) * len(values)) - 1]


@pytest.mark.parametrize(
    ("rows", "ascend"),
    [
        ("SELECT printf('%07d', i) AS k FROM range(400000) AS t(i)", True),
        ("SELECT printf('%07d', i % 200000) AS k FROM range(400000) AS t(i)", False),
        ("SELECT printf('%07d', i // 2) AS k FROM range(400000) AS t(i)", False),
        ("SELECT printf('%07d', 400000 - i) AS k FROM range(400000) AS t(i)", False),
        ("SELECT CASE WHEN i <> 399999 THEN i END AS k FROM range(400000) AS t(i)", False),
        ("SELECT CASE WHEN i <> 0 THEN i END AS k FROM range(400000) AS t(i)", False),
        ("SELECT i AS k FROM range(1) AS t(i)", True),
        ("SELECT 'Z' AS k UNION ALL SELECT 'a' UNION ALL SELECT 'é'", True),
    ],
)
def test_keys_ascend_only_where_all_differ_and_none_is_missing(
    engine: Engine, tmp_path: Path, rows: str, ascend: bool
) -> None:
    """Of several row groups: the second half of a file may repeat the first."""
    path = tmp_path / "members.parquet"
    with duckdb.connect() as writer:
        writer.sql(rows).write_parquet(str(path), row_group_size=50_000)
    engine.open_source("members", str(path))
    assert isinstance(engine, ReadsInOrder)
    assert engine.is_ascending("members", "k") is ascend


@given(
    moments=st.lists(st.datetimes(datetime(2026, 4, 1), datetime(2026, 9, 30)), min_size=1, max_size=20),  # noqa: DTZ001 - local time without zone
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "UTC"]),
)
def test_an_instant_is_the_same_by_its_offset_as_by_its_zone(moments: list[datetime], zone: str) -> None:
    engine = connect("duckdb://?threads=1")
    assert isinstance(engine, ShiftsClocks)
    offset = moments[0].replace(tzinfo=ZoneInfo(zone)).utcoffset()
    assert offset is not None
    rows = exp.values([(moment.isoformat(sep=" "),) for moment in moments], alias="t", columns=["v"])
    for kind, dtype in ((ColumnType.TIMESTAMP, exp.DType.TIMESTAMP), (ColumnType.DATE, exp.DType.DATE)):
        stored = exp.cast(exp.cast(exp.column("v"), exp.DType.TIMESTAMP), dtype)
        by_zone, by_offset = (
            engine.instant(stored, kind, ZoneInfo(zone)),
            engine.instant_at(stored.copy(), kind, offset),
        )
        found = engine.rows(exp.select(by_zone.as_("a"), by_offset.as_("b")).from_(rows.copy()))
        assert all(one == other for one, other in found)
    engine.cancel_and_close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/db",
        "duckdb://?colour=1",
        "duckdb://?threads=x",
        "duckdb://?threads=9999",
        "duckdb:///no/such.duckdb",
        "duckdb://[::1",
        "duckdb://?memory_limit=banana",
        "duckdb://?memory_limit=-4GB",
        "duckdb://?memory_limit=0GB",
        "duckdb://?memory_limit=",
    ],
)
def test_a_wrong_engine_is_an_input_error_without_credentials(url: str) -> None:
    with pytest.raises(InputError, match="--engine") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_tiny_answers_load_no_heavy_package() -> None:
    code = (
        "import sys; from sqlglot import exp; from experiments.engines.connect import connect; "
        "connect().rows(exp.select('1')); print({'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "name", ["m[1]", "m?", "m*", "**", "[[]", "m[!1]", "k=v/m", "[d]/m*", "o'x", "{m,x}", "m].x"]
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_path_names_the_file_of_exactly_that_name(tmp_path: Path, name: str, ending: str) -> None:
    """The files that the name would match as a pattern stand beside it, and may be read too."""
    path = tmp_path / f"{name}{ending}"
    path.parent.mkdir(exist_ok=True)
    others = [tmp_path / f"{other}{ending}" for other in ("m1", "mx", "m", "d")]
    for number, each in enumerate([path, *others]):
        rows = duckdb.sql(f"SELECT {number} AS v")
        rows.write_csv(str(each)) if ending == ".csv" else rows.write_parquet(str(each))
    engine = connect(files=[path, *others])
    assert engine.open_source("m", str(path)) == {"v": ColumnType.INTEGER}
    assert everything(engine, "m") == [(0,)]
    if ending == ".parquet":
        engine.read_files("ledger", [path], exp.select("*"))
        assert everything(engine, "ledger") == [(0,)]
    engine.cancel_and_close()


@pytest.mark.parametrize("name", ["out[1]", "o?*", "k=v"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with duckdb.connect(str(tmp_path / "shop[1]*.duckdb")) as shop:
        shop.sql("CREATE TABLE orders AS SELECT 7 AS v")
    engine = connect(f"duckdb://{tmp_path}/shop[1]*.duckdb", files=[folder])
    engine.open_source("orders", "orders")
    engine.write(exp.select("*").from_("orders"), folder / "a[b].parquet")
    engine.read_files("written", [folder / "a[b].parquet"], exp.select("*"))
    assert everything(engine, "written") == [(7,)]
    engine.cancel_and_close()
