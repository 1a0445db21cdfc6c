"""Curves: what the weakest comparison can detect, by the size of the audience and by the days of sending."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from experiments.design.accrual import Accrual
from experiments.design.plan import Plan
from experiments.documents.design import CurvePoint
from experiments.measurement.windows import longest_window

_POINTS = 24
_MOST_BEYOND = 20
"""A curve reaches as far as the members that are needed, but at most this many times those who are eligible."""


def curve_by_members(plan: Plan, eligible: int) -> tuple[CurvePoint, ...]:
    """The detectable effect in even steps of the audience, up to everybody eligible or as many as are needed.

    The planned audience is one of the points. Empty where the baseline says nothing of the metric's variance.

    Args:
        plan: Shares, metric, level, power and looks.
        eligible: Members who may enter.
    """
    needed = plan.members_needed() or 0
    furthest = max(eligible, plan.total, needed if needed <= _MOST_BEYOND * eligible else 0)
    sizes = {round(furthest * step / _POINTS) for step in range(1, _POINTS + 1)} | {plan.total}
    return _points(plan, [(members, None) for members in sorted(sizes)])


def curve_by_days(plan: Plan, eligible: int, accrual: Accrual | None = None) -> tuple[CurvePoint, ...]:
    """The detectable effect of reading after each day of sending, once the windows of the members reached by then have closed.

    Each send day reaches the same part of the planned audience, as sends are spread; after the last planned day, sending
    would go on daily at that pace until everybody eligible is reached. In a triggered journey each day of entry brings as many
    members as the day of the design. Empty where no send is planned.

    Args:
        plan: As for the audience.
        eligible: Members who may enter.
        accrual: How members enter a triggered journey; None where all enter by one snapshot.
    """
    send, window = plan.definition.send, longest_window(plan.definition)
    if accrual is not None:
        after = (send.after_days or 0) if send else 0
        days = range(1, accrual.days + 1)
        entered = [(min(plan.total, accrual.per_day * day), day + after + window) for day in days]
        # As many points as the other curve has, the last day among them.
        return _points(plan, entered[:: -max(1, math.ceil(len(entered) / _POINTS))][::-1])
    if send is None or not send.days or not plan.total:
        return ()
    return _points(plan, _sent(plan.total, sorted(set(send.days)), eligible, window))


def _sent(planned: int, days: list[date], eligible: int, window: int) -> list[tuple[int, int]]:
    """Members reached after each send day, and the day on which their windows have closed."""
    pace = planned / len(days)
    reached = [
        (round(pace * number), (day - days[0]).days + 1 + window) for number, day in enumerate(days, start=1)
    ]
    members, last = reached[-1]
    while members < eligible and len(reached) < len(days) + _POINTS:
        members, last = min(eligible, round(members + pace)), last + 1
        reached.append((members, last))
    return reached


def _points(plan: Plan, sizes: Sequence[tuple[int, int | None]]) -> tuple[CurvePoint, ...]:
    found = ((members, day, plan.detectable(members)) for members, day in sizes)
    return tuple(CurvePoint(members, day, effect) for members, day, effect in found if effect is not None)
