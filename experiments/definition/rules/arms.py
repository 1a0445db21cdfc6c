"""Arms: a product of factors or a list of offers, ids that cannot be confused, shares that add to 1 exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from experiments.definition.arms import CONTROL, Arm, Arms
from experiments.definition.draft import Draft, Problem
from experiments.definition.suggest import choose

_NEARLY = Fraction(1, 20)
"""Shares this near to equal ones were meant to be equal."""


def check_arms(draft: Draft) -> Iterator[Problem]:
    """The rules of the `arms` block; they need the whole block."""
    if draft.arms is None or not draft.sound("arms"):
        return
    arms = draft.arms
    kind = list(_check_kind(arms))
    yield from kind
    if not kind:
        yield from _check_channels(arms)
        # Shares add up only over the arms that are meant, each with a share.
        unclear = [*_check_ids(arms), *_check_own_shares(arms)]
        yield from unclear or _check_sum(arms)


def _check_kind(arms: Arms) -> Iterator[Problem]:
    if arms.factors is None and arms.offers is None:
        yield Problem(
            ("arms",),
            "there are neither `factors` nor `offers`",
            "add `offers` with one entry for each offer",
        )
    elif arms.factors is not None and arms.offers is not None:
        yield Problem(("arms", "offers"), "stands beside `factors`", "keep one of the two")
    elif arms.offers is not None and not arms.offers:
        yield Problem(("arms", "offers"), "has no offer", "add at least one")
    elif arms.factors is not None and not arms.factors:
        yield Problem(("arms", "factors"), "has no factor", "add at least one")
    for factor, levels in (arms.factors or {}).items():
        if not levels:
            yield Problem(("arms", "factors", factor), "has no level", "add at least one")
    if arms.omit and arms.factors is None:
        yield Problem(
            ("arms", "omit"), "has no meaning for a plain list", "delete the offer from `offers` instead"
        )


def _check_ids(arms: Arms) -> Iterator[Problem]:
    where = "factors" if arms.factors is not None else "offers"
    every = Arms.model_construct(control=arms.control, factors=arms.factors, offers=arms.offers).resolved[1:]
    ids = [arm.id for arm in every]
    for arm, times in Counter(ids).items():
        if times > 1:
            yield Problem(("arms", where), f"two arms have the id `{arm}`", "rename a level")
    folded = Counter(arm.casefold() for arm in {*ids})
    for arm in dict.fromkeys(ids):
        if arm.casefold() == CONTROL:
            yield Problem(
                _place(arms, arm), f"the id `{arm}` belongs to the arm without contact", "rename it"
            )
        elif folded[arm.casefold()] > 1:
            yield Problem(
                _place(arms, arm), f"`{arm}` differs from another arm by capitals only", "rename it"
            )
    for index, arm in enumerate(arms.omit):
        if arm not in ids:
            yield Problem(("arms", "omit", index), f"there is no arm `{arm}`", choose(arm, ids, "arm"))
        elif arm in arms.omit[:index]:
            yield Problem(("arms", "omit", index), f"`{arm}` stands twice", "delete one of them")
    if ids and not set(ids) - set(arms.omit):
        yield Problem(("arms", "omit"), "leaves no arm but control", "keep at least one arm")


def _place(arms: Arms, arm: str) -> tuple[str, ...]:
    return ("arms", "offers", arm) if arms.offers is not None else ("arms", "factors")


def _check_channels(arms: Arms) -> Iterator[Problem]:
    factors = arms.factors or {}
    naming = [factor for factor, levels in factors.items() if any(level.channel for level in levels.values())]
    for factor in naming[1:]:
        yield Problem(
            ("arms", "factors", factor),
            f"names channels, and so does the factor `{naming[0]}`",
            "an arm has one channel: name channels in one factor",
        )


def _check_own_shares(arms: Arms) -> Iterator[Problem]:
    if arms.factors is not None:
        if arms.share_each is None:
            yield Problem(("arms",), "there is no `share_each`", f"add `share_each: {_fitting(arms)}`")
        return
    for name, offer in (arms.offers or {}).items():
        if offer.share is None and arms.share_each is None:
            yield Problem(("arms", "offers", name), "has no `share`", "add one, such as `share: 1/3`")
        elif offer.share is not None and arms.share_each is not None:
            yield Problem(
                ("arms", "offers", name, "share"), "stands beside `share_each`", "keep one of the two"
            )


def _check_sum(arms: Arms) -> Iterator[Problem]:
    total = sum((arm.share for arm in arms.resolved), start=Fraction(0))
    if total == 1:
        return
    difference = f"{1 - total} is missing" if total < 1 else f"{total - 1} is too much"
    count = len(arms.resolved)
    remedy = "correct them; shares add to 1 exactly"
    if arms.share_each is not None:
        remedy = f"write `share_each: {_fitting(arms)}`, or another control share"
    elif all(abs(arm.share * count - 1) < _NEARLY for arm in arms.resolved):
        remedy = f"write 1/{count} for each"
    key = ("arms", "share_each") if arms.share_each is not None else ("arms", "control", "share")
    yield Problem(key, f"the shares of {count} arms add to {_plain(total)}: {difference}", remedy)


def _fitting(arms: Arms) -> Fraction:
    offers: tuple[Arm, ...] = arms.resolved[1:]
    return (1 - arms.control.share) / max(len(offers), 1)


def _plain(share: Fraction) -> str:
    return f"{share} ({float(share):.10g})"
