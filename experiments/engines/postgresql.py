"""PostgreSQL: its tables by `schema.table`, and files that are staged into temporary tables of the session."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import Column
from psycopg.pq import TransactionStatus
from sqlglot import exp

from experiments.definition.errors import InputError
from experiments.definition.origin import FILE_ENDINGS
from experiments.definition.sources import ROW_NUMBER
from experiments.engines.duckdb import DuckDBEngine
from experiments.engines.postgresql_builders import PostgreSQLBuilders, by_bytes
from experiments.engines.postgresql_copy import (
    WIDE_INTEGER,
    batches,
    column_type,
    described,
    is_whole,
    load,
    write_csv,
)
from experiments.engines.postgresql_session import Session, in_our_words, open_session
from experiments.engines.postgresql_sql import fitted, postgresql_sql
from experiments.engines.postgresql_tables import PostgreSQLTables
from experiments.engines.protocol import ColumnType
from experiments.engines.whole_file import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

_NAME_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')
_STAGED = "staged"
_UUID = 2950
_AS_TEXT = """
    SELECT oid FROM pg_catalog.pg_type
    WHERE oid = ANY(%s) AND (typcategory IN ('S', 'E') OR oid = %s)
"""
_FIND = """
    SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname = ANY(%s) AND c.relname = %s
    ORDER BY array_position(%s, n.nspname) LIMIT 1
