"""Rows in and out of PostgreSQL by COPY, as batches of Arrow: in bounded memory, whatever their number."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import Column, Cursor
from sqlglot import exp

from experiments.engines.postgresql_session import Session
from experiments.engines.postgresql_sql import postgresql_sql
from experiments.engines.protocol import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Copy

_BLOCK = 1 << 22
_TYPES: Mapping[int, ColumnType] = {
    16: ColumnType.BOOLEAN,
    19: ColumnType.TEXT,
    20: ColumnType.INTEGER,
    21: ColumnType.INTEGER,
    23: ColumnType.INTEGER,
    25: ColumnType.TEXT,
    700: ColumnType.FLOAT,
    701: ColumnType.FLOAT,
    1042: ColumnType.TEXT,
    1043: ColumnType.TEXT,
    1082: ColumnType.DATE,
    1114: ColumnType.TIMESTAMP,
    1184: ColumnType.INSTANT,
    1700: ColumnType.DECIMAL,
}
"""Identifiers of PostgreSQL's own types, which are the same on every server (`pg_type.dat`)."""

_LARGEST_PRECISION = 38

WIDE_INTEGER = "decimal(39, 0)"
"""The type in which integers beyond 64 bits are kept; no decimal of Arrow or DuckDB has as many digits."""


def described(session: Session, query: exp.Query) -> list[Column]:
    """The columns of a query, without running it."""
    nothing = exp.select("*").from_(query.subquery("described")).limit(0)
    return session.execute(postgresql_sql(nothing).encode()).description or []


def column_type(column: Column) -> ColumnType:
    """What the type of a column is to us."""
    kind = _TYPES.get(column.type_code, ColumnType.OTHER)
    if kind is ColumnType.DECIMAL and is_whole(column) and (column.precision or 0) > _LARGEST_PRECISION:
        return ColumnType.INTEGER
    return kind


def is_whole(column: Column) -> bool:
    """Whether a column holds decimals without a fraction."""
    return _TYPES.get(column.type_code) is ColumnType.DECIMAL and column.scale == 0


def batches(session: Session, query: exp.Query) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows of a query as Arrow, with their schema; a decimal of no fixed precision becomes a double."""
    import pyarrow as pa

    columns = described(session, query)
    schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
    return schema, _read(session, query, schema)


def _read(session: Session, query: exp.Query, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv as pc

    with session.cursor() as cursor, _copy_out(cursor, query) as copy:
        first = bytes(copy.read())
        if not first:
            return
        yield from pc.open_csv(
            io.BufferedReader(_Blocks(copy, first), _BLOCK),
            read_options=pc.ReadOptions(column_names=schema.names, block_size=_BLOCK),
            parse_options=pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pc.ConvertOptions(
                column_types=dict(zip(schema.names, schema.types, strict=True)),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )


def write_csv(session: Session, query: exp.Query, path: Path) -> None:
    """The rows of a query as a CSV file with a header."""
    shown = exp.select(*(_shown(column) for column in described(session, query))).from_(
        query.subquery("shown")
    )
    with path.open("wb") as file, session.cursor() as cursor, _copy_out(cursor, shown, header=True) as copy:
        while block := copy.read():
            file.write(block)


def load(session: Session, table: exp.Table, rows: Iterable[pa.RecordBatch]) -> None:
    """Add rows to a table whose columns they have, in its order."""
    import pyarrow.csv as pc

    statement = exp.Copy(this=table, kind=True, files=[exp.to_identifier("STDIN")], params=_format())
    with session.cursor() as cursor, cursor.copy(postgresql_sql(statement).encode()) as copy:
        for batch in rows:
            buffer = io.BytesIO()
            # Texts are quoted and missing values are not, which is how COPY tells an empty text from none.
            pc.write_csv(batch, buffer, pc.WriteOptions(include_header=False))
            copy.write(buffer.getbuffer())


@contextmanager
def _copy_out(
    cursor: Cursor[tuple[object, ...]], query: exp.Query, *, header: bool = False
) -> Iterator[Copy]:
    statement = exp.Copy(
        this=query.subquery(), kind=False, files=[exp.to_identifier("STDOUT")], params=_format(header=header)
    )
    with cursor.copy(postgresql_sql(statement).encode()) as copy:
        yield copy


def _format(*, header: bool = False) -> list[exp.Expr]:
    csv = exp.CopyParameter(this=exp.var("FORMAT"), expression=exp.var("csv"))
    names = exp.CopyParameter(this=exp.var("HEADER"), expression=exp.true())
    return [csv, names] if header else [csv]


def _shown(column: Column) -> exp.Expr:
    """A column as a CSV file shows it; COPY would write truth as `t` and `f`."""
    value = exp.column(column.name, quoted=True)
    if column_type(column) is ColumnType.BOOLEAN:
        return exp.alias_(exp.cast(value, exp.DType.TEXT), column.name, quoted=True)
    return value


def _arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    kind = column_type(column)
    if kind is ColumnType.INTEGER and is_whole(column):
        return pa.decimal128(_LARGEST_PRECISION, 0)
    if kind is ColumnType.INTEGER:
        return {2: pa.int16(), 4: pa.int32()}.get(column.internal_size or 8, pa.int64())
    if kind is ColumnType.DECIMAL:
        precision, scale = column.precision, column.scale
        is_fixed = (
            precision is not None and scale is not None and 0 <= scale <= precision <= _LARGEST_PRECISION
        )
        return pa.decimal128(precision, scale) if is_fixed else pa.float64()
    return {
        ColumnType.FLOAT: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.DATE: pa.date32(),
        ColumnType.TIMESTAMP: pa.timestamp("us"),
        ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
    }.get(kind, pa.string())


class _Blocks(io.RawIOBase):
    """What COPY sends, as a file to read from."""

    def __init__(self, copy: Copy, first: bytes) -> None:
        self._copy = copy
        self._waiting = first

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._waiting:
            self._waiting = bytes(self._copy.read())
        size = min(len(buffer), len(self._waiting))
        buffer[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size
