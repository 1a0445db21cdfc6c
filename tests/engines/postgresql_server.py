"""A real PostgreSQL server of the tests' own: a cluster in a temporary folder, on a free port of the loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import pytest

PASSWORD = "s3cret-/@:%:密码"
"""With characters that a URL must escape; a test that finds it anywhere has found a leak."""

DATABASES: dict[str, LiteralString] = {
    "plain": "LOCALE 'C'",
    "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'und' LOCALE 'C'",
    "chinese": "LOCALE_PROVIDER icu ICU_LOCALE 'zh-Hans-CN' LOCALE 'C'",
}
"""The databases, one for each family of collations that brands run."""

_VERSIONS = Path("/usr/lib/postgresql")
_OWNER = "postgres"


@dataclass(frozen=True)
class PostgreSQLServer:
    """A server that is running.

    Attributes:
        port: On 127.0.0.1.
    """

    port: int

    def url(self, database: str = "plain", user: str = "owner") -> str:
        """The URL of one of `DATABASES` for `--engine`."""
        return f"postgresql://{user}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: LiteralString, database: str = "plain") -> list[tuple[object, ...]]:
        """Run a statement as the cluster's owner, committed at once, and give its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as session:
            found = session.execute(statement)
            return found.fetchall() if found.description else []


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """One server for the session, with `DATABASES`; skips with a reason where PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = server_binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL server is installed under {_VERSIONS}")
    with running_server(binaries) as server:
        for name, collation in DATABASES.items():
            server.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {collation}", "postgres"
            )
        yield server


@contextmanager
def running_server(binaries: Path) -> Iterator[PostgreSQLServer]:
    """A new cluster, gone with its data at the end, or when this process is killed."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-of-tests-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _OWNER, _OWNER)
        data, log = folder / "data", folder / "log"
        _initialise(binaries, folder, data)
        port = _free_port()
        options = ["-D", data, "-p", port, "-k", folder, "-h", "127.0.0.1", "-F", "-c", "max_connections=40"]
        with log.open("wb") as output:
            command = [*_unprivileged(), str(binaries / "postgres"), *map(str, options)]
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            server = PostgreSQLServer(port)
            _wait(server, process, log)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # at once; SIGTERM would wait for open sessions
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(binaries: Path, folder: Path, data: Path) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="utf8")
    options = ["-D", data, "-U", "owner", "--pwfile", secret, "--auth=scram-sha-256", "--no-sync"]
    command = [
        *_unprivileged(),
        str(binaries / "initdb"),
        *map(str, options),
        "--locale=C",
        "--encoding=UTF8",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    secret.unlink()


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root; its server ends with the process that started it, however that ends."""
    who = ["--reuid", _OWNER, "--regid", _OWNER, "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *who, "--pdeathsig", "QUIT"]


def _wait(server: PostgreSQLServer, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            server.execute("SELECT 1", "postgres")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
            time.sleep(0.05)
        else:
            return


def server_binaries() -> Path | None:
    """The programs of the newest server that is installed."""
    versions = sorted(_VERSIONS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
