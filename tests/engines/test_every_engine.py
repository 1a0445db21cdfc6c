"""What every engine promises, on each of them: types of files, keys, hashes, times, tables computed once, whole files."""

from __future__ import annotations

import gzip
import hashlib
import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from sqlglot import exp

from experiments.definition.errors import InputError, OfferwiseError
from experiments.engines.protocol import ColumnType, Engine
from tests.engines.conftest import Opened

KEYS = [
    "0012",
    "12",
    "a",
    "A",
    "Z",
    "é",
    "会员1",
    "张三",
    "李四",
    "a-b",
    "aa",
    "a b",
    " a",
    "q'\"\\|%",
    "😀",
    "z",
]


def everything(engine: Engine, name: str) -> list[tuple[object, ...]]:
    return engine.rows(exp.select("*").from_(exp.to_table(name, quoted=True)))


def column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def named(value: exp.Expr, name: str) -> exp.Expr:
    return exp.alias_(value, name, quoted=True)


@pytest.fixture(scope="module")
def module_engine(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine for tests that only compute."""
    with opened.open([tmp_path_factory.mktemp("engine")]) as engine:
        yield engine


def test_csv_keys_stay_text_and_types_come_from_all_rows(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    late = "".join(f"{number:05d},{number},2026-01-02 03:04:05,si\n" for number in range(30_000))
    path.write_text(f"会员,v,at,b\n{late}x,1.5,2026-01-02 03:04:05,\n")
    columns = engine.open_source("m", str(path), key="会员")
    assert list(columns.items()) == [
        ("会员", ColumnType.TEXT),
        ("v", ColumnType.FLOAT),
        ("at", ColumnType.TIMESTAMP),
        ("b", ColumnType.TEXT),
    ]
    query = exp.select("*").from_("m").where(exp.column("v").isin(exp.Literal.number(12), 1.5))
    at = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - a time without zone
    assert sorted(engine.rows(query)) == [("00012", 12.0, at, "si"), ("x", 1.5, at, None)]


def test_gzip_csv_and_row_numbers_in_the_files_order(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "m.csv.gz"
    values = [(7 * number) % 5003 for number in range(5003)]
    path.write_bytes(gzip.compress(("v\n" + "\n".join(map(str, values))).encode()))
    assert engine.open_source("m", str(path), key="row_number") == {
        "row_number": ColumnType.INTEGER,
        "v": ColumnType.INTEGER,
    }
    assert sorted(everything(engine, "m")) == list(enumerate(values, start=1))


def test_awkward_cells_are_read_alike(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('k;v\n"a;1";" x"\n"two\nlines";"""q"""\n 会员;\n"";z\\\n')
    engine.open_source("m", str(path), key="k")
    assert sorted(everything(engine, "m"), key=str) == sorted(
        [("a;1", " x"), ("two\nlines", '"q"'), (" 会员", None), (None, "z\\")], key=str
    )


def test_parquet_types_row_numbers_and_nan_as_null(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    duckdb.sql(
        "SELECT 3::UTINYINT AS i, 1.5::DECIMAL(9,2) AS d, 'nan'::FLOAT AS f, true AS b, DATE '2026-01-01' AS day, "
        "TIMESTAMPTZ '2026-01-01 00:00:00+08' AS moment, TIMESTAMP_NS '2026-01-01 00:00:00' AS local, "
        "'a'::VARCHAR AS \"会员 名\", [1] AS list, 'a'::BLOB AS blob"
    ).write_parquet(str(path))
    columns = engine.open_source("m", str(path), key="row_number")
    assert list(columns.items()) == [
        ("row_number", ColumnType.INTEGER),
        ("i", ColumnType.INTEGER),
        ("d", ColumnType.DECIMAL),
        ("f", ColumnType.FLOAT),
        ("b", ColumnType.BOOLEAN),
        ("day", ColumnType.DATE),
        ("moment", ColumnType.INSTANT),
        ("local", ColumnType.TIMESTAMP),
        ("会员 名", ColumnType.TEXT),
        ("list", ColumnType.OTHER),
        ("blob", ColumnType.OTHER),
    ]
    names = ["row_number", "i", "d", "f", "b", "day", "moment", "local", "会员 名"]
    assert engine.rows(exp.select(*map(column, names)).from_("m")) == [
        (
            1,
            3,
            Decimal("1.50"),
            None,
            True,
            date(2026, 1, 1),
            datetime(2025, 12, 31, 16, tzinfo=UTC),
            datetime(2026, 1, 1),  # noqa: DTZ001 - a time without zone
            "a",
        )
    ]


def test_nanoseconds_are_cut_off(engine: Engine, tmp_path: Path) -> None:
    """pandas ends a day at 23:59:59.999999999: rounded, it would be a moment of the next day, and after the snapshot."""
    import pyarrow as pa
    from pyarrow import parquet

    micros, cut = [1_795_564_799_999_999, -1], [0, 1, 499, 500, 999]
    stored = pa.array([*(each * 1000 + more for each in micros for more in cut), None], pa.int64())
    columns = {
        "local": stored.cast(pa.timestamp("ns")),
        "moment": stored.cast(pa.timestamp("ns", tz="Asia/Shanghai")),
    }
    parquet.write_table(pa.table({"n": list(range(len(stored))), **columns}), tmp_path / "m.parquet")
    assert engine.open_source("m", str(tmp_path / "m.parquet"))["local"] is ColumnType.TIMESTAMP
    query = exp.select(column("local"), column("moment")).from_("m").order_by(column("n"))
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=each) for each in micros]
    expected = [(each.replace(tzinfo=None), each) for each in moments for _ in cut]
    assert engine.rows(query) == [*expected, (None, None)]


def test_nan_is_null_whatever_a_file_s_statistics_say(engine: Engine, tmp_path: Path) -> None:
    """They leave NaN out of a column's least and greatest value, by which an engine may decide what there can be."""
    import pyarrow as pa
    from pyarrow import parquet

    nan = math.nan
    values = {
        "between": [1.0, nan, 3.0, 4.0],
        "alike": [0.0, nan, 0.0, 0.0],
        "and_null": [1.0, nan, None, 4.0],
        "infinite": [-math.inf, nan, math.inf, 1.0],
    }
    columns = {name: pa.array(each, from_pandas=False) for name, each in values.items()}
    columns["short"] = pa.array(values["between"], pa.float32(), from_pandas=False)
    parquet.write_table(pa.table({"n": [0, 1, 2, 3], **columns}), tmp_path / "m.parquet")
    engine.open_source("m", str(tmp_path / "m.parquet"))
    for name in columns:
        expected = [
            None if each is None or math.isnan(each) else each for each in values.get(name, values["between"])
        ]
        query = exp.select(column(name)).from_("m").order_by(column("n"))
        assert [each for (each,) in engine.rows(query)] == expected
        missing = (
            exp.select(exp.Count(this=exp.Star()))
            .from_("m")
            .where(exp.Is(this=column(name), expression=exp.null()))
        )
        assert engine.rows(missing) == [(expected.count(None),)]


def test_an_unsigned_key_keeps_its_digits(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    duckdb.sql("SELECT 18446744073709551615::UBIGINT AS big").write_parquet(str(path))
    assert engine.open_source("m", str(path), key="big") == {"big": ColumnType.INTEGER}
    assert engine.rows(exp.select(engine.as_key(column("big"))).from_("m")) == [("18446744073709551615",)]


@pytest.mark.parametrize("old_form", [False, True])
def test_times_of_parquet_files_of_other_writers(engine: Engine, tmp_path: Path, old_form: bool) -> None:
    """Of pandas (nanoseconds), of Arrow (milliseconds), and in the 96 bits of old Spark."""
    import pyarrow as pa
    from pyarrow import parquet

    local = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - a time without zone
    columns = {unit: pa.array([local, None], pa.timestamp(unit)) for unit in ("ns", "us", "ms")}
    moment = local.replace(tzinfo=UTC)
    if not old_form:
        columns |= {f"z{unit}": pa.array([moment, None], pa.timestamp(unit, "UTC")) for unit in ("ns", "ms")}
    parquet.write_table(pa.table(columns), tmp_path / "m.parquet", use_deprecated_int96_timestamps=old_form)
    found = engine.open_source("m", str(tmp_path / "m.parquet"))
    assert found == {
        name: ColumnType.INSTANT if name.startswith("z") else ColumnType.TIMESTAMP for name in columns
    }
    rows = sorted(everything(engine, "m"), key=str)
    assert rows == [(None,) * len(columns), (local,) * 3 + (moment,) * (len(columns) - 3)]


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("none.csv", None, "there is no file"),
        ("none.parquet", None, "there is no file"),
        ("gbk.csv", "k,名\n1,张\n".encode("gbk"), "CSV in UTF-8 at line 1"),
        ("not.parquet", b"PAR0", "cannot be read as Parquet"),
        ("not.csv.gz", b"plain", "cannot be read as CSV"),
        ("numbered.csv", b"row_number,v\n5,1\n", "`row_number` of its own"),
        ("header_only.csv", b"k,at\n", "has no rows"),
        ("empty.csv", b"", "has no rows"),
        ("twice.csv", b"id,tier,tier\na,vip,1\n", "the column `tier` stands twice"),
        ("no_such_table", None, "there is no file and no table|row_number"),
    ],
)
def test_what_cannot_be_read_is_an_input_error(
    engine: Engine, tmp_path: Path, name: str, content: bytes | None, cause: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=cause):
        engine.open_source("x", str(path) if "." in name else name, key="row_number")


