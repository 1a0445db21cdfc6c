"""Who may enter: the rules that keep members out, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from sqlglot import exp

from experiments.assignment.draws import purpose_hash
from experiments.audience.exclusion import EXCLUDE_LISTS, EXEMPT_LISTS, Lists, open_member_list
from experiments.audience.exclusive_group import members_in_running_tests
from experiments.audience.features import Profile
from experiments.audience.standing_holdout import HoldoutWindow, holdout_window
from experiments.data.catalogue import Catalogue
from experiments.definition.contact_policy import ContactCap
from experiments.definition.expressions import Expression
from experiments.definition.model import Definition
from experiments.definition.origin import KeyPath
from experiments.engines.translate import translate
from experiments.experiment import Experiment
from experiments.queries import all_of, coalesce, column, is_null, named, number, when

Refusal = Literal[
    "include",
    "unreachable",
    "opted_out",
    "exempt",
    "exclude_lists",
    "holdout",
    "exclusive_group",
    "contact_caps",
]
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)
"""Why a member may not enter, in the order in which the reasons are asked for."""

PROFILE = "profile"
"""The alias under which queries read a profile."""

_PACKAGE = "experiments"


@dataclass(frozen=True)
class Rule:
    """One rule that keeps members out.

    Attributes:
        refusal: The reason that it gives.
        key_path: Where the definition says it.
        text: What it says, in the definition's own words where it has any.
        removes: When it removes a member, over a profile and the joined lists; never NULL.
        reads: The columns of members and features that it decides by.
        counts: The profile's column with the number of contacts that it decides by; None where it counts none.
        digits: The member's hash that it decides by; None where it draws nothing.
    """

    refusal: Refusal
    key_path: KeyPath
    text: str
    removes: exp.Expr
    reads: tuple[str, ...] = ()
    counts: str | None = None
    digits: exp.Expr | None = None


@dataclass(frozen=True)
class Eligibility:
    """The rules of an experiment, in order, and the lists that they read.

    Attributes:
        rules: The first that removes a member is the reason.
        joins: Alias to the keys, under `member`, that are joined to a profile for the rules.
    """

    rules: tuple[Rule, ...]
    joins: Mapping[str, exp.Select]

    def joined(self, query: exp.Select) -> exp.Select:
        """A query over a profile with the lists beside it."""
        for alias, keys in self.joins.items():
            on = exp.EQ(this=column("member", alias), expression=column("member", PROFILE))
            query = query.join(keys.subquery(alias), on=on, join_type="left")
        return query


@dataclass(frozen=True)
class Conditions:
    """Conditions over members' columns and features, over a profile."""

    experiment: Experiment
    catalogue: Catalogue
    found: Profile

    def holds(self, expression: Expression) -> exp.Expr:
        """The condition; NULL where it cannot be told."""
        return translate(
            expression,
            lambda name: column(self.found.columns[name], PROFILE),
            self.catalogue.member_kinds,
            self.experiment.engine,
            self.experiment.definition.zone,
        )

    def surely(self, expression: Expression) -> exp.Expr:
        """The condition; false where it cannot be told."""
        return coalesce(self.holds(expression), exp.false())


def eligibility(experiment: Experiment, catalogue: Catalogue, found: Profile, day: date) -> Eligibility:
    """The rules of an experiment over a profile as of a day.

    A condition that is NULL does not hold. A contact limit removes a member who already had as many contacts in its
    rolling days, because the test would add one; of a contact policy the kind that is sent counts.

    Raises:
        OutsideError: The ledger of another experiment of the group cannot be read.
    """
    rules = _Rules(experiment, Conditions(experiment, catalogue, found))
    joins: dict[str, exp.Select] = {}
    for lists in (EXEMPT_LISTS, EXCLUDE_LISTS):
        if files := lists.files(experiment.definition):
            joins[lists.key] = _listed(experiment, lists, files)
    running = members_in_running_tests(experiment, day)
    if running:
        joins["exclusive_group"] = _distinct(running)
    in_order = [
        *rules.conditions(),
        *(rules.lists(EXEMPT_LISTS) if sends_marketing(experiment.definition) else ()),
        *rules.lists(EXCLUDE_LISTS),
        *rules.holdout(day),
        *(rules.running() if running else ()),
        *rules.caps(),
        *rules.policy(),
    ]
    return Eligibility(tuple(in_order), joins)


def sends_marketing(definition: Definition) -> bool:
    """Whether the experiment's messages are marketing, so that exempt members stay out."""
    return definition.sent_kind == "marketing"


