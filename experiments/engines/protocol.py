"""The engine seam: what Offerwise asks of a database, and nothing more.

Queries are sqlglot trees. An adapter renders them in its dialect, runs them, and supplies the few builders whose meaning
differs between engines. What leaves an engine is aggregates, a bounded sample, or a file that the engine writes itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from sqlglot import exp

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnType(Enum):
    """The types that a column may have for us; everything else is OTHER and cannot be used."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp without zone"
    INSTANT = "timestamp with zone"
    OTHER = "other"

    @property
    def is_numeric(self) -> bool:
        """Whether arithmetic is defined; booleans are not numbers."""
        return self in {ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT}

    @property
    def is_time(self) -> bool:
        """Whether the values are days or moments."""
        return self in {ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.INSTANT}


class Engine(Protocol):
    """A connection to one engine, in one session, with one time zone; close it when done.

    Relation names given to and returned by its methods are plain identifiers of temporary tables or views of this
    session. Every method raises OutsideError when the engine fails, in our words.
    """

    name: str
    """`duckdb`, `spark` or `postgresql`."""
    dialect: str
    """The sqlglot dialect that it speaks."""

    def open_source(self, name: str, table: str, *, number_rows: bool = False) -> Mapping[str, ColumnType]:
        """Make a file or a table readable as relation `name`, and give its columns.

        CSV columns are typed by the engine from all rows, except that a column can always be had as text
        through `as_key`. `number_rows` adds a column `row_number` from 1, in the file's order.

        Raises:
            InputError: There is no such file or table, or it cannot be read; the cause names it.
        """

    def create(self, name: str, query: exp.Query) -> None:
        """Compute `query` once into the temporary table `name`, replacing one of that name."""

    def columns(self, name: str) -> Mapping[str, ColumnType]:
        """The columns of a relation of this session and their types."""

    def fetch(self, query: exp.Query) -> pa.Table:
        """Run a query whose result is small (aggregates, a bounded sample) and give it as Arrow."""

    def write(self, query: exp.Query, path: Path) -> None:
        """Let the engine write the rows of `query` to `path` (`.parquet` or `.csv`): whole, or not at all."""

    def read_files(self, name: str, paths: Sequence[Path], like: exp.Query) -> None:
        """Make Parquet files readable as relation `name`; where there are none, the columns of `like` without a row."""

    def cancel_and_close(self) -> None:
        """Let go of the session and of everything temporary in it."""

    # Builders: the same meaning on every engine.

    def as_key(self, column: exp.Expr) -> exp.Expr:
        """A member key as text: text as it is, integers as plain decimal text."""

    def md5_hex(self, text: exp.Expr) -> exp.Expr:
        """The 32 lower-case hex digits of the md5 of the UTF-8 bytes of a text."""

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """A time value as a UTC instant; one without zone, or a date, is local in `zone`."""

    def instant_literal(self, moment: datetime) -> exp.Expr:
        """A moment (with zone) as a UTC instant."""

    def add_days(self, instant: exp.Expr, days: int) -> exp.Expr:
        """An instant `days` times 24 hours later."""

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The calendar day of an instant in `zone`."""

    def days_between(self, first: exp.Expr, second: exp.Expr) -> exp.Expr:
        """Whole calendar days from the date `first` to the date `second`, as an integer."""

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """The smallest value whose cumulative share of rows is at least q, as an aggregate."""