def test_a_missing_table_is_an_input_error(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"there is no file and no table crm\.没有"):
        engine.open_source("x", "crm.没有", key="k")


def test_a_path_names_the_file_of_exactly_that_name(opened: Opened, tmp_path: Path) -> None:
    """The files that the name would match as a pattern stand beside it, and may be read too."""
    names = ["m[1]*.parquet", "m?[!1].csv", "{m,x} o'x.parquet"]
    folder = tmp_path / "k=v [1]*"
    folder.mkdir()
    others = [
        folder / f"{other}.{ending}" for other in ("m1", "mx", "m", "x") for ending in ("csv", "parquet")
    ]
    with opened.open([*(folder / name for name in names), *others, folder]) as engine:
        for number, path in enumerate([*(folder / name for name in names), *others]):
            rows = duckdb.sql(f"SELECT {number} AS v")
            rows.write_csv(str(path)) if path.suffix == ".csv" else rows.write_parquet(str(path))
        for number, name in enumerate(names):
            assert engine.open_source("m", str(folder / name)) == {"v": ColumnType.INTEGER}
            assert everything(engine, "m") == [(number,)]
        engine.write(exp.select("v").from_("m"), folder / "a[b]*.parquet")
        engine.read_files("written", [folder / "a[b]*.parquet"], exp.select("*"))
        assert everything(engine, "written") == [(2,)]


