"""The same facts on the terminal: tables that fit the width there is, down to 60 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from experiments.documents import Analysis, Assignment, Design
from experiments.experiment import Experiment
from reports.narrator import Narrator
from reports.tables import Cell, Column, Status, Table, row, words

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.catalogue import Catalogue
    from uplift.documents import Rollout, Uplift

_SIGNS: Sequence[tuple[Status, str, str]] = (
    ("pass", "✓", "green"),
    ("warn", "!", "yellow"),
    ("fail", "✗", "red"),
    ("unclear", "?", "yellow"),
)
_VERDICTS: Sequence[tuple[str, str]] = (
    ("rollout", "green"),
    ("no_rollout", "yellow"),
    ("invalid", "red"),
    ("too_early", "yellow"),
)
_GAP = 2


def show_validate(console: Console, experiment: Experiment, catalogue: Catalogue) -> None:
    """What `validate` found: sources with their columns, arms with their shares."""
    narrator = Narrator.of(experiment)
    definition = experiment.definition
    _heading(console, narrator.say("terminal.validate", id=definition.id))
    counts = {
        "sources": len(definition.data),
        "arms": len(definition.all_arms),
        "metrics": len(definition.metrics),
    }
    _line(console, narrator.say("terminal.validated", **counts))
    for table in (_sources(narrator, experiment, catalogue), _arms(narrator)):
        draw_table(console, table)


def _sources(narrator: Narrator, experiment: Experiment, catalogue: Catalogue) -> Table:
    say = narrator.say
    return Table(
        name="sources",
        title=say("terminal.sources_title"),
        about=say("terminal.sources_about"),
        columns=(
            Column(say("column.source"), align="left"),
            Column(say("column.table"), align="left"),
            Column(say("column.columns")),
        ),
        rows=tuple(
            row([words(name), words(experiment.definition.data[name].table), words(str(len(source.columns)))])
            for name, source in catalogue.sources.items()
        ),
    )


def _arms(narrator: Narrator) -> Table:
    say = narrator.say
    return Table(
        name="arms",
        title=say("terminal.arms_title"),
        about=say("terminal.arms_about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.share")),
            Column(say("terminal.contact_cost")),
        ),
        rows=tuple(
            row(
                [
                    narrator.arm_cell(arm.id),
                    words(narrator.numbers.share(float(arm.share)), str(arm.share)),
                    words(narrator.numbers.money(arm.contact_cost)),
                ]
            )
            for arm in narrator.definition.all_arms
        ),
    )


def show_design(console: Console, design: Design, experiment: Experiment) -> None:
    """The plan: whether it works, its figures, what each arm and each guardrail can show."""
    from reports.plans import guardrail_power_table, plan_table, power_table, refused_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.design", id=design.experiment))
    status = "plan.feasible" if design.feasible else "plan.infeasible"
    _line(console, narrator.say(status), "bold green" if design.feasible else "bold red")
    for reason in design.reasons:
        _line(console, reason.text)
    for table in (
        plan_table(narrator, design),
        power_table(narrator, design),
        guardrail_power_table(narrator, design),
        refused_table(narrator, design.eligible, design.refused),
    ):
        draw_table(console, table)
    _ending(console, narrator, design.next_step, design.files, design.mlflow_run_id)


def show_assign(console: Console, assignment: Assignment, experiment: Experiment) -> None:
    """The draw: members of each arm, who was refused, and the balance."""
    from reports.plans import assigned_table, balance_table, refused_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.assignment", id=assignment.experiment))
    for table in (
        assigned_table(narrator, assignment),
        refused_table(narrator, assignment.eligible, assignment.refused),
        balance_table(narrator, assignment),
    ):
        draw_table(console, table)
    files = {"ledger": assignment.files.ledger, **assignment.files.send_lists}
    _ending(console, narrator, "", files, assignment.mlflow_run_id)


def show_analyze(console: Console, analysis: Analysis, experiment: Experiment) -> None:
    """The analysis: verdict, money, effects, guardrails, health."""
    from reports.accounts import cost_table, money_table
    from reports.checks import checks_table
    from reports.headline import read_headline
    from reports.results import (
        effects_table,
        factorial_table,
        guardrails_table,
        segments_table,
        winner_table,
    )

    narrator = Narrator.of(experiment)
    headline = read_headline(narrator, analysis)
    _heading(console, narrator.say("terminal.analysis", id=analysis.experiment))
    _line(console, f"{headline.label}. {headline.sentence}", f"bold {dict(_VERDICTS)[headline.status]}")
    for sentence in (headline.departures, headline.note):
        _line(console, sentence)
    for reason in headline.reasons:
        _line(console, f"• {reason}")
    for table in (
        headline.offers,
        money_table(narrator, analysis),
        cost_table(narrator, analysis),
        effects_table(narrator, analysis, by_segment=False),
        winner_table(narrator, analysis),
        guardrails_table(narrator, analysis),
        segments_table(narrator, analysis),
        factorial_table(narrator, analysis),
        checks_table(narrator, analysis.health),
    ):
        draw_table(console, table)
    _ending(console, narrator, headline.next_step, analysis.files, analysis.mlflow_run_id)


def show_uplift(console: Console, uplift: Uplift, experiment: Experiment) -> None:
    """The policy that was found, its held-out value, and the learners."""
    from reports.policies import learners_table, policies_table, policy_segments_table, uplift_sentences

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.uplift", id=uplift.experiment))
    first, *others = uplift_sentences(narrator, uplift)
    _line(console, first, "bold")
    for sentence in others:
        _line(console, sentence)
    for table in (
        policies_table(narrator, uplift),
        policy_segments_table(narrator, uplift),
        learners_table(narrator, uplift),
    ):
        draw_table(console, table)
    _ending(console, narrator, "", uplift.files, uplift.mlflow_run_id)


def show_rollout(console: Console, rollout: Rollout, experiment: Experiment) -> None:
    """The lists of the rollout and their money."""
    from reports.policies import rollout_summary_table, rollout_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.rollout", id=rollout.experiment))
    for table in (rollout_summary_table(narrator, rollout), rollout_table(narrator, rollout)):
        draw_table(console, table)
    _ending(console, narrator, "", rollout.files, None)


def draw_table(console: Console, table: Table | None) -> None:
    """Draw a table; one that is too wide becomes several, each with the first column again. Empty ones are left out."""
    if table is None or not table.rows:
        return
    console.print()
    console.print(Text(table.title, style="bold"))
    for columns in split_columns(table, console.width):
        console.print(Padding(_grid(table, columns), (0, 0, 1, 0)))
    for number, note in enumerate(table.notes, start=1):
        _line(console, f"{number} — {note}", "dim")


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
    """The width that shows a column whole, except that words may wrap from 30 letters on."""
    column = table.columns[place]
    lines = [_cell_text(table, line.cells[place]) for line in table.rows]
    lines += [Text(line) for line in _column_heading(column).split("\n")]
    widest = max(line.cell_len for text in lines for line in text.split())
    return widest if column.align == "right" else min(widest, 30)


def _column_heading(column: Column) -> str:
    return "\n".join(part for part in (column.group, column.heading) if part)


def _cell_text(table: Table, cell: Cell) -> Text:
    text = Text(cell.text)
    for status, sign, style in _SIGNS:
        if cell.status == status:
            text = Text(f"{sign} {cell.text}", style=style)
    if cell.absent:
        text.append(f" {table.note_number(cell)}", style="dim")
    if cell.under:
        text.append(f"\n{cell.under}", style="dim")
    return text


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


def _heading(console: Console, text: str) -> None:
    console.print()
    console.rule(Text(text, style="bold"), align="left", style="dim")


def _line(console: Console, text: str, style: str = "") -> None:
    if text:
        console.print(Text(text, style=style))


def _ending(
    console: Console, narrator: Narrator, next_step: str, files: Mapping[str, str], run_id: str | None
) -> None:
    """What stands where, and what to do next."""
    if files:
        console.print()
        _line(console, narrator.say("terminal.files"), "bold")
        for name, path in files.items():
            console.print(Text(f"{name}: {path}"), overflow="fold")
    if run_id:
        _line(console, narrator.say("terminal.run", run=run_id))
    if next_step:
        console.print()
        _line(console, f"{narrator.say('terminal.next')}: {next_step}", "bold")
