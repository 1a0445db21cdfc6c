"""A session of DuckDB, and what it says when it fails, in our words: its own can hold rows of the data.

A session reads the files that it was given and nothing else: extensions stay off, access to other files is
closed, and the configuration is locked before the first query runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

from experiments.definition.errors import InputError, OutsideError

WAREHOUSE = "warehouse"
"""The catalogue of the DuckDB file whose tables may be sources."""

_PATTERN = re.compile(r"([*?\[])")


def open_session(
    database: Path | None, files: Sequence[Path], spill: Path, threads: int | None, memory_limit: str | None
) -> duckdb.DuckDBPyConnection:
    """Connect, with UTC as the zone, and let the session read `files` and `database`, and nothing else.

    Raises:
        InputError: `database` cannot be opened.
    """
    config: dict[str, Any] = {
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "temp_directory": str(spill),
    }
    config |= {"threads": threads} if threads else {}
    config |= {"memory_limit": memory_limit} if memory_limit else {}
    session = duckdb.connect(":memory:", config=config)
    if database is not None:
        _attach(session, database)
    absolute = [file.absolute() for file in files]
    _set(session, "enable_progress_bar", exp.false())
    _set(session, "python_enable_replacements", exp.false())
    _set(session, "TimeZone", exp.Literal.string("UTC"))
    _set(session, "allowed_paths", _paths(file for file in absolute if not file.is_dir()))
    _set(session, "allowed_directories", _paths(file for file in absolute if not file.is_file()))
    _set(session, "enable_external_access", exp.false())
    _set(session, "lock_configuration", exp.true())
    return session


def _attach(session: duckdb.DuckDBPyConnection, database: Path) -> None:
    if not database.is_file():
        raise InputError.single(f"--engine: there is no DuckDB file {database}", "check the path")
    attach = exp.Attach(
        this=exp.alias_(exp.Literal.string(str(database.absolute())), WAREHOUSE),
        expressions=[exp.AttachOption(this=exp.var("READ_ONLY"))],
    )
    try:
        session.execute(attach.sql("duckdb"))
    except duckdb.Error as error:
        raise InputError.single(
            f"--engine: {database} cannot be opened as a DuckDB file",
            "check that it is one, and that no other program has it open for writing",
        ) from error


def _set(session: duckdb.DuckDBPyConnection, option: str, value: exp.Expr) -> None:
    assign = exp.SetItem(this=exp.EQ(this=exp.column(option), expression=value))
    session.execute(exp.Set(expressions=[assign]).sql("duckdb"))


def _paths(values: Iterable[Path]) -> exp.Expr:
    """Paths for the list of what may be read: as they are, and as `path_literal` writes them."""
    return exp.Array(
        expressions=[
            text for value in values for text in (exp.Literal.string(str(value)), path_literal(str(value)))
        ]
    )


def path_literal(path: str) -> exp.Expr:
    """A path that names the file of exactly this name, where DuckDB would take `*`, `?` and `[` for a pattern."""
    return exp.Literal.string(_PATTERN.sub(r"[\1]", path))


@contextmanager
def in_our_words(doing: str) -> Iterator[None]:
    """DuckDB's messages can hold rows of the data, so users read ours."""
    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise InputError.single(
            "a value in the data is too large or of the wrong form for what the definition computes from it",
            "look for extreme values in the columns that the definition adds or multiplies",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise OutsideError(
            f"{doing} ran out of memory or of temporary disk space",
            "Files that were there are as they were",
            "Free memory or disk, or run on a larger engine, then run the same command again",
        ) from error
    except duckdb.Error as error:
        raise OutsideError(
            f"{doing} failed ({type(error).__name__})",
            "Files that were there are as they were",
            "Check that the files are in place and the disk has room, then run the same command again; --debug shows more",
        ) from error