@dataclass(frozen=True)
class _Rules:
    """The rules of each kind."""

    experiment: Experiment
    known: Conditions

    @property
    def _definition(self) -> Definition:
        return self.experiment.definition

    def conditions(self) -> Iterator[Rule]:
        """Conditions over members and features: who is meant, can be reached, wants it and is not exempt."""
        audience = self._definition.audience
        if audience.include is not None:
            yield self._unless("include", ("audience", "include"), audience.include)
        for at, expression in self._by_channel("reachable", audience.reachable):
            yield self._unless("unreachable", at, expression)
        for at, expression in self._by_channel("opted_out", audience.opted_out):
            yield self._where("opted_out", at, expression)
        if audience.exempt is not None and sends_marketing(self._definition):
            yield self._where("exempt", ("audience", "exempt"), audience.exempt)

    def _by_channel(
        self, key: str, written: Expression | Mapping[str, Expression] | None
    ) -> Iterator[tuple[KeyPath, Expression]]:
        """One condition, or those of the channels over which the experiment sends."""
        if isinstance(written, Expression):
            yield ("audience", key), written
        elif written is not None:
            sent = {arm.channel for arm in self._definition.offer_arms}
            yield from (
                (("audience", key, channel), expression)
                for channel, expression in written.items()
                if channel in sent
            )

    def _unless(self, refusal: Refusal, at: KeyPath, expression: Expression) -> Rule:
        removes = exp.not_(self.known.surely(expression))
        return Rule(refusal, at, expression.text, removes, expression.columns)

    def _where(self, refusal: Refusal, at: KeyPath, expression: Expression) -> Rule:
        return Rule(refusal, at, expression.text, self.known.surely(expression), expression.columns)

    def lists(self, lists: Lists) -> Iterator[Rule]:
        """One rule for each list."""
        for place, file in enumerate(lists.files(self._definition)):
            removes = exp.not_(is_null(column(_on_list(place), lists.key)))
            yield Rule(lists.refusal, ("audience", lists.key, place), file, removes)

    def holdout(self, day: date) -> Iterator[Rule]:
        """The brand's standing holdout of that day."""
        definition, engine = self._definition, self.experiment.engine
        if definition.holdout is None or definition.audience.global_holdout != "exclude":
            return
        drawn = purpose_hash(engine, definition.holdout.salt, "holdout", column("member", PROFILE))
        window = holdout_window(definition.holdout, day)
        text = self._holdout_text(window) if definition.holdout.refresh else str(window.share)
        yield Rule("holdout", ("holdout",), text, window.holds(engine, drawn), digits=drawn)

    def _holdout_text(self, window: HoldoutWindow) -> str:
        return self.experiment.words.say(
            _PACKAGE,
            "rules.holdout" if window.since else "rules.holdout_before",
            share=window.share,
            epoch=window.epoch,
            since=window.since,
            ranges=", ".join(f"[{first}, {until})" for first, until in window.ranges),
        )

    def running(self) -> Iterator[Rule]:
        """Other running tests of the group."""
        removes = exp.not_(is_null(column("member", "exclusive_group")))
        group = self._definition.audience.exclusive_group or ""
        yield Rule("exclusive_group", ("audience", "exclusive_group"), group, removes)

    def caps(self) -> Iterator[Rule]:
        """One rule for each contact cap."""
        caps = self._definition.audience.contact_caps
        for place, (name, cap) in enumerate(zip(self.known.found.caps, caps, strict=True)):
            reached: exp.Expr = exp.GTE(this=column(name, PROFILE), expression=number(cap.max))
            if cap.when is not None:
                reached = exp.and_(self.known.surely(cap.when), reached)
            reads = cap.when.columns if cap.when is not None else ()
            at = ("audience", "contact_caps", place)
            yield Rule("contact_caps", at, self._cap_text(cap), reached, reads, name)

    def _cap_text(self, cap: ContactCap) -> str:
        code = "cap" if cap.when is None else "cap_when"
        return self.experiment.words.say(
            _PACKAGE,
            f"rules.{code}",
            channels=", ".join(cap.channels),
            kind=self.experiment.words.say(_PACKAGE, f"rules.{cap.kind}")
            if self.experiment.words.has(_PACKAGE, f"rules.{cap.kind}")
            else cap.kind,
            max=cap.max,
            days=cap.days,
            when=cap.when,
        )

    def policy(self) -> Iterator[Rule]:
        """One rule for each stage that has a ceiling for the kind that is sent."""
        policy = self._definition.audience.contact_policy
        if policy is None:
            return
        kind = self._definition.sent_kind
        counted = self.known.found.contacts[kind]
        in_stage = column(self.known.found.columns[policy.on], PROFILE)
        for stage, limits in policy.stages.items():
            ceiling = limits.bounds(kind)[1]
            if ceiling is None:
                continue
            reached = all_of(
                [
                    exp.EQ(this=in_stage.copy(), expression=exp.Literal.string(stage)),
                    exp.GTE(this=column(counted, PROFILE), expression=number(ceiling)),
                ]
            )
            text = self.experiment.words.say(
                _PACKAGE,
                "rules.ceiling",
                stage=stage,
                kind=self.experiment.words.say(_PACKAGE, f"rules.{kind}"),
                max=ceiling,
                days=limits.days,
            )
            at = ("audience", "contact_policy", "stages", stage)
            yield Rule("contact_caps", at, text, coalesce(reached, exp.false()), (policy.on,), counted)


def _listed(experiment: Experiment, lists: Lists, files: Sequence[str]) -> exp.Select:
    """Each member of any of the lists once, with a column for each list that is NULL where the member is not on it."""
    found: list[exp.Select] = []
    for place, _ in enumerate(files):
        keys = open_member_list(experiment, lists, place).members(experiment)
        found.append(keys.select(named(number(place), "place")))
    together: exp.Query = found[0] if len(found) == 1 else exp.union(*found, distinct=False)
    flags = [
        named(
            exp.Max(this=when(exp.EQ(this=column("place"), expression=number(place)), number(1))),
            _on_list(place),
        )
        for place, _ in enumerate(files)
    ]
    return exp.select(column("member"), *flags).from_(together.subquery("lists")).group_by(column("member"))


def _on_list(place: int) -> str:
    return f"list_{place}"


def _distinct(queries: list[exp.Select]) -> exp.Select:
    together: exp.Query = queries[0] if len(queries) == 1 else exp.union(*queries, distinct=False)
    return exp.select(column("member")).distinct().from_(together.subquery("lists"))
