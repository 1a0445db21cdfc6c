"""The assignment ledger on files: batches of Parquet that a manifest names, appended to and never changed.

A batch is written under `tmp/`, synced, hashed and renamed into `batches/`; publishing the next
`manifest-N.json` by a hard link, which refuses to overwrite, is the commit. Readers see what the newest
manifest names and nothing else, so a kill at any moment leaves the ledger as it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlglot import exp

from experiments.definition.errors import OutsideError
from experiments.engines.protocol import Engine
from experiments.files import Workspace
from experiments.progress import Progress
from experiments.queries import column, named, number

SCHEMA = "offerwise.ledger/1"
_MANIFEST = re.compile(r"manifest-(\d+)\.json")
_ELSEWHERE = "Give a folder on a local disk with --out, or use a table ledger (--engine postgresql://...)"


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
class Ledger:
    """The ledger of one experiment; every method raises OutsideError when the disk fails."""

    workspace: Workspace

    @property
    def exists(self) -> bool:
        """Whether anybody has been assigned, which is when the definition is locked."""
        return self.manifest().number >= 0

    @property
    def locked_sha256(self) -> str | None:
        """The lock of the definition that the arms were drawn by; None before the first batch."""
        return self.manifest().definition_sha256

    def manifest(self) -> Manifest:
        """The newest manifest."""
        path = max(self._manifests(), key=_number_of, default=None)
        if path is None:
            self._refuse_loss()
            return Manifest()
        try:
            body = json.loads(path.read_text(encoding="utf8"))
            return Manifest(
                _number_of(path), body["definition_sha256"], tuple(Batch(**each) for each in body["batches"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
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

    def read(self, engine: Engine, name: str) -> None:
        """Make the ledger readable as relation `name`, with the columns of `ledger_shape`."""
        engine.read_files(name, self.batch_files(), ledger_shape())

    def prepare(self) -> None:
        """Make the ledger's folder before anything else of an assignment, so that its absence tells a loss."""
        try:
            self.workspace.ledger.mkdir(parents=True, exist_ok=True)
            _sync(self.workspace.root)
        except OSError as error:
            raise self._unwritten(error) from error

    def append(self, engine: Engine, query: exp.Query, *, members: int, definition_sha256: str) -> Batch:
        """Add the rows of `query` as the next batch; call it while holding `hold`.

        Args:
            engine: Writes the rows.
            query: Rows with the columns of `ledger_shape`, in that order.
            members: How many rows there are.
            definition_sha256: The lock of the definition that drew them.
        """
        before = self.manifest()
        self._sweep(before)
        written = self._tmp / "batch.parquet"
        engine.write(query, written)
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
        return batch

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

    def _refuse_loss(self) -> None:
        """Refuse to take a ledger that is gone for one that never was: members who were messaged would change arms."""
        space = self.workspace
        traces = [space.document("assignment"), *sorted(space.send_lists.glob("*.csv"))]
        if not space.ledger.is_dir():
            traces.append(space.lock)
        trace = next((path for path in traces if path.exists()), None)
        if trace is not None:
            raise OutsideError(
                f"Could not read the ledger {space.ledger}: it is gone, and {trace} shows that arms were drawn",
                "Nothing was changed, and no arm was given",
                f"Restore {space.ledger} from a backup; only if nobody has been sent anything, "
                f"take {space.root} away and run `offerwise assign` again",
            )

    def _unwritten(self, error: OSError) -> OutsideError:
        return OutsideError(
            f"Could not add to the ledger {self.workspace.ledger}: {error.strerror}",
            "The ledger is as it was, and no arm was given",
            _ELSEWHERE,
        )

    def _damaged(self, path: Path) -> OutsideError:
        return OutsideError(
            f"Could not read the ledger: {path} is missing or damaged",
            "Nothing was changed",
            f"Restore {self.workspace.ledger} from a backup; do not assign again, members would change arms",
        )


def ledger_shape() -> exp.Select:
    """The columns of the ledger, as a query of one row."""
    text = exp.DType.TEXT
    kinds = {
        "experiment": text,
        "member": text,
        "arm": text,
        "segment": text,
        "stratum": text,
        "batch": exp.DType.INT,
        "propensity": exp.DType.DOUBLE,
        "planned_send_at": exp.DType.TIMESTAMPTZ,
        "assigned_at": exp.DType.TIMESTAMPTZ,
        "definition_sha256": text,
    }
    return exp.select(*(named(exp.cast(exp.null(), kind), name) for name, kind in kinds.items()))


def ledger_rows(
    rows: exp.Query, *, experiment: str, batch: int, assigned_at: exp.Expr, definition_sha256: str
) -> exp.Select:
    """The ledger's columns, in order, over rows that have `member, arm, segment, stratum, propensity, planned_send_at`."""
    ours: dict[str, exp.Expr] = {
        "experiment": exp.Literal.string(experiment),
        "batch": exp.cast(number(batch), exp.DType.INT),
        "assigned_at": assigned_at,
        "definition_sha256": exp.Literal.string(definition_sha256),
    }
    names = ledger_shape().named_selects
    selected = [named(ours.get(name, column(name)), name) for name in names]
    return exp.select(*selected).from_(rows.subquery("assigned_rows"))


@contextmanager
def hold(out: Path, progress: Progress) -> Iterator[None]:
    """Be the only command that assigns under `out`, from the lock check to the publication.

    Raises:
        OutsideError: The file system has no locks.
    """
    path = out / ".offerwise.lock"
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise OutsideError(
            f"Could not write {path}: {error.strerror}",
            "Nothing was changed",
            "Give a folder that you may write with --out",
        ) from error
    with file:
        try:
            _flock(file.fileno(), progress)
        except OSError as error:
            raise OutsideError(
                f"Could not lock {path}: {error.strerror}", "Nothing was changed", _ELSEWHERE
            ) from error
        yield


def _flock(handle: int, progress: Progress) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("Waiting for another command that assigns")
        fcntl.flock(handle, fcntl.LOCK_EX)


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