"""


class PostgreSQLEngine(PostgreSQLBuilders):
    """The engine protocol on PostgreSQL; see `experiments.engines.protocol.Engine` for what each method promises.

    What a session makes are temporary tables and views, apart from the tables of `lasting`. A floating or decimal NaN reads
    as NULL; enumerations and UUIDs read as text.

    Args:
        url: As libpq reads it; a password may stand in its place in the environment or in `~/.pgpass` instead.

    Raises:
        InputError: The URL cannot be read, or the database does not keep text in UTF-8.
        OutsideError: The server cannot be reached.
    """

    name = "postgresql"
    dialect = "postgres"

    def __init__(self, url: str) -> None:
        self._session: Session = open_session(url)
        self._made: dict[str, str] = {}
        self._long_names: dict[str, str] = {}
        with in_our_words("Opening a session of PostgreSQL"):
            ((schemas,),) = self._session.execute("SELECT current_schemas(false)").fetchall()
            # Relations are the session's own or named with their schema, and functions PostgreSQL's.
            self._session.execute("SELECT set_config('search_path', '', false)")
        self._schemas = schemas
        self.lasting = PostgreSQLTables(self._session)

    def open_source(self, name: str, table: str, *, key: str | None = None) -> Mapping[str, ColumnType]:
        """A file is staged with the types that DuckDB reads in it; a table is read where it is."""
        if not table.lower().endswith(FILE_ENDINGS):
            return self._open_table(name, table, key)
        with _local([Path(table)]) as files:
            kinds = files.open_source(_STAGED, table, key=key)
            self._stage(name, files, kinds)
        return self.columns(name)

    def _stage(self, name: str, files: DuckDBEngine, kinds: Mapping[str, ColumnType]) -> None:
        """Copy relation `staged` of a local session into the temporary table `name`."""
        columns = [
            exp.column(column, quoted=True)
            if kind is not ColumnType.OTHER
            else exp.alias_(exp.null(), column, quoted=True)
            for column, kind in kinds.items()
        ]
        schema, rows = files.batches(exp.select(*columns).from_(_STAGED))
        definitions = [
            _column_definition(self._fitted(field.name), kinds[field.name], field.type) for field in schema
        ]
        created = exp.Schema(this=_relation(name), expressions=definitions)
        with in_our_words("Copying a file into PostgreSQL"), self._session.transaction():
            self._forget(name)
            self._run(_temporary("TABLE", created))
            load(self._session, _relation(name), rows)
            self._made[name] = "TABLE"
        self._analyze(name)

    def _open_table(self, name: str, table: str, key: str | None) -> Mapping[str, ColumnType]:
        if key == ROW_NUMBER:
            raise InputError.single(
                f"the rows of the table {table} have no order that `row_number` could count",
                "name the column with the member's key",
            )
        source = self._find(table)
        try:
            columns = described(self._session, exp.select("*").from_(source))
        except psycopg.errors.InsufficientPrivilege as error:
            raise InputError.single(
                f"the user of --engine may not read the table {table}",
                "grant it SELECT, and USAGE on its schema",
            ) from error
        with in_our_words("Reading the columns of a table in PostgreSQL"):
            found = self._session.execute(_AS_TEXT, ([each.type_code for each in columns], _UUID)).fetchall()
        texts = {code for (code,) in found}
        shown = [
            exp.alias_(_portable(each, is_text=each.type_code in texts), each.name, quoted=True)
            for each in columns
        ]
        self._view(name, exp.select(*shown).from_(source))
        return self.columns(name)

    def _find(self, table: str) -> exp.Table:
        """A table by its name as written, else in small letters, as PostgreSQL takes a name without quotes."""
        parts = [quoted.replace('""', '"') or plain for quoted, plain in _NAME_PART.findall(table)]
        for *schema, relation in filter(None, (parts, [part.lower() for part in parts])):
            schemas = schema[-1:] or self._schemas
            with in_our_words("Looking for a table in PostgreSQL"):
                found = self._session.execute(_FIND, (schemas, relation, schemas)).fetchone()
            if found is not None:
                return exp.table_(str(found[1]), str(found[0]), quoted=True)
        raise InputError.single(
            f"there is no file and no table {table}",
            f"name a file that ends in {', '.join(FILE_ENDINGS)}, or a table as schema.table",
        )

    def create(self, name: str, query: exp.Query) -> None:
        """A temporary table, with its texts under the collation of bytes."""
        with in_our_words("Computing in PostgreSQL"):
            columns = described(self._session, query)
            shown = [
                exp.alias_(_bytewise(each.name, column_type(each)), each.name, quoted=True)
                for each in columns
            ]
            computed = f"{name}__computed"
            with self._session.transaction():
                self._run(
                    _temporary("TABLE", _relation(computed), exp.select(*shown).from_(query.subquery("made")))
                )
                # Only now, because the query may read what it replaces.
                self._forget(name)
                rename = exp.AlterRename(this=_relation(name))
                self._run(exp.Alter(this=_relation(computed), kind="TABLE", actions=[rename]))
            self._made[name] = "TABLE"
        self._remember(query.named_selects)
        self._analyze(name)

    def defer(self, name: str, query: exp.Query) -> None:
        """Stored: from a view, PostgreSQL would compute an expression once for each of its uses."""
        self.create(name, query)

    def columns(self, name: str) -> Mapping[str, ColumnType]:
        """The columns, from an empty result."""
        with in_our_words("Reading the columns of a relation in PostgreSQL"):
            found = described(self._session, exp.select("*").from_(_relation(name)))
            return {self._long_names.get(each.name, each.name): column_type(each) for each in found}

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """Without Arrow, so that small answers load no package."""
        with in_our_words("Computing in PostgreSQL"):
            return [
                tuple(
                    value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
                    for value in row
                )
                for row in self._session.execute(postgresql_sql(query).encode()).fetchall()
            ]

    def fetch(self, query: exp.Query) -> pa.Table:
        """As Arrow, under the names that the query gives."""
        import pyarrow as pa

        with in_our_words("Computing in PostgreSQL"):
            schema, rows = self._batches(query)
            return pa.Table.from_batches(rows, schema)

    def _batches(self, query: exp.Query) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The rows of a query under the names that it gives, long ones too."""
        import pyarrow as pa

        self._remember(query.named_selects)
        schema, rows = batches(self._session, query)
        names = [self._long_names.get(each, each) for each in schema.names]
        renamed = pa.schema(zip(names, schema.types, strict=True))
        return renamed, (batch.rename_columns(names) for batch in rows)

    def write(self, query: exp.Query, path: Path) -> None:
        """Through this process, a batch at a time."""
        with whole_file(path) as unfinished, in_our_words(f"Writing {path}"):
            if path.suffix != ".parquet":
                write_csv(self._session, query, unfinished)
                return
            import pyarrow.parquet as pq

            schema, rows = self._batches(query)
            with pq.ParquetWriter(unfinished, schema, compression="zstd") as file:
                for batch in rows:
                    file.write_batch(batch)

    def read_files(self, name: str, paths: Sequence[Path], like: exp.Query) -> None:
        """The files are staged."""
        if not paths:
            self.create(name, exp.select("*").from_(like.subquery("nothing")).limit(0))
            return
        with _local(paths) as files:
            files.read_files(_STAGED, paths, like)
            self._stage(name, files, files.columns(_STAGED))

    def cancel_and_close(self) -> None:
        """Cancel what the server computes, and end the session, with which its temporary tables go."""
        if self._session.closed:
            return
        if self._session.info.transaction_status is TransactionStatus.ACTIVE:
            # A server that is gone computes nothing any more.
            with suppress(psycopg.Error):
                self._session.cancel_safe(timeout=5)
        self._session.close()

    def _view(self, name: str, query: exp.Query) -> None:
        with in_our_words("Reading a table in PostgreSQL"), self._session.transaction():
            self._forget(name)
            self._run(_temporary("VIEW", _relation(name), query))
            self._made[name] = "VIEW"

    def _forget(self, name: str) -> None:
        kind = self._made.pop(name, None)
        if kind is not None:
            self._run(exp.Drop(tables=[_relation(name)], kind=kind, exists=True, cascade=True))

    def _analyze(self, name: str) -> None:
        """The server keeps no statistics of temporary tables by itself, and plans joins poorly without."""
        with in_our_words("Computing in PostgreSQL"):
            self._run(exp.Analyze(tables=[_relation(name)]))

    def _remember(self, names: Iterable[str]) -> None:
        for each in names:
            self._fitted(each)

    def _fitted(self, name: str) -> str:
        short = fitted(name)
        if short != name:
            self._long_names[short] = name
        return short

    def _run(self, statement: exp.Expr) -> None:
        self._session.execute(postgresql_sql(statement).encode())


