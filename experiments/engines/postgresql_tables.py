"""Tables of ours that outlive a session of PostgreSQL: in the schema `offerwise`, appended to and never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg import errors
from sqlglot import exp

from experiments.definition.errors import OutsideError
from experiments.engines.postgresql_session import Session, in_our_words
from experiments.engines.postgresql_sql import postgresql_sql

SCHEMA = "offerwise"
_NOT_LESS = "The tables are as they were"


class PostgreSQLTables:
    """The lasting tables; see `experiments.engines.protocol.LastingTables` for what each method promises.

    Args:
        session: The engine's own, so that temporary tables can be appended.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def qualified(self, table: str) -> exp.Table:
        """In our schema."""
        return exp.table_(table, SCHEMA, quoted=True)

    def exists(self, table: str) -> bool:
        """By the catalogue, which everybody may read."""
        query = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = %s"
        with in_our_words(f"Looking for the table {SCHEMA}.{table}"):
            return self._session.execute(query, (SCHEMA, table)).fetchone() is not None

    def prepare(self, table: str, like: exp.Select, key: Sequence[str]) -> None:
        """Create schema and table where they are missing; whoever creates them gives up changing and deleting rows."""
        if self.exists(table):
            return
        name = self.qualified(table)
        columns: list[exp.Expr] = [_definition(each) for each in like.selects]
        columns.append(exp.PrimaryKey(expressions=[exp.to_identifier(each, quoted=True) for each in key]))
        schema = exp.Create(
            this=exp.Table(db=exp.to_identifier(SCHEMA, quoted=True)), kind="SCHEMA", exists=True
        )
        created = exp.Create(this=exp.Schema(this=name, expressions=columns), kind="TABLE", exists=True)
        revoked = exp.Revoke(
            privileges=[exp.GrantPrivilege(this=exp.var(each)) for each in ("UPDATE", "DELETE", "TRUNCATE")],
            securable=name.copy(),
            principals=[exp.GrantPrincipal(this=exp.to_identifier("CURRENT_USER"), kind=False)],
        )
        try:
            with self._session.transaction():
                if not self._has_schema():
                    self._run(schema)
                self._run(created)
                self._run(revoked)
        except errors.InsufficientPrivilege as error:
            raise OutsideError(
                f"The user of --engine may not create the table {SCHEMA}.{table}",
                _NOT_LESS,
                f"Have an administrator run: {postgresql_sql(schema)}; {postgresql_sql(created)}; and grant that user USAGE "
                "on the schema, and SELECT and INSERT on the table",
            ) from error
        except psycopg.Error as error:
            # Somebody else may have created it in the same moment.
            if not self.exists(table):
                raise self._failed(table, error) from error

    def append(self, table: str, query: exp.Query, *, rows: int) -> None:
        """One INSERT in one transaction, which other sessions see whole or not at all."""
        names = [exp.to_identifier(each, quoted=True) for each in query.named_selects]
        into = exp.Schema(this=self.qualified(table), expressions=names)
        statement = postgresql_sql(exp.Insert(this=into, expression=query)).encode()
        try:
            with self._session.transaction():
                added = self._session.execute(statement).rowcount
                if added != rows:
                    raise OutsideError(
                        f"Appending to {SCHEMA}.{table} gave {added:,} rows instead of {rows:,}",
                        _NOT_LESS,
                        "Run the same command again",
                    )
        except errors.UniqueViolation as error:
            raise OutsideError(
                f"Appending to {SCHEMA}.{table} failed: another command has added some of the rows meanwhile",
                _NOT_LESS,
                "Run the same command again",
            ) from error
        except errors.InsufficientPrivilege as error:
            raise OutsideError(
                f"The user of --engine may not append to the table {SCHEMA}.{table}",
                _NOT_LESS,
                "Grant it USAGE on the schema, and SELECT and INSERT on the table",
            ) from error
        except psycopg.Error as error:
            raise self._failed(table, error) from error
        # Only its owner gathers statistics of a table; for others the server says so and goes on.
        with in_our_words(f"Gathering statistics of {SCHEMA}.{table}"):
            self._run(exp.Analyze(tables=[self.qualified(table)]))

    @contextmanager
    def held(self, table: str, waiting: Callable[[], object]) -> Iterator[None]:
        """An advisory lock of the session: a command that is killed lets go of it with its connection."""
        digest = hashlib.md5(f"{SCHEMA}.{table}".encode()).digest()
        number = (int.from_bytes(digest[:8], signed=True),)
        with in_our_words(f"Locking {SCHEMA}.{table}"):
            ((got,),) = self._session.execute("SELECT pg_try_advisory_lock(%s)", number).fetchall()
            if not got:
                waiting()
                self._session.execute("SELECT pg_advisory_lock(%s)", number)
        try:
            yield
        finally:
            # Where the connection is lost, the lock is gone with it.
            with suppress(psycopg.Error):
                self._session.execute("SELECT pg_advisory_unlock(%s)", number)

    def _has_schema(self) -> bool:
        query = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"
        return self._session.execute(query, (SCHEMA,)).fetchone() is not None

    def _failed(self, table: str, error: psycopg.Error) -> OutsideError:
        state = f", SQLSTATE {error.sqlstate}" if error.sqlstate else ""
        return OutsideError(
            f"Writing to {SCHEMA}.{table} failed ({type(error).__name__}{state})",
            _NOT_LESS,
            "Check that the server runs and has room, then run the same command again; --debug shows more",
        )

    def _run(self, statement: exp.Expr) -> None:
        self._session.execute(postgresql_sql(statement).encode())


def _definition(column: exp.Expr) -> exp.ColumnDef:
    """A column of the table, from `CAST(NULL AS type) AS name`."""
    kind = exp.DataType.build(column.unalias().args["to"])
    constraints = []
    if kind.is_type(exp.DType.TEXT):
        collation = exp.CollateColumnConstraint(this=exp.to_identifier("C", quoted=True))
        constraints.append(exp.ColumnConstraint(kind=collation))
    return exp.ColumnDef(
        this=exp.to_identifier(column.alias, quoted=True), kind=kind.copy(), constraints=constraints
    )
