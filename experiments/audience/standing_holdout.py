"""The standing holdout on a day: a window of all hashes, which stays where it is or moves on as its plan says.

Each member stands at v, the first 13 digits of `md5(salt | holdout | key)` over 16^13, for ever. The holdout of epoch e is the
window of width `share` that begins at e x share x part, on a circle on which 1 is 0 again. So each epoch releases the part that
the window leaves behind, and holds out as many members ahead of it; nothing but salt, key and day decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from sqlglot import exp

from experiments.assignment.draws import bound, leading
from experiments.definition.holdout import Holdout
from experiments.engines.protocol import Engine
from experiments.queries import all_of


@dataclass(frozen=True)
class HoldoutWindow:
    """The hashes that are held out on a day.

    Attributes:
        epoch: The number of the epoch, from 0; the first one also stands before its plan begins.
        since: The day on which the window began to stand here; None before the plan begins, or without one.
        begins: Where it begins, in [0, 1).
        share: Its width.
    """

    epoch: int
    since: date | None
    begins: Fraction
    share: Fraction

    @property
    def ranges(self) -> tuple[tuple[str, str], ...]:
        """The first 13 digits that are held out, from (inclusive) and until (exclusive); two ranges where it spans 0.

        The end of all digits is written `10000000000000`, which has one digit more than any of them.
        """
        ends = self.begins + self.share
        if ends <= 1:
            return ((bound(self.begins), bound(ends)),)
        return ((bound(Fraction(0)), bound(ends - 1)), (bound(self.begins), bound(Fraction(1))))

    def holds(self, engine: Engine, digits: exp.Expr) -> exp.Expr:
        """Whether a hash is held out."""
        first = engine.collated(leading(digits))
        lowest, highest = bound(Fraction(0)), bound(Fraction(1))
        within = []
        for low, high in self.ranges:
            ends: list[exp.Expr] = []
            if low != lowest:
                ends.append(exp.GTE(this=first.copy(), expression=exp.Literal.string(low)))
            if high != highest:
                ends.append(exp.LT(this=first.copy(), expression=exp.Literal.string(high)))
            within.append(ends[0] if len(ends) == 1 else all_of(ends))
        return within[0] if len(within) == 1 else exp.paren(exp.or_(*within))


def holdout_window(holdout: Holdout, day: date) -> HoldoutWindow:
    """The window of a day.

    >>> from experiments.definition.holdout import Refresh
    >>> moves = Refresh(from_=date(2026, 1, 1), every_days=90, part=Fraction(1, 4))
    >>> later = holdout_window(Holdout(share=Fraction(1, 10), salt="s", refresh=moves), date(2026, 8, 1))
    >>> later.epoch, later.since, str(later.begins)
    (2, datetime.date(2026, 6, 30), '1/20')
    """
    plan = holdout.refresh
    if plan is None or day < plan.from_:
        return HoldoutWindow(0, None, Fraction(0), holdout.share)
    epoch = (day - plan.from_).days // plan.every_days
    since = plan.from_ + timedelta(days=epoch * plan.every_days)
    return HoldoutWindow(epoch, since, epoch * holdout.share * plan.part % 1, holdout.share)
