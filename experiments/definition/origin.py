"""Where a definition comes from: its files, the line of every key, and its lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.definition.errors import Fault

KeyPath = tuple[str | int, ...]
"""The keys and list positions that lead to a value: `("audience", "segments", 0, "when")`."""

FILE_ENDINGS = (".csv", ".csv.gz", ".parquet")


class Place(NamedTuple):
    """A line of a file; lines count from 1."""

    file: Path
    line: int


def dotted(key_path: KeyPath) -> str:
    """A key path as people write it.

    >>> dotted(("audience", "segments", 0, "when"))
    'audience.segments[0].when'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key_path)
    return "".join(parts).removeprefix(".")


def place_of(places: Mapping[KeyPath, Place], key_path: KeyPath) -> Place:
    """The place of a key, or of the nearest block around it that was written."""
    while key_path not in places and key_path:
        key_path = key_path[:-1]
    return places[key_path]


def without_dots(path: Path) -> Path:
    """The absolute path through real folders, without `..`; the last name stays, for a link may be named for its type."""
    return path.parent.resolve() / path.name


@dataclass(frozen=True)
class Origin:
    """The files behind a definition.

    Attributes:
        path: The file that was loaded, absolute.
        sha256: The lock: SHA-256 of the resolved definition's canonical JSON.
        resolved: The resolved definition as plain data, defaults filled in.
        text: The file as written.
        places: The file and the line of every key and list item that was written, a brand's included.
    """

    path: Path
    sha256: str
    resolved: Mapping[str, Any]
    text: str
    places: Mapping[KeyPath, Place]

    def place(self, key_path: KeyPath) -> Place:
        """The file and the line of a key; of the block around it where the key was left out."""
        return place_of(self.places, key_path)

    def fault(self, key_path: KeyPath, cause: str, remedy: str) -> Fault:
        """A fault at a key of the definition."""
        place = self.place(key_path)
        return Fault(place.file, place.line, dotted(key_path), cause, remedy)

    def resolve_file(self, key_path: KeyPath, name: str) -> Path:
        """The absolute path of a file that the value at `key_path` names, relative to the file in which it stands."""
        return without_dots(self.place(key_path).file.parent / name)

    def resolve_table(self, source: str) -> str:
        """The table behind a data source: a file as absolute path, a table of the engine as it is written."""
        table = str(self.resolved["data"][source]["table"])
        if "://" in table or not table.lower().endswith(FILE_ENDINGS):
            return table
        return str(self.resolve_file(("data", source, "table"), table))
