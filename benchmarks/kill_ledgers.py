"""The two forms of the ledger as the kill test handles them: emptied, kept, put back and read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlglot import exp

from experiments.assignment.file_ledger import FileLedger
from experiments.engines.connect import connect
from experiments.files import Workspace
from experiments.queries import column, relation
from tests.engines.postgresql_server import PostgreSQLServer

ARM = tuple[str, str, int]
"""A member, its arm and its batch."""

_DATABASE = "postgres"


class LedgerUnderTest(Protocol):
    """What stands under a folder `--out`, and what arms are written to."""

    @property
    def engine(self) -> str:
        """The URL for `--engine`."""

    @property
    def is_shared(self) -> bool:
        """Whether commands with another `--out` write to the same ledger."""

    def clear(self, out: Path) -> None:
        """As before the first assignment."""

    def keep(self, out: Path) -> None:
        """Remember what stands there now."""

    def restore(self, out: Path) -> None:
        """Put back what was kept."""

    def arms(self, out: Path) -> list[ARM]:
        """Every row, by member."""

    def batches(self, out: Path) -> int:
        """How many batches were published."""


@dataclass(frozen=True)
class FilesUnderTest:
    """Files under `--out`."""

    engine: str = "duckdb://?threads=1"
    is_shared: bool = False

    def clear(self, out: Path) -> None:
        """An empty folder."""
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    def keep(self, out: Path) -> None:
        """A copy of the folder."""
        shutil.copytree(out, _kept(out))

    def restore(self, out: Path) -> None:
        """The copy."""
        shutil.rmtree(out)
        shutil.copytree(_kept(out), out)

    def arms(self, out: Path) -> list[ARM]:
        """As the product reads them, which refuses files that are not whole."""
        engine = connect(files=[out])
        try:
            FileLedger(Workspace(out, "assign"), engine).read("ledger")
            query = exp.select(column("member"), column("arm"), column("batch")).from_(relation("ledger"))
            return [(str(member), str(arm), int(batch)) for member, arm, batch in sorted(engine.rows(query))]
        finally:
            engine.cancel_and_close()

    def batches(self, out: Path) -> int:
        """Each is published by a manifest."""
        return len(list((out / "assign" / "ledger").glob("manifest-*.json")))


@dataclass(frozen=True)
class TableUnderTest:
    """The table of a PostgreSQL server.

    Attributes:
        server: The server.
    """

    server: PostgreSQLServer
    files = FilesUnderTest()
    is_shared = True

    @property
    def engine(self) -> str:
        """The server's."""
        return self.server.url(_DATABASE)

    def clear(self, out: Path) -> None:
        """No schema either, so that the command makes it; a session that was killed is waited for."""
        self.files.clear(out)
        self.server.execute("DROP SCHEMA IF EXISTS offerwise CASCADE", _DATABASE)

    def keep(self, out: Path) -> None:
        """A copy of the rows beside that of the folder."""
        self.files.keep(out)
        self.server.execute("CREATE TABLE kept AS TABLE offerwise.assignments", _DATABASE)

    def restore(self, out: Path) -> None:
        """The rows in the table as the command made it, which the call before has left."""
        self.files.restore(out)
        self.server.execute("DELETE FROM offerwise.assignments", _DATABASE)
        self.server.execute("INSERT INTO offerwise.assignments TABLE kept", _DATABASE)

    def arms(self, out: Path) -> list[ARM]:  # noqa: ARG002 - the table knows no folder
        """Read past the product."""
        ((is_there,),) = self.server.execute(
            "SELECT to_regclass('offerwise.assignments') IS NOT NULL", _DATABASE
        )
        if not is_there:
            return []
        found = self.server.execute("SELECT member, arm, batch FROM offerwise.assignments", _DATABASE)
        return sorted((str(member), str(arm), int(str(batch))) for member, arm, batch in found)

    def batches(self, out: Path) -> int:  # noqa: ARG002 - the table knows no folder
        """Each transaction has a moment of its own."""
        query = "SELECT count(DISTINCT (batch, assigned_at)) FROM offerwise.assignments"
        ((count,),) = self.server.execute(query, _DATABASE)
        return int(str(count))


def _kept(out: Path) -> Path:
    return out.with_name("kept")
