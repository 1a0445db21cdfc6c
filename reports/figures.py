"""Which charts an analysis gets: a forest plot for each metric, and the value in each segment."""

from __future__ import annotations

from collections.abc import Callable

from experiments.documents.analysis import Analysis, Effect
from experiments.numbers import decimals
from reports.charts import Forest, ForestRow
from reports.headline import decisive
from reports.narrator import PER, Narrator


def metric_charts(narrator: Narrator, analysis: Analysis) -> tuple[Forest, ...]:
    """One chart for each metric, arms against control overall.

    The value and the guardrails are drawn as differences (money per thousand members, and the limit as a line); other
    metrics as lift where every arm has one.
    """
    overall = [effect for effect in decisive(analysis) if effect.segment is None]
    goals = narrator.definition.goals
    wanted = [
        goals.value_metric,
        goals.primary.metric,
        *goals.secondary,
        *(r.metric for r in goals.guardrails),
    ]
    charts = []
    for metric in dict.fromkeys(wanted):
        effects = [effect for effect in overall if effect.metric == metric]
        if effects:
            charts.append(_metric_chart(narrator, metric, effects))
    return tuple(charts)


def _metric_chart(narrator: Narrator, metric: str, effects: list[Effect]) -> Forest:
    rail = narrator.guardrail_of(metric)
    is_value = metric == narrator.definition.goals.value_metric
    if not is_value and rail is None and all(effect.lift is not None for effect in effects):
        return _lift_chart(narrator, metric, effects)
    times = PER if is_value else 1
    limit = None
    if rail is not None and rail.limit is not None:
        limit = (rail.limit if rail.better == "down" else -rail.limit) * times
    code = "value" if is_value else "points" if narrator.unit(metric) == "share" else "difference"
    name = narrator.metric(metric)
    return Forest(
        name=f"chart-{metric}",
        title=narrator.say(f"chart.{code}", metric=name),
        summary=_summary(narrator, name, effects),
        rows=tuple(_difference_row(narrator, effect, narrator.arm(effect.arm), times) for effect in effects),
        tick=_tick(narrator, metric, times),
        limit=limit,
        limit_label=narrator.say("chart.limit"),
    )


def segment_chart(narrator: Narrator, analysis: Analysis) -> Forest | None:
    """The value of each arm in each segment; None where there are no segments."""
    value = narrator.definition.goals.value_metric
    found = [e for e in decisive(analysis) if e.metric == value and e.segment is not None]
    if not found:
        return None
    segments = list(dict.fromkeys(effect.segment for effect in found))
    rows = []
    for segment in segments:
        inside = [effect for effect in found if effect.segment == segment]
        for place, effect in enumerate(inside):
            heading = narrator.segment(segment) if place == 0 else ""
            rows.append(_difference_row(narrator, effect, narrator.arm(effect.arm), PER, heading))
    name = narrator.metric(value)
    return Forest(
        name="chart-segments",
        title=narrator.say("chart.segments", metric=name),
        summary=narrator.say("chart.segments_summary", metric=name, segments=len(segments)),
        rows=tuple(rows),
        tick=_tick(narrator, value, PER),
    )


def _difference_row(
    narrator: Narrator, effect: Effect, label: str, times: int, heading: str = ""
) -> ForestRow:
    low, high = effect.difference_low, effect.difference_high
    text, interval = narrator.difference(effect.metric, effect.difference, low, high, times=times)
    return ForestRow(
        label=label,
        figure=_figure(text, interval),
        estimate=effect.difference * times,
        inner=_scaled(low, high, times),
        outer=_scaled(effect.difference_low_adjusted, effect.difference_high_adjusted, times),
        heading=heading,
    )


def _lift_chart(narrator: Narrator, metric: str, effects: list[Effect]) -> Forest:
    rows = []
    for effect in effects:
        assert effect.lift is not None
        cell = narrator.lift_cell(effect)
        inner = _scaled(effect.lift_low, effect.lift_high, 1)
        rows.append(ForestRow(narrator.arm(effect.arm), _figure(cell.text, cell.under), effect.lift, inner))
    name = narrator.metric(metric)
    return Forest(
        name=f"chart-{metric}",
        title=narrator.say("chart.lift", metric=name),
        summary=_summary(narrator, name, effects),
        rows=tuple(rows),
        tick=lambda value: narrator.numbers.share(value, _places(value * 100), sign=True),
    )


def _summary(narrator: Narrator, metric: str, effects: list[Effect]) -> str:
    best = max(effects, key=lambda effect: effect.difference)
    return narrator.say("chart.summary", metric=metric, arms=len(effects), best=narrator.arm(best.arm))


def _tick(narrator: Narrator, metric: str, times: int) -> Callable[[float], str]:
    numbers = narrator.numbers
    if narrator.unit(metric) == "money":
        return lambda value: numbers.money(value, min(_places(value), 4), sign=True)
    if narrator.unit(metric) == "share" and times == 1:
        return lambda value: numbers.number(100 * value, _places(100 * value), sign=True)
    return lambda value: numbers.number(value, _places(value), sign=True)


def _places(value: float) -> int:
    """Decimals of a round tick label: as many as its leading two digits need."""
    shown = decimals(value, significant=2)
    return shown - 1 if shown and abs(round(value, shown - 1) - value) < 1e-9 else shown


def _figure(text: str, interval: str) -> str:
    return f"{text} ({interval})" if interval else text


def _scaled(low: float | None, high: float | None, times: int) -> tuple[float, float] | None:
    return None if low is None or high is None else (low * times, high * times)
