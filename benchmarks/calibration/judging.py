"""How simulated rates are judged: the cells of a table together, each by the binomial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.inference.tails import critical_value

Judge = Literal["both", "upper", "shown"]

# Probability that a table of exact cells is called a miss.
TABLE_ERROR = 0.005


@dataclass(frozen=True)
class Cell:
    """A simulated rate and what it should be.

    Attributes:
        row: Row of the table that the cell stands in.
        column: Column of the table.
        hits: Runs in which the event happened.
        runs: Simulated runs.
        target: Probability that the event should have.
        judge: `both` for methods whose level is exact, `upper` for those that promise at most the target, `shown` for
            rates that are shown beside them and promise nothing.
    """

    row: str
    column: str
    hits: int
    runs: int
    target: float
    judge: Judge = "both"

    @property
    def rate(self) -> float:
        """Share of the runs in which the event happened."""
        return self.hits / self.runs

    @property
    def deviate(self) -> float:
        """Distance of the rate to its target in standard errors of the target."""
        return (self.rate - self.target) / math.sqrt(self.target * (1 - self.target) / self.runs)

    def misses(self, z: float) -> bool:
        """Whether the rate is further from its target than z standard errors on a side that counts."""
        too_high, too_low = self.deviate > z, self.deviate < -z
        return (too_high and self.judge != "shown") or (too_low and self.judge == "both")


@dataclass(frozen=True)
class Table:
    """Cells that are judged together: z at .005 / cells.

    Attributes:
        title: Heading of the table.
        question: What its numbers are, and what was simulated.
        cells: The cells; rows and columns appear in their order.
        notes: Lines under the table.
    """

    title: str
    question: str
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()

    @property
    def z(self) -> float:
        """Largest distance that a cell may have."""
        return critical_value(TABLE_ERROR / len(self._judged))

    @property
    def misses(self) -> tuple[Cell, ...]:
        """The cells that are too far away."""
        return tuple(cell for cell in self.cells if cell.misses(self.z))

    def markdown(self) -> str:
        """The table with its verdict.

        A rate that is judged on its upper side only stands behind a `<`, one that is not judged in brackets; a miss is
        bold.
        """
        columns = list(dict.fromkeys(cell.column for cell in self.cells))
        found = {(cell.row, cell.column): cell for cell in self.cells}
        lines = [
            f"## {self.title}",
            "",
            self.question,
            "",
            _line(["", *columns]),
            _line(["---"] * (1 + len(columns))),
        ]
        lines += [
            _line([row, *(self._show(found.get((row, column))) for column in columns)])
            for row in dict.fromkeys(cell.row for cell in self.cells)
        ]
        return "\n".join([*lines, "", *self.notes, self._verdict(), ""])

    @property
    def _judged(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.judge != "shown")

    def _show(self, cell: Cell | None) -> str:
        if cell is None:
            return ""
        rate = f"{cell.rate:.4f}"
        shown = {"both": rate, "upper": f"< {rate}", "shown": f"({rate})"}[cell.judge]
        return f"**{shown}**" if cell.misses(self.z) else shown

    def _verdict(self) -> str:
        runs = sorted({cell.runs for cell in self._judged})
        shown = f"{runs[0]:,}" if len(runs) == 1 else f"{runs[0]:,} to {runs[-1]:,}"
        targets = ", ".join(f"{target:g}" for target in sorted({cell.target for cell in self._judged}))
        worst = max(
            self._judged, key=lambda cell: abs(cell.deviate) if cell.judge == "both" else cell.deviate
        )
        return (
            f"{len(self._judged)} cells of {shown} runs, target {targets}, |z| at most {self.z:.2f}: "
            f"{len(self.misses)} miss. Furthest: {worst.row}, {worst.column}, z {worst.deviate:+.2f}."
        )


def failures(tables: Sequence[Table]) -> int:
    """Number of cells that miss in all tables."""
    return sum(len(table.misses) for table in tables)


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"
