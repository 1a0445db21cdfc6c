"""Sending: the slots of the allowed hours, each member's planned time, and one list for each arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlglot import exp

from experiments.assignment.closing import closes_at
from experiments.assignment.draws import purpose_hash, slot
from experiments.audience.audience import snapshot_of
from experiments.data.midnight import local_midnight
from experiments.definition.arms import Arm
from experiments.definition.model import Definition
from experiments.definition.send import Send
from experiments.engines.protocol import Engine
from experiments.experiment import Experiment
from experiments.queries import column, named, number, relation, when

_MINUTE = timedelta(minutes=1)
_TIMES = "send_times"


@dataclass(frozen=True)
class SendDay:
    """The slots of one day: whole minutes, `first` counted over all days.

    Attributes:
        first: The number of its first slot.
        slots: How many it has.
        opens: The instant of its first slot.
    """

    first: int
    slots: int
    opens: datetime


def send_days(definition: Definition, send: Send, entered: date) -> tuple[SendDay, ...]:
    """The slots of every allowed day, in order: the whole minutes of the hours, from inclusive, until exclusive.

    Where clocks change within the hours, the day has the minutes that pass. Where members enter day by day there is one
    day, `after_days` after the one on which they `entered`.
    """
    found: list[SendDay] = []
    for day in send.days or (entered + timedelta(days=send.after_days or 0),):
        opens, closes = (_instant(definition, day, clock) for clock in send.hours)
        found.append(SendDay(sum(each.slots for each in found), (closes - opens) // _MINUTE, opens))
    return tuple(found)


def _instant(definition: Definition, day: date, clock: time) -> datetime:
    """The first whole minute at or after a time of day, as an instant."""
    local = datetime.combine(day, clock.replace(second=0, microsecond=0), definition.zone)
    return local.astimezone(UTC) + (_MINUTE if clock.second or clock.microsecond else timedelta(0))


def planned_send_at(definition: Definition, engine: Engine, key: exp.Expr, entered: date) -> exp.Expr:
    """When the message of a key that `entered` on a day is planned: slot floor(v S) of the S slots, v its draw for `send`.

    NULL without `send`.
    """
    if definition.send is None:
        return exp.cast(exp.null(), exp.DType.TIMESTAMPTZ)
    days = send_days(definition, definition.send, entered)
    drawn = slot(engine, purpose_hash(engine, definition.salt, "send", key), sum(day.slots for day in days))
    planned: exp.Expr = exp.null()
    for day in reversed(days):
        minutes = exp.paren(exp.Sub(this=drawn.copy(), expression=number(day.first)))
        at = engine.add_minutes(engine.instant_literal(day.opens), minutes)
        is_earlier = exp.LT(this=drawn.copy(), expression=number(day.first + day.slots))
        planned = at if day is days[-1] else when(is_earlier, at, planned)
    return planned


def write_send_lists(experiment: Experiment, ledger: str) -> Mapping[str, Path]:
    """Write one CSV for each arm that is contacted, whole, from the ledger.

    Columns are `member, arm, channel, template, planned_send_at` (local time with its offset); rows are in
    the order of sending. Where members enter day by day, the lists hold those who are sent to from the day of the snapshot
    on. That of an arm that was closed has nobody who is planned for later. A member's key stands as it is, one such as `=1+2`
    too: the lists are read by machines, which join on the key, and a mark against spreadsheet formulas would make it another
    key.

    Args:
        experiment: The experiment.
        ledger: The relation of the ledger.

    Returns:
        Arm to its file.
    """
    folder = experiment.workspace.send_lists
    files = {arm.id: folder / f"{arm.id}.csv" for arm in experiment.definition.offer_arms}
    _write_out_times(experiment, ledger)
    for arm in experiment.definition.offer_arms:
        experiment.progress(f"Writing the send list of {arm.id}")
        experiment.engine.write(_send_list(experiment, ledger, arm), files[arm.id])
    return files


def _write_out_times(experiment: Experiment, ledger: str) -> None:
    """Each planned moment as people read it: there are far fewer of these than members."""
    planned = column("planned_send_at", "moments")
    moments = exp.select(column("planned_send_at")).distinct().from_(relation(ledger)).subquery("moments")
    text = experiment.engine.local_text(planned, experiment.definition.zone)
    query = exp.select(named(planned.copy(), "planned_send_at"), named(text, "local")).from_(moments)
    experiment.engine.create(_TIMES, query)


def _send_list(experiment: Experiment, ledger: str, arm: Arm) -> exp.Select:
    engine, planned = experiment.engine, column("planned_send_at", ledger)
    wanted: exp.Expr = exp.EQ(this=column("arm", ledger), expression=exp.Literal.string(arm.id))
    if experiment.definition.audience.is_daily:
        today = local_midnight(experiment.definition.zone, snapshot_of(experiment))
        wanted = exp.and_(wanted, exp.GTE(this=planned.copy(), expression=engine.instant_literal(today)))
    if (closes := closes_at(experiment.definition, arm.id)) is not None:
        wanted = exp.and_(wanted, exp.LT(this=planned.copy(), expression=engine.instant_literal(closes)))
    return (
        exp.select(
            named(column("member", ledger), "member"),
            named(column("arm", ledger), "arm"),
            named(exp.Literal.string(arm.channel or ""), "channel"),
            named(exp.Literal.string("; ".join(arm.templates)), "template"),
            named(column("local", _TIMES), "planned_send_at"),
        )
        .from_(relation(ledger))
        .join(
            relation(_TIMES),
            on=exp.EQ(this=planned, expression=column("planned_send_at", _TIMES)),
            join_type="left",
        )
        .where(wanted)
        .order_by(planned.copy(), engine.collated(column("member", ledger)))
    )
