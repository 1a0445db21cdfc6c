"""DuckDB, the embedded engine: CSV, gzip CSV, Parquet and the tables of a DuckDB file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from experiments.definition.errors import InputError
from experiments.definition.origin import FILE_ENDINGS
from experiments.definition.sources import ROW_NUMBER
from experiments.engines.csv_header import check_header
from experiments.engines.duckdb_builders import DuckDBBuilders
from experiments.engines.duckdb_session import WAREHOUSE, in_our_words, open_session, path_literal
from experiments.engines.protocol import ColumnType
from experiments.engines.spill import SpillFolder
from experiments.engines.whole_file import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

_CSV_LINE = re.compile(r"CSV Error on Line: (\d+)")
_SIGNED = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_INTEGERS = _SIGNED | {f"U{name}" for name in _SIGNED}
_TYPES: tuple[tuple[frozenset[str], ColumnType], ...] = (
    (frozenset({"VARCHAR", "ENUM"}), ColumnType.TEXT),
    (_INTEGERS, ColumnType.INTEGER),
    (frozenset({"DECIMAL"}), ColumnType.DECIMAL),
    (frozenset({"FLOAT", "DOUBLE"}), ColumnType.FLOAT),
    (frozenset({"BOOLEAN"}), ColumnType.BOOLEAN),
    (frozenset({"DATE"}), ColumnType.DATE),
    (frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}), ColumnType.TIMESTAMP),
    (frozenset({"TIMESTAMP WITH TIME ZONE"}), ColumnType.INSTANT),
)


class DuckDBEngine(DuckDBBuilders):
    """The engine protocol on DuckDB; see `experiments.engines.protocol.Engine` for what each method promises.

    Args:
        database: A DuckDB file whose tables may be sources, opened read-only; None for none.
        files: Files that may be read, and folders in which files may be read and written.
        threads: How many threads; all cores when None.
        memory_limit: Such as `4GB`; 80 % of the machine's when None. Beyond it, DuckDB spills to a temporary
            folder.

    Raises:
        InputError: `database` cannot be opened.
    """

    name = "duckdb"
    dialect = "duckdb"

    def __init__(
        self,
        database: Path | None = None,
        *,
        files: Sequence[Path] = (),
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        self._spill = SpillFolder.make()
        self._closed = False
        try:
            self._session = open_session(database, files, self._spill.path, threads, memory_limit)
        except BaseException:
            self._spill.remove()
            raise

    def open_source(self, name: str, table: str, *, key: str | None = None) -> Mapping[str, ColumnType]:
        """A CSV file is loaded once, in its order; Parquet files and tables are read where they are."""
        ending = next((end for end in FILE_ENDINGS if table.lower().endswith(end)), None)
        if ending is None:
            return self._open_table(name, table, key)
        if not Path(table).is_file():
            raise InputError.single(f"there is no file {table}", "check the path")
        try:
            return (
                self._open_parquet(name, table, key)
                if ending == ".parquet"
                else self._open_csv(name, table, key)
            )
        except duckdb.Error as error:
            line = _CSV_LINE.search(str(error))
            where = f" at line {line.group(1)}" if line else ""
            kind = "Parquet" if ending == ".parquet" else "CSV in UTF-8"
            raise InputError.single(f"{table} cannot be read as {kind}{where}", "check the file") from error

    def _open_csv(self, name: str, path: str, key: str | None) -> Mapping[str, ColumnType]:
        loaded = f"{name}__loaded"
        try:
            self._run(_temporary("TABLE", loaded, exp.select("*").from_(_read_csv(path, key))))
        except duckdb.BinderException:
            # DuckDB refuses the type of a column that does not exist; the caller says so with a suggestion.
            self._run(_temporary("TABLE", loaded, exp.select("*").from_(_read_csv(path, None))))
        if not self._session.sql(exp.select("1").from_(loaded).limit(1).sql(self.dialect)).fetchall():
            raise InputError.single(
                f"{path} has no rows, so the types of its columns are unknown",
                "leave the source out, or give Parquet, which knows its types",
            )
        check_header(Path(path), list(self.columns(loaded)), key)
        number = exp.Add(this=exp.column("rowid"), expression=exp.Literal.number(1))
        return self._expose(name, exp.to_table(loaded), number if key == ROW_NUMBER else None, path)

    def _open_parquet(self, name: str, path: str, key: str | None) -> Mapping[str, ColumnType]:
        arguments: list[exp.Expr] = [path_literal(path), _without_folders()]
        number = None
        if key == ROW_NUMBER:
            arguments.append(_option("file_row_number", exp.true()))
            number = exp.Add(this=exp.column("file_row_number"), expression=exp.Literal.number(1))
        return self._expose(name, exp.Anonymous(this="read_parquet", expressions=arguments), number, path)

    def _open_table(self, name: str, table: str, key: str | None) -> Mapping[str, ColumnType]:
        if key == ROW_NUMBER:
            raise InputError.single(
                f"the rows of the table {table} have no order that `row_number` could count",
                "name the column with the member's key",
            )
        parts = [part.strip('"') for part in table.split(".")]
        catalog, schema, name_ = [WAREHOUSE, "main"][: max(0, 3 - len(parts))] + parts[-3:]
        found = exp.table_(name_, schema, catalog, quoted=True)
        try:
            return self._expose(name, found, None, table)
        except duckdb.Error as error:
            raise InputError.single(
                f"there is no file and no table {table}",
                f"name a file that ends in {', '.join(FILE_ENDINGS)}, or a table of --engine duckdb:///FILE.duckdb",
            ) from error

    def _expose(
        self, name: str, source: exp.Expr, number: exp.Expr | None, table: str
    ) -> Mapping[str, ColumnType]:
        """Make the view `name` over a source, with the types that the protocol promises."""
        described = self._session.sql(exp.select("*").from_(source.copy()).limit(0).sql(self.dialect))
        if number is not None and ROW_NUMBER in described.columns and source.name != "read_parquet":
            raise InputError.single(
                f"{table} has a column `row_number` of its own", "name another key, or rename the column"
            )
        shown = [
            exp.alias_(
                _portable(exp.column(exp.to_identifier(column, quoted=True)), str(kind)), column, quoted=True
            )
            for column, kind in zip(described.columns, described.types, strict=True)
            if column != "file_row_number" or number is None
        ]
        numbers = [] if number is None else [exp.alias_(number, ROW_NUMBER, quoted=True)]
        self._run(_temporary("VIEW", name, exp.select(*numbers, *shown).from_(source)))
        return self.columns(name)

    def create(self, name: str, query: exp.Query) -> None:
        """A temporary table; DuckDB spills it to disk where memory does not hold it."""
        with in_our_words("Computing in DuckDB"):
            self._run(_temporary("TABLE", name, query))

    def defer(self, name: str, query: exp.Query) -> None:
        """A view."""
        with in_our_words("Computing in DuckDB"):
            self._run(_temporary("VIEW", name, query))

    def columns(self, name: str) -> Mapping[str, ColumnType]:
        """The columns, from an empty result."""
        with in_our_words("Reading the columns of a relation in DuckDB"):
            found = self._session.sql(exp.select("*").from_(exp.to_table(name)).limit(0).sql(self.dialect))
            return {
                column: column_type(str(kind))
                for column, kind in zip(found.columns, found.types, strict=True)
            }

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """Without Arrow, so that small answers load no package."""
        with in_our_words("Computing in DuckDB"):
            result = self._session.sql(query.sql(self.dialect))
            instants = [str(kind) == "TIMESTAMP WITH TIME ZONE" for kind in result.types]
            if not any(instants):
                return result.fetchall()
            # DuckDB needs another package to give instants to Python, so they cross as UTC without a zone.
            plain = [
                exp.cast(_quoted(column), "TIMESTAMP").as_(column, quoted=True)
                if is_instant
                else _quoted(column)
                for column, is_instant in zip(result.columns, instants, strict=True)
            ]
            outer = exp.select(*plain).from_(query.subquery("instants"))
            return [
                tuple(
                    value.replace(tzinfo=UTC) if is_instant and value is not None else value
                    for value, is_instant in zip(row, instants, strict=True)
                )
                for row in self._session.sql(outer.sql(self.dialect)).fetchall()
            ]

    def fetch(self, query: exp.Query) -> pa.Table:
        """As Arrow."""
        with in_our_words("Computing in DuckDB"):
            return self._session.sql(query.sql(self.dialect)).to_arrow_table()

    def batches(self, query: exp.Query, rows: int = 65_536) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The rows of a query of any size, so many at a time, with their schema."""
        with in_our_words("Computing in DuckDB"):
            reader = self._session.sql(query.sql(self.dialect)).to_arrow_reader(rows)
        return reader.schema, reader

    def is_ascending(self, relation: str, column: str) -> bool:
        """A window without an order takes the rows in some order, mostly as they are stored: if values ascend in any, all differ."""
        before = exp.Window(this=exp.Lag(this=_quoted(column)))
        pairs = exp.select(exp.alias_(_quoted(column), "value"), exp.alias_(before, "before"))
        value, previous = exp.column("value"), exp.column("before")
        descends = exp.or_(
            exp.Is(this=value, expression=exp.null()), exp.GTE(this=previous, expression=value.copy())
        )
        query = exp.select("1").from_(pairs.from_(exp.to_table(relation)).subquery("pairs")).where(descends)
        return not self.rows(query.limit(1))

    def write(self, query: exp.Query, path: Path) -> None:
        """Into a file beside `path`, which is synced and then renamed."""
        with whole_file(path) as unfinished, in_our_words(f"Writing {path}"):
            rows = self._session.sql(query.sql(self.dialect))
            if path.suffix == ".parquet":
                rows.write_parquet(str(unfinished), compression="zstd")
            else:
                rows.write_csv(str(unfinished), header=True)

    def read_files(self, name: str, paths: Sequence[Path], like: exp.Query) -> None:
        """A view over the files."""
        with in_our_words("Reading the ledger in DuckDB"):
            if not paths:
                self._run(_temporary("VIEW", name, exp.select("*").from_(like.subquery("nothing")).limit(0)))
                return
            files = exp.Array(expressions=[path_literal(str(path)) for path in paths])
            source = exp.Anonymous(this="read_parquet", expressions=[files, _without_folders()])
            self._run(_temporary("VIEW", name, exp.select("*").from_(source)))

    def cancel_and_close(self) -> None:
        """Interrupt, close, and remove what was spilled."""
        if self._closed:
            return
        self._closed = True
        self._session.interrupt()
        self._session.close()
        self._spill.remove()

    def _run(self, statement: exp.Expr) -> None:
        self._session.execute(statement.sql(self.dialect))


