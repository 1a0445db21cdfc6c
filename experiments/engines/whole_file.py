"""Files that an engine writes: whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.definition.errors import OutsideError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the file beside `path` to write into; it is synced and renamed when the block ends well, else taken away.

    Raises:
        OutsideError: The disk refuses.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OutsideError(
            f"Could not write {path}: {error.strerror}",
            "Nothing was half-written",
            "Make room or give another folder with --out, then run the same command again",
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
