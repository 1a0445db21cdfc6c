"""From an engine's URL to an open engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from experiments.definition.errors import InputError
from experiments.engines.protocol import Engine

_MEMORY = re.compile(r"0*[1-9][0-9]{0,5}(\.[0-9]{1,3})?[KMGT]i?B", re.IGNORECASE | re.ASCII)

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
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError.single(
            "--engine: this is not a URL", "use duckdb:// or duckdb:///PATH/FILE.duckdb"
        ) from error
    if parts.scheme != "duckdb":
        raise InputError.single(
            f"--engine: `{parts.scheme or url.partition(':')[0]}` is not an engine that Offerwise knows",
            "use duckdb:// or duckdb:///PATH/FILE.duckdb",
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


def _is_option(name: str, value: str) -> bool:
    if name == "threads":
        return value.isdecimal() and 0 < int(value[:9]) <= MOST_THREADS
    return name == "memory_limit" and _MEMORY.fullmatch(value) is not None
