"""What is PostgreSQL's own: tables by name, types that others do not have, long names, credentials, and what fails."""

from __future__ import annotations

import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from sqlglot import exp

from experiments.definition.errors import InputError, OfferwiseError, OutsideError
from experiments.engines.connect import connect
from experiments.engines.protocol import ColumnType, Engine
from tests.engines.postgresql_server import PASSWORD, PostgreSQLServer

pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture(scope="module")
def server(postgresql_server: PostgreSQLServer) -> PostgreSQLServer:
    postgresql_server.execute(
        """
        CREATE SCHEMA crm;
        CREATE TYPE crm.tier AS ENUM ('vip', 'basic');
        CREATE TABLE crm."会员" (
            id numeric(18, 0), tier crm.tier, code char(5), uuid uuid, f real, money numeric(18, 2), free numeric,
            moment timestamptz, tags text[], note jsonb, name varchar(20) COLLATE "und-x-icu"
        );
        INSERT INTO crm."会员" VALUES
            (123456789012345678, 'basic', 'ab', '00000000-0000-0000-0000-00000000000a', 'NaN', 1.50, 'NaN',
             '2026-01-01 00:00:00+08', '{a}', '{}', 'b'),
            (2, NULL, NULL, NULL, 0.5, NULL, 2.25, NULL, NULL, NULL, 'B');
        CREATE TABLE crm."Orders" (x int); INSERT INTO crm."Orders" VALUES (1);
        CREATE TABLE crm.orders (y int); INSERT INTO crm.orders VALUES (2);
        CREATE TABLE plain (z int);
        CREATE TABLE crm."a.b" (w int);
        CREATE TABLE crm.secret (s int);
        CREATE ROLE reader LOGIN;
        GRANT USAGE ON SCHEMA crm TO reader; GRANT SELECT ON crm.orders TO reader;
        """,
        "chinese",
    )
    postgresql_server.execute(f"ALTER ROLE reader PASSWORD '{PASSWORD}'", "chinese")  # type: ignore[arg-type]
    return postgresql_server


@pytest.fixture
def engine(server: PostgreSQLServer) -> Iterator[Engine]:
    engine = connect(server.url("chinese"))
    yield engine
    engine.cancel_and_close()


def column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def test_a_table_is_read_with_the_types_of_every_engine(engine: Engine) -> None:
    assert engine.open_source("m", "crm.会员", key="id") == {
        "id": ColumnType.INTEGER,
        "tier": ColumnType.TEXT,
        "code": ColumnType.TEXT,
        "uuid": ColumnType.TEXT,
        "f": ColumnType.FLOAT,
        "money": ColumnType.DECIMAL,
        "free": ColumnType.DECIMAL,
        "moment": ColumnType.INSTANT,
        "tags": ColumnType.OTHER,
        "note": ColumnType.OTHER,
        "name": ColumnType.TEXT,
    }
    query = exp.select(
        engine.as_key(column("id")), *map(column, ("tier", "code", "uuid", "f", "money", "free"))
    )
    assert sorted(engine.rows(query.from_("m"))) == [
        (
            "123456789012345678",
            "basic",
            "ab",
            "00000000-0000-0000-0000-00000000000a",
            None,
            Decimal("1.50"),
            None,
        ),
        ("2", None, None, None, 0.5, None, Decimal("2.25")),
    ]
    # The column's own collation would put b first.
    assert engine.rows(exp.select("name").from_("m").order_by("name")) == [("B",), ("b",)]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("crm.Orders", ["x"]),
        ("crm.orders", ["y"]),
        ("CRM.ORDERS", ["y"]),
        ('"crm"."Orders"', ["x"]),
        ('crm."a.b"', ["w"]),
        ("plain", ["z"]),
        ("public.plain", ["z"]),
        ("chinese.public.plain", ["z"]),
    ],
)
def test_tables_are_found_by_name(engine: Engine, table: str, columns: list[str]) -> None:
    assert list(engine.open_source("t", table)) == columns


@pytest.mark.parametrize(
    "table", ["crm.nothing", "nothing", "pg_temp.t", "crm.a.b", "x'; DROP TABLE plain; --", ""]
)
def test_a_table_that_is_not_there_is_told(engine: Engine, table: str) -> None:
    with pytest.raises(InputError, match="there is no file and no table"):
        engine.open_source("t", table)
    assert engine.open_source("t", "plain")


def test_what_a_user_may_not_read_is_told(server: PostgreSQLServer) -> None:
    engine = connect(server.url("chinese", "reader"))
    assert engine.open_source("o", "crm.orders") == {"y": ColumnType.INTEGER}
    with pytest.raises(InputError, match=r"may not read the table crm\.secret; grant it SELECT"):
        engine.open_source("s", "crm.secret")
    engine.cancel_and_close()


