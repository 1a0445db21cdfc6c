"""Progress of long work, told to whoever listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what is being done; the command line shows it, a notebook may not care."""

    def __call__(self, doing: str) -> None:
        """Say what is being done from now on, in a few words."""


def silent(doing: str) -> None:
    """Tell nobody."""