@contextmanager
def _local(files: Sequence[Path]) -> Iterator[DuckDBEngine]:
    """A session of DuckDB that reads files for staging."""
    engine = DuckDBEngine(files=files)
    try:
        yield engine
    finally:
        engine.cancel_and_close()


def _relation(name: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def _temporary(kind: str, made: exp.Expr, query: exp.Query | None = None) -> exp.Create:
    properties = exp.Properties(expressions=[exp.TemporaryProperty()])
    return exp.Create(this=made, kind=kind, properties=properties, expression=query)


def _bytewise(name: str, kind: ColumnType) -> exp.Expr:
    column = exp.column(name, quoted=True)
    return by_bytes(column) if kind is ColumnType.TEXT else column


def _portable(found: Column, *, is_text: bool) -> exp.Expr:
    """A column as every engine would give it: text as text and by bytes, whole numbers as integers, no NaN."""
    column, kind = exp.column(found.name, quoted=True), column_type(found)
    if is_text or kind is ColumnType.TEXT:
        return by_bytes(exp.cast(column, exp.DType.TEXT))
    if kind is ColumnType.FLOAT:
        nan = exp.cast(exp.Literal.string("NaN"), exp.DType.DOUBLE)
        return exp.Nullif(this=exp.cast(column, exp.DType.DOUBLE), expression=nan)
    if kind is ColumnType.DECIMAL:
        number = exp.Nullif(this=column, expression=exp.cast(exp.Literal.string("NaN"), exp.DType.DECIMAL))
        return exp.cast(number, WIDE_INTEGER, dialect="postgres") if is_whole(found) else number
    return column


def _column_definition(name: str, kind: ColumnType, arrow: pa.DataType) -> exp.ColumnDef:
    """A column of a staged file."""
    types = {
        ColumnType.TEXT: "text",
        ColumnType.INTEGER: WIDE_INTEGER if str(arrow).startswith(("uint64", "decimal")) else "bigint",
        ColumnType.DECIMAL: f"decimal({getattr(arrow, 'precision', 38)}, {getattr(arrow, 'scale', 0)})",
        ColumnType.FLOAT: "double precision",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.DATE: "date",
        ColumnType.TIMESTAMP: "timestamp",
        ColumnType.INSTANT: "timestamptz",
        ColumnType.OTHER: "bytea",
    }
    constraints = []
    if kind is ColumnType.TEXT:
        collation = exp.CollateColumnConstraint(this=exp.to_identifier("C", quoted=True))
        constraints.append(exp.ColumnConstraint(kind=collation))
    return exp.ColumnDef(
        this=exp.to_identifier(name, quoted=True),
        kind=exp.DataType.build(types[kind], dialect="postgres"),
        constraints=constraints,
    )
