"""The assignment ledger as a table of the engine: one for all experiments, appended to in one transaction a batch.

The table is `offerwise.assignments`, with one row for each experiment and member. What keeps it whole is the engine's: a
batch is seen when its transaction is committed, no member can stand in an experiment twice, and one session at a time
holds the lock under which batches are numbered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from experiments.assignment.group_table import GroupMembership, announce, prepare_groups
from experiments.assignment.ledger import LedgerState, ledger_shape, refuse_loss
from experiments.definition.errors import OutsideError
from experiments.engines.protocol import Engine, LastingTables
from experiments.files import Workspace, write_whole
from experiments.progress import Progress
from experiments.queries import column, fetch_rows, named

TABLE = "assignments"
_KEY = ("experiment", "member")
_MARK = "table.json"
"""The file in the ledger's folder that says that the ledger is a table, and which."""


@dataclass(frozen=True)
class TableLedger:
    """The ledger in a table; see `experiments.assignment.ledger.Ledger` for what each method promises.

    Attributes:
        workspace: Of the experiment; its folder keeps the lock of the definition and the send lists.
        engine: Reads the table.
        tables: The engine's lasting tables.
    """

    workspace: Workspace
    engine: Engine
    tables: LastingTables

    @property
    def place(self) -> str:
        """The table's qualified name."""
        return _name(self.tables)

    def state(self) -> LedgerState:
        """Counted over the experiment's rows."""
        if not self.tables.exists(TABLE):
            refuse_loss(self.workspace, self.place, "there is no such table")
            return LedgerState()
        query = exp.select(
            named(exp.Max(this=column("definition_sha256")), "definition_sha256"),
            named(exp.Max(this=column("batch")), "last"),
            named(exp.Count(this=exp.Star()), "members"),
        )
        (row,) = fetch_rows(self.engine, self._ours(query))
        if not row["members"]:
            refuse_loss(self.workspace, self.place, f"it has no row of {self.workspace.experiment}")
            return LedgerState()
        return LedgerState(row["definition_sha256"], int(row["last"]) + 1, int(row["members"]))

    def read(self, name: str) -> None:
        """The experiment's rows, as they are now."""
        if not self.tables.exists(TABLE):
            self.engine.create(name, exp.select("*").from_(ledger_shape().subquery("nothing")).limit(0))
            return
        self.engine.create(name, self._ours(exp.select(*map(column, ledger_shape().named_selects))))

    def held(self, progress: Progress, /) -> AbstractContextManager[None]:
        """The table's lock."""
        return self.tables.held(TABLE, lambda: progress("Waiting for another command that assigns"))

    def prepare(self) -> None:
        """Create the table and that of the groups, and a mark in the experiment's folder that names it."""
        self.tables.prepare(TABLE, ledger_shape(), _KEY)
        prepare_groups(self.tables)
        write_whole(self.workspace.ledger / _MARK, json.dumps({"table": self.place}) + "\n")

    def drew_by(self, definition_sha256: str) -> bool:
        """Whether some batch was drawn by this definition."""
        if not self.tables.exists(TABLE):
            return False
        is_drawn = exp.EQ(this=column("definition_sha256"), expression=exp.Literal.string(definition_sha256))
        found = self._ours(exp.select(column("experiment"))).where(is_drawn).limit(1)
        return bool(fetch_rows(self.engine, found))

    def announce(self, group: str | None, *, window_days: int, definition_sha256: str) -> None:
        """A row of the table of groups."""
        test = GroupMembership(self.workspace.experiment, definition_sha256, group, window_days)
        announce(self.engine, self.tables, test)

    def append(self, query: exp.Query, *, members: int, definition_sha256: str) -> None:  # noqa: ARG002 - in each row
        """One transaction."""
        self.tables.append(TABLE, query, rows=members)

    def _ours(self, query: exp.Select) -> exp.Select:
        ours = exp.EQ(this=column("experiment"), expression=exp.Literal.string(self.workspace.experiment))
        return query.from_(self.tables.qualified(TABLE)).where(ours)


def assigned_experiments(engine: Engine, tables: LastingTables) -> Iterator[str]:
    """Every experiment that has assigned members: a probe of the key for each, since the table may hold many millions of rows.

    Raises:
        OutsideError: The engine fails.
    """
    if not tables.exists(TABLE):
        return
    experiment = column("experiment")
    query = exp.select(experiment).from_(tables.qualified(TABLE)).order_by(experiment.copy()).limit(1)
    found = fetch_rows(engine, query)
    while found:
        yield (last := str(found[0]["experiment"]))
        is_later = exp.GT(this=experiment.copy(), expression=exp.Literal.string(last))
        found = fetch_rows(engine, query.where(is_later))


def refuse_table(workspace: Workspace) -> None:
    """Refuse to look for the ledger of an experiment on files where it is a table.

    Raises:
        OutsideError: The folder has the mark of a table ledger.
    """
    mark = workspace.ledger / _MARK
    if mark.is_file():
        raise OutsideError(
            f"Could not read the ledger of {workspace.experiment}: it is the table {_marked(mark)} of another engine",
            "Nothing was changed",
            "Give the --engine that its arms were drawn on",
        )


def _marked(mark: Path) -> str:
    try:
        return str(json.loads(mark.read_text(encoding="utf8"))["table"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OutsideError(
            f"Could not read {mark}, which names the table of the ledger",
            "Nothing was changed",
            "Restore it from a backup",
        ) from error


def _name(tables: LastingTables) -> str:
    table = tables.qualified(TABLE)
    return f"{table.db}.{table.name}"