def column_type(name: str) -> ColumnType:
    """What a DuckDB type is to us.

    >>> column_type("DECIMAL(18,2)"), column_type("UTINYINT"), column_type("BLOB")
    (<ColumnType.DECIMAL: 'decimal'>, <ColumnType.INTEGER: 'integer'>, <ColumnType.OTHER: 'other'>)
    """
    plain = name.partition("(")[0]
    if name.endswith("[]"):
        return ColumnType.OTHER
    return next((kind for names, kind in _TYPES if plain in names), ColumnType.OTHER)


def _quoted(column: str) -> exp.Column:
    return exp.column(exp.to_identifier(column, quoted=True))


def _option(name: str, value: exp.Expr) -> exp.Expr:
    return exp.EQ(this=exp.column(name), expression=value)


def _without_folders() -> exp.Expr:
    """DuckDB makes a column of a folder that is called `name=value`; a file has the columns that it holds."""
    return _option("hive_partitioning", exp.false())


def _read_csv(path: str, key: str | None) -> exp.Expr:
    options = [
        _without_folders(),
        _option("header", exp.true()),
        _option("skip", exp.Literal.number(0)),
        _option("sample_size", exp.Literal.number(-1)),
    ]
    if key is not None and key != ROW_NUMBER:
        text = exp.PropertyEQ(this=exp.Literal.string(key), expression=exp.Literal.string("VARCHAR"))
        options.append(_option("types", exp.Struct(expressions=[text])))
    return exp.Anonymous(this="read_csv", expressions=[path_literal(path), *options])