def test_nothing_of_a_session_stays(server: PostgreSQLServer, tmp_path: Path) -> None:
    """Staged files, computed tables and views are temporary; a second session sees none of them."""
    (tmp_path / "m.csv").write_text("k,v\n1,2\n")
    engine = connect(server.url("chinese"))
    engine.open_source("staged_file", str(tmp_path / "m.csv"))
    engine.open_source("view_of_table", "plain")
    engine.create("computed", exp.select("*").from_("staged_file"))
    lasting = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert server.execute(lasting, "chinese") == [(1,)]
    other = connect(server.url("chinese"))
    with pytest.raises(OutsideError):
        other.columns("computed")
    for each in (engine, other):
        each.cancel_and_close()
        each.cancel_and_close()
    gone = "SELECT count(*) FROM pg_class WHERE relname IN ('staged_file', 'view_of_table', 'computed')"
    assert server.execute(gone, "chinese") == [(0,)]


def test_a_relation_may_be_made_from_itself_and_change_its_kind(engine: Engine) -> None:
    engine.open_source("r", "crm.orders")
    engine.create("r", exp.select(exp.alias_(exp.column("y") + 1, "y")).from_("r"))
    engine.create("r", exp.select(exp.alias_(exp.column("y") + 1, "y")).from_("r"))
    assert engine.rows(exp.select("y").from_("r")) == [(4,)]
    engine.open_source("r", "crm.Orders")
    assert engine.rows(exp.select("*").from_("r")) == [(1,)]


def test_names_longer_than_the_server_keeps_stay_apart(engine: Engine, tmp_path: Path) -> None:
    first, second = ("会员的很长的列名" * 8 + end for end in ("一", "二"))
    (tmp_path / "m.csv").write_text(f"k,{first},{second}\na,1,2\n")
    assert list(engine.open_source("m", str(tmp_path / "m.csv"), key="k")) == ["k", first, second]
    engine.create(
        "n", exp.select(column(second), exp.alias_(column(first), f"{first}x", quoted=True)).from_("m")
    )
    assert list(engine.columns("n")) == [second, f"{first}x"]
    found = engine.fetch(exp.select(column(f"{first}x"), column(second)).from_("n"))
    assert found.to_pydict() == {f"{first}x": [1], second: [2]}
    engine.write(exp.select("*").from_("n"), tmp_path / "n.parquet")
    engine.read_files("again", [tmp_path / "n.parquet"], exp.select("*"))
    assert list(engine.columns("again")) == [second, f"{first}x"]


