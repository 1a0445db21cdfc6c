"""Features: one value for each member, from what was known before 00:00 of a day.

Each event source is read once, whatever the number of features and contact limits that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlglot import exp

from experiments.audience.as_of import AsOf, OneDay, OwnDay
from experiments.audience.bands import by_cuts, by_limits, cut_names, quantile_cuts
from experiments.audience.contact_counts import ContactColumns, contact_columns
from experiments.audience.event_pass import KEY, Aggregate, EventPass
from experiments.audience.stages import stage
from experiments.data.catalogue import Catalogue
from experiments.definition.contact_policy import CONTACTS, ContactKind
from experiments.definition.features import Feature, StagesOfNever
from experiments.definition.model import MEMBERS, Definition
from experiments.engines.protocol import ColumnType
from experiments.engines.translate import calendar_day
from experiments.experiment import Experiment
from experiments.queries import column, named, relation

_MEMBERS = "members_rows"
_EVENTS = "events"
_VALUES = "profile_values"
_CUTS = "profile_cuts"


@dataclass(frozen=True)
class Profile:
    """Members with what is known of them before 00:00 of a day.

    Attributes:
        query: One row a member, with the column `member` (the key as text) and the columns below.
        columns: Column of the members, or feature, to the column of `query` that holds it.
        caps: The column with the number of contacts that each contact cap counts, in the order of the caps.
        contacts: Kind of contact to the column with how many the member's stage counts, where a contact policy is.
    """

    query: exp.Select
    columns: Mapping[str, str]
    caps: tuple[str, ...]
    contacts: Mapping[ContactKind, str] = field(default_factory=dict)


def profile(experiment: Experiment, catalogue: Catalogue, snapshot: date, columns: Sequence[str]) -> Profile:
    """The profile of every member as of a snapshot.

    A feature without a row is NULL, but counts and sums are 0. `days_since` counts calendar days in the
    definition's time zone, from the day of the first or last row to the snapshot; a stage is NULL where its
    days are, unless `never` names one. Quantile bands are cut over all members who have a value.

    Args:
        experiment: The experiment.
        catalogue: Its data.
        snapshot: Only rows before 00:00 of this day in the definition's time zone count.
        columns: The members' columns that are needed, by name.
    """
    definition = experiment.definition
    as_of = OneDay(definition, experiment.engine, snapshot)
    return _profile(experiment, catalogue, as_of, columns, contact_columns(definition))


def profile_on_own_day(
    experiment: Experiment, catalogue: Catalogue, own_day: OwnDay, columns: Sequence[str]
) -> Profile:
    """The profile of each member as of the member's own day; see `profile`. Contacts are not counted.

    Not for quantile bands, which are cut over everybody as of one day.
    """
    return _profile(experiment, catalogue, own_day, columns, ContactColumns({}, (), {}))


def moments_of_features(definition: Definition, catalogue: Catalogue) -> Sequence[tuple[ColumnType, int]]:
    """What 00:00 features ask for: the type of their source's time, and how many days before."""
    found: dict[tuple[ColumnType, int], None] = {}
    for feature in definition.features.values():
        time = definition.data[feature.from_].time if feature.from_ else None
        if feature.from_ and time and feature.from_ != MEMBERS:
            kind = catalogue.sources[feature.from_].columns[time]
            found |= dict.fromkeys([(kind, 0), (kind, feature.days or 0)])
    return tuple(found)


def _profile(
    experiment: Experiment,
    catalogue: Catalogue,
    as_of: AsOf,
    columns: Sequence[str],
    counted: ContactColumns,
) -> Profile:
    definition = experiment.definition
    own = {name: f"column__{name}" for name in columns}
    features = {name: _feature_column(name) for name in definition.features}
    query, values = _gathered(experiment, catalogue, as_of, own, counted)
    for name, feature in definition.features.items():
        if feature.stages is not None and feature.on is not None:
            never = feature.never.on if isinstance(feature.never, StagesOfNever) else None
            days = values[_feature_column(feature.on)]
            other = None if never is None else values[_feature_column(never)]
            values[_feature_column(name)] = stage(feature, days, other)
    policy = definition.audience.contact_policy
    if policy is not None:
        values |= counted.by_stage(policy, values[_feature_column(policy.on)], values)
    by_quantile: dict[str, Feature] = {}
    for name, feature in definition.features.items():
        if isinstance(feature.bands, int):
            by_quantile[name] = feature
        elif feature.bands is not None:
            value = _banded(definition, feature, values)
            values[_feature_column(name)] = by_limits(feature, value, feature.bands)
    selected = [alias for name, alias in features.items() if name not in by_quantile]
    selected += [*counted.caps, *counted.kinds.values()]
    query = query.select(*(named(values[alias], alias) for alias in selected))
    if by_quantile:
        query = _with_quantile_bands(definition, query, by_quantile, values)
    return Profile(query, {**own, **features}, counted.caps, counted.kinds)


