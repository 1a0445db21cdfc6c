"""What a plan can detect, as charts and a table: by the size of the audience and by the days of sending."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.documents.design import CurvePoint, Design
from experiments.experiment import Experiment
from reports.curves import Curve, draw_curve
from reports.narrator import Narrator
from reports.tables import Column, Table, absent, row, words

_ROWS = 8


def detectable_curves(narrator: Narrator, design: Design) -> tuple[Curve, ...]:
    """The curve by members, and the one by days where a send is planned over several."""
    say, numbers = narrator.say, narrator.numbers
    metric = narrator.metric(design.metric)
    facts = {"metric": metric, "power": numbers.level(design.power)}
    members = Curve(
        name="detectable-members",
        title=say("curve.members", **facts),
        summary=say(
            "curve.summary",
            **facts,
            first=_told(narrator, design, design.curve_by_members, 0),
            last=_told(narrator, design, design.curve_by_members, -1),
        ),
        points=[(float(point.members), abs(point.detectable_effect)) for point in design.curve_by_members],
        x_tick=lambda value: numbers.count(round(value)),
        y_tick=lambda value: _effect(narrator, design, value),
        x_title=say("column.members"),
        at=(float(design.audience), say("curve.planned")),
        level=_level(narrator, design),
    )
    if len(design.curve_by_days) < 2:
        return (members,)
    days = [(float(point.day or 0), abs(point.detectable_effect)) for point in design.curve_by_days]
    by_days = Curve(
        name="detectable-days",
        title=say("curve.days", **facts),
        summary=say(
            "curve.summary",
            **facts,
            first=_told(narrator, design, design.curve_by_days, 0),
            last=_told(narrator, design, design.curve_by_days, -1),
        ),
        points=days,
        x_tick=lambda value: say("plan.days", days=f"{value:g}"),
        y_tick=members.y_tick,
        x_title=say("curve.day"),
        at=(float(design.duration_days), say("curve.planned")),
        level=members.level,
    )
    return members, by_days


def draw_detectable(experiment: Experiment, design: Design) -> str:
    """The curve by members as an SVG file; empty where nothing is known."""
    first, *_ = detectable_curves(Narrator.of(experiment), design)
    return draw_curve(first, alone=True)


def detectable_table(narrator: Narrator, design: Design) -> Table:
    """A few points of both curves: members, the day they are read, the effect that is found."""
    say = narrator.say
    points = sorted(
        (
            *_thinned(design.curve_by_members, design.audience),
            *_thinned(design.curve_by_days, design.audience),
        ),
        key=lambda point: (point.day is not None, point.members),
    )
    return Table(
        name="detectable",
        title=say("curve.title"),
        about=say("curve.about", power=narrator.numbers.level(design.power)),
        columns=(
            Column(say("column.members")),
            Column(say("curve.day")),
            Column(say("column.detectable")),
        ),
        rows=tuple(
            row(
                [
                    words(narrator.numbers.count(point.members)),
                    absent(say("why.no_day")) if point.day is None else words(str(point.day)),
                    words(_effect(narrator, design, point.detectable_effect)),
                ],
                strong=point.members == design.audience,
            )
            for point in points
        ),
    )


def _thinned(points: Sequence[CurvePoint], planned: int) -> list[CurvePoint]:
    """A few of many points, the last and the planned one among them."""
    step = max(1, -(-len(points) // _ROWS))
    return [
        point for place, point in enumerate(reversed(points)) if place % step == 0 or point.members == planned
    ]


def _level(narrator: Narrator, design: Design) -> tuple[float, str] | None:
    if design.minimum_effect is None:
        return None
    effect = _effect(narrator, design, design.minimum_effect)
    return design.minimum_effect, narrator.say("curve.asked", effect=effect)


def _told(narrator: Narrator, design: Design, points: Sequence[CurvePoint], place: int) -> str:
    if not points:
        return narrator.say("why.no_baseline")
    point = points[place]
    effect = _effect(narrator, design, point.detectable_effect)
    return narrator.say("curve.point", effect=effect, members=narrator.numbers.count(point.members))


def _effect(narrator: Narrator, design: Design, value: float) -> str:
    return narrator.difference(design.metric, value, None, None, sign=False)[0]
