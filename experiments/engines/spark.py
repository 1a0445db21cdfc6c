"""Spark: Parquet and CSV files that all workers see, and the tables of Spark's catalogue.

Queries run in Spark. A table of the session is computed once, into Parquet files of a scratch folder, so that neither a lost
worker nor a second reading computes it again. CSV files are read by the reader that DuckDB uses, so that their columns have
the same types and values on every engine.
"""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlglot import exp

from experiments.definition.errors import InputError, OutsideError
from experiments.definition.origin import FILE_ENDINGS
from experiments.definition.sources import ROW_NUMBER
from experiments.engines.protocol import ColumnType
from experiments.engines.spark_builders import SparkBuilders, rendered
from experiments.engines.spark_errors import in_our_words, quiet
from experiments.engines.spark_session import Master, Session, require_session
from experiments.engines.spill import SpillFolder

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from experiments.engines.duckdb import DuckDBEngine

_PATTERN = re.compile(r"([\\*?\[\]{}])")
_UNSIGNED_64 = "decimal(20,0)"
"""What Spark makes of a Parquet column of unsigned 64-bit integers."""
_TYPES: Mapping[str, ColumnType] = {
    "string": ColumnType.TEXT,
    "varchar": ColumnType.TEXT,
    "char": ColumnType.TEXT,
    "tinyint": ColumnType.INTEGER,
    "smallint": ColumnType.INTEGER,
    "int": ColumnType.INTEGER,
    "bigint": ColumnType.INTEGER,
    "decimal": ColumnType.DECIMAL,
    "float": ColumnType.FLOAT,
    "double": ColumnType.FLOAT,
    "boolean": ColumnType.BOOLEAN,
    "date": ColumnType.DATE,
    "timestamp_ntz": ColumnType.TIMESTAMP,
    "timestamp": ColumnType.INSTANT,
}
_PARTS = "parts"
_PROBE_ROWS, _PROBE_PARTS = 256, 8


