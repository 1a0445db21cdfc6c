"""Looks: whether the data may be read now, and by which bounds, as the definition plans it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from experiments.assignment.entry import is_entry_over
from experiments.decision.look_ledger import LookBook, LookPlan
from experiments.definition.design import FixedLooks, GroupSequentialLooks
from experiments.definition.model import Definition
from experiments.documents.analysis import LookTaken
from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.comparison import Comparison
from experiments.inference.corrections import interval_level
from experiments.inference.looks import AnytimeComparison, GroupSequentialBounds, RepeatedComparison
from experiments.inference.sequential import nominal_level
from experiments.language import ENGLISH, Words
from experiments.measurement.measurement import Measurement
from experiments.refusals import refusal

NEAR = 0.02
"""A planned look is due from this much information before its fraction; it spends what was reached, not what was planned."""

LEAST_STEP = 0.01
"""Information that an unplanned look must add to the last one."""

_SAME = 0.001
"""Looks this near in information read the same data but for a few members: at the end they are one."""


@dataclass(frozen=True)
class Look:
    """A look that is due: what it reads and by which bounds.

    Attributes:
        number: Looks count from 1.
        information: Fraction of the information at each look so far, this one the last.
        matured: Arm to its members whose window has closed.
        plan: The looks as the definition plans them.
        planned: Arm to its planned members, fixed by the first look.
        final: Whether no look follows.
        at: When it was first taken.
        earlier: The looks before it.
    """

    number: int
    information: tuple[float, ...]
    matured: Mapping[str, int]
    plan: LookPlan
    planned: Mapping[str, float]
    final: bool
    at: datetime
    earlier: tuple[LookTaken, ...] = ()

    @property
    def is_only(self) -> bool:
        """Whether a group-sequential design came to its end with this one look, which is then a fixed test."""
        return self.bounds is not None and self.final and self.number == 1

    @cached_property
    def bounds(self) -> GroupSequentialBounds | None:
        """The bounds of a group-sequential look; None in an always-valid design."""
        if self.plan.spending is None:
            return None
        return GroupSequentialBounds(self.information, self.plan.spending, self.final)

    def read(self, comparison: Comparison, arm: str, versus: str, events: int) -> Comparison:
        """A comparison with the p-values and the intervals of this look.

        Args:
            comparison: The ordinary one, of the members whose window has closed.
            arm: The arm.
            versus: The arm that it is compared with.
            events: Non-zero values of both.
        """
        if self.bounds is not None:
            return RepeatedComparison(comparison, self.bounds)
        planned = self.planned[arm] + self.planned[versus]
        return AnytimeComparison(comparison, planned, self.plan.alpha, events)

    def taken(self, definition: Definition) -> LookTaken:
        """The look as its ledger keeps it; the bound is that of one comparison of the overall family."""
        bound = self._bound(definition)
        return LookTaken(
            number=self.number,
            taken_at=self.at.isoformat(),
            information=self.information[-1],
            matured=dict(self.matured),
            final=self.final,
            bound=bound if bound < float("inf") else None,
            nominal_level=nominal_level(bound),
            alpha_spent=self.bounds.spent(self.plan.alpha) if self.bounds else None,
            definition_sha256=definition.origin.sha256,
        )

    def _bound(self, definition: Definition) -> float:
        correction, alpha = definition.design.correction, definition.design.alpha
        # The definition's rules leave no other corrections to a design that looks more than once.
        assert correction != "dunnett"
        each = interval_level(correction, alpha, len(definition.offer_arms)).alpha
        if self.bounds is not None:
            return self.bounds.bound(each)
        return ConfidenceSequence(0.0, 1.0, self.information[-1], 1.0, alpha).critical(each)


@dataclass(frozen=True)
class NotDue:
    """No look is due: how much information there is, and at how much the next look is planned.

    Attributes:
        information: The fraction reached, the least over the arms.
        next_at: The next planned fraction; None where any further information would do.
        earlier: The looks that were taken.
    """

    information: float
    next_at: float | None
    earlier: tuple[LookTaken, ...]


def find_look(
    definition: Definition,
    measurement: Measurement,
    book: LookBook | None,
    now: datetime,
    words: Words = ENGLISH,
) -> Look | NotDue | None:
    """The look that may be taken of what is measured now; None for a fixed design, which has no ledger of looks.

    Group-sequential: a look is due when a planned fraction has been reached since the last look, and at the end, when
    every window has closed and nobody is to be added. It spends by its own information, so that late looks, early ones and
    an end short of the plan pay their price. In between, `unplanned: refuse` shows nothing and spends nothing, and
    `unplanned: spend` takes the look. Always valid: any moment with information. A look at members that were looked
    at before is that look again, and spends nothing.

    Args:
        definition: How often the data may be read.
        measurement: The members whose windows have closed.
        book: The looks that were taken; None before the first.
        now: When the look is taken.
        words: The user's language, for what is refused.

    Raises:
        RefusedError: The looks so far were taken by another plan, at more information than there is now, or the last
            one was the final one.
    """
    if isinstance(definition.design.looks, FixedLooks):
        return None
    plan = LookPlan.of(definition)
    _require_same_plan(definition, plan, book, words)
    planned = planned_by_arm(definition, measurement) if book is None else book.planned
    matured = {arm: measurement.members(arm) for arm in planned}
    information = min(matured[arm] / planned[arm] if planned[arm] > 0 else 0.0 for arm in planned)
    past = () if book is None else book.looks
    final = _is_final(definition, measurement, planned, information, now)
    again = next((look for look in reversed(past) if dict(look.matured) == matured), None)
    if again is not None and again.final >= final:
        earlier, taken_at = past[: again.number - 1], datetime.fromisoformat(again.taken_at)
        path = _path(earlier, again.information)
        return Look(again.number, path, matured, plan, planned, again.final, taken_at, earlier)
    _require_open(definition, past, information, words)
    if information <= 0 or not _is_due(definition, past, information, final=final):
        return NotDue(information, _next_planned(definition, information), past)
    path = _path(past, information)
    return Look(len(past) + 1, path, matured, plan, planned, final, now, past)


def look_already_taken(
    definition: Definition,
    measurement: Measurement,
    book: LookBook | None,
    now: datetime,
    words: Words = ENGLISH,
) -> Look | None:
    """The look at what is measured that `analyze` took; None for a fixed design.

    Raises:
        RefusedError: These members were not looked at: a look is taken, and paid for, by `analyze` alone.
    """
    look = find_look(definition, measurement, book, now, words)
    if look is None:
        return None
    if book is not None and isinstance(look, Look) and look.number <= len(book.looks):
        return look
    file = definition.origin.path
    raise refusal(words, "not_looked_at", experiment=definition.id, file=file)


def planned_by_arm(definition: Definition, measurement: Measurement) -> dict[str, float]:
    """Arm to its planned members: its share of the sample, or where none is planned those assigned at the first look."""
    size = definition.assignment.sample_size
    if size is None:
        return {arm.id: float(measurement.assigned_to(arm.id)) for arm in definition.all_arms}
    return {arm.id: float(size * arm.share) for arm in definition.all_arms}


def _is_final(
    definition: Definition,
    measurement: Measurement,
    planned: Mapping[str, float],
    information: float,
    now: datetime,
) -> bool:
    """Everything planned is in; or every window has closed and nobody can be added: the sample is full, or the last send or entry day over."""
    if information >= 1:
        return True
    if measurement.window.is_open:
        return False
    assigned = sum(measurement.assigned_to(arm) for arm in planned)
    full = assigned >= round(sum(planned.values()))
    if definition.audience.is_daily:
        return is_entry_over(definition, assigned, now)
    send = definition.send
    return full or (send is not None and now.astimezone(definition.zone).date() > max(send.days))


def _path(earlier: tuple[LookTaken, ...], information: float) -> tuple[float, ...]:
    """The information of every look; where the end turns out to be at the last look's own, the two are one."""
    before = (look.information for look in earlier if look.information < information - _SAME)
    return (*before, information)


