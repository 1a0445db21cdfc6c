"""The folder into which an engine spills what memory does not hold: members' rows, gone when its process is."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from experiments.definition.errors import OutsideError

_PREFIX = "offerwise-"
_IN_USE = ".offerwise-in-use"
"""Locked by its process for as long as that lives, so that the lock ends with it, however it ends."""


@dataclass(frozen=True)
class SpillFolder:
    """A folder of this process.

    Attributes:
        path: The folder.
        lock: The open file whose lock says that the folder is in use.
    """

    path: Path
    lock: int

    @classmethod
    def make(cls, parent: Path | None = None) -> SpillFolder:
        """A new folder under `parent`, else the machine's temporary one; those of processes that were killed are taken away.

        Raises:
            OutsideError: The folder around it cannot be written.
        """
        around = parent or Path(tempfile.gettempdir())
        try:
            around.mkdir(parents=True, exist_ok=True)
            _sweep(around)
            path, lock = _make_locked(around)
            if parent is not None:
                # Other users may have to write there, as they may beside it.
                path.chmod(stat.S_IMODE(parent.stat().st_mode))
        except OSError as error:
            raise OutsideError(
                f"Could not make a temporary folder: {error.strerror}",
                "Nothing was changed",
                f"Make room in {around}, or name another folder" + ("" if parent else " in TMPDIR"),
            ) from error
        return cls(path, lock)

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def _make_locked(parent: Path) -> tuple[Path, int]:
    """A new folder, and the lock that says that it is in use."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(path / _IN_USE, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Who swept before it was locked took it for one of a process that was killed.
        if (path / _IN_USE).exists():
            return path, lock
        os.close(lock)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        # Another user's folder, or one that another command has swept meanwhile, is not ours to take.
        with suppress(OSError):
            lock = os.open(folder / _IN_USE, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
