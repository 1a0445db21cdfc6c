"""The table of health checks, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.documents.analysis import HealthCheck
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, row, words

_ORDER = ("fail", "warn", "pass")


def checks_table(narrator: Narrator, checks: Sequence[HealthCheck]) -> Table:
    """Every check of the experiment's health, the broken ones first."""
    say = narrator.say
    return Table(
        name="health",
        title=say("health.title"),
        about=say("health.about"),
        columns=(
            Column(say("column.check"), align="left"),
            Column(say("column.result"), align="left"),
            Column(say("column.found"), align="left"),
            Column(say("column.p_value")),
        ),
        rows=tuple(
            _check_row(narrator, check) for check in sorted(checks, key=lambda c: _ORDER.index(c.status))
        ),
    )


def _check_row(narrator: Narrator, check: HealthCheck) -> Row:
    remedy = "" if check.status == "pass" else narrator.say_or(f"remedy.{check.check}", "")
    return row(
        [
            words(narrator.say_or(f"check.{check.check}", check.check.replace("_", " "))),
            Cell(narrator.say(f"status.{check.status}"), status=check.status),
            words(check.detail, remedy),
            narrator.p_cell(check.p_value, narrator.say("why.no_test")),
        ],
    )