def members_alone(experiment: Experiment, catalogue: Catalogue, columns: Sequence[str]) -> Profile:
    """The profile without features: the members' own columns, whatever the day."""
    own = {name: f"column__{name}" for name in columns}
    return Profile(_own_columns(experiment, catalogue, own), own, caps=())


def _own_columns(experiment: Experiment, catalogue: Catalogue, own: Mapping[str, str]) -> exp.Select:
    key = column(experiment.definition.data[MEMBERS].key, _MEMBERS)
    return exp.select(
        named(experiment.engine.as_key(key), "member"),
        *(named(column(name, _MEMBERS), alias) for name, alias in own.items()),
    ).from_(relation(catalogue.members.relation, _MEMBERS))


def _feature_column(name: str) -> str:
    return f"feature__{name}"


def _gathered(
    experiment: Experiment,
    catalogue: Catalogue,
    as_of: AsOf,
    own: Mapping[str, str],
    counted: ContactColumns,
) -> tuple[exp.Select, dict[str, exp.Expr]]:
    """Members with one joined pass for each event source, and what each aggregate is there, by column."""
    definition, engine = experiment.definition, experiment.engine
    key = column(definition.data[MEMBERS].key, _MEMBERS)
    query = as_of.of_members(_own_columns(experiment, catalogue, own), key)
    values: dict[str, exp.Expr] = {}
    for name, feature in definition.features.items():
        if feature.from_ == MEMBERS and feature.days_since is not None:
            kind = catalogue.members.columns[feature.days_since]
            day = calendar_day(column(feature.days_since, _MEMBERS), kind, engine, definition.zone)
            values[_feature_column(name)] = engine.days_between(day, as_of.day)
    for source, aggregates in _passes(definition, counted).items():
        events = EventPass(definition, engine, catalogue, source, as_of, aggregates)
        alias = f"{_EVENTS}__{source}"
        query = query.join(
            events.query().subquery(exp.to_identifier(alias, quoted=True)),
            on=events.joins(key, column(KEY, alias)),
            join_type="left",
        )
        values |= {name: events.filled(name, column(name, alias)) for name in aggregates}
    return query, values


def _passes(definition: Definition, counted: ContactColumns) -> Mapping[str, dict[str, Aggregate]]:
    """Event source to what is computed from it, by column."""
    found: dict[str, dict[str, Aggregate]] = {}
    for name, feature in definition.features.items():
        if feature.from_ is not None and feature.from_ != MEMBERS:
            found.setdefault(feature.from_, {})[_feature_column(name)] = feature
    if counted.counts:
        found.setdefault(CONTACTS, {}).update(counted.counts)
    return found


def _banded(definition: Definition, feature: Feature, values: Mapping[str, exp.Expr]) -> exp.Expr:
    """The value that a feature cuts into bands: another feature's, or a column of the members."""
    assert feature.on is not None, "the definition asks bands for what they cut"
    if feature.on in definition.features:
        return values[_feature_column(feature.on)]
    return column(feature.on, _MEMBERS)


def _with_quantile_bands(
    definition: Definition,
    query: exp.Select,
    bands: Mapping[str, Feature],
    values: Mapping[str, exp.Expr],
) -> exp.Select:
    """The profile beside the quantile cuts that it gives; it is named in the query, so that engines compute it once."""
    cut = {f"banded__{name}": feature for name, feature in bands.items()}
    query = query.select(
        *(named(_banded(definition, feature, values), alias) for alias, feature in cut.items())
    )
    wanted = {alias: feature.bands for alias, feature in cut.items() if isinstance(feature.bands, int)}
    cuts = quantile_cuts(_VALUES, wanted).subquery(_CUTS)
    banded = [
        named(
            by_cuts(
                feature, column(alias, _VALUES), [column(c, _CUTS) for c in cut_names(alias, wanted[alias])]
            ),
            _feature_column(name),
        )
        for (alias, feature), name in zip(cut.items(), bands, strict=True)
    ]
    known = [column(name, _VALUES) for name in query.named_selects if name not in cut]
    return (
        exp.select(*known, *banded)
        .from_(relation(_VALUES))
        .join(cuts, join_type="cross")
        .with_(exp.to_identifier(_VALUES, quoted=True), as_=query)
    )
