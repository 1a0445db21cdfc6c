"""Event counts: how many rows of each source lie in members' windows, by arm and planned day, and how many are repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import TypeAlias

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.assignment.draws import below_share, purpose_hash
from experiments.data.catalogue import Catalogue
from experiments.data.source_rows import SourceRows
from experiments.definition.expressions import Expression
from experiments.definition.metrics import BinaryMetric, MeasuredMetric
from experiments.experiment import Experiment
from experiments.measurement.member_counts import MemberCount
from experiments.measurement.member_values import metrics_by_source
from experiments.measurement.windows import PLANNED, in_window, reads_events
from experiments.queries import all_of, column, fetch_rows, is_null, named, number, relation, when

MOST_MEMBERS = 100_000
"""Members whose events are looked at; of more, a part that their hash decides."""

_LOOKED_AT = "looked_at"

_Place: TypeAlias = tuple[str, date | None]


@dataclass(frozen=True)
class EventCount:
    """The rows of one source in the windows of the members of one arm who are planned for one day.

    Attributes:
        arm: The members' arm.
        day: Their planned send day in the definition's time zone; None where no send is planned.
        members: Members of the arm who are planned for that day, whether their rows were looked at or not.
        rows: Rows that count for some metric: they meet its condition within its window.
        repeats: Rows among them beyond the first of those that are equal.
    """

    arm: str
    day: date | None
    members: int
    rows: int
    repeats: int


@dataclass(frozen=True)
class SourceEvents:
    """What was counted in one event source that metrics read.

    Attributes:
        source: Its name in `data`.
        share: The part of the members whose rows were looked at, a power of 1/2; 1 where there are few enough.
        window_days: The longest window of its metrics.
        has_id: Whether rows are equal by the source's `event_id`, else by member, moment and every column that metrics read.
        adds_up: Whether a sum or a count reads it, which a repeat changes.
        counts: By arm and planned day.
        newest: The last moment at which one of the rows happened (UTC); None where there are none.
    """

    source: str
    share: float
    window_days: int
    has_id: bool
    adds_up: bool
    counts: tuple[EventCount, ...]
    newest: datetime | None

    @property
    def rows(self) -> int:
        """Rows that were looked at."""
        return sum(each.rows for each in self.counts)

    @property
    def repeats(self) -> int:
        """Rows among them that repeat another."""
        return sum(each.repeats for each in self.counts)


def count_events(
    experiment: Experiment, catalogue: Catalogue, assigned: Assigned, members: Sequence[MemberCount]
) -> tuple[SourceEvents, ...]:
    """Count the rows of every event source that a metric reads, and their repeats.

    It is a statement of its own for each source, over the columns that metrics read and for about `MOST_MEMBERS` members
    at most: a part 1/2^k of all, by their `fold` hash, so that the same members are looked at as long as there are not
    twice as many.

    Args:
        experiment: The experiment.
        catalogue: Its sources.
        assigned: Everybody assigned.
        members: Their counts.
    """
    definition = experiment.definition
    by_source = {
        source: metrics
        for source, metrics in metrics_by_source(definition.metrics).items()
        if all(reads_events(definition, metric) for metric in metrics.values())
    }
    days = [each.day for each in members if each.day is not None]
    if not by_source or not days:
        return ()
    share = _share(sum(each.members for each in members))
    experiment.engine.create(_LOOKED_AT, _looked_at(experiment, assigned, share))
    found = []
    for source, metrics in by_source.items():
        experiment.progress(f"Counting the rows of {source}")
        opened = definition.data[source]
        rows = SourceRows(
            definition, experiment.engine, opened, catalogue.sources[source], f"source_{source}"
        )
        window = max(metric.window_days or 0 for metric in metrics.values())
        query = _query(rows, metrics, window, (min(days), max(days)))
        counts, newest = _counts(experiment, query, members)
        found.append(
            SourceEvents(
                source=source,
                share=float(share),
                window_days=window,
                has_id=opened.event_id is not None,
                adds_up=any(not isinstance(metric, BinaryMetric) for metric in metrics.values()),
                counts=counts,
                newest=newest,
            )
        )
    return tuple(found)


def _share(members: int) -> Fraction:
    """The largest 1/2^k of the members that is at most `MOST_MEMBERS`.

    >>> [str(_share(members)) for members in (0, 100_000, 100_001, 10_000_000)]
    ['1', '1', '1/2', '1/128']
    """
    share = Fraction(1)
    while members * share > MOST_MEMBERS:
        share /= 2
    return share


def _looked_at(experiment: Experiment, assigned: Assigned, share: Fraction) -> exp.Select:
    """Member, arm and planned time of those whose rows are looked at."""
    names = ("member", "arm", PLANNED)
    query = exp.select(*map(column, names)).from_(relation(assigned.relation))
    if share == 1:
        return query
    engine = experiment.engine
    digits = purpose_hash(engine, experiment.definition.salt, "fold", column("member"))
    return query.where(below_share(engine, digits, share))


def _query(
    rows: SourceRows, metrics: Mapping[str, MeasuredMetric], window: int, planned: tuple[date, date]
) -> exp.Select:
    """Rows, repeats and the newest moment by arm and planned time."""
    newest = exp.Max(this=column("newest"))
    counted = [named(exp.Sum(this=column(name)), name) for name in ("alike", "repeats")]
    places = [column(name) for name in ("arm", "slot")]
    return (
        exp.select(*places, *counted, named(rows.instant(newest), "newest"))
        .from_(_alike(rows, metrics, window, planned).subquery("event_rows"))
        .group_by(*(place.copy() for place in places))
    )


def _alike(
    rows: SourceRows, metrics: Mapping[str, MeasuredMetric], window: int, planned: tuple[date, date]
) -> exp.Select:
    """Equal rows together, with how many there are and how many of them are repeats; a row without an id repeats none."""
    time, event_id = rows.source.time or "", rows.source.event_id
    member, arm, slot = (column(name, _LOOKED_AT) for name in ("member", "arm", PLANNED))
    looked_at = exp.select(column("member")).from_(relation(_LOOKED_AT))
    conditions = [
        rows.around(*planned, window),
        # An engine computes moments before it joins; so it does that for the members looked at alone.
        exp.In(this=rows.member, query=looked_at.subquery()),
        _counts_for_some(rows, metrics, rows.happened_around(*planned, window), slot),
    ]
    equal = [event_id] if event_id is not None else list(dict.fromkeys([time, *_columns(metrics.values())]))
    equals = [column(name, rows.alias) for name in equal]
    alike = exp.Count(this=exp.Star())
    repeats: exp.Expr = exp.paren(exp.Sub(this=alike.copy(), expression=number(1)))
    if event_id is not None:
        repeats = when(is_null(column(event_id, rows.alias)), number(0), repeats)
    return (
        exp.select(
            named(arm, "arm"),
            named(slot, "slot"),
            named(alike, "alike"),
            named(repeats, "repeats"),
            named(exp.Max(this=column(time, rows.alias)), "newest"),
        )
        .from_(rows.table)
        .join(relation(_LOOKED_AT), on=exp.EQ(this=rows.member, expression=member))
        .where(all_of(conditions))
        .group_by(arm.copy(), slot.copy(), member.copy(), *equals)
    )


def _counts_for_some(
    rows: SourceRows, metrics: Mapping[str, MeasuredMetric], happened: exp.Expr, slot: exp.Expr
) -> exp.Expr:
    """Whether a row meets the condition of some metric within that metric's window."""
    wheres: dict[int, list[Expression | None]] = {}
    for metric in metrics.values():
        wheres.setdefault(metric.window_days or 0, []).append(metric.where)
    found = []
    for days, asked in wheres.items():
        within = in_window(rows.engine, happened.copy(), slot, days)
        if None not in asked:
            conditions = [rows.condition(where) for where in dict.fromkeys(asked) if where is not None]
            within = exp.and_(within, exp.or_(*conditions))
        found.append(within)
    return exp.or_(*found)


def _columns(metrics: Iterable[MeasuredMetric]) -> Iterator[str]:
    """Every column that some metric reads, in the order of the file."""
    for metric in metrics:
        for expression in (metric.where, metric.value):
            if expression is not None:
                yield from expression.columns


def _counts(
    experiment: Experiment, query: exp.Select, members: Sequence[MemberCount]
) -> tuple[tuple[EventCount, ...], datetime | None]:
    """The counts of every arm and planned day, those without any row too, and the newest moment of all."""
    places = sorted({(each.cell.arm, each.day) for each in members}, key=str)
    assigned, rows, repeats = Counter[_Place](), Counter[_Place](), Counter[_Place]()
    for each in members:
        assigned[each.cell.arm, each.day] += each.members
    newest = None
    for row in fetch_rows(experiment.engine, query):
        place = str(row["arm"]), row["slot"].astimezone(experiment.definition.zone).date()
        rows[place] += int(row["alike"])
        repeats[place] += int(row["repeats"])
        moment = row["newest"].astimezone(UTC)
        newest = moment if newest is None else max(newest, moment)
    counts = (EventCount(*place, assigned[place], rows[place], repeats[place]) for place in places)
    return tuple(counts), newest