class SparkEngine(SparkBuilders):
    """The engine protocol on Spark; see `experiments.engines.protocol.Engine` for what each method promises.

    Args:
        spark: The URL's master, or a session of the caller, which is neither changed nor stopped.
        files: Files that are read, and folders in which files are read and written. On a cluster the last folder must be
            one that all workers share.

    Raises:
        InputError: PySpark or Java is missing.
        OutsideError: Spark cannot be reached, or workers do not share the folder.
    """

    name = "spark"
    dialect = "spark"

    def __init__(self, spark: Master | SparkSession, *, files: Sequence[Path] = ()) -> None:
        self._closed = False
        self._made = 0
        self._folders: dict[str, Path] = {}
        self._globals: list[str] = []
        self._tag = f"offerwise-{uuid4().hex}"
        if isinstance(spark, Master):
            is_local = spark.is_local
        else:
            require_session(spark)
            is_local = _is_local(spark)
        folders = [path for path in files if not path.is_file() and not path.name.endswith(FILE_ENDINGS)]
        shared = None if is_local or not folders else folders[-1]
        self._scratch = SpillFolder.make(shared)
        try:
            self._session = (
                Session.start(spark, self._scratch.path)
                if isinstance(spark, Master)
                else Session.of_caller(spark)
            )
        except BaseException:
            self._scratch.remove()
            raise
        try:
            self._session.ours.addTag(self._tag)
            if not is_local:
                self._probe()
        except BaseException:
            self.cancel_and_close()
            raise

    def open_source(self, name: str, table: str, *, key: str | None = None) -> Mapping[str, ColumnType]:
        """Parquet and tables are read where they are; a CSV file is read once, here, and handed on as Parquet."""
        ending = next((end for end in FILE_ENDINGS if table.lower().endswith(end)), None)
        if ending is None:
            return self._open_table(name, table, key)
        if "://" not in table and not Path(table).is_file():
            raise InputError.single(f"there is no file {table}", "check the path")
        if ending == ".parquet":
            return self._open_parquet(name, table, key)
        if "://" in table:
            raise InputError.single(f"{table} is no CSV file of this machine", "give Parquet, or a table")
        return self._open_csv(name, Path(table), key)

    def _open_csv(self, name: str, path: Path, key: str | None) -> Mapping[str, ColumnType]:
        from experiments.engines.duckdb import DuckDBEngine

        folder = self._new_folder()
        reader = DuckDBEngine(files=[path, folder])
        try:
            reader.open_source(name, str(path), key=key)
            reader.write(exp.select("*").from_(exp.to_table(name, quoted=True)), folder / "rows.parquet")
        finally:
            reader.cancel_and_close()
        with in_our_words(f"Reading {path}"):
            frame = self._session.ours.read.parquet(_exactly(folder / "rows.parquet"))
            return self._expose(name, frame)

    def _open_parquet(self, name: str, table: str, key: str | None) -> Mapping[str, ColumnType]:
        stored = {} if "://" in table else _stored_times(Path(table))
        with in_our_words(f"Reading {table}"):
            frame = self._read(table if "://" in table else _exactly(Path(table)), table)
            columns = [_portable(column, kind, stored.get(column)) for column, kind in frame.dtypes]
            if key == ROW_NUMBER:
                if ROW_NUMBER in frame.columns:
                    raise InputError.single(
                        f"{table} has a column `row_number` of its own",
                        "name another key, or rename the column",
                    )
                row = exp.Dot(this=exp.column("_metadata"), expression=exp.to_identifier("row_index"))
                number = exp.Add(this=row, expression=exp.Literal.number(1))
                columns.insert(0, exp.alias_(number, ROW_NUMBER, quoted=True))
            return self._expose(name, frame.selectExpr(*map(rendered, columns)))

    def _read(self, place: str, table: str) -> DataFrame:
        from pyspark.errors import PySparkException

        if Path(table).name.startswith(("_", ".")):
            raise InputError.single(
                f"Spark passes over {table}, as over every file whose name begins with _ or a dot",
                "rename the file",
            )
        try:
            return self._session.ours.read.parquet(place)
        except PySparkException as error:
            raise InputError.single(f"{table} cannot be read as Parquet", "check the file") from error

    def _open_table(self, name: str, table: str, key: str | None) -> Mapping[str, ColumnType]:
        if key == ROW_NUMBER:
            raise InputError.single(
                f"the rows of the table {table} have no order that `row_number` could count",
                "name the column with the member's key",
            )
        parts = [part.strip('"`') for part in table.split(".")]
        place = ".".join(map(_identifier, parts))
        with in_our_words(f"Reading {table}"):
            frame = self._table(place)
            if frame is None:
                raise InputError.single(
                    f"there is no file and no table {table}",
                    f"name a file that ends in {', '.join(FILE_ENDINGS)}, or a table of Spark's catalogue",
                )
            columns = [_portable(column, kind, None) for column, kind in frame.dtypes]
            return self._expose(name, frame.selectExpr(*map(rendered, columns)))

    def _table(self, place: str) -> DataFrame | None:
        """A temporary view of the caller's session, or a table of the catalogue; None where there is neither."""
        given = self._session.given
        if given is not None and given.catalog.tableExists(place):
            # A temporary view is known to its own session alone; a global one that shows it is known to ours.
            shown = f"offerwise_{uuid4().hex}"
            given.table(place).createGlobalTempView(shown)
            self._globals.append(shown)
            return self._session.ours.table(f"global_temp.{shown}")
        ours = self._session.ours
        return ours.table(place) if ours.catalog.tableExists(place) else None

    def _expose(self, name: str, frame: DataFrame) -> Mapping[str, ColumnType]:
        frame.createOrReplaceTempView(_identifier(name))
        return self.columns(name)

    def create(self, name: str, query: exp.Query) -> None:
        """A folder of Parquet files, which goes with the session; or with the next table of that name."""
        folder = self._new_folder()
        with in_our_words("Computing in Spark"):
            frame = self._typed(query)
            frame.write.parquet(_uri(folder / "rows"))
            written = self._session.ours.read.schema(frame.schema).parquet(_exactly(folder / "rows"))
            written.createOrReplaceTempView(_identifier(name))
        before = self._folders.get(name)
        self._folders[name] = folder
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)

    def defer(self, name: str, query: exp.Query) -> None:
        """A view."""
        with in_our_words("Computing in Spark"):
            self._typed(query).createOrReplaceTempView(_identifier(name))

    def columns(self, name: str) -> Mapping[str, ColumnType]:
        """The columns that Spark's catalogue tells."""
        with in_our_words("Reading the columns of a relation in Spark"):
            found = self._session.ours.table(_identifier(name))
            return {column: column_type(kind) for column, kind in found.dtypes}

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """From Arrow."""
        table = self.fetch(query)
        columns = [[_plain(value) for value in column.to_pylist()] for column in table.columns]
        return list(zip(*columns, strict=True))

    def fetch(self, query: exp.Query) -> pa.Table:
        """As Arrow."""
        with in_our_words("Computing in Spark"):
            return self._session.ours.sql(rendered(query)).toArrow()

    def write(self, query: exp.Query, path: Path) -> None:
        """Spark writes parts, in the order of the rows, which are then put together into one file beside `path`."""
        folder = self._new_folder()
        try:
            with in_our_words(f"Writing {path}"):
                rows = _write_parts(self._typed(query), folder / _PARTS)
            with _together(folder, rows, into=path.parent) as writer:
                writer.write(exp.select("*").from_(_PARTS), path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def read_files(self, name: str, paths: Sequence[Path], like: exp.Query) -> None:
        """A view over the files."""
        with in_our_words("Reading the ledger in Spark"):
            frame = (
                self._session.ours.read.parquet(*map(_exactly, paths))
                if paths
                else self._typed(exp.select("*").from_(like.subquery("nothing")).limit(0))
            )
            frame.createOrReplaceTempView(_identifier(name))

    def cancel_and_close(self) -> None:
        """Cancel what runs, stop Spark where it was started here, and remove the scratch folder."""
        if self._closed:
            return
        self._closed = True
        if self._session.given is not None:
            with quiet():
                for shown in self._globals:
                    self._session.given.catalog.dropGlobalTempView(shown)
        self._session.close(self._tag)
        self._scratch.remove()

    def _typed(self, query: exp.Query) -> DataFrame:
        """The rows of a query; a column that is NULL alone is an integer, as on other engines."""
        frame = self._session.ours.sql(rendered(query))
        untyped = [column for column, kind in frame.dtypes if kind == "void"]
        if not untyped:
            return frame
        columns = [
            exp.alias_(exp.cast(_quoted(column), exp.DType.INT), column, quoted=True)
            if column in untyped
            else _quoted(column)
            for column in frame.columns
        ]
        return frame.selectExpr(*map(rendered, columns))

    def _new_folder(self) -> Path:
        """A folder as open as the one around it: the workers of a cluster may be another user."""
        self._made += 1
        folder = self._scratch.path / str(self._made)
        folder.mkdir()
        folder.chmod(stat.S_IMODE(self._scratch.path.stat().st_mode))
        return folder

    def _probe(self) -> None:
        """What workers write must be seen here: rows in folders of their own would be lost without a word."""
        folder = self._new_folder()
        with in_our_words("Looking whether the workers of Spark share the folder of --out"):
            rows = _write_parts(self._session.ours.range(0, _PROBE_ROWS, 1, _PROBE_PARTS), folder / _PARTS)
        with _together(folder, rows):
            shutil.rmtree(folder, ignore_errors=True)


def column_type(name: str) -> ColumnType:
    """What a Spark type is to us.

    >>> column_type("decimal(18,2)"), column_type("smallint"), column_type("array<int>")
    (<ColumnType.DECIMAL: 'decimal'>, <ColumnType.INTEGER: 'integer'>, <ColumnType.OTHER: 'other'>)
    """
    if name == _UNSIGNED_64:
        return ColumnType.INTEGER
    return _TYPES.get(re.split(r"[ (]", name, maxsplit=1)[0], ColumnType.OTHER)


def _is_local(session: SparkSession) -> bool:
    return str(session.sparkContext.master).startswith("local")


def _write_parts(frame: DataFrame, folder: Path) -> int:
    """Write the rows as parts, and give the number that Spark has counted on the way."""
    from pyspark.sql import Observation, functions

    counted = Observation()
    frame.observe(counted, functions.count(functions.lit(1)).alias("rows")).write.parquet(_uri(folder))
    return int(counted.get["rows"])


@contextmanager
def _together(folder: Path, rows: int, *, into: Path | None = None) -> Iterator[DuckDBEngine]:
    """A reader of all parts in their order, as one relation; `into` is where it may write.

    Raises:
        OutsideError: They are not all there.
    """
    from experiments.engines.duckdb import DuckDBEngine

    reader = DuckDBEngine(files=[folder, into or folder])
    try:
        parts = sorted((folder / _PARTS).glob("part-*.parquet"))
        reader.read_files(_PARTS, parts, exp.select("1"))
        ((found,),) = reader.rows(exp.select(exp.Count(this=exp.Star())).from_(_PARTS))
        if found != rows:
            raise OutsideError(
                f"Spark wrote {rows:,} rows, of which {found:,} can be seen here: its workers do not share the folder",
                "Nothing was half-written",
                "Give a folder that all workers share with --out, then run the same command again",
            )
        yield reader
    finally:
        reader.cancel_and_close()


def _stored_times(path: Path) -> Mapping[str, pa.DataType]:
    """The times of a Parquet file as its own schema tells them: with zone or without, in which unit.

    Raises:
        InputError: It is not a Parquet file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError.single(f"{path} cannot be read as Parquet", "check the file") from error
    return {field.name: field.type for field in schema if pa.types.is_timestamp(field.type)}


def _portable(name: str, kind: str, stored: pa.DataType | None) -> exp.Expr:
    """A column as every engine would give it: no nanoseconds, no NaN, a zone only where the file has one."""
    column = _quoted(name)
    value: exp.Expr = column
    if kind in {"float", "double"}:
        number = exp.cast(column, exp.DType.DOUBLE)
        value = exp.case().when(exp.IsNan(this=number), exp.null()).else_(number.copy())
    elif stored is not None:
        if kind == "bigint":
            thousand = exp.Literal.number(1000)
            # Cut off before 1970, too, where a quotient alone is cut towards zero.
            whole = exp.paren(column - exp.Anonymous(this="PMOD", expressions=[column.copy(), thousand]))
            micros = exp.IntDiv(this=whole, expression=thousand.copy())
            value = exp.Anonymous(this="TIMESTAMP_MICROS", expressions=[micros])
        value = value if stored.tz is not None else exp.cast(value, exp.DType.TIMESTAMP)
    return exp.alias_(value, name, quoted=True)


def _plain(value: Any) -> Any:
    """Instants in the one zone that all engines give."""
    is_instant = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_instant else value


def _identifier(name: str) -> str:
    """A name for Spark's own methods, which read names as SQL."""
    return exp.to_identifier(name, quoted=True).sql("spark")


def _quoted(column: str) -> exp.Column:
    return exp.column(exp.to_identifier(column, quoted=True))


def _uri(path: Path) -> str:
    """A path on the file systems of the machines, whatever Spark's own is."""
    return f"file://{path.absolute()}"


def _exactly(path: Path) -> str:
    """The same to read from, where Spark would take `*`, `?` and `[` for a pattern."""
    return _PATTERN.sub(r"\\\1", _uri(path))