def test_keys_hash_and_sort_as_in_python(module_engine: Engine) -> None:
    engine = module_engine
    engine.create(
        "keys", exp.select("*").from_(exp.values([(key,) for key in KEYS], alias="t", columns=["k"]))
    )
    digest = engine.md5_hex(exp.Concat(expressions=[exp.Literal.string("盐|"), column("k")]))
    part = exp.Substring(this=digest.copy(), start=exp.Literal.number(1), length=exp.Literal.number(13))
    query = (
        exp.select(column("k"), named(digest, "h"), named(engine.hex_integer(part), "i"))
        .from_("keys")
        .order_by(engine.collated(column("k")))
    )
    hashes = {key: hashlib.md5(f"盐|{key}".encode()).hexdigest() for key in KEYS}
    assert engine.rows(query) == [
        (key, hashes[key], int(hashes[key][:13], 16)) for key in sorted(KEYS, key=str.encode)
    ]


def test_keys_of_every_kind_read_plainly(module_engine: Engine) -> None:
    values = [
        exp.Literal.string("0012"),
        exp.cast(exp.Literal.string("10000000"), exp.DType.BIGINT),
        exp.cast(exp.Literal.string("-7"), exp.DType.SMALLINT),
        exp.true(),
        exp.false(),
        exp.cast(exp.null(), exp.DType.BIGINT),
    ]
    names = [f"k{place}" for place, _ in enumerate(values)]
    module_engine.create("kinds", exp.select(*(named(v, n) for v, n in zip(values, names, strict=True))))
    found = module_engine.rows(exp.select(*(module_engine.as_key(column(n)) for n in names)).from_("kinds"))
    assert found == [("0012", "10000000", "-7", "true", "false", None)]


