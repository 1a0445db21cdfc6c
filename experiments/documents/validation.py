"""The documents of `validate`: what was checked, and the SQL for a warehouse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceCheck:
    """A data source that was opened and found in order."""

    source: str
    table: str
    columns: int
    key: str


@dataclass(frozen=True)
class Validation:
    """`validate --json`: a definition without a fault, and the data it names."""

    experiment: str
    definition_sha256: str
    arms: tuple[str, ...]
    metrics: tuple[str, ...]
    sources: tuple[SourceCheck, ...]
    schema: str = "offerwise.validation/1"


@dataclass(frozen=True)
class WarehouseSQL:
    """`validate --sql DIALECT --json`: a script for a warehouse."""

    experiment: str
    dialect: str
    sql: str
    schema: str = "offerwise.sql/1"
