"""An experiment that is open for work: its definition, its engine, its folder and its language."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from experiments.definition.model import Definition
from experiments.engines.protocol import Engine
from experiments.files import DEFAULT_OUT, Workspace
from experiments.language import Words
from experiments.progress import Progress, silent


@dataclass(frozen=True)
class Experiment:
    """Everything that a step of the journey needs to know.

    Attributes:
        definition: What is asked and how.
        engine: Where the data are.
        workspace: Where files go.
        words: The language of the answer.
        now: The moment that decides whether a window is open.
        tables: Sources that `--table` maps to other tables: source name to table.
        progress: Told what is being done.
        as_of: The day on which members enter, where they enter day by day; today when None.
        ledgers: Folders of `--out` of other commands, in which tests of the exclusive group may stand, too.
    """

    definition: Definition
    engine: Engine
    workspace: Workspace
    words: Words = field(default_factory=Words)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    tables: tuple[tuple[str, str], ...] = ()
    progress: Progress = silent
    as_of: date | None = None
    ledgers: tuple[Path, ...] = ()

    @property
    def arguments(self) -> str:
        """What the next command must be given to work on this experiment, quoted for a shell.

        The engine's URL is left out, since it may hold credentials.
        """
        given = [_shortest(self.definition.origin.path)]
        if self.workspace.out != DEFAULT_OUT.absolute():
            given += ["--out", _shortest(self.workspace.out)]
        for folder in self.ledgers:
            given += ["--ledgers", _shortest(folder)]
        for name, table in self.tables:
            given += ["--table", f"{name}={table}"]
        return shlex.join(given)

    def table_of(self, source: str) -> str:
        """The file or table behind a data source: `--table` first, a path relative to the definition made absolute."""
        mapped = dict(self.tables).get(source)
        return mapped if mapped is not None else self.definition.origin.resolve_table(source)


def _shortest(path: Path) -> str:
    """A path as it is typed in the folder that the command runs in."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
