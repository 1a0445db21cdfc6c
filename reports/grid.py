"""Tables on the terminal: side by side as far as the width allows, one below the other where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from reports.tables import Cell, Column, Status, Table

_SIGNS: Sequence[tuple[Status, str, str]] = (
    ("pass", "✓", "green"),
    ("warn", "!", "yellow"),
    ("fail", "✗", "red"),
    ("unclear", "?", "yellow"),
)
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_GAP = 2
_WRAPPED_FROM = 30
"""Columns of words wrap from this width on; figures never do."""


def draw_table(console: Console, table: Table | None) -> None:
    """Draw a table; one that is too wide becomes several, each with the first column again. Empty ones are left out."""
    if table is None or not table.rows:
        return
    console.print()
    console.print(Text(table.title, style="bold"))
    if table.about:
        console.print(Text(table.about, style="dim"))
    for columns in split_columns(table, console.width):
        console.print(Padding(_grid(table, columns), (0, 0, 1, 0)))
    for number, note in enumerate(table.notes, start=1):
        console.print(Text(f"{_raised(number)} {note}", style="dim"))


def split_columns(table: Table, width: int) -> Iterator[tuple[int, ...]]:
    """The positions of the columns that fit side by side in `width`, the first column in each group."""
    widths = [_column_width(table, place) for place in range(len(table.columns))]
    first = min(widths[0], max(width // 3, 12))
    group: list[int] = [0]
    used = first
    for place in range(1, len(widths)):
        needed = widths[place] + _GAP
        if len(group) > 1 and used + needed > width:
            yield tuple(group)
            group, used = [0], first
        group.append(place)
        used += needed
    yield tuple(group)


def _column_width(table: Table, place: int) -> int:
    """The width that shows a column whole, except that words may wrap."""
    column = table.columns[place]
    lines = [_cell_text(table, line.cells[place]) for line in table.rows]
    lines += [Text(line) for line in _column_heading(column).split("\n")]
    widest = max(line.cell_len for text in lines for line in text.split())
    return widest if column.align == "right" else min(widest, _WRAPPED_FROM)


def _column_heading(column: Column) -> str:
    return "\n".join(part for part in (column.group, column.heading) if part)


def _cell_text(table: Table, cell: Cell) -> Text:
    text = Text(cell.text)
    for status, sign, style in _SIGNS:
        if cell.status == status:
            text = Text(f"{sign} {cell.text}", style=style)
    if number := table.note_number(cell):
        text.append(_raised(number), style="dim")
    if cell.under:
        text.append(f"\n{cell.under}", style="dim")
    return text


def _raised(number: int) -> str:
    """The number of a note, which must not be taken for a figure."""
    return str(number).translate(_SUPERSCRIPTS)


def _grid(table: Table, places: tuple[int, ...]) -> Grid:
    grid = Grid(box=None, padding=(0, _GAP, 0, 0), header_style="dim", pad_edge=False, show_edge=False)
    for place in places:
        column = table.columns[place]
        grid.add_column(
            escape(_column_heading(column)), justify=column.align, vertical="top", overflow="fold"
        )
    for line in table.rows:
        grid.add_row(
            *(_cell_text(table, line.cells[place]) for place in places), style="bold" if line.strong else ""
        )
    return grid
