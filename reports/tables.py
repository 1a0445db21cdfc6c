"""A table as the page and the terminal both draw it: the same cells, the same notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "warn", "fail", "unclear"]
Align = Literal["left", "right"]

ABSENT = "—"
"""Stands for a figure that does not exist; a note says why."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, the heading of the columns it belongs with, and its side."""

    heading: str
    group: str = ""
    align: Align = "right"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: The figure or the words.
        under: A second, quieter line, such as the interval of the figure.
        absent: Why there is no figure; the text is then a dash.
        status: A state, which is drawn with its sign and its word, never by colour alone.
    """

    text: str
    under: str = ""
    absent: str = ""
    status: Status | None = None


@dataclass(frozen=True)
class Row:
    """One row; `strong` marks the one that matters most."""

    cells: tuple[Cell, ...]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its name (an ASCII slug), its title, a sentence on what it holds, and its rows."""

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Every reason for an absent figure, once, in the order in which they are met."""
        return tuple(dict.fromkeys(cell.absent for row in self.rows for cell in row.cells if cell.absent))

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Neighbouring columns of one group, with how many they are; empty where no column has a group."""
        if not any(column.group for column in self.columns):
            return ()
        runs: list[tuple[str, int]] = []
        for column in self.columns:
            if runs and column.group and runs[-1][0] == column.group:
                runs[-1] = (column.group, runs[-1][1] + 1)
            else:
                runs.append((column.group, 1))
        return tuple(runs)

    def note_number(self, cell: Cell) -> int | None:
        """The number, from 1, of the note that says why a cell has no figure."""
        return self.notes.index(cell.absent) + 1 if cell.absent else None


def words(text: str, under: str = "") -> Cell:
    """A cell of words."""
    return Cell(text, under)


def absent(why: str) -> Cell:
    """A cell without a figure, and why."""
    return Cell(ABSENT, absent=why)


def row(cells: Iterable[Cell], *, strong: bool = False) -> Row:
    """A row of cells."""
    return Row(tuple(cells), strong)
