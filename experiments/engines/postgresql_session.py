"""A session of PostgreSQL, and what it says when it fails, in our words: its own can hold rows of the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo, errors

from experiments.definition.errors import InputError, OfferwiseError, OutsideError

Session = psycopg.Connection[tuple[object, ...]]

_DEFAULTS = {"connect_timeout": "10", "application_name": "offerwise"}
_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    # Compiling the wide queries of moments costs more than it saves.
    "jit": "off",
}
_WATCHES_CLIENT_SINCE = 140_000
_SAFE = "Files that were there are as they were"


def open_session(url: str) -> Session:
    """Connect, with UTC as the zone, ISO dates and floating numbers with every digit.

    What is said when it cannot be done names nothing of the URL: a password with characters that a URL must escape
    ends up as the name of a host, and in libpq's messages.

    Raises:
        InputError: The URL cannot be read, or the database does not keep text in UTF-8.
        OutsideError: The server cannot be reached, or does not let the user in.
    """
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise InputError.single(
            "--engine: this is not a URL of PostgreSQL",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters in % notation",
        ) from None
    options = {name: value for name, value in _DEFAULTS.items() if name not in given}
    try:
        session = psycopg.connect(url, autocommit=True, prepare_threshold=None, **options)  # type: ignore[arg-type]
    except psycopg.Error:
        raise OutsideError(
            "Could not connect to PostgreSQL",
            "Nothing was changed",
            "Check that the server runs, and host, port, database, user and password of --engine, "
            "special characters in % notation",
        ) from None
    try:
        with in_our_words("Opening a session of PostgreSQL"):
            _prepare(session)
    except BaseException:
        session.close()
        raise
    return session


def _prepare(session: Session) -> None:
    encoding = session.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise InputError.single(
            f"--engine: the database keeps text in {encoding}", "name a database whose encoding is UTF8"
        )
    settings = dict(_SETTINGS)
    if session.info.server_version >= _WATCHES_CLIENT_SINCE:
        # Otherwise the server would compute on for a command that was killed.
        settings["client_connection_check_interval"] = "5s"
    for name, value in settings.items():
        session.execute("SELECT set_config(%s, %s, false)", (name, value))


@contextmanager
def in_our_words(doing: str) -> Iterator[None]:
    """Turn what PostgreSQL raises into our errors, of which its own is the cause."""
    try:
        yield
    except psycopg.Error as error:
        raise _told(error, doing) from error


def _told(error: psycopg.Error, doing: str) -> OfferwiseError:
    if isinstance(error, errors.CharacterNotInRepertoire | errors.UntranslatableCharacter):
        return InputError.single(
            "a text in the data holds a character that PostgreSQL cannot keep, such as a zero byte",
            "mend the rows",
        )
    if isinstance(error, psycopg.DataError):
        return InputError.single(
            "a value in the data is too large or of the wrong form for what the definition computes from it",
            "look for extreme values in the columns that the definition adds or multiplies",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return OutsideError(
            f"{doing} failed: the user of --engine may not do it",
            _SAFE,
            "Grant it TEMPORARY on the database, and SELECT on the tables that the definition names",
        )
    if isinstance(error, errors.OutOfMemory | errors.DiskFull | errors.ConfigurationLimitExceeded):
        return OutsideError(
            f"{doing} ran out of memory or of temporary disk space",
            _SAFE,
            "Free memory or disk of the server, then run the same command again",
        )
    state = f", SQLSTATE {error.sqlstate}" if error.sqlstate else ""
    return OutsideError(
        f"{doing} failed ({type(error).__name__}{state})",
        _SAFE,
        "Check that the server runs and has room, then run the same command again; --debug shows more",
    )
