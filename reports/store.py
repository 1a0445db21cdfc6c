"""Where runs go: the tracking URI, its lock, and failures of the tracking server in our words."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from experiments.definition.errors import OfferwiseError, OutsideError
from experiments.files import Workspace

SAFE = "The results on disk are safe"
GO_ON = "Run the same command again when the tracking server answers, or leave runs out with --no-mlflow"
TRACKING_URI = "MLFLOW_TRACKING_URI"
_SQLITE = "sqlite:///"
_SECONDS_TO_CONNECT = 5.0
_SECONDS_TO_LOCK = 120.0
_PORTS = (("http", 80), ("https", 443), ("postgresql", 5432), ("mysql", 3306), ("mssql", 1433))
_KNOWN_SCHEMES = frozenset({"http", "https", "file", "postgresql", "mysql", "mssql", "databricks", "uc"})


@dataclass(frozen=True)
class Store:
    """A tracking store.

    Attributes:
        uri: Its URI; it may hold credentials, so it is shown only through `shown`.
    """

    uri: str

    @classmethod
    def of(cls, uri: str | None, workspace: Workspace) -> Store:
        """The store to use: the URI given, else MLFLOW_TRACKING_URI, else SQLite under `--out`."""
        named = uri or os.environ.get(TRACKING_URI)
        return cls(named or f"{_SQLITE}{workspace.out.absolute() / 'mlflow.db'}")

    @property
    def shown(self) -> str:
        """The URI without user, password and query; of one that cannot be read, or not by MLflow, the scheme alone.

        >>> Store("https://ana:secret@mlflow.example.com:5000/x?token=1").shown
        'https://mlflow.example.com:5000/x'
        >>> Store("banana://secret").shown
        'banana://...'
        >>> Store("http://ana:secret@[::1").shown
        'http://...'
        """
        try:
            parts = urlsplit(self.uri)
        except ValueError:
            return f"{self.uri.partition('://')[0]}://..."
        if not parts.scheme or parts.scheme.startswith("sqlite"):
            return self.uri.split("?", 1)[0]
        if parts.scheme.partition("+")[0] not in _KNOWN_SCHEMES:
            return f"{parts.scheme}://..."
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def database(self) -> Path | None:
        """The file of a SQLite store, else None."""
        path = self.uri.removeprefix(_SQLITE).split("?", 1)[0]
        return Path(path).absolute() if self.uri.startswith(_SQLITE) and path else None

    def artifact_location(self, folder: str) -> str | None:
        """Where a new experiment's artifacts go; None where a server decides for itself.

        A SQLite store left alone puts them into the current folder; they belong beside its file.
        """
        return None if self.database is None else (self.database.parent / "mlartifacts" / folder).as_uri()

    @contextmanager
    def used_for(self, doing: str) -> Iterator[None]:
        """Use the store inside: alone where it is a SQLite file, and with its failures as OutsideError.

        What MLflow says of a failure may hold data of members or credentials; it is kept as the cause, which only
        `--debug` shows.

        Raises:
            OutsideError: The store cannot be reached, is locked, or fails.
        """
        database = self.database
        try:
            self._require_answer()
            with nullcontext() if database is None else _alone(database.with_name(f"{database.name}.lock")):
                yield
        except OfferwiseError:
            raise
        except Exception as error:
            raise OutsideError(
                f"{doing} failed: the MLflow store {self.shown} did not do it", SAFE, GO_ON
            ) from error

    def _require_answer(self) -> None:
        """Fail within seconds where nobody listens or no file can be, instead of after all retries."""
        if self.database is not None and self.database.is_dir():
            raise OutsideError(f"The MLflow store {self.shown} is a folder", SAFE, GO_ON)
        parts = urlsplit(self.uri)
        default = dict(_PORTS).get(parts.scheme.partition("+")[0])
        if default is None or parts.hostname is None:
            return
        try:
            socket.create_connection((parts.hostname, parts.port or default), _SECONDS_TO_CONNECT).close()
        except OSError as error:
            raise OutsideError(f"The MLflow server {self.shown} does not answer", SAFE, GO_ON) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes: simultaneous first uses of a SQLite store break each other's tables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        until = time.monotonic() + _SECONDS_TO_LOCK
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise OutsideError(
                        f"Another process holds {path} for more than {_SECONDS_TO_LOCK:.0f} seconds",
                        SAFE,
                        "Wait until it is done, then run the same command again",
                    ) from error
                time.sleep(0.05)
        yield
