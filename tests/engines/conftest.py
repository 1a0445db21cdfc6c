"""Every engine that this machine can run, each a real one, started once for the session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.engines.connect import connect
from experiments.engines.protocol import Engine
from tests.engines.postgresql_server import DATABASES, PostgreSQLServer

SPARK = "spark://local[2]"


@dataclass(frozen=True)
class Opened:
    """An engine of the session.

    Attributes:
        url: How to open it again.
    """

    url: str

    @contextmanager
    def open(self, files: Sequence[Path] = ()) -> Iterator[Engine]:
        engine = connect(self.url, files=files)
        try:
            yield engine
        finally:
            engine.cancel_and_close()


@pytest.fixture(scope="session")
def spark_url() -> Iterator[str]:
    """Spark on this machine, kept running for the session; skips with a reason where there is no PySpark or Java."""
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java for Spark")
    engine = connect(SPARK)
    yield SPARK
    engine.cancel_and_close()


@pytest.fixture(scope="session", params=["duckdb", "spark", *DATABASES])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Each engine in turn; PostgreSQL with each family of collations."""
    if request.param == "spark":
        return Opened(request.getfixturevalue("spark_url"))
    if request.param in DATABASES:
        server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
        return Opened(server.url(request.param))
    return Opened("duckdb://?threads=2")


@pytest.fixture
def engine(opened: Opened, tmp_path: Path) -> Iterator[Engine]:
    """An engine that may read and write in the test's folder."""
    with opened.open([tmp_path]) as engine:
        yield engine