def _is_due(definition: Definition, past: tuple[LookTaken, ...], information: float, *, final: bool) -> bool:
    looks = definition.design.looks
    if final or not isinstance(looks, GroupSequentialLooks):
        return True
    since = past[-1].information if past else 0.0
    if looks.unplanned == "spend":
        return information >= since + LEAST_STEP
    reached = [at for at in looks.at[:-1] if at <= information + NEAR]
    return bool(reached) and information > since and (not past or reached[-1] > since + NEAR)


def _next_planned(definition: Definition, information: float) -> float | None:
    looks = definition.design.looks
    if not isinstance(looks, GroupSequentialLooks) or looks.unplanned == "spend":
        return None
    return next((at for at in looks.at if at > information + NEAR), 1.0)


def _require_same_plan(definition: Definition, plan: LookPlan, book: LookBook | None, words: Words) -> None:
    if book is None or book.plan == plan:
        return
    place = definition.origin.place(("design", "looks"))
    changed = ", ".join(plan.differing(book.plan))
    where = f"{place.file}:{place.line}"
    raise refusal(words, "other_look_plan", place=where, looks=len(book.looks), keys=changed)


def _require_open(
    definition: Definition, past: tuple[LookTaken, ...], information: float, words: Words
) -> None:
    """Refuse a look after the final one, and one at less information than was looked at already."""
    if not past or not isinstance(definition.design.looks, GroupSequentialLooks):
        return
    last = past[-1]
    facts = {"look": last.number, "experiment": definition.id}
    if last.final:
        raise refusal(words, "after_final_look", [facts])
    if information < last.information:
        read = {"read": f"{last.information:.1%}", "now": f"{information:.1%}"}
        raise refusal(words, "less_than_last_look", [{**facts, **read}])
