"""A session of Spark: started for a URL, joined where one runs in this process, or given by the caller."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from experiments.definition.errors import InputError, OutsideError
from experiments.engines.spark_errors import in_our_words, quiet

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

_URL = "spark://local[4] or spark://HOST:PORT"
_LOCAL = re.compile(r"local(\[([1-9]\d{0,2}|\*)\])?", re.ASCII)
_HOSTS = re.compile(r"[\w.-]+:\d{1,5}(,[\w.-]+:\d{1,5})*", re.ASCII)
_MEMORY = re.compile(r"[1-9]\d{0,5}[kmgt]", re.IGNORECASE | re.ASCII)
_PARTITIONS = re.compile(r"[1-9]\d{0,4}", re.ASCII)
_OPTIONS = {
    "driver_memory": (_MEMORY, "spark.driver.memory"),
    "executor_memory": (_MEMORY, "spark.executor.memory"),
    "shuffle_partitions": (_PARTITIONS, "spark.sql.shuffle.partitions"),
}
_REACHED_WITHIN = 10.0

_OF_QUERIES = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.timeType.enabled": "true",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
}
"""What a query means must not depend on how a cluster is set up."""


@dataclass(frozen=True)
class Master:
    """Which Spark a URL names.

    Attributes:
        name: `local[2]` or `spark://host:port`, as Spark calls it.
        conf: Spark's settings from the URL's options.
    """

    name: str
    conf: Mapping[str, str]

    @classmethod
    def of(cls, url: str) -> Master:
        """Read `spark://local[2]` or `spark://host:port`, with options.

        Raises:
            InputError: It is neither, or an option is unknown.

        >>> Master.of("spark://local[2]?driver_memory=2g")
        Master(name='local[2]', conf={'spark.driver.memory': '2g'})
        """
        place, _, query = url.removeprefix("spark://").partition("?")
        place = unquote(place).rstrip("/")
        if not (_LOCAL.fullmatch(place) or _HOSTS.fullmatch(place)):
            raise InputError.single("--engine: this names no Spark", f"use {_URL}")
        conf: dict[str, str] = {}
        for option, value in parse_qsl(query, keep_blank_values=True):
            form, key = _OPTIONS.get(option, (None, ""))
            if form is None or not form.fullmatch(value):
                raise InputError.single(
                    f"--engine: the option {option} is unknown or out of range",
                    "use ?driver_memory=4g, ?executor_memory=4g and ?shuffle_partitions=64, joined by &",
                )
            conf[key] = value
        return cls(place if _LOCAL.fullmatch(place) else f"spark://{place}", conf)

    @property
    def is_local(self) -> bool:
        """Whether Spark runs in a process of this machine alone."""
        return not self.name.startswith("spark://")


@dataclass(frozen=True)
class Session:
    """A session of our own, so that nothing of the caller's is changed.

    Attributes:
        ours: The session, with settings and temporary views of its own.
        given: The session that the caller gave, whose temporary views may be sources; None where none was given.
        owns_context: Whether Spark was started here and stops with us.
    """

    ours: SparkSession
    given: SparkSession | None
    owns_context: bool

    @classmethod
    def start(cls, master: Master, scratch: Path) -> Session:
        """Start Spark, or join the one that runs in this process with the same master.

        Raises:
            InputError: PySpark or Java is missing, or this process runs Spark with another master.
            OutsideError: The master cannot be reached, or Spark does not start.
        """
        _require_pyspark()
        with quiet():
            from pyspark.sql import SparkSession
        running = SparkSession.getActiveSession() or _session_of_process()
        if running is not None:
            if running.sparkContext.master != master.name:
                raise InputError.single(
                    "--engine: this process runs Spark with another master already",
                    "give the session itself as `engine`, or stop it first",
                )
            return cls(_own(running), None, owns_context=False)
        _require_java()
        if not master.is_local:
            _require_master(master)
        with in_our_words("Starting Spark"):
            return cls(_own(SparkSession(_context(master, scratch))), None, owns_context=True)

    @classmethod
    def of_caller(cls, session: SparkSession) -> Session:
        """A session beside the caller's, in the same application; theirs is neither changed nor stopped.

        Raises:
            InputError: It is no session, or one of Spark Connect.
        """
        require_session(session)
        with in_our_words("Opening a session of Spark"):
            return cls(_own(session), session, owns_context=False)

    @property
    def is_local(self) -> bool:
        """Whether workers and this process are on one machine."""
        return str(self.ours.sparkContext.master).startswith("local")

    def close(self, tag: str) -> None:
        """Stop what runs under a tag, and Spark itself where it was started here."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        # Of a Spark that is gone already there is nothing left to close.
        with quiet(), suppress(Py4JError, PySparkException, OSError, EOFError):
            self.ours.interruptTag(tag)
            if self.owns_context:
                self.ours.stop()


def _own(session: SparkSession) -> SparkSession:
    own = session.newSession()
    for key, value in _OF_QUERIES.items():
        own.conf.set(key, value)
    return own


def _session_of_process() -> SparkSession | None:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    running = SparkContext._active_spark_context  # noqa: SLF001 - PySpark has no other word for it
    return None if running is None else SparkSession(running)


def _context(master: Master, scratch: Path) -> SparkContext:
    """Spark without its pages, bars and logs; `spark-defaults.conf` holds for everything that is not set here."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    conf: SparkConf = SparkConf().setMaster(master.name).setAppName("offerwise")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": (scratch / "warehouse").as_uri(),
    }
    if master.is_local:
        threads = re.sub(r"\D", "", master.name) or (str(os.cpu_count()) if "*" in master.name else "1")
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": threads,
        }
    for key, value in {**settings, **master.conf}.items():
        conf.set(key, value)
    started = SparkContext._gateway  # noqa: SLF001 - a Java that this process has started is used again
    gateway = started or launch_gateway(conf, {"stdout": DEVNULL, "stderr": DEVNULL})
    return SparkContext(conf=conf, gateway=gateway)


def _require_pyspark() -> None:
    try:
        with quiet():
            import pyspark  # noqa: F401
    except ImportError as error:
        raise InputError.single(
            "--engine: PySpark is not installed", "install it with pip install 'offerwise[spark]'"
        ) from error


def require_session(session: object) -> None:
    """Refuse what is no session of Spark in this process.

    Raises:
        InputError: It is something else, such as a session of Spark Connect.
    """
    _require_pyspark()
    with quiet():
        from pyspark.sql import SparkSession
    if not isinstance(session, SparkSession):
        raise InputError.single(
            f"`engine` is neither a URL nor a session of Spark in this process ({type(session).__name__})",
            f"give {_URL}, or a session that is not one of Spark Connect",
        )


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(str(Path(home, "bin", "java")) if home else "java"):
        where = "in JAVA_HOME" if home else "on the path"
        raise InputError.single(
            f"--engine: there is no Java {where}, which Spark needs",
            "install Java 17 or later, or set JAVA_HOME",
        )


def _require_master(master: Master) -> None:
    """Spark itself would try for a minute, and then say little."""
    for place in master.name.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        with suppress(OSError), socket.create_connection((host, int(port)), _REACHED_WITHIN):
            return
    raise OutsideError(
        "Could not reach the Spark master that --engine names",
        "Nothing was changed",
        "Check the address and that the master runs, then run the same command again",
    )
