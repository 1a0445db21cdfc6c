"""From an engine's URL to an open engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from experiments.definition.errors import InputError
from experiments.engines.protocol import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from experiments.engines.spark_session import Master

_MEMORY = re.compile(r"0*[1-9][0-9]{0,5}(\.[0-9]{1,3})?[KMGT]i?B", re.IGNORECASE | re.ASCII)

_ENGINES = "use duckdb://, duckdb:///PATH/FILE.duckdb, postgresql://USER@HOST:PORT/DATABASE, spark://local[4] or spark://HOST:PORT"
_POSTGRESQL = ("postgresql://", "postgres://")

MOST_THREADS = 256
"""DuckDB starts as many threads as it is told to, and the machine suffers."""


def connect(url: str | SparkSession = "duckdb://", *, files: Sequence[Path] = ()) -> Engine:
    """Open the engine that a URL names.

    `duckdb://` is in memory; `duckdb:///path/file.duckdb` also has the tables of that file, read-only; both
    take `?threads=2&memory_limit=4GB`. `spark://local[2]` is Spark on this machine, `spark://host:port` a cluster.
    `postgresql://user:password@host:port/database` is PostgreSQL, with all the options of libpq.

    Args:
        url: The engine's URL; it may hold credentials, so no message repeats more than its scheme. Or a session of Spark,
            which is neither changed nor stopped.
        files: Files that the engine may read, and folders in which it may read and write.

    Raises:
        InputError: The scheme is unknown, an option is wrong, or the database cannot be opened.
        OutsideError: The engine cannot be reached.
    """
    if not isinstance(url, str):
        return _spark(url, files)
    if url.startswith("spark://"):
        # Brackets, as in local[2], make it no URL for the library.
        from experiments.engines.spark_session import Master

        return _spark(Master.of(url), files)
    if url.startswith(_POSTGRESQL):
        return _postgresql(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError.single("--engine: this is not a URL", _ENGINES) from error
    if parts.scheme != "duckdb":
        raise InputError.single(
            f"--engine: `{parts.scheme or url.partition(':')[0]}` is not an engine that Offerwise knows",
            _ENGINES,
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    wrong = sorted(name for name, value in options.items() if not _is_option(name, value))
    if wrong:
        raise InputError.single(
            f"--engine: the option {wrong[0]} is unknown or out of range",
            f"use ?threads=2 (at most {MOST_THREADS}) and ?memory_limit=4GB, joined by &",
        )
    threads = options.get("threads")
    # DuckDB is loaded when it is used, so that an error on the command line costs nothing.
    from experiments.engines.duckdb import DuckDBEngine

    path = unquote(f"{parts.netloc}{parts.path}")
    return DuckDBEngine(
        Path(path) if path else None,
        files=files,
        threads=int(threads) if threads else None,
        memory_limit=options.get("memory_limit"),
    )


def _spark(spark: Master | SparkSession, files: Sequence[Path]) -> Engine:
    from experiments.engines.spark import SparkEngine

    return SparkEngine(spark, files=files)


def _postgresql(url: str) -> Engine:
    try:
        import psycopg  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise InputError.single(
            "--engine: postgresql:// needs the package psycopg, which is not installed or cannot be loaded",
            "run pip install 'offerwise[postgres]'",
        ) from error
    from experiments.engines.postgresql import PostgreSQLEngine

    return PostgreSQLEngine(url)


def _is_option(name: str, value: str) -> bool:
    if name == "threads":
        return value.isdecimal() and 0 < int(value[:9]) <= MOST_THREADS
    return name == "memory_limit" and _MEMORY.fullmatch(value) is not None
