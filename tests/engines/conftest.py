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
from tests.engines.spark_cluster import SHORT_LIVED

ROOT = Path(__file__).resolve().parents[2]
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
def spark_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Spark on this machine, kept running for the session; skips with a reason where there is no PySpark or Java."""
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java for Spark")
    settings = tmp_path_factory.mktemp("spark")
    # Compiling queries takes longer than running them on a few rows.
    (settings / "spark-defaults.conf").write_text("spark.sql.codegen.wholeStage false\n")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPARK_CONF_DIR", str(settings))
        environment.setenv("JDK_JAVA_OPTIONS", SHORT_LIVED)
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