def test_files_written_hold_what_duckdb_writes(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "m.parquet"
    duckdb.sql(
        """SELECT * FROM (VALUES
            (1, 'a,"b"', 0.1, true, DATE '2026-01-02', TIMESTAMPTZ '2026-01-02 03:04:05.5+00', 1.50::DECIMAL(18, 2)),
            (2, '', 1e300, false, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL, -0.01),
            (4, E'two\nlines 会员 \\.', -1e-300, NULL, NULL, NULL, 0)) t(n, s, f, b, day, moment, money)"""
    ).write_parquet(str(source))
    engine.open_source("m", str(source))
    embedded = connect(files=[tmp_path])
    embedded.open_source("m", str(source))
    query = exp.select("*").from_("m").order_by("n")
    for ending in ("parquet", "csv"):
        for name, each in (("one", engine), ("two", embedded)):
            each.write(query, tmp_path / f"{name}.{ending}")
    one, two = (
        embedded.fetch(exp.select("*").from_(duckdb_file(tmp_path / f"{n}.parquet"))) for n in ("one", "two")
    )
    assert one.to_pylist() == two.to_pylist()
    assert one.column("money").type == two.column("money").type
    assert engine.fetch(query).to_pylist() == embedded.fetch(query).to_pylist()
    assert (tmp_path / "one.csv").read_text().splitlines()[0] == "n,s,f,b,day,moment,money"
    assert '2,"",1e+300,false,,,' in (tmp_path / "one.csv").read_text()
    embedded.cancel_and_close()


def duckdb_file(path: Path) -> exp.Expr:
    return exp.Anonymous(this="read_parquet", expressions=[exp.Literal.string(str(path))])


def test_a_single_column_keeps_its_missing_rows(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("k\na\n\nb\n")
    (tmp_path / "n.csv").write_text('k,v\na,\n"",\n')
    engine.open_source("n", str(tmp_path / "n.csv"))
    query = exp.select("v").from_("n")
    assert engine.fetch(query).to_pydict() == {"v": [None, None]}
    engine.write(query, tmp_path / "v.parquet")
    engine.read_files("again", [tmp_path / "v.parquet"], query)
    assert engine.rows(exp.select(exp.Count(this=exp.Star())).from_("again")) == [(2,)]


def test_an_answer_without_rows_has_its_columns(engine: Engine, tmp_path: Path) -> None:
    engine.open_source("o", "crm.orders")
    nothing = exp.select("y").from_("o").where(exp.false())
    assert engine.fetch(nothing).schema.names == ["y"]
    engine.write(nothing, tmp_path / "o.parquet")
    engine.read_files("o2", [tmp_path / "o.parquet"], nothing)
    assert engine.columns("o2") == {"y": ColumnType.INTEGER}


def test_a_text_that_the_server_cannot_keep_is_told(engine: Engine, tmp_path: Path) -> None:
    duckdb.sql("SELECT 'a' || chr(0) AS k").write_parquet(str(tmp_path / "m.parquet"))
    with pytest.raises(InputError, match="a zero byte"):
        engine.open_source("m", str(tmp_path / "m.parquet"))
    assert engine.open_source("m", "plain")


@pytest.mark.parametrize("share", [0.07, 0.29, 0.55, 0.57, 0.58, 0.999])
def test_quantiles_where_doubles_round_up(engine: Engine, share: float) -> None:
    """0.55 x 100 is 55.00000000000001 in doubles."""
    rows = exp.values([(n,) for n in range(1, 1001)], alias="t", columns=["v"])
    for count in (100, 1000):
        few = exp.select("v").from_(rows).where(exp.column("v") <= count).subquery("few")
        ((found,),) = engine.rows(exp.select(engine.quantile_disc(exp.column("v"), share)).from_(few))
        assert found == -(-count * round(share * 1000) // 1000)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://owner:{password}@127.0.0.1:1/plain", "Could not connect to PostgreSQL"),
        ("postgresql://owner:{password}@127.0.0.1:{port}/nothing", "Could not connect to PostgreSQL"),
        ("postgresql://nobody:{password}@127.0.0.1:{port}/plain", "Could not connect to PostgreSQL"),
        ("postgresql://owner:s3cret-@cret@127.0.0.1:{port}/plain", "Could not connect to PostgreSQL"),
        ("postgresql://owner:s3cret-%zz@127.0.0.1:{port}/plain", "this is not a URL of PostgreSQL"),
        ("postgresql://owner:{password}@127.0.0.1:{port}/plain?s3cret-=1", "this is not a URL of PostgreSQL"),
        ("postgres://owner:s3cret-#x@127.0.0.1:{port}/plain", "PostgreSQL"),
    ],
)
def test_a_server_that_does_not_let_in_is_told_without_credentials(
    server: PostgreSQLServer, url: str, words: str
) -> None:
    """Not even in the traceback of --debug."""
    full = url.format(password="s3cret-1", port=server.port)
    with pytest.raises(OfferwiseError, match=words) as caught:
        connect(full)
    shown = "".join(traceback.format_exception(caught.value))
    assert not re.search("s3cret|cret@", shown)


def test_a_database_that_keeps_text_otherwise_is_refused(server: PostgreSQLServer) -> None:
    server.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'", "postgres")
    with pytest.raises(InputError, match="keeps text in LATIN1"):
        connect(server.url("latin"))


def test_a_connection_that_is_lost_is_told_without_the_data(server: PostgreSQLServer) -> None:
    engine = connect(server.url("chinese"))
    ((process,),) = engine.rows(exp.select(exp.Anonymous(this="pg_backend_pid")))
    server.execute(f"SELECT pg_terminate_backend({process})", "chinese")  # type: ignore[arg-type]
    with pytest.raises(OutsideError, match="Computing in PostgreSQL failed"):
        engine.rows(exp.select("1"))
    engine.cancel_and_close()


def test_what_runs_is_cancelled_on_close(server: PostgreSQLServer) -> None:
    engine = connect(server.url("chinese"))
    raised: list[BaseException] = []

    def run() -> None:
        try:
            engine.rows(exp.select(exp.Anonymous(this="pg_sleep", expressions=[exp.Literal.number(60)])))
        except OutsideError as error:
            raised.append(error)

    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT PG_SLEEP%'"
    )
    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 20
    while server.execute(sleeping, "chinese") != [(1,)] and time.monotonic() < until:
        time.sleep(0.02)
    engine.cancel_and_close()
    thread.join(20)
    assert not thread.is_alive()
    assert len(raised) == 1
    while (left := server.execute(sleeping, "chinese")) != [(0,)] and time.monotonic() < until:
        time.sleep(0.02)
    assert left == [(0,)]


def test_without_psycopg_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"pip install 'offerwise\[postgres\]'"):
        connect("postgresql://owner:s3cret@127.0.0.1/plain")


def test_an_order_may_compute_with_a_name_of_the_result(engine: Engine) -> None:
    rows = exp.values([("b", 1), ("B", 2), ("a", 2)], alias="t", columns=["x", "n"])
    text = engine.as_key(exp.column("x", "t"))
    query = exp.select(exp.alias_(text, "label"), exp.alias_(exp.Count(this=exp.Star()), "rows")).from_(rows)
    ordered = query.group_by(text.copy()).order_by(engine.collated(exp.column("label")))
    assert engine.rows(ordered) == [("B", 1), ("a", 1), ("b", 1)]
