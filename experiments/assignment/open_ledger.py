"""Which form the ledger of an experiment has."""

from __future__ import annotations

from experiments.assignment.file_ledger import FileLedger
from experiments.assignment.ledger import Ledger
from experiments.engines.protocol import Engine
from experiments.files import Workspace


def open_ledger(workspace: Workspace, engine: Engine) -> Ledger:
    """The ledger of an experiment."""
    return FileLedger(workspace, engine)
