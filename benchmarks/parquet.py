"""Tables of a benchmark as Parquet files, each written once and whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb


def write_missing(
    folder: Path,
    statements: Mapping[str, tuple[str, Sequence[int]]],
    *,
    memory: str,
    threads: int | None = None,
) -> None:
    """Write `<name>.parquet` for each COPY statement, with its arguments, whose file is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    limits: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory}
    if threads is not None:
        limits["threads"] = threads
    with duckdb.connect(config=limits) as connection:
        connection.execute("SET enable_progress_bar = false")
        for name, (statement, arguments) in statements.items():
            path = folder / f"{name}.parquet"
            if not path.exists():
                unfinished = path.with_suffix(".unfinished")
                connection.execute(statement.format(path=unfinished), list(arguments))
                unfinished.replace(path)
