"""What is known of everybody assigned: the ledger beside the profile of each member, as of the snapshot or the day of entry."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from experiments.assignment.entry import entry_day
from experiments.audience.audience import PROFILE, carried, used_columns
from experiments.audience.features import Profile, profile
from experiments.data.catalogue import Catalogue
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, named, relation

OF_LEDGER = ("member", "arm", "segment", "stratum", "batch", "propensity", "planned_send_at")
_DAY = "entry_day"
_DAYS_AT_ONCE = 20
"""Days of entry in one query: engines refuse a query of hundreds of parts."""


def beside_ledger(known: Profile, ledger: str, *, source: exp.Expr | None = None) -> exp.Select:
    """The ledger with what a profile knows of its members; who left the data keeps an arm.

    Args:
        known: The profile.
        ledger: The relation of the ledger, or the alias of `source`.
        source: Rows of the ledger, where not all are meant.
    """
    return (
        exp.select(
            *(named(column(name, ledger), name) for name in OF_LEDGER),
            *(named(value, name) for name, value in carried(known).items()),
        )
        .from_(source or relation(ledger))
        .join(
            known.query.subquery(PROFILE),
            on=exp.EQ(this=column("member", PROFILE), expression=column("member", ledger)),
            join_type="left",
        )
    )


def look_up(known: Profile) -> exp.Select:
    """What a profile knows, by `member`, for joining it to members later."""
    columns = (named(value, name) for name, value in carried(known).items())
    return exp.select(column("member", PROFILE), *columns).from_(known.query.subquery(PROFILE))


def read_features(definition: Definition) -> bool:
    """Whether anything that reads members after the draw reads a feature."""
    read = {*definition.design.covariates, *(definition.uplift.features if definition.uplift else ())}
    return not read.isdisjoint(definition.features)


def create_by_day_of_entry(experiment: Experiment, catalogue: Catalogue, name: str, ledger: str) -> None:
    """Create `name`: the ledger beside each member's profile as of the day on which that member entered.

    Nothing that happened after a member entered is a feature of that member. Sources of features are read once for each day
    of entry.
    """
    definition, engine = experiment.definition, experiment.engine
    columns = used_columns(definition, catalogue)
    day = engine.local_date(column("planned_send_at"), definition.zone)
    by_day = f"{ledger}_by_day"
    engine.create(by_day, exp.select("*", named(day, _DAY)).from_(relation(ledger)))
    query = exp.select(named(exp.Max(this=column("planned_send_at")), "planned"), column(_DAY))
    found = fetch_rows(engine, query.from_(relation(by_day)).group_by(column(_DAY)).order_by(column(_DAY)))
    queries = []
    for row in found:
        entered = entry_day(definition, row["planned"])
        assert entered is not None, "members who enter day by day are planned"
        known = profile(experiment, catalogue, entered, columns)
        planned = exp.cast(exp.Literal.string(row[_DAY].isoformat()), exp.DType.DATE)
        rows = exp.select("*").from_(relation(by_day)).where(exp.EQ(this=column(_DAY), expression=planned))
        queries.append(beside_ledger(known, "of_day", source=rows.subquery("of_day")))
    _create_together(experiment, name, queries)


def _create_together(experiment: Experiment, name: str, queries: Sequence[exp.Select]) -> None:
    parts = []
    for first in range(0, len(queries), _DAYS_AT_ONCE):
        experiment.progress(f"Reading what was known on each of {len(queries)} days of entry: {first}")
        parts.append(f"{name}_part_{first}")
        experiment.engine.create(parts[-1], _together(queries[first : first + _DAYS_AT_ONCE]))
    experiment.engine.create(name, _together([exp.select("*").from_(relation(part)) for part in parts]))


def _together(queries: Sequence[exp.Select]) -> exp.Query:
    return queries[0] if len(queries) == 1 else exp.union(*queries, distinct=False)
