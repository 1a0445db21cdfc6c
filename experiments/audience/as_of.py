"""The day before whose 00:00 everything that counts has happened: one for all members, or each member's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from sqlglot import exp

from experiments.data.midnight import stored_midnight
from experiments.definition.model import Definition
from experiments.engines.protocol import ColumnType, Engine
from experiments.queries import column, named, relation

_OWN = "own_day"
_DAY = "own__day"
_PLANNED = "own__planned"


class AsOf(Protocol):
    """The day, as queries over members and over events read it."""

    def of_members(self, members: exp.Select, key: exp.Expr) -> exp.Select:
        """Members, by their key, for whom there is a day; beside each of them the day."""

    def of_events(self, events: str, key: exp.Expr, columns: Sequence[str], alias: str) -> exp.Expr:
        """The events of these members, under an alias, with the columns and whatever `midnight` and `last_day` read."""

    @property
    def carried(self) -> Sequence[str]:
        """What `of_events` adds to the columns."""

    @property
    def day(self) -> exp.Expr:
        """The day, beside a row of `of_members`."""

    def last_day(self, alias: str) -> exp.Expr:
        """The day, of the events of one member together."""

    def midnight(self, kind: ColumnType, days_before: int, alias: str) -> exp.Expr:
        """00:00 of the day so many days before, in the type of a source's time, beside an event."""


@dataclass(frozen=True)
class OneDay:
    """One snapshot for all members.

    Attributes:
        definition: Where the time zone stands.
        engine: The engine that runs the query.
        snapshot: The day.
    """

    definition: Definition
    engine: Engine
    snapshot: date

    carried = ()

    def of_members(self, members: exp.Select, key: exp.Expr) -> exp.Select:  # noqa: ARG002 - the protocol's
        """Everybody."""
        return members

    def of_events(self, events: str, key: exp.Expr, columns: Sequence[str], alias: str) -> exp.Expr:  # noqa: ARG002 - the protocol's
        """Every event."""
        return relation(events, alias)

    @property
    def day(self) -> exp.Expr:
        """A literal."""
        return _day_literal(self.snapshot)

    def last_day(self, alias: str) -> exp.Expr:  # noqa: ARG002 - the protocol's
        """A literal."""
        return self.day

    def midnight(self, kind: ColumnType, days_before: int, alias: str) -> exp.Expr:  # noqa: ARG002 - the protocol's
        """A literal."""
        day = self.snapshot - timedelta(days=days_before)
        return stored_midnight(self.engine, self.definition.zone, day, kind)


@dataclass(frozen=True)
class OwnDay:
    """Each member's own day, with every 00:00 that is asked for as a column, so that one pass over a source serves all days.

    Attributes:
        engine: The engine that runs the query.
        moments: The type of a time and the days before, of every 00:00 that is asked for.
        relation: The relation with one row a member, which `create` makes.
    """

    engine: Engine
    moments: Sequence[tuple[ColumnType, int]]
    relation: str

    def create(self, definition: Definition, members: exp.Select, days: Mapping[date, date]) -> None:
        """Create the relation.

        Args:
            definition: Where the time zone stands.
            members: The members: `member` (the key as text) and `planned`, a day.
            days: The planned day to the member's own.
        """
        rows = [
            exp.Tuple(
                expressions=[
                    _day_literal(planned),
                    _day_literal(own),
                    *(
                        stored_midnight(self.engine, definition.zone, own - timedelta(days=before), kind)
                        for kind, before in self.moments
                    ),
                ]
            )
            for planned, own in days.items()
        ]
        names = [_PLANNED, *self.carried]
        alias = exp.TableAlias(
            this=exp.to_identifier("days", quoted=True),
            columns=[exp.to_identifier(name, quoted=True) for name in names],
        )
        same = exp.EQ(this=column(_PLANNED, "days"), expression=column("planned", "planned"))
        query = (
            exp.select(
                named(column("member", "planned"), "member"),
                *(named(column(name, "days"), name) for name in self.carried),
            )
            .from_(members.subquery(exp.to_identifier("planned", quoted=True)))
            .join(exp.Values(expressions=rows, alias=alias), on=same)
        )
        self.engine.create(self.relation, query)

    def of_members(self, members: exp.Select, key: exp.Expr) -> exp.Select:
        """Joined by the key as text."""
        return members.join(relation(self.relation, _OWN), on=self._same(key))

    def of_events(self, events: str, key: exp.Expr, columns: Sequence[str], alias: str) -> exp.Expr:
        """Joined by the key as text."""
        rows = exp.select(
            *(named(column(name, alias), name) for name in columns),
            *(named(column(name, _OWN), name) for name in self.carried),
        ).from_(relation(events, alias))
        joined = rows.join(relation(self.relation, _OWN), on=self._same(key))
        return joined.subquery(exp.to_identifier(alias, quoted=True))

    @property
    def carried(self) -> Sequence[str]:
        """The day, and every 00:00."""
        return (_DAY, *(_name(kind, before) for kind, before in self.moments))

    @property
    def day(self) -> exp.Expr:
        """A column."""
        return column(_DAY, _OWN)

    def last_day(self, alias: str) -> exp.Expr:
        """A member's events all have it."""
        return exp.Max(this=column(_DAY, alias))

    def midnight(self, kind: ColumnType, days_before: int, alias: str) -> exp.Expr:
        """A column."""
        return column(_name(kind, days_before), alias)

    def _same(self, key: exp.Expr) -> exp.Expr:
        return exp.EQ(this=column("member", _OWN), expression=self.engine.as_key(key.copy()))


def _name(kind: ColumnType, days_before: int) -> str:
    return f"own__{kind.name.lower()}_{days_before}"


def _day_literal(day: date) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.isoformat()), exp.DType.DATE)
