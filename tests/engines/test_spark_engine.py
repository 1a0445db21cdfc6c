"""What is Spark's own: its URL, sessions of the caller, tables of its catalogue, what is missing, what is left behind."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlglot import exp

from experiments.definition.errors import InputError, OutsideError
from experiments.engines.connect import connect
from experiments.engines.protocol import ColumnType
from experiments.engines.spark import SparkEngine
from tests.engines.conftest import ROOT


def everything(engine: object, name: str) -> list[tuple[object, ...]]:
    assert isinstance(engine, SparkEngine)
    return engine.rows(exp.select("*").from_(exp.to_table(name, quoted=True)))


@pytest.mark.parametrize(
    "url",
    [
        "spark://",
        "spark://local[0]",
        "spark://local[2,3]",
        "spark://yarn",
        "spark://host",
        "spark://user:secret@host:7077",
        "spark://local[2]?driver_memory=secret",
        "spark://local[2]?secret=1g",
        "spark://local[2]?shuffle_partitions=0",
    ],
)
def test_a_wrong_url_is_an_input_error_without_credentials(url: str) -> None:
    with pytest.raises(InputError, match="--engine") as caught:
        connect(url)
    assert "secret" not in str(caught.value).replace("the option secret", "")


def test_what_is_no_session_is_refused(spark_url: str) -> None:
    with pytest.raises(InputError, match="neither a URL nor a session of Spark"):
        connect(object())  # type: ignore[arg-type]


def test_a_master_that_is_not_there_is_told_at_once() -> None:
    """In a process of its own, for this one may run Spark already."""
    done = _connecting("spark://127.0.0.1:1")
    assert "OutsideError: Could not reach the Spark master" in done
    assert "127.0.0.1" not in done.splitlines()[-1]


def test_without_pyspark_or_java_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "pip install 'offerwise[spark]'" in _connecting("spark://local", "sys.modules['pyspark'] = None; ")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert "there is no Java in JAVA_HOME" in _connecting("spark://local")


def _connecting(url: str, before: str = "") -> str:
    code = f"import sys; {before}from experiments.engines.connect import connect; connect({url!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.strip()


def test_one_process_has_one_master(spark_url: str) -> None:
    with pytest.raises(InputError, match="another master"):
        connect("spark://local[1]")


def test_tables_and_temporary_views_of_a_session_are_sources(spark_url: str, tmp_path: Path) -> None:
    from pyspark.sql import SparkSession

    session = SparkSession.builder.getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "Asia/Shanghai")
    session.sql(
        "SELECT '0012' AS `会员 名`, double('NaN') AS f, TIMESTAMP '2026-01-01 08:00:00' AS moment, "
        "TIMESTAMP_NTZ '2026-01-01 08:00:00' AS local, 1.50BD AS money, array(1) AS list, CAST(7 AS TINYINT) AS n"
    ).createOrReplaceTempView("`会员`")
    session.sql("CREATE DATABASE IF NOT EXISTS crm")
    session.sql("DROP TABLE IF EXISTS crm.orders")
    session.range(3).write.saveAsTable("crm.orders")
    try:
        engine = connect(session, files=[tmp_path])
        assert engine.open_source("data 会员", "会员") == {
            "会员 名": ColumnType.TEXT,
            "f": ColumnType.FLOAT,
            "moment": ColumnType.INSTANT,
            "local": ColumnType.TIMESTAMP,
            "money": ColumnType.DECIMAL,
            "list": ColumnType.OTHER,
            "n": ColumnType.INTEGER,
        }
        assert everything(engine, "data 会员") == [
            (
                "0012",
                None,
                datetime(2026, 1, 1, tzinfo=UTC),
                datetime(2026, 1, 1, 8),  # noqa: DTZ001 - a time without zone
                Decimal("1.50"),
                [1],
                7,
            )
        ]
        assert engine.open_source("o", '"crm".orders') == {"id": ColumnType.INTEGER}
        with pytest.raises(InputError, match="row_number"):
            engine.open_source("o", "crm.orders", key="row_number")
        with pytest.raises(InputError, match="there is no file and no table"):
            engine.open_source("x", f"csv.{tmp_path}")
        engine.cancel_and_close()
        engine.cancel_and_close()
        assert session.sql("SHOW VIEWS IN global_temp").filter("namespace = 'global_temp'").count() == 0
        assert session.table("`会员`").count() == 1
    finally:
        session.sql("DROP DATABASE crm CASCADE")
        session.catalog.dropTempView("会员")


def test_a_file_that_goes_away_is_told_without_its_name(spark_url: str, tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "members.parquet"
    duckdb.sql("SELECT 1 AS v").write_parquet(str(path))
    engine = connect(spark_url, files=[path])
    engine.open_source("m", str(path))
    path.unlink()
    with pytest.raises(InputError, match="not there for every worker"):
        everything(engine, "m")
    engine.cancel_and_close()


def test_a_name_that_spark_passes_over_is_refused(spark_url: str, tmp_path: Path) -> None:
    import duckdb

    engine = connect(spark_url, files=[tmp_path])
    for name in ("_m.parquet", ".m.parquet"):
        duckdb.sql("SELECT 1 AS v").write_parquet(str(tmp_path / name))
        with pytest.raises(InputError, match="rename the file"):
            engine.open_source("m", str(tmp_path / name))
    with pytest.raises(InputError, match="give Parquet, or a table"):
        engine.open_source("m", "s3a://bucket/m.csv")
    engine.cancel_and_close()


def test_nothing_is_left_behind(spark_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    engine = connect(spark_url, files=[tmp_path / "out"])
    engine.create("t", exp.select(exp.alias_(exp.Literal.number(1), "x")))
    engine.write(exp.select("x").from_("t"), tmp_path / "out" / "t.parquet")
    assert list((tmp_path / "temporary").iterdir())
    engine.cancel_and_close()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "temporary"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["t.parquet"]


def test_rows_that_workers_keep_to_themselves_are_missed(spark_url: str, tmp_path: Path) -> None:
    """Two machines whose folders only have the same name: of what Spark wrote, a part is not here."""
    from pyspark.sql import SparkSession

    from experiments.engines import spark

    frame = SparkSession.builder.getOrCreate().range(0, 10, 1, 2)
    rows = spark._write_parts(frame, tmp_path / "parts")
    with spark._together(tmp_path, rows) as reader:
        assert reader.rows(exp.select(exp.Sum(this=exp.column("id"))).from_("parts")) == [(45,)]
    next((tmp_path / "parts").glob("part-*.parquet")).unlink()
    with (
        pytest.raises(OutsideError, match="wrote 10 rows, of which 5 can be seen here"),
        spark._together(tmp_path, rows),
    ):
        pass
