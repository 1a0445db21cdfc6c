"""Which form the ledger of an experiment has."""

from __future__ import annotations

from experiments.assignment.file_ledger import FileLedger
from experiments.assignment.ledger import Ledger
from experiments.assignment.table_ledger import TableLedger, refuse_table
from experiments.engines.protocol import Engine, KeepsTables
from experiments.files import Workspace


def open_ledger(workspace: Workspace, engine: Engine) -> Ledger:
    """The ledger of an experiment: the files that it was begun on, else a table where the engine keeps tables, else files.

    Raises:
        OutsideError: The ledger is a table, and the engine keeps none.
    """
    on_files = FileLedger(workspace, engine)
    if on_files.is_begun:
        return on_files
    if isinstance(engine, KeepsTables):
        return TableLedger(workspace, engine, engine.lasting)
    refuse_table(workspace)
    return on_files
