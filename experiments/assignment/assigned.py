"""Everybody assigned, with arm, segment and what was known before the snapshot: the start of every analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from experiments.assignment.known import (
    OF_LEDGER,
    beside_ledger,
    create_by_day_of_entry,
    look_up,
    read_features,
)
from experiments.assignment.ledger import Ledger
from experiments.assignment.locked import differing_keys, refuse_changes
from experiments.assignment.open_ledger import open_ledger
from experiments.assignment.recognised import require_recognised
from experiments.assignment.strata import stratum_name
from experiments.audience.audience import build_audience, carried, snapshot_of, used_columns
from experiments.audience.features import members_alone, profile
from experiments.data.catalogue import Catalogue
from experiments.data.recorded import arm_of_label, recorded_source
from experiments.definition.columns import is_reserved
from experiments.definition.lock import Difference
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import column, double, fetch_rows, named, number, relation
from experiments.refusals import refusal

ASSIGNED = "assigned"
"""The alias of the members assigned in queries."""

_RELATION = "assigned"
_KNOWN = "known"
_LEDGER = "ledger"


@dataclass(frozen=True)
class Assigned:
    """Everybody assigned, by intention to treat.

    Attributes:
        relation: One row a member: `member, arm, segment, stratum, batch, propensity, planned_send_at` (NULL for
            recorded arms); the unit that was drawn, where that is not the member; and where `known` is None the
            features and members' columns of the audience, as of the snapshot.
        columns: The columns of `relation`, without those that only a ledger has, and of `known`, and their types.
        locked: Whether the definition is the one that the arms were drawn by.
        recorded: Whether another system drew the arms.
        differences: The keys that differ from the lock.
        known: One row for each of the data's members: `member`, and the columns that are not in `relation`, because it is
            cheaper to look them up once than to keep a copy for everybody; None where `relation` has all.
    """

    relation: str
    columns: Mapping[str, ColumnType]
    locked: bool
    recorded: bool
    differences: tuple[Difference, ...] = ()
    known: exp.Select | None = None

    def rows(self) -> exp.Select:
        """Everybody with all `columns`; a column of `known` is NULL for who left the data.

        More can be joined to it: members have the alias `ASSIGNED`.
        """
        of_known = () if self.known is None else self.known.named_selects[1:]
        places = {name: _KNOWN if name in of_known else ASSIGNED for name in self.columns}
        query = exp.select(*(named(column(name, place), name) for name, place in places.items()))
        query = query.from_(relation(self.relation, ASSIGNED))
        if self.known is None:
            return query
        same = exp.EQ(this=column("member", _KNOWN), expression=column("member", ASSIGNED))
        return query.join(self.known.subquery(_KNOWN), on=same, join_type="left")


def assigned_members(experiment: Experiment, catalogue: Catalogue) -> Assigned:
    """Read everybody assigned: from the ledger, or for recorded arms from the data.

    Of recorded members those count who are eligible by the definition; of ours everybody counts, whatever
    became of them.

    Raises:
        InputError: Those who have an arm are no longer known by their keys.
        RefusedError: Nobody is assigned yet, or members have an arm that the definition does not have.
        OutsideError: The ledger is damaged, or the engine fails.
    """
    if experiment.definition.assignment.method == "recorded":
        return _recorded(experiment, catalogue)
    if not open_ledger(experiment.workspace, experiment.engine).state().exists:
        name, out = experiment.definition.id, experiment.workspace.out
        raise refusal(experiment.words, "not_assigned", experiment=name, out=out)
    experiment.progress("Reading the ledger")
    assigned = _from_ledger(experiment, catalogue)
    _refuse_other_arms(experiment, assigned)
    return assigned


def _from_ledger(experiment: Experiment, catalogue: Catalogue) -> Assigned:
    """Members with what is read after the draw: features are computed once, the members' own columns are looked up."""
    definition, engine = experiment.definition, experiment.engine
    ledger, used = open_ledger(experiment.workspace, engine), used_columns(definition, catalogue)
    changed = differing_keys(experiment)
    if not read_features(definition):
        alone = members_alone(experiment, catalogue, used)
        if definition.audience.unit is None:
            _read(ledger, experiment, catalogue, _RELATION)
            kinds = {**engine.columns(_RELATION), **catalogue.members.columns}
            columns = {name: kinds[name] for name in (*OF_LEDGER, *carried(alone))}
            return Assigned(_RELATION, columns, not changed, False, changed, look_up(alone))
        _read(ledger, experiment, catalogue)
        engine.create(_RELATION, beside_ledger(alone, _LEDGER))
    elif definition.audience.is_daily:
        _read(ledger, experiment, catalogue)
        create_by_day_of_entry(experiment, catalogue, _RELATION, _LEDGER)
    else:
        _read(ledger, experiment, catalogue)
        known = profile(experiment, catalogue, snapshot_of(experiment), used)
        engine.create(_RELATION, beside_ledger(known, _LEDGER))
    return Assigned(_RELATION, engine.columns(_RELATION), not changed, recorded=False, differences=changed)


def _read(ledger: Ledger, experiment: Experiment, catalogue: Catalogue, name: str = _LEDGER) -> None:
    ledger.read(name)
    require_recognised(experiment, catalogue, name)


def _refuse_other_arms(experiment: Experiment, assigned: Assigned) -> None:
    """An arm that the definition does not have cannot be told as another one, or left out."""
    query = exp.select(column("arm")).distinct().from_(relation(assigned.relation))
    drawn = {str(row["arm"]) for row in fetch_rows(experiment.engine, query)}
    if drawn - {arm.id for arm in experiment.definition.all_arms}:
        refuse_changes(experiment.words, assigned.differences)


def _recorded(experiment: Experiment, catalogue: Catalogue) -> Assigned:
    definition, engine = experiment.definition, experiment.engine
    audience = build_audience(experiment, catalogue)
    experiment.progress("Reading the recorded arms")
    name = definition.assignment.column
    assert name is not None, "the definition asks recorded arms for their column"
    source = recorded_source(definition)
    table, people = catalogue.sources[source], relation(audience.relation, "people")
    arm, propensity = exp.Case(), exp.Case()
    label = engine.as_key(column(name, "labels"))
    for text, arm_id in arm_of_label(definition).items():
        is_arm = exp.EQ(this=engine.collated(label.copy()), expression=exp.Literal.string(text))
        share = double(float(definition.arm(arm_id).share))
        arm, propensity = arm.when(is_arm, exp.Literal.string(arm_id)), propensity.when(is_arm.copy(), share)
    strata = [column(each, "people") for each in definition.assignment.strata]
    others = [each for each in audience.columns if not is_reserved(each)]
    query = (
        exp.select(
            named(column("member", "people"), "member"),
            named(arm, "arm"),
            named(column("segment", "people"), "segment"),
            named(stratum_name(engine, strata), "stratum"),
            named(exp.cast(number(0), exp.DType.INT), "batch"),
            named(propensity, "propensity"),
            named(exp.cast(exp.null(), exp.DType.TIMESTAMPTZ), "planned_send_at"),
            *(named(column(each, "people"), each) for each in others),
        )
        .from_(people)
        .join(
            relation(table.relation, "labels"),
            on=exp.EQ(
                this=engine.as_key(column(definition.data[source].key, "labels")),
                expression=column("member", "people"),
            ),
        )
        .where(exp.Is(this=column("refused_by", "people"), expression=exp.null()))
    )
    engine.create(_RELATION, query)
    return Assigned(_RELATION, engine.columns(_RELATION), locked=False, recorded=True)
