"""An experiment that is open for work: its definition, its engine, its folder and its language."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from experiments.definition.model import Definition
from experiments.engines.protocol import Engine
from experiments.files import Workspace
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
    """

    definition: Definition
    engine: Engine
    workspace: Workspace
    words: Words = field(default_factory=Words)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    tables: tuple[tuple[str, str], ...] = ()
    progress: Progress = silent

    def table_of(self, source: str) -> str:
        """The file or table behind a data source: `--table` first, a path relative to the definition made absolute."""
        mapped = dict(self.tables).get(source)
        return mapped if mapped is not None else self.definition.origin.resolve_table(source)
