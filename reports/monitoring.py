"""Monitoring as a sentence and tables."""

from __future__ import annotations

from experiments.documents.monitoring import Monitoring
from reports.narrator import Narrator
from reports.tables import Cell, Column, Table, row, words


def monitored_arms_table(narrator: Narrator, found: Monitoring) -> Table:
    """Members of each arm, and those whose windows have closed."""
    say, count = narrator.say, narrator.numbers.count
    return Table(
        name="monitored-arms",
        title=say("monitor.arms_title"),
        about=say("monitor.arms_about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.members")),
            Column(say("monitor.closed")),
        ),
        rows=tuple(
            row([narrator.arm_cell(each.arm), words(count(each.members)), words(count(each.closed))])
            for each in found.arms
        ),
    )


def alarms_table(narrator: Narrator, found: Monitoring) -> Table:
    """Each guardrail of each arm: alarmed or quiet; no row without a guardrail."""
    say = narrator.say
    return Table(
        name="alarms",
        title=say("monitor.alarms_title"),
        about=say("monitor.alarms_about"),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.arm"), align="left"),
            Column(say("monitor.outcome"), align="left"),
        ),
        rows=tuple(
            row(
                [
                    words(narrator.metric(each.metric)),
                    narrator.arm_cell(each.arm),
                    Cell(
                        say("monitor.alarmed" if each.alarm else "monitor.quiet"),
                        status="fail" if each.alarm else "pass",
                    ),
                ],
                strong=each.alarm,
            )
            for each in found.guardrails
        ),
    )
