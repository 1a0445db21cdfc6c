"""The header of a CSV file: each column once, and as many cells in every row as it announces."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

from experiments.definition.errors import InputError

_SEPARATORS = (",", ";", "\t", "|")
_LONGEST = 1_000_000


def check_header(path: Path, columns: Sequence[str], key: str | None = None) -> None:
    """Refuse what an engine reads without a word: a header taken for one name, and names that stand twice.

    Where rows have fewer or more cells than the header, an engine may find no separator that fits them all, and read the
    whole header as the name of one column. Of names that differ in nothing but capitals it renames the later ones.

    Args:
        path: A CSV file, or one in gzip.
        columns: What the engine read as its columns.
        key: The column with the key, which may hold a separator in its name.

    Raises:
        InputError: The header cannot be read, or a column stands in it twice.
    """
    header = _first_row(path, columns)
    if len(columns) == 1 and columns[0] != key and any(mark in columns[0] for mark in _SEPARATORS):
        raise InputError.single(
            f"{path} has no header that the engine can read: not every row has as many cells as `{columns[0]}` names",
            "give every row one cell for each column of the header",
        )
    folded = [name.casefold() for name in header]
    twice = [name for place, name in enumerate(header) if folded[place] in folded[:place]]
    if twice:
        raise InputError.single(
            f"the column `{twice[0]}` stands twice in the header of {path}, capitals aside",
            "give every column a name of its own",
        )


def _first_row(path: Path, columns: Sequence[str]) -> list[str]:
    """The cells of the first line, cut where that gives as many as the engine found; none where nothing does."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        line = file.readline(_LONGEST).decode("utf-8-sig", errors="replace")
    for mark in _SEPARATORS:
        try:
            (cells,) = csv.reader([line], delimiter=mark)
        except (ValueError, csv.Error):
            continue
        if len(cells) == len(columns):
            return cells
    return []
