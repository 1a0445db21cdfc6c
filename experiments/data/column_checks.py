"""Whether every column that a definition names exists and has a type that its use allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from experiments.data.source_table import SourceTable
from experiments.definition.audience import SEGMENT
from experiments.definition.columns import is_reserved
from experiments.definition.contact_policy import CONTACTS
from experiments.definition.errors import Fault
from experiments.definition.expressions import Expression
from experiments.definition.features import Feature
from experiments.definition.metrics import CONTACT_COST, BinaryMetric, FormulaMetric, RatioMetric, SumMetric
from experiments.definition.model import MEMBERS, Definition
from experiments.definition.origin import KeyPath
from experiments.definition.suggest import choose
from experiments.engines.protocol import ColumnType
from experiments.engines.translate import Root, check_types, kind_of
from experiments.experiment import Experiment

CHANNEL = "channel"
CONTACT_KIND = "kind"
"""Columns of the contacts: how a contact was sent, and whether it was care or marketing."""

_KEY = frozenset({ColumnType.TEXT, ColumnType.INTEGER})
_LABEL = _KEY | {ColumnType.BOOLEAN}
_NUMBER = frozenset(kind for kind in ColumnType if kind.is_numeric)
_TIME = frozenset(kind for kind in ColumnType if kind.is_time)

Kinds = Mapping[str, ColumnType]


@dataclass(frozen=True)
class ColumnChecks:
    """What was found: the types of the features, and every fault."""

    features: Kinds
    faults: tuple[Fault, ...]


def check_columns(experiment: Experiment, sources: Mapping[str, SourceTable]) -> ColumnChecks:
    """Check the definition against the columns of the sources that could be opened.

    What stands on a source that could not be opened is left out, since its fault is known.
    """
    definition = experiment.definition
    checker = _Checker(definition, {name: table.columns for name, table in sources.items()})
    checker.sources()
    features = {name: checker.feature(name, feature) for name, feature in definition.features.items()}
    checker.contact_limits()
    checker.metrics()
    if MEMBERS in sources:
        checker.members({**sources[MEMBERS].columns, **features})
    return ColumnChecks(features, tuple(checker.faults))


@dataclass(frozen=True)
class _Checker:
    definition: Definition
    sources_kinds: Mapping[str, Kinds]
    faults: list[Fault] = field(default_factory=list)

    def sources(self) -> None:
        """Keys are text or integers, times are times."""
        for name, kinds in self.sources_kinds.items():
            source = self.definition.data[name]
            self._column(("data", name, "key"), source.key, kinds, _KEY, "text or an integer")
            if source.time is not None:
                self._column(("data", name, "time"), source.time, kinds, _TIME, "a date or a time")
            if source.event_id is not None:
                wanted = "text or an integer"
                self._column(("data", name, "event_id"), source.event_id, kinds, _KEY, wanted)

    def feature(self, name: str, feature: Feature) -> ColumnType:
        """A feature's columns, and its type; where it is at fault, the type that it would have."""
        at: KeyPath = ("features", name)
        members = self.sources_kinds.get(MEMBERS, {})
        if name.casefold() in map(str.casefold, members):
            self._report(at, "the feature has the name of a column of the members", "give it another name")
        kinds = self.sources_kinds.get(feature.from_ or MEMBERS)
        if kinds is not None and feature.from_ == MEMBERS and feature.days_since is not None:
            self._column((*at, "days_since"), feature.days_since, kinds, _TIME, "a date or a time")
        elif kinds is not None and feature.from_ is not None:
            self._feature_of_rows(at, feature, kinds)
        elif kinds is not None and feature.bands is not None and feature.on not in self.definition.features:
            self._column((*at, "on"), feature.on or "", kinds, _NUMBER, "a number")
        if feature.stages is not None or feature.layers is not None:
            return ColumnType.TEXT
        if feature.sum is not None and kinds is not None and _is_sound(feature.sum, kinds, "numeric"):
            return kind_of(feature.sum, kinds)
        return ColumnType.FLOAT if feature.sum or feature.mean or feature.share else ColumnType.INTEGER

    def _feature_of_rows(self, at: KeyPath, feature: Feature, kinds: Kinds) -> None:
        roots: tuple[tuple[str, Expression | None, Root], ...] = (
            ("where", feature.where, "boolean"),
            ("share", feature.share, "boolean"),
            ("of", feature.of, "numeric"),
            ("sum", feature.sum, "numeric"),
            ("mean", feature.mean, "numeric"),
        )
        for key, expression, root in roots:
            if expression is not None:
                self._expression((*at, key), expression, kinds, root)
        if feature.distinct is not None:
            self._column((*at, "distinct"), feature.distinct, kinds, _LABEL | _NUMBER | _TIME, "usable")

    def contact_limits(self) -> None:
        """The contacts say their channel and their kind where a cap or the policy asks for them."""
        audience = self.definition.audience
        caps, policy = audience.contact_caps, audience.contact_policy
        kinds = self.sources_kinds.get(CONTACTS)
        if kinds is None:
            return
        text = frozenset({ColumnType.TEXT})
        if caps:
            self._column(("audience", "contact_caps"), CHANNEL, kinds, text, "text", CONTACTS)
        for number, cap in enumerate(caps):
            if cap.kind != "any":
                path = ("audience", "contact_caps", number, "kind")
                self._column(path, CONTACT_KIND, kinds, text, "text", CONTACTS)
        if policy is not None:
            self._column(("audience", "contact_policy"), CONTACT_KIND, kinds, text, "text", CONTACTS)
        if policy is not None and policy.channels is not None:
            at = ("audience", "contact_policy", "channels")
            self._column(at, CHANNEL, kinds, text, "text", CONTACTS)

    def metrics(self) -> None:
        """Conditions are true or false; values are numbers, or for a binary metric also true or false."""
        numbers = dict.fromkeys((*self.definition.metrics, CONTACT_COST), ColumnType.FLOAT)
        for name, metric in self.definition.metrics.items():
            at: KeyPath = ("metrics", name)
            if isinstance(metric, FormulaMetric):
                self._expression((*at, "value"), metric.value, numbers, "numeric", "metric")
                continue
            if isinstance(metric, RatioMetric) or (kinds := self.sources_kinds.get(metric.from_)) is None:
                continue
            if metric.where is not None:
                self._expression((*at, "where"), metric.where, kinds, "boolean")
            if isinstance(metric, BinaryMetric | SumMetric) and metric.value is not None:
                may_be_condition = isinstance(metric, BinaryMetric) and _is_condition(metric.value, kinds)
                root: Root = "boolean" if may_be_condition else "numeric"
                self._expression((*at, "value"), metric.value, kinds, root)

    def members(self, kinds: Kinds) -> None:
        """What reads members' columns and features: audience, strata, covariates, policies, recorded arms."""
        audience, assignment = self.definition.audience, self.definition.assignment
        for at, condition in audience.conditions():
            self._expression(at, condition, kinds, "boolean")
        if audience.unit is not None:
            own = self.sources_kinds[MEMBERS]
            self._carried(("audience", "unit"), audience.unit, own, _KEY, "text or an integer")
        recorded = self.sources_kinds.get(assignment.from_ or MEMBERS)
        if assignment.column is not None and recorded is not None:
            path = ("assignment", "column")
            self._column(path, assignment.column, recorded, _LABEL, "text, an integer or true/false")
        self._listed(
            ("assignment", "strata"), assignment.strata, kinds, _LABEL, "text, an integer or true/false"
        )
        covariates, boolean = self.definition.design.covariates, ColumnType.BOOLEAN
        self._listed(("design", "covariates"), covariates, kinds, _NUMBER | {boolean}, "a number")
        uplift = self.definition.uplift.features if self.definition.uplift else ()
        self._listed(("uplift", "features"), uplift, kinds, _LABEL | _NUMBER, "a number, text or true/false")

    def _listed(
        self, at: KeyPath, names: Sequence[str], kinds: Kinds, allowed: frozenset[ColumnType], wanted: str
    ) -> None:
        """A list of names that become columns of the assignment; `segment` is the member's own."""
        own_segment = self.definition.audience.segments and ColumnType.TEXT in allowed
        for number, name in enumerate(names):
            if not (name == SEGMENT and own_segment):
                self._carried((*at, number), name, kinds, allowed, wanted)

    def _carried(
        self, at: KeyPath, name: str, kinds: Kinds, allowed: frozenset[ColumnType], wanted: str
    ) -> None:
        if name in kinds and is_reserved(name):
            cause = f"the column `{name}` has a name that Offerwise uses itself"
            self._report(at, cause, "rename it in the data")
        else:
            self._column(at, name, kinds, allowed, wanted)

    def _column(
        self,
        at: KeyPath,
        name: str,
        kinds: Kinds,
        allowed: frozenset[ColumnType],
        wanted: str,
        source: str | None = None,
    ) -> None:
        where = f" in {source}" if source else ""
        if name not in kinds:
            self._report(at, f"there is no column `{name}`{where}", choose(name, kinds, "column"))
        elif kinds[name] not in allowed:
            cause = f"the column `{name}`{where} is {kinds[name].value}, not {wanted}"
            self._report(at, cause, "name a column of that type, or change the type in the data")

    def _expression(
        self, at: KeyPath, expression: Expression, kinds: Kinds, root: Root, what: str = "column"
    ) -> bool:
        missing = [name for name in expression.columns if name not in kinds]
        for name in missing:
            remedy = choose(name, kinds, what)
            if name in expression.quoted:
                remedy = f"a text stands in single quotes, '{name}'; of columns, {remedy}"
            self._report(at, f"there is no {what} `{name}`", remedy)
        if missing:
            return False
        problems = check_types(expression, kinds, root)
        for problem in problems:
            cause, _, remedy = problem.partition("; ")
            self._report(at, cause, remedy)
        return not problems

    def _report(self, at: KeyPath, cause: str, remedy: str) -> None:
        self.faults.append(self.definition.origin.fault(at, cause, remedy))


def _is_condition(expression: Expression, kinds: Kinds) -> bool:
    return _is_sound(expression, kinds, "boolean")


def _is_sound(expression: Expression, kinds: Kinds, root: Root) -> bool:
    return all(name in kinds for name in expression.columns) and not check_types(expression, kinds, root)
