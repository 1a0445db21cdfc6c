"""From an engine's URL to an open engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from experiments.definition.errors import InputError
from experiments.engines.protocol import Engine

MOST_THREADS = 256
"""DuckDB starts as many threads as it is told to, and the machine suffers."""


def connect(url: str = "duckdb://", *, files: Sequence[Path] = ()) -> Engine:
    """Open the engine that a URL names.

    `duckdb://` is in memory; `duckdb:///path/file.duckdb` also has the tables of that file, read-only; both
    take `?threads=2&memory_limit=4GB`.

    Args:
        url: The engine's URL; it may hold credentials, so no message repeats more than its scheme.
        files: Files that the engine may read, and folders in which it may read and write.

    Raises:
        InputError: The scheme is unknown, an option is wrong, or the database cannot be opened.
    """
    parts = urlsplit(url)
    if parts.scheme != "duckdb":
        raise InputError.single(
            f"--engine: `{parts.scheme or url.partition(':')[0]}` is not an engine that Offerwise knows",
            "use duckdb:// or duckdb:///PATH/FILE.duckdb",
        )
    options = dict(parse_qsl(parts.query))
    unknown = sorted(set(options) - {"threads", "memory_limit"})
    threads = options.get("threads")
    if unknown or (threads is not None and not (threads.isdecimal() and 0 < int(threads) <= MOST_THREADS)):
        raise InputError.single(
            f"--engine: the option {unknown[0] if unknown else 'threads'} is unknown or out of range",
            f"use ?threads=2 (at most {MOST_THREADS}) and ?memory_limit=4GB, joined by &",
        )
    # DuckDB is loaded when it is used, so that an error on the command line costs nothing.
    from experiments.engines.duckdb import DuckDBEngine

    path = unquote(f"{parts.netloc}{parts.path}")
    return DuckDBEngine(
        Path(path) if path else None,
        files=files,
        threads=int(threads) if threads else None,
        memory_limit=options.get("memory_limit"),
    )
