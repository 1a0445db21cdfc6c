"""A data source that is open in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.engines.protocol import ColumnType


@dataclass(frozen=True)
class SourceTable:
    """A data source as the engine sees it.

    Attributes:
        relation: The relation of the session that holds its rows.
        columns: Its columns and their types, in their order.
    """

    relation: str
    columns: Mapping[str, ColumnType]
