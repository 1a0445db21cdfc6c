"""The assignment ledger: what each of its forms promises, its columns, and the lock that one command at a time holds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlglot import exp

from experiments.definition.errors import OutsideError
from experiments.files import Workspace
from experiments.progress import Progress
from experiments.queries import column, named, number

ELSEWHERE = "Give a folder on a local disk with --out, or use a table ledger (--engine postgresql://...)"


@dataclass(frozen=True)
class LedgerState:
    """What a ledger holds.

    Attributes:
        definition_sha256: The lock of the definition that drew every batch; None before the first.
        batches: How many batches; the next one has this number.
        members: How many members are assigned.
    """

    definition_sha256: str | None = None
    batches: int = 0
    members: int = 0

    @property
    def exists(self) -> bool:
        """Whether anybody has been assigned, which is when the definition is locked."""
        return self.batches > 0


class Ledger(Protocol):
    """The ledger of one experiment: append-only, and whole after a kill at any moment.

    Every method raises OutsideError when the disk or the engine fails, or when the ledger is damaged or gone.
    """

    @property
    def place(self) -> str:
        """Where it stands: a folder, or the qualified name of a table."""

    def state(self) -> LedgerState:
        """What it holds now."""

    def read(self, name: str) -> None:
        """Make it readable as relation `name` of the engine, with the columns of `ledger_shape`."""

    def held(self, progress: Progress, /) -> AbstractContextManager[None]:
        """Be the only command that appends to it, wherever others run; take it inside `hold`."""

    def prepare(self) -> None:
        """Make its place before anything else of a first assignment, so that its absence tells a loss."""

    def announce(self, group: str | None, *, window_days: int, definition_sha256: str) -> None:
        """Say in which exclusive group the experiment is and how long it measures, to those who cannot see its folder.

        Call it while it is held, before a batch.

        Args:
            group: The exclusive group; None where it is in none, which others know then.
            window_days: The longest outcome window.
            definition_sha256: The lock of the definition.
        """

    def append(self, query: exp.Query, *, members: int, definition_sha256: str) -> None:
        """Add rows as the next batch: all of them, or none; call it while it is held.

        Args:
            query: Rows with the columns of `ledger_shape`, in that order.
            members: How many rows there are.
            definition_sha256: The lock of the definition that drew them.
        """


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
def hold(out: Path, progress: Progress, beside: Iterable[Path] = ()) -> Iterator[None]:
    """Be the only command that assigns under `out`, and under the folders `beside` it, from the lock check to the publication.

    Folders are held in the order of their names, links resolved, so that of two commands that want the same ones each in another
    order none waits for the other for ever.

    Raises:
        OutsideError: A folder cannot be written, or its file system has no locks.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(out, error) from error
    with ExitStack() as held:
        files: set[tuple[int, int]] = set()
        for folder in sorted({path.resolve() for path in (out, *beside)}):
            path = folder / ".offerwise.lock"
            try:
                file = held.enter_context(path.open("a"))
            except OSError as error:
                raise _unwritten(path, error) from error
            found = os.fstat(file.fileno())
            # A folder may have two names that no link tells; a file that is locked twice would be waited for for ever.
            if (found.st_dev, found.st_ino) in files:
                continue
            files.add((found.st_dev, found.st_ino))
            try:
                _flock(file.fileno(), progress)
            except OSError as error:
                raise OutsideError(
                    f"Could not lock {path}: {error.strerror}", "Nothing was changed", ELSEWHERE
                ) from error
        yield


def _unwritten(path: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"Could not write {path}: {error.strerror}",
        "Nothing was changed",
        "Give folders that you may write with --out and --ledgers",
    )


def _flock(handle: int, progress: Progress) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("Waiting for another command that assigns")
        fcntl.flock(handle, fcntl.LOCK_EX)


def refuse_loss(space: Workspace, place: str, cause: str) -> None:
    """Refuse to take a ledger that is gone for one that never was: members who were messaged would change arms.

    Raises:
        OutsideError: The folder shows that arms were drawn.
    """
    traces = [space.document("assignment"), *sorted(space.send_lists.glob("*.csv"))]
    if not space.ledger.is_dir():
        traces.append(space.lock)
    trace = next((path for path in traces if path.exists()), None)
    if trace is not None:
        raise OutsideError(
            f"Could not read the ledger {place}: {cause}, and {trace} shows that arms were drawn",
            "Nothing was changed, and no arm was given",
            f"Restore {place} from a backup; only if nobody has been sent anything, "
            f"take {space.root} away and run `offerwise assign` again",
        )
