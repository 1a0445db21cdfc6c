"""From the engine to arrays: the learning sample, drawn and cut into folds by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from experiments.assignment.draws import purpose_hash, slot, unit_key
from experiments.definition.errors import InputError
from experiments.definition.model import Definition
from experiments.definition.uplift import Uplift
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import as_double, column, is_null, named, relation
from uplift.evidence import Evidence
from uplift.features import FeatureSpace, Kind
from uplift.sample import Integers, LearningSample, Members
from uplift.sql import SEGMENT

if TYPE_CHECKING:
    import pandas as pd

LARGEST_SAMPLE = 1_000_000
"""Members that leave the engine at most; the lowest by their `learn` hash."""

_FEWEST_FOLDS = 3
_UNIT = "of unit"


@dataclass(frozen=True)
class Reading:
    """What was read: the sample, the kinds of its features, and how many members of the test it was drawn from."""

    sample: LearningSample
    kinds: Mapping[str, Kind]
    members: int


def read_sample(evidence: Evidence, metric: str) -> Reading:
    """The members of the test with features, arm, propensity and the value metric.

    Folds come from each member's `fold` hash (the unit's, where units are assigned together), the order and the bound of
    LARGEST_SAMPLE from the `learn` hash, so that engines and row orders do not matter. Members whose value is missing and
    dropped are left out.

    Raises:
        InputError: The definition has no features to learn from, or one that is neither a number nor a text.
    """
    experiment = evidence.experiment
    settings = uplift_settings(experiment.definition)
    kinds = feature_kinds(experiment.definition, evidence.units.columns)
    experiment.progress("Reading the members to learn from")
    value = column(evidence.units.metric_columns[metric])
    frame = _fetch(evidence, settings, kinds, value)
    measured = exp.select(exp.Count(this=exp.Star())).from_(relation(evidence.units.relation))
    ((members,),) = experiment.engine.rows(measured.where(exp.not_(is_null(value))))
    sample = _sample(
        experiment.definition, settings, frame, FeatureSpace.fit(_features(frame, kinds), kinds), kinds
    )
    return Reading(sample, kinds, int(members))


def uplift_settings(definition: Definition) -> Uplift:
    """The definition's `uplift` block.

    Raises:
        InputError: There is none, or it has too few folds for nested cross-fitting.
    """
    if definition.uplift is None:
        raise InputError.single(
            "the definition does not say what a policy may look at",
            "add a block such as `uplift: {features: [tier, orders_365d]}`",
            file=definition.origin.path,
            key="uplift",
        )
    if definition.uplift.folds < _FEWEST_FOLDS:
        cause = f"{definition.uplift.folds} folds leave nothing to learn from once two are set aside"
        raise InputError(
            [definition.origin.fault(("uplift", "folds"), cause, f"use {_FEWEST_FOLDS} or more")]
        )
    return definition.uplift


def feature_kinds(definition: Definition, columns: Mapping[str, ColumnType]) -> dict[str, Kind]:
    """Feature to its kind: numbers, or texts and booleans as categories.

    Raises:
        InputError: A feature is neither, or the data do not have it; every such feature at once.
    """
    assert definition.uplift is not None
    kinds: dict[str, Kind] = {}
    faults = []
    for place, name in enumerate(definition.uplift.features):
        kind = columns.get(name)
        if kind is not None and kind.is_numeric:
            kinds[name] = "number"
        elif kind in {ColumnType.TEXT, ColumnType.BOOLEAN}:
            kinds[name] = "category"
        else:
            cause = f"'{name}' is {'not known of members' if kind is None else f'a {kind.value}'}"
            remedy = "use columns of members or features that are numbers, texts or booleans"
            faults.append(definition.origin.fault(("uplift", "features", place), cause, remedy))
    if faults:
        raise InputError(faults)
    return kinds


def segment_names(definition: Definition) -> tuple[str, ...]:
    """The definition's segments in order, and the empty name for members of none where that can be."""
    segments = definition.audience.segments
    names = tuple(segment.id for segment in segments)
    return names if segments and segments[-1].is_otherwise else (*names, "")


def segment_numbers(segments: tuple[str, ...], column: pd.Series) -> Integers:
    """The number of each member's segment; -1 for a name that is not known."""
    import pandas as pd

    texts = column.to_numpy(dtype=object)
    empty = column.isna().to_numpy()
    known = pd.Index(list(segments), dtype=object)
    return known.get_indexer(pd.Index(np.where(empty, "", texts), dtype=object)).astype(np.int64)


def seed_of(definition: Definition) -> int:
    """The seed of every learner: the first 31 bits of the salt's md5."""
    return int(hashlib.md5(definition.salt.encode()).hexdigest()[:8], 16) >> 1


def feature_column(name: str, kind: Kind, evidence_kind: ColumnType, experiment: Experiment) -> exp.Expr:
    """A feature as it leaves an engine: a double, or a text with booleans as `true` and `false`."""
    if kind == "number":
        return as_double(column(name))
    return experiment.engine.as_key(column(name)) if evidence_kind is ColumnType.BOOLEAN else column(name)


def _fetch(evidence: Evidence, settings: Uplift, kinds: Mapping[str, Kind], value: exp.Expr) -> pd.DataFrame:
    experiment = evidence.experiment
    definition, engine = experiment.definition, experiment.engine
    drawn_by = unit_key(engine, definition.audience.unit)
    features = [
        named(feature_column(name, kind, evidence.units.columns[name], experiment), f"x__{name}")
        for name, kind in kinds.items()
    ]
    together = [named(drawn_by.copy(), _UNIT)] if definition.audience.unit else []
    order = (
        purpose_hash(engine, definition.salt, "learn", column("member")),
        engine.collated(column("member")),
    )
    query = (
        exp.select(
            named(column("arm"), "arm"),
            named(column(SEGMENT), SEGMENT),
            named(column("propensity"), "propensity"),
            named(value, "value"),
            named(
                slot(engine, purpose_hash(engine, definition.salt, "fold", drawn_by), settings.folds), "fold"
            ),
            *together,
            *features,
        )
        .from_(relation(evidence.units.relation))
        .where(exp.not_(is_null(value)))
        .order_by(*order)
        .limit(LARGEST_SAMPLE)
    )
    frame: pd.DataFrame = engine.fetch(query).to_pandas()
    return frame


def _features(frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
    """The features under their own names, which may be those of our columns."""
    return frame[[f"x__{name}" for name in kinds]].set_axis(list(kinds), axis="columns")


def _sample(
    definition: Definition,
    settings: Uplift,
    frame: pd.DataFrame,
    space: FeatureSpace,
    kinds: Mapping[str, Kind],
) -> LearningSample:
    import pandas as pd

    segments = segment_names(definition)
    arms = pd.Index([arm.id for arm in definition.all_arms], dtype=object)
    return LearningSample(
        arms=definition.all_arms,
        space=space,
        segments=segments,
        members=Members(space.codes(_features(frame, kinds)), segment_numbers(segments, frame[SEGMENT])),
        arm=arms.get_indexer(pd.Index(frame["arm"], dtype=object)).astype(np.int64),
        value=frame["value"].to_numpy(dtype=float),
        propensity=frame["propensity"].to_numpy(dtype=float),
        fold=frame["fold"].to_numpy(dtype=np.int64),
        folds=settings.folds,
        seed=seed_of(definition),
        unit=pd.factorize(frame[_UNIT])[0].astype(np.int64) if _UNIT in frame else None,
    )
