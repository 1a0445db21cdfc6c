"""The assignment ledger on files: batches of Parquet that a manifest names, appended to and never changed.

A batch is written under `tmp/`, synced, hashed and renamed into `batches/`; publishing the next
`manifest-N.json` by a hard link, which refuses to overwrite, is the commit. Readers see what the newest
manifest names and nothing else, so a kill at any moment leaves the ledger as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter
from sqlglot import exp

from experiments.assignment.ledger import ELSEWHERE, LedgerState, ledger_shape, refuse_loss
from experiments.definition.errors import OutsideError
from experiments.engines.protocol import Engine
from experiments.files import Workspace
from experiments.progress import Progress

SCHEMA = "offerwise.ledger/1"
_MANIFEST = re.compile(r"manifest-(\d+)\.json")


@dataclass(frozen=True)
class Batch:
    """One batch of assignments, as a manifest names it.

    Attributes:
        number: Batches count from 0.
        file: Its file name in `batches/`.
        sha256: Of the file.
        bytes: The size of the file.
        members: How many members it assigned.
    """

    number: int
    file: str
    sha256: str
    bytes: int
    members: int


@dataclass(frozen=True)
class Manifest:
    """What the ledger holds.

    Attributes:
        number: Manifests count from 0; -1 before the first.
        definition_sha256: The lock of the definition that drew every batch; None before the first.
        batches: The batches, in order.
    """

    number: int = -1
    definition_sha256: str | None = None
    batches: tuple[Batch, ...] = ()

    @property
    def members(self) -> int:
        """How many members are assigned."""
        return sum(batch.members for batch in self.batches)


@dataclass(frozen=True)
class FileLedger:
    """The ledger on files; see `experiments.assignment.ledger.Ledger` for what each method promises.

    Attributes:
        workspace: Whose folder holds it.
        engine: Writes and reads the batches.
    """

    workspace: Workspace
    engine: Engine

    @property
    def place(self) -> str:
        """Its folder."""
        return str(self.workspace.ledger)

    @property
    def is_begun(self) -> bool:
        """Whether a manifest has been published in its folder."""
        return bool(self._manifests())

    def state(self) -> LedgerState:
        """What the newest manifest says."""
        newest = self.manifest()
        return LedgerState(newest.definition_sha256, len(newest.batches), newest.members)

    def held(self, _progress: Progress, /) -> AbstractContextManager[None]:
        """Nothing more than `hold`: whoever appends to it works in its folder."""
        return nullcontext()

    def manifest(self) -> Manifest:
        """The newest manifest."""
        path = max(self._manifests(), key=_number_of, default=None)
        if path is None:
            refuse_loss(self.workspace, self.place, "it is gone")
            return Manifest()
        try:
            body = json.loads(path.read_text(encoding="utf8"))
            batches = TypeAdapter(tuple[Batch, ...]).validate_python(body["batches"])
            return Manifest(_number_of(path), body["definition_sha256"], batches)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(path) from error

    def batch_files(self) -> list[Path]:
        """The files of every batch, each with the SHA-256 that the manifest names: one bit can change an arm."""
        files = []
        for batch in self.manifest().batches:
            path = self._batches / batch.file
            try:
                whole = path.stat().st_size == batch.bytes and _sha256(path) == batch.sha256
            except OSError as error:
                raise self._damaged(path) from error
            if not whole:
                raise self._damaged(path)
            files.append(path)
        return files

    def read(self, name: str) -> None:
        """The files of every batch as one relation."""
        self.engine.read_files(name, self.batch_files(), ledger_shape())

    def prepare(self) -> None:
        """Make its folder."""
        try:
            self.workspace.ledger.mkdir(parents=True, exist_ok=True)
            _sync(self.workspace.root)
        except OSError as error:
            raise self._unwritten(error) from error

    def announce(self, group: str | None, *, window_days: int, definition_sha256: str) -> None:
        """Nothing: who can read the ledger can read the lock beside it, which says so."""

    def append(self, query: exp.Query, *, members: int, definition_sha256: str) -> None:
        """Write a batch, and publish a manifest that names it."""
        before = self.manifest()
        self._sweep(before)
        written = self._tmp / "batch.parquet"
        self.engine.write(query, written)
        try:
            digest = _sha256(written)
            name = f"batch-{len(before.batches):06d}-{digest[:16]}.parquet"
            batch = Batch(len(before.batches), name, digest, written.stat().st_size, members)
            self._batches.mkdir(exist_ok=True)
            written.rename(self._batches / name)
            _sync(self._batches)
            self._publish(Manifest(before.number + 1, definition_sha256, (*before.batches, batch)))
        except OSError as error:
            raise self._unwritten(error) from error

    @property
    def _batches(self) -> Path:
        return self.workspace.ledger / "batches"

    @property
    def _tmp(self) -> Path:
        return self.workspace.ledger / "tmp"

    def _manifests(self) -> list[Path]:
        if not self.workspace.ledger.is_dir():
            return []
        return [path for path in self.workspace.ledger.iterdir() if _MANIFEST.fullmatch(path.name)]

    def _publish(self, manifest: Manifest) -> None:
        body = {
            "schema": SCHEMA,
            "experiment": self.workspace.experiment,
            "definition_sha256": manifest.definition_sha256,
            "batches": [asdict(batch) for batch in manifest.batches],
        }
        draft = self._tmp / "manifest.json"
        with draft.open("w", encoding="utf8") as file:
            json.dump(body, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, self.workspace.ledger / f"manifest-{manifest.number}.json")
        draft.unlink()
        _sync(self.workspace.ledger)

    def _sweep(self, manifest: Manifest) -> None:
        """Take away what a killed command left, which no manifest names."""
        named_files = {batch.file for batch in manifest.batches}
        strays = list(self._tmp.iterdir() if self._tmp.is_dir() else ())
        strays += [
            path
            for path in (self._batches.iterdir() if self._batches.is_dir() else ())
            if path.name not in named_files
        ]
        for path in strays:
            path.unlink(missing_ok=True)

    def _unwritten(self, error: OSError) -> OutsideError:
        return OutsideError(
            f"Could not add to the ledger {self.workspace.ledger}: {error.strerror}",
            "The ledger is as it was, and no arm was given",
            ELSEWHERE,
        )

    def _damaged(self, path: Path) -> OutsideError:
        return OutsideError(
            f"Could not read the ledger: {path} is missing or damaged",
            "Nothing was changed",
            f"Restore {self.workspace.ledger} from a backup; do not assign again, members would change arms",
        )


def _number_of(path: Path) -> int:
    found = _MANIFEST.fullmatch(path.name)
    assert found is not None
    return int(found.group(1))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
