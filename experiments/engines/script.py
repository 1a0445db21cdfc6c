"""An engine that writes SQL instead of running it: answers are those that another engine gave to the same questions.

The road asks the same questions in the same order on every engine, so a first run on a real engine knows the answers on
which later questions rest, such as the sizes of strata.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from sqlglot import exp

from experiments.definition.origin import FILE_ENDINGS
from experiments.engines.protocol import ColumnType, Engine
from experiments.engines.warehouse_builders import BigQueryBuilders, SnowflakeBuilders

if TYPE_CHECKING:
    import pyarrow as pa

Warehouse = Literal["bigquery", "snowflake"]
"""The dialects that scripts are written in."""

Answer = TypeVar("Answer")

LEDGER_TABLE = "assignments"
_SOURCE = "data__"
_IN_ADDITION = frozenset({"lasting", "is_ascending", "instant_at"})
"""What `KeepsTables`, `ReadsInOrder` and `ShiftsClocks` ask for."""


@dataclass
class Recorder:
    """Passes everything on to a real engine, and keeps its answers.

    Attributes:
        engine: The real one.
        answers: In the order of the questions.
    """

    engine: Engine
    answers: deque[Any] = field(default_factory=deque)

    def __getattr__(self, name: str) -> Any:
        """Whatever gives no answer; nothing that only some engines have, which would leave tables or ask other questions."""
        if name in _IN_ADDITION:
            raise AttributeError(name)
        return getattr(self.engine, name)

    def open_source(self, name: str, table: str, *, key: str | None = None) -> Mapping[str, ColumnType]:
        """The columns are an answer."""
        return self._kept(self.engine.open_source(name, table, key=key))

    def columns(self, name: str) -> Mapping[str, ColumnType]:
        """The columns are an answer."""
        return self._kept(self.engine.columns(name))

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """The rows are an answer."""
        return self._kept(self.engine.rows(query))

    def fetch(self, query: exp.Query) -> pa.Table:
        """The table is an answer."""
        return self._kept(self.engine.fetch(query))

    def _kept(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        return answer

    @property
    def as_engine(self) -> Engine:
        """Itself, as what it stands for."""
        return cast("Engine", self)


@dataclass
class _Script:
    """The engine protocol, writing.

    Attributes:
        answers: What the real engine answered, in order.
        asks: Whether the queries whose answers come here are written, too; else only what makes tables and files.
        statements: The script so far.
    """

    answers: deque[Any]
    asks: bool = False
    statements: list[str] = field(default_factory=list)
    _named: dict[str, str] = field(default_factory=dict)

    dialect = ""

    def note(self, doing: str) -> None:
        """Say in the script what comes next."""
        if self.statements and self.statements[-1].startswith("--"):
            self.statements.pop()
        self.statements.append(f"-- {doing}")

    def open_source(self, name: str, table: str, *, key: str | None = None) -> Mapping[str, ColumnType]:  # noqa: ARG002 - the protocol's
        """A file is a table with the name of its source; a table has its own."""
        is_file = table.lower().endswith(FILE_ENDINGS)
        self._named[name] = name.removeprefix(_SOURCE) if is_file else table
        return cast("Mapping[str, ColumnType]", self.answers.popleft())

    def create(self, name: str, query: exp.Query) -> None:
        temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
        target = exp.Table(this=exp.to_identifier(name, quoted=True))
        self._write(
            exp.Create(this=target, kind="TABLE", replace=True, properties=temporary, expression=query)
        )

    def defer(self, name: str, query: exp.Query) -> None:
        """Stored: BigQuery has no temporary views."""
        self.create(name, query)

    def columns(self, name: str) -> Mapping[str, ColumnType]:  # noqa: ARG002 - the protocol's
        return cast("Mapping[str, ColumnType]", self.answers.popleft())

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        if self.asks:
            self._write(query)
        return cast("list[tuple[Any, ...]]", self.answers.popleft())

    def fetch(self, query: exp.Query) -> pa.Table:
        if self.asks:
            self._write(query)
        return self.answers.popleft()

    def write(self, query: exp.Query, path: Path) -> None:
        """The ledger's batch becomes a table; any other file is the answer of a query."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if path.suffix == ".parquet":
            target = exp.Table(this=exp.to_identifier(LEDGER_TABLE, quoted=True))
            self._write(exp.Create(this=target, kind="TABLE", expression=query))
        else:
            self._write(query)

    def read_files(self, name: str, paths: Sequence[Path], like: exp.Query) -> None:
        if paths:
            self._named[name] = LEDGER_TABLE
        else:
            self.create(name, exp.select("*").from_(like.subquery("nothing")).limit(0))

    def cancel_and_close(self) -> None:
        """Nothing runs."""

    def _write(self, statement: exp.Expr) -> None:
        root = exp.Paren(this=statement.copy())
        for table in root.find_all(exp.Table):
            if not table.db and table.name in self._named:
                self._point(table, self._named[table.name])
        for ordered in root.find_all(exp.Ordered):
            # What is ordered by is never missing, and BigQuery takes no place for missing values in windows.
            ordered.set("nulls_first", self.dialect == "bigquery" and not ordered.args.get("desc"))
        if self.dialect == "snowflake":
            _divide_exactly(root)
        self.statements.append(f"{root.this.sql(self.dialect, pretty=True)};")

    def _point(self, table: exp.Table, name: str) -> None:
        alias = table.alias or table.name
        found = exp.to_table(name, dialect=self.dialect)
        for part in found.parts:
            part.set("quoted", True)
        found.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        table.replace(found)


class BigQueryScript(BigQueryBuilders, _Script):
    """Writes for BigQuery."""


class SnowflakeScript(SnowflakeBuilders, _Script):
    """Writes for Snowflake."""


def _divide_exactly(root: exp.Expr) -> None:
    """Snowflake rounds quotients to a few digits, so only what has no remainder is divided."""
    for node in reversed(list(root.find_all(exp.IntDiv))):
        value, divisor = node.this, node.expression
        rest = exp.Mod(this=exp.paren(value.copy()), expression=divisor.copy())
        whole = exp.Div(this=exp.paren(exp.Sub(this=value, expression=rest)), expression=divisor, typed=False)
        node.replace(exp.cast(whole, exp.DType.BIGINT))
