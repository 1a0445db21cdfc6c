"""Data sources: the members, and the events that are joined to them."""

from __future__ import annotations

from pydantic import Field

from experiments.definition.block import Block, ColumnName

ROW_NUMBER = "row_number"
"""The key of a file without one, and the column that numbers its rows."""


class Source(Block):
    """A table of the data: a file relative to the definition, an absolute path, or a table of the engine."""

    table: str = Field(min_length=1)
    """A file (.csv, .csv.gz, .parquet) relative to the file in which it is named, an absolute path, or a table of the engine."""
    key: ColumnName
    """The column with the member's key; `row_number` numbers the rows of one file from 1."""
    time: ColumnName | None = None
    """When the event happened; a source with a time is an event source."""
    event_id: ColumnName | None = None
    """The column that tells a member's events from each other, such as the number of an order line; rows of one id are repeats."""
