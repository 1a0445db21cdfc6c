"""What Spark says when it fails, in our words: its own can hold rows of the data."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from experiments.definition.errors import InputError, OfferwiseError, OutsideError

_CONDITION = re.compile(r"\[([A-Z][A-Z_0-9]+)(?:\.[A-Z_0-9]+)*\]")
_OF_VALUES = frozenset(
    {
        "ARITHMETIC_OVERFLOW",
        "CAST_INVALID_INPUT",
        "CAST_OVERFLOW",
        "DATETIME_OVERFLOW",
        "INTERVAL_ARITHMETIC_OVERFLOW",
        "NUMERIC_VALUE_OUT_OF_RANGE",
    }
)
_OF_FILES = frozenset({"FAILED_READ_FILE", "FILE_NOT_EXIST", "PATH_NOT_FOUND"})
_OF_SPACE = ("OutOfMemoryError", "No space left on device", "UNABLE_TO_ACQUIRE_MEMORY")
_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""PySpark writes each error there, with the value in it, to standard error."""


@contextmanager
def in_our_words(doing: str) -> Iterator[None]:
    """Turn what Spark raises into our errors, of which Spark's is the cause, and keep it silent meanwhile."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        with quiet():
            yield
    except (PySparkException, Py4JError, ConnectionError, EOFError) as error:
        raise _told(error, doing) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without PySpark's own log of errors, and without its warnings about versions of packages."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, was_disabled in zip(loggers, before, strict=True):
            logger.disabled = was_disabled


def conditions(error: BaseException) -> frozenset[str]:
    """The names that Spark gives to what went wrong, such as `CAST_OVERFLOW`."""
    return frozenset(_CONDITION.findall(str(error)))


def _told(error: BaseException, doing: str) -> OfferwiseError:
    found = conditions(error)
    if found & _OF_VALUES:
        return InputError.single(
            "a value in the data is too large or of the wrong form for what the definition computes from it",
            "look for extreme values in the columns that the definition adds or multiplies",
        )
    if found & _OF_FILES or "FileNotFoundException" in str(error):
        return InputError.single(
            "a file that this command reads is not there for every worker of Spark",
            "keep the data and --out in folders that all workers share, under the same path, or give tables",
        )
    if any(words in str(error) for words in _OF_SPACE):
        return OutsideError(
            f"{doing} ran out of memory or of temporary disk space",
            "Files that were there are as they were",
            "Give Spark more memory, or free disk, then run the same command again",
        )
    told = ", ".join(sorted(found)[:1]) or type(error).__name__
    return OutsideError(
        f"{doing} failed ({told})",
        "Files that were there are as they were",
        "Check that Spark and its workers run, then run the same command again; --debug shows more",
    )
