"""Where an experiment's files stand, and how they are written: whole, or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from experiments.definition.errors import OutsideError

_UNFINISHED = re.compile(r"\.(\d{1,9})\.(?:\w+\.)?unfinished$")
"""A file that is being written is named after the process that writes it; engines name theirs so too."""

DEFAULT_OUT = Path("runs")
"""What `--out` names when it is not given, in the folder that a command runs in."""


@dataclass(frozen=True)
class Workspace:
    """The folder `OUT/<experiment id>/`, in which every command writes.

    Attributes:
        out: What `--out` names.
        experiment: The experiment's id.
    """

    out: Path
    experiment: str

    @property
    def root(self) -> Path:
        """The experiment's own folder."""
        return self.out / self.experiment

    @property
    def ledger(self) -> Path:
        """The folder of the assignment ledger."""
        return self.root / "ledger"

    @property
    def lock(self) -> Path:
        """The definition as it was when `assign` locked it: canonical JSON."""
        return self.root / "definition.lock.json"

    @property
    def rerandomisation(self) -> Path:
        """The salt that was accepted where arms are drawn until they are alike, and how alike they are."""
        return self.root / "rerandomisation.json"

    @property
    def entry(self) -> Path:
        """The last day on which members entered, where they enter day by day."""
        return self.root / "entry.json"

    @property
    def closings(self) -> Path:
        """When each arm was closed in the middle of the test, and the lock from then on."""
        return self.root / "closings.json"

    @property
    def looks(self) -> Path:
        """The ledger of the looks that were taken, and of what they spent."""
        return self.root / "looks.json"

    @property
    def events(self) -> Path:
        """How many events were read when their windows had closed, for rows that come later."""
        return self.root / "events.json"

    @property
    def send_lists(self) -> Path:
        """One CSV for each arm."""
        return self.root / "send_lists"

    @property
    def rollout(self) -> Path:
        """The lists and the offers of the rollout."""
        return self.root / "rollout"

    def document(self, command: str) -> Path:
        """The JSON document that a command leaves: `analysis.json`, `uplift.json`, ..."""
        return self.root / f"{command}.json"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.root / "report.html"

    def sweep(self) -> None:
        """Take away the unfinished files of processes that were killed: they hold members, and nobody will finish them."""
        for path in self.root.rglob(".*.unfinished"):
            process = _UNFINISHED.search(path.name)
            if process is not None and not _is_running(int(process.group(1))):
                # One that cannot be taken away harms no command.
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file so that a reader, or a kill at any moment, sees the old one or the new one, never a part.

    Raises:
        OutsideError: The disk refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.{os.getpid()}.", suffix=".unfinished", dir=path.parent
        )
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(_mode_of_new_files())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutsideError(
            f"Could not write {path}: {error.strerror}",
            "Nothing was half-written",
            "Make room or give another folder with --out, then run the same command again",
        ) from error
    return path


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _mode_of_new_files() -> int:
    """The mode that a plainly opened file would have; a temporary file is its owner's alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