def _portable(column: exp.Expr, kind: str) -> exp.Expr:
    """A column as every engine would give it: no enumeration, no nanoseconds, no NaN."""
    if kind.startswith("ENUM"):
        return exp.cast(column, exp.DType.TEXT)
    if kind in {"TIMESTAMP_S", "TIMESTAMP_MS"}:
        return exp.cast(column, exp.DType.TIMESTAMP)
    if kind == "TIMESTAMP_NS":
        return _cut_off(column, exp.DType.TIMESTAMP)
    if kind == "TIMESTAMPTZ_NS":
        return _cut_off(column, exp.DType.TIMESTAMPTZ)
    if kind in {"FLOAT", "DOUBLE"}:
        value = exp.cast(column, exp.DType.DOUBLE)
        # Both `= 'NaN'` and `isnan` are answered from a Parquet file's statistics, which leave NaN out.
        is_nan = exp.NullSafeEQ(this=value, expression=exp.cast(exp.Literal.string("NaN"), exp.DType.DOUBLE))
        return exp.case().when(is_nan, exp.null()).else_(value.copy())
    return column


def _cut_off(column: exp.Expr, kind: exp.DType) -> exp.Expr:
    """A time without its nanoseconds; a cast alone would round, and 23:59:59.999999999 be a moment of the next day."""
    rounded = exp.cast(column, kind)
    before = exp.Sub(
        this=rounded.copy(),
        expression=exp.Interval(this=exp.Literal.string("1"), unit=exp.var("MICROSECOND")),
    )
    is_up = _nanoseconds(rounded) > _nanoseconds(column)
    return exp.case().when(is_up, before).else_(rounded.copy())


def _nanoseconds(time: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="epoch_ns", expressions=[time.copy()])


def _temporary(kind: str, name: str, query: exp.Query) -> exp.Create:
    return exp.Create(
        this=exp.to_table(name),
        kind=kind,
        replace=True,
        properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        expression=query,
    )
