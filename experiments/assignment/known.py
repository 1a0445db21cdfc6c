"""What is known of everybody assigned: the ledger beside the profile of each member, as of the snapshot or the day of entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sqlglot import exp

from experiments.assignment.entry import entry_day
from experiments.audience.as_of import OwnDay
from experiments.audience.audience import carried, used_columns
from experiments.audience.eligibility import PROFILE
from experiments.audience.features import Profile, moments_of_features, profile, profile_on_own_day
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

    Nothing that happened after a member entered is a feature of that member. Every source of features is read once; where bands
    are cut by quantiles, which are those of everybody on a day, once for each day of entry.
    """
    definition, engine = experiment.definition, experiment.engine
    columns = used_columns(definition, catalogue)
    day = engine.local_date(column("planned_send_at"), definition.zone)
    by_day = f"{ledger}_by_day"
    engine.create(by_day, exp.select("*", named(day, _DAY)).from_(relation(ledger)))
    entered = _days_of_entry(experiment, by_day)
    if any(isinstance(feature.bands, int) for feature in definition.features.values()):
        _create_together(experiment, name, _day_by_day(experiment, catalogue, by_day, entered))
        return
    own_day = OwnDay(engine, moments_of_features(definition, catalogue), f"{ledger}_own_days")
    planned = exp.select(column("member"), named(column(_DAY), "planned")).from_(relation(by_day))
    own_day.create(definition, planned, entered)
    engine.create(name, beside_ledger(profile_on_own_day(experiment, catalogue, own_day, columns), ledger))


def _days_of_entry(experiment: Experiment, by_day: str) -> Mapping[date, date]:
    """Each planned day to the day of entry."""
    found: dict[date, date] = {}
    query = exp.select(named(exp.Max(this=column("planned_send_at")), "planned"), column(_DAY))
    grouped = query.from_(relation(by_day)).group_by(column(_DAY)).order_by(column(_DAY))
    for row in fetch_rows(experiment.engine, grouped):
        entered = entry_day(experiment.definition, row["planned"])
        assert entered is not None, "members who enter day by day are planned"
        found[row[_DAY]] = entered
    return found


def _day_by_day(
    experiment: Experiment, catalogue: Catalogue, by_day: str, days: Mapping[date, date]
) -> Sequence[exp.Select]:
    """For each day of entry, those who entered beside the profile of everybody as of that day."""
    columns = used_columns(experiment.definition, catalogue)
    queries = []
    for day, entered in days.items():
        known = profile(experiment, catalogue, entered, columns)
        planned = exp.cast(exp.Literal.string(day.isoformat()), exp.DType.DATE)
        rows = exp.select("*").from_(relation(by_day)).where(exp.EQ(this=column(_DAY), expression=planned))
        queries.append(beside_ledger(known, "of_day", source=rows.subquery("of_day")))
    return queries


def _create_together(experiment: Experiment, name: str, queries: Sequence[exp.Select]) -> None:
    parts = []
    for first in range(0, len(queries), _DAYS_AT_ONCE):
        experiment.progress(f"Reading what was known on each of {len(queries)} days of entry: {first}")
        parts.append(f"{name}_part_{first}")
        experiment.engine.create(parts[-1], _together(queries[first : first + _DAYS_AT_ONCE]))
    experiment.engine.create(name, _together([exp.select("*").from_(relation(part)) for part in parts]))


def _together(queries: Sequence[exp.Select]) -> exp.Query:
    return queries[0] if len(queries) == 1 else exp.union(*queries, distinct=False)