def test_a_table_is_computed_once(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    duckdb.sql("SELECT range AS v FROM range(1000)").write_parquet(str(path))
    engine.open_source("m", str(path))
    engine.create(
        "t", exp.select(named(exp.Rand(), "r"), named(exp.null(), "nothing"), column("v")).from_("m")
    )
    path.unlink()
    assert len(first := everything(engine, "t")) == 1000
    assert everything(engine, "t") == first
    kept = exp.LT(this=column("v"), expression=exp.Literal.number(500))
    engine.create("t", exp.select("*").from_("t").where(kept))
    assert sorted(everything(engine, "t")) == sorted(row for row in first if row[2] in range(500))
    assert engine.columns("t")["v"] is ColumnType.INTEGER


def test_what_is_deferred_reads_like_a_table_and_is_replaced(engine: Engine) -> None:
    def texts(*values: str) -> exp.Select:
        return exp.select("*").from_(exp.values([(each,) for each in values], alias="t", columns=["v"]))

    engine.create("source", texts("盐", "Salt"))
    for suffix in "ab":
        joined = exp.Concat(expressions=[column("v"), exp.Literal.string(suffix)])
        engine.defer("later", exp.select(named(engine.md5_hex(joined), "digits")).from_("source"))
        expected = sorted((hashlib.md5(f"{text}{suffix}".encode()).hexdigest(),) for text in ("盐", "Salt"))
        assert sorted(everything(engine, "later")) == expected
    assert engine.columns("later") == {"digits": ColumnType.TEXT}


def test_money_is_added_exactly(module_engine: Engine) -> None:
    engine = module_engine
    amount = exp.cast(column("v"), "DECIMAL(18,2)")
    texts = exp.values([("0.10",)] * 30 + [("123456789012.34",)], alias="t", columns=["v"])
    assert engine.rows(exp.select(exp.Sum(this=amount)).from_(texts)) == [(Decimal("123456789015.34"),)]


def test_null_sorts_last(module_engine: Engine) -> None:
    rows = exp.values([(1,), (None,), (0,)], alias="t", columns=["v"])
    assert module_engine.rows(exp.select("v").from_(rows).order_by(exp.column("v"))) == [(0,), (1,), (None,)]


def test_files_are_written_whole_and_alike(engine: Engine, tmp_path: Path) -> None:
    """In the rows' order, with the same quotes, whatever engine writes them."""
    rows = [(n, key, None if n % 3 else "", f" {key}\n") for n, key in enumerate(KEYS)]
    table = exp.values(rows, alias="t", columns=["n", "k", "e", "s"])
    at = named(engine.instant_literal(datetime(2026, 1, 2, tzinfo=UTC)), "at")
    query = (
        exp.select("n", "k", "e", "s", at).from_(table).order_by(exp.Ordered(this=exp.column("n"), desc=True))
    )
    target = tmp_path / "out" / "t.csv"
    engine.write(query, target)
    lines = ["n,k,e,s,at"]
    for n, key, e, s in reversed(rows):
        quoted = f'"{key.replace(chr(34), chr(34) * 2)}"' if '"' in key else key
        space = f'"{s.replace(chr(34), chr(34) * 2)}"'
        lines.append(f"{n},{quoted},{'' if e is None else chr(34) * 2},{space},2026-01-02 00:00:00+00")
    assert target.read_text() == "\n".join(lines) + "\n"
    engine.write(query, tmp_path / "out" / "t.parquet")
    engine.read_files("t", [tmp_path / "out" / "t.parquet"] * 2, query)
    assert engine.columns("t") == {
        "n": ColumnType.INTEGER,
        "k": ColumnType.TEXT,
        "e": ColumnType.TEXT,
        "s": ColumnType.TEXT,
        "at": ColumnType.INSTANT,
    }
    assert len(everything(engine, "t")) == 2 * len(rows)
    assert sorted(path.name for path in target.parent.iterdir()) == ["t.csv", "t.parquet"]


def test_no_files_have_the_columns_of_the_likeness(engine: Engine) -> None:
    like = exp.select(
        named(exp.cast(exp.null(), exp.DType.TEXT), "k"),
        named(exp.cast(exp.null(), exp.DType.TIMESTAMPTZ), "at"),
    )
    engine.read_files("none", [], like)
    assert engine.columns("none") == {"k": ColumnType.TEXT, "at": ColumnType.INSTANT}
    assert everything(engine, "none") == []


def test_a_failed_write_leaves_the_old_file_and_tells_no_value(
    engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out" / "t.csv"
    engine.write(exp.select(exp.alias_(exp.Literal.number(1), "x")), target)
    texts = exp.values([("1",), ("secret-member",)], alias="t", columns=["v"])
    with pytest.raises(InputError, match="wrong form") as caught:
        engine.write(exp.select(named(exp.cast(column("v"), "BIGINT"), "x")).from_(texts), target)
    assert "secret-member" not in str(caught.value)
    with pytest.raises(OfferwiseError) as other:
        engine.rows(exp.select(exp.column("secret-member", quoted=True)))
    assert "secret-member" not in str(other.value)
    assert capfd.readouterr() == ("", "")
    assert target.read_text() == "x\n1\n"
    assert list(target.parent.iterdir()) == [target]


ZONES = [
    ZoneInfo(name)
    for name in ("America/New_York", "Asia/Shanghai", "America/St_Johns", "Australia/Lord_Howe")
]


def test_local_time_agrees_with_python(module_engine: Engine) -> None:
    """Around every change of the clocks of a year, every quarter of an hour; a time that is shown twice is the second."""
    engine = module_engine
    moments = sorted({moment for zone in ZONES for moment in _around_changes(zone)})
    rows = [
        (n, moment.isoformat(sep=" "), *(_shown(moment, zone).isoformat(sep=" ") for zone in ZONES))
        for n, moment in enumerate(moments)
    ]
    shown = [f"shown{place}" for place, _ in enumerate(ZONES)]
    table = exp.values(rows, alias="t", columns=["n", "moment", *shown])
    at = exp.cast(exp.column("moment"), exp.DType.TIMESTAMPTZ)
    query = exp.select("n").from_(table)
    for name, zone in zip(shown, ZONES, strict=True):
        local = exp.cast(exp.column(name), exp.DType.TIMESTAMP)
        query = query.select(
            named(engine.local_text(at.copy(), zone), f"{name}_text"),
            named(engine.local_date(at.copy(), zone), f"{name}_day"),
            named(engine.instant(local, ColumnType.TIMESTAMP, zone), f"{name}_back"),
        )
    for found, moment in zip(engine.rows(query.order_by(exp.column("n"))), moments, strict=True):
        for place, zone in enumerate(ZONES):
            local = moment.astimezone(zone)
            back = _shown(moment, zone).replace(tzinfo=zone, fold=1).astimezone(UTC)
            assert found[1 + 3 * place : 4 + 3 * place] == (local.isoformat(), local.date(), back)


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _around_changes(zone: ZoneInfo) -> Iterator[datetime]:
    for day in range(365):
        noon = datetime.fromtimestamp(1_767_268_800 + 86_400 * day, UTC)
        before, after = (datetime.fromtimestamp(noon.timestamp() + s, zone).utcoffset() for s in (-86_400, 0))
        if before != after or day % 90 == 0:
            yield from (datetime.fromtimestamp(noon.timestamp() - 900 * step, UTC) for step in range(96))


def test_a_day_is_24_hours_and_a_date_is_local_midnight(module_engine: Engine) -> None:
    engine, berlin = module_engine, ZoneInfo("Europe/Berlin")
    eve = engine.instant(exp.cast(exp.Literal.string("2026-03-29"), "DATE"), ColumnType.DATE, berlin)
    query = exp.select(
        named(engine.add_days(eve, 1), "a"),
        named(engine.add_minutes(eve.copy(), exp.Literal.number(90)), "b"),
    )
    assert engine.rows(query) == [
        (datetime(2026, 3, 29, 23, tzinfo=UTC), datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
    ]


def test_a_time_that_clocks_skip_is_read_alike(module_engine: Engine) -> None:
    """As if the clocks had not been changed yet: 02:30 is 03:30 of summer."""
    engine, zone = module_engine, ZoneInfo("America/New_York")
    skipped = exp.cast(exp.Literal.string("2026-03-08 02:30:00"), exp.DType.TIMESTAMP)
    query = exp.select(named(engine.instant(skipped, ColumnType.TIMESTAMP, zone), "at"))
    assert engine.rows(query) == [(datetime(2026, 3, 8, 7, 30, tzinfo=UTC),)]


def test_quantile_is_the_smallest_value_with_enough_rows_at_or_below_it(module_engine: Engine) -> None:
    engine, chance = module_engine, random.Random(5)
    quantiles = ["0.5", "0.9", "0.99", "0.999", "0.25", "0.3"]
    lists = [[chance.randint(-50, 50) for _ in range(size)] for size in range(1, 121)]
    rows = [(place, value) for place, values in enumerate(lists) for value in values]
    table = exp.values(rows, alias="t", columns=["n", "v"])
    value = exp.cast(exp.column("v"), exp.DType.DOUBLE)
    found = [named(engine.quantile_disc(value.copy(), float(q)), f"q{i}") for i, q in enumerate(quantiles)]
    query = exp.select("n", *found).from_(table).group_by("n").order_by("n")
    for (_, *seen), values in zip(engine.rows(query), lists, strict=True):
        assert seen == [sorted(values)[math.ceil(Fraction(q) * len(values)) - 1] for q in quantiles]
