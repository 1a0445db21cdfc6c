"""The engine seam: what Offerwise asks of a database, and nothing more.

Queries are sqlglot trees. An adapter renders them in its dialect, runs them, and supplies the few builders
whose meaning differs between engines. What leaves an engine is aggregates, a bounded sample, or a file that
the engine writes itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
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
    """A connection to one engine, in one session whose time zone is UTC; close it when done.

    Relation names given to and returned by its methods are plain identifiers of temporary tables or views of
    this session. Every method raises OutsideError when the engine fails, in our words, and InputError when a
    value in the data does not fit what the definition does with it.
    """

    name: str
    """`duckdb`, `spark` or `postgresql`."""
    dialect: str
    """The sqlglot dialect that it speaks."""

    def open_source(self, name: str, table: str, *, key: str | None = None) -> Mapping[str, ColumnType]:
        """Make a file or a table readable as relation `name`, and give its columns in their order.

        Columns of a CSV file are typed from all rows, but `key` is read as text, so that `0012` stays `0012`;
        the key `row_number` adds a column of that name with 1, 2, ... in the file's order. A floating NaN
        reads as NULL. Whether the column `key` exists is left to the caller to see.

        Raises:
            InputError: There is no such file or table, or it cannot be read; the cause names it, the place is
                open.
        """

    def create(self, name: str, query: exp.Query) -> None:
        """Compute `query` once into the temporary table `name`, replacing one of that name."""

    def defer(self, name: str, query: exp.Query) -> None:
        """Like `create`, for what is read once: an engine may leave the computing to whoever reads `name`.

        A name is created or deferred, not both in one session.
        """

    def columns(self, name: str) -> Mapping[str, ColumnType]:
        """The columns of a relation of this session and their types, in their order."""

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """Run a query whose result is tiny (counts, moments) and give it as Python values; instants are aware, in UTC."""

    def fetch(self, query: exp.Query) -> pa.Table:
        """Run a query whose result is small (a bounded sample) and give it as Arrow."""

    def write(self, query: exp.Query, path: Path) -> None:
        """Let the engine write the rows of `query` to `path` (`.parquet` or `.csv`): whole, or not at all.

        While it is written, it is a file beside `path` called `.NAME.PROCESS.unfinished`.
        """

    def read_files(self, name: str, paths: Sequence[Path], like: exp.Query) -> None:
        """Make Parquet files readable as relation `name`; where there are none, the columns of `like` without a row."""

    def cancel_and_close(self) -> None:
        """Stop what runs, and let go of the session and of everything temporary in it; may be called twice."""

    # Builders: the same meaning on every engine.

    def as_key(self, column: exp.Expr) -> exp.Expr:
        """A key or the name of a stratum's value as text: text as it is, integers in plain decimals, `true` or `false`."""

    def collated(self, text: exp.Expr) -> exp.Expr:
        """A text that compares and sorts by its UTF-8 bytes; every comparison and ordering of texts needs it."""

    def lower(self, text: exp.Expr) -> exp.Expr:
        """A text in small letters, character for character by Unicode's simple mapping; see `case_mapping`."""

    def upper(self, text: exp.Expr) -> exp.Expr:
        """A text in capitals, character for character by Unicode's simple mapping; see `case_mapping`."""

    def md5_hex(self, text: exp.Expr) -> exp.Expr:
        """The 32 lower-case hex digits of the md5 of the UTF-8 bytes of a text."""

    def hex_integer(self, digits: exp.Expr) -> exp.Expr:
        """The integer that up to 13 hex digits write."""

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """A time value as a UTC instant; one without zone, or a date, is local in `zone`.

        Of a local time that clocks show twice it is the second instant; one that they skip counts as if they had not been
        changed yet.
        """

    def instant_literal(self, moment: datetime) -> exp.Expr:
        """A moment (with zone) as a UTC instant."""

    def add_days(self, instant: exp.Expr, days: int) -> exp.Expr:
        """An instant `days` times 24 hours later."""

    def add_minutes(self, instant: exp.Expr, minutes: exp.Expr) -> exp.Expr:
        """An instant some whole minutes later; `minutes` is an integer of the query."""

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The calendar day of an instant in `zone`."""

    def local_text(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """An instant as people in `zone` read it, with its offset: `2026-11-26T09:05:00+08:00`."""

    def days_between(self, first: exp.Expr, second: exp.Expr) -> exp.Expr:
        """Whole calendar days from the date `first` to the date `second`, as an integer."""

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """The smallest value whose cumulative share of rows is at least q, as an aggregate."""


class LastingTables(Protocol):
    """Tables of ours that outlive a session: appended to, never changed, in a schema of their own.

    Every method raises OutsideError when the engine fails or does not permit it.
    """

    def qualified(self, table: str) -> exp.Table:
        """The table, with its schema, for a query of the same engine."""

    def exists(self, table: str) -> bool:
        """Whether it is there."""

    def prepare(self, table: str, like: exp.Select, key: Sequence[str]) -> None:
        """Create it where it is not there, with the columns of `like` (`CAST(NULL AS type) AS name` each).

        Args:
            table: Its name.
            like: Its columns.
            key: The columns that together name a row; no two rows have the same.
        """

    def append(self, table: str, query: exp.Query, *, rows: int) -> None:
        """Add the rows of `query`, which are so many: all in one transaction, or none."""

    def held(self, table: str, waiting: Callable[[], object]) -> AbstractContextManager[None]:
        """Be the only session that holds the table; `waiting` is called before waiting for another one."""


@runtime_checkable
class KeepsTables(Protocol):
    """What an engine has in addition that can keep tables beyond its session."""

    lasting: LastingTables


@runtime_checkable
class ReadsInOrder(Protocol):
    """What an engine has in addition that takes the rows of a relation one after another, as they are stored."""

    def is_ascending(self, relation: str, column: str) -> bool:
        """Whether every value exceeds the one before it and none is missing: then all of them differ.

        It stops at the first that does not, so that asking costs little next to any other way to know.
        """


@runtime_checkable
class ShiftsClocks(Protocol):
    """What an engine has in addition for which arithmetic is much faster than its time zones."""

    def instant_at(self, column: exp.Expr, kind: ColumnType, offset: timedelta) -> exp.Expr:
        """What `instant` gives in a zone that is `offset` ahead of UTC at every value of the column."""
