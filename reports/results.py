"""The tables of an analysis beside its money: effects, comparisons of arms, guardrails, segments, factors and odds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from experiments.documents.analysis import (
    Analysis,
    Bayes,
    ComparisonWithBest,
    Effect,
    FactorialTerm,
    GuardrailResult,
    SegmentHeterogeneity,
    SegmentRow,
    WinnerCorrected,
)
from reports.headline import decisive
from reports.narrator import PER, Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words


def effects_table(narrator: Narrator, analysis: Analysis, *, by_segment: bool) -> Table:
    """Every effect that the decision could read: overall, or within segments."""
    rows = [e for e in decisive(analysis) if (e.segment is not None) == by_segment]
    name = "effects_by_segment" if by_segment else "effects"
    return _effect_rows(narrator, name, _in_order(narrator, rows))


def unadjusted_table(narrator: Narrator, analysis: Analysis) -> Table:
    """The unadjusted overall effects that stand beside adjusted ones, so that both can be read."""
    adjusted = {(e.metric, e.arm) for e in analysis.adjusted_effects if e.segment is None}
    rows = [e for e in analysis.effects if e.segment is None and (e.metric, e.arm) in adjusted]
    return _effect_rows(narrator, "unadjusted", _in_order(narrator, rows))


def comparisons_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Every pair of arms that were both contacted."""
    return _effect_rows(narrator, "comparisons", _in_order(narrator, analysis.arm_comparisons))


def _in_order(narrator: Narrator, effects: Iterable[Effect]) -> list[Effect]:
    goals = narrator.definition.goals
    first = [
        goals.value_metric,
        goals.primary.metric,
        *goals.secondary,
        *(rail.metric for rail in goals.guardrails),
    ]
    places = {metric: place for place, metric in reversed(list(enumerate(first)))}
    return sorted(effects, key=lambda effect: places.get(effect.metric, len(first)))


def _effect_rows(narrator: Narrator, name: str, effects: Sequence[Effect]) -> Table:
    say = narrator.say
    segments = (
        [Column(say("column.segment"), align="left")] if any(e.segment is not None for e in effects) else []
    )
    return Table(
        name=name,
        title=say(f"{name}.title"),
        about=say(f"{name}.about"),
        columns=(
            Column(say("column.metric"), align="left"),
            *segments,
            Column(say("column.arm_against"), align="left"),
            Column(say("column.mean_arm")),
            Column(say("column.mean_versus")),
            Column(say("column.difference", level=narrator.level)),
            Column(say("column.lift", level=narrator.level)),
            Column(say("column.p_value")),
            Column(say("column.p_adjusted")),
            Column(say("column.interval_adjusted")),
            Column(say("column.method"), align="left"),
        ),
        rows=tuple(_effect_row(narrator, effect, with_segment=bool(segments)) for effect in effects),
    )


def _effect_row(narrator: Narrator, effect: Effect, *, with_segment: bool) -> Row:
    low, high = effect.difference_low_adjusted, effect.difference_high_adjusted
    _, interval = narrator.difference(effect.metric, effect.difference, low, high)
    no_bound, no_test = narrator.say("why.no_interval"), narrator.say("why.no_variance")
    adjustment = narrator.say_or(f"adjustment.{effect.interval_adjustment}", effect.interval_adjustment)
    versus = narrator.say("name.against", arm=narrator.arm(effect.versus))
    return row(
        [
            words(narrator.metric(effect.metric), narrator.say(f"role.{effect.role}")),
            *([words(narrator.segment(effect.segment))] if with_segment else []),
            words(narrator.arm(effect.arm), versus),
            narrator.mean(effect.metric, effect.mean_arm),
            narrator.mean(effect.metric, effect.mean_versus),
            narrator.difference_cell(effect),
            narrator.lift_cell(effect),
            narrator.p_cell(effect.p_value, no_test),
            narrator.p_cell(effect.p_value_adjusted, no_test),
            Cell(interval, adjustment) if interval else absent(no_bound),
            words(narrator.method(effect.method)),
        ]
    )


def with_best_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Each offer against the best of the others: which may still be the best."""
    say = narrator.say
    return Table(
        name="with_best",
        title=say("with_best.title"),
        about=say("with_best.about", level=narrator.level),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.arm"), align="left"),
            Column(say("column.from_best", level=narrator.level)),
            Column(say("column.result"), align="left"),
        ),
        rows=tuple(_with_best_row(narrator, line) for line in analysis.with_best),
    )


def _with_best_row(narrator: Narrator, line: ComparisonWithBest) -> Row:
    text, interval = narrator.difference(line.metric, line.difference, line.low, line.high)
    result = "best" if line.is_best else "may_be" if line.may_be_best else "not_best"
    return row(
        [
            words(narrator.metric(line.metric)),
            narrator.arm_cell(line.arm),
            Cell(text, interval or narrator.say("why.no_interval")),
            words(narrator.say(f"with_best.{result}")),
        ]
    )


def guardrails_table(
    narrator: Narrator,
    results: Sequence[GuardrailResult],
    name: Literal["guardrails", "ramp_guardrails"] = "guardrails",
) -> Table:
    """Each guardrail for each arm, of a test or of a ramp: the limit, what was seen, and whether harm within the limit is ruled out."""
    say = narrator.say
    return Table(
        name=name,
        title=say(f"{name}.title"),
        about=say(f"{name}.about"),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.arm"), align="left"),
            Column(say("column.limit")),
            Column(say("column.seen")),
            Column(say("column.bound")),
            Column(say("column.p_value")),
            Column(say("column.result"), align="left"),
        ),
        rows=tuple(_guardrail_row(narrator, result) for result in results),
    )


def _guardrail_row(narrator: Narrator, result: GuardrailResult) -> Row:
    why = narrator.say("why.no_bound")
    far = (abs(seen - result.limit) for seen in (result.difference, result.bound) if seen is not None)
    nearest = min(filter(None, far), default=None)

    def written(value: float | None) -> Cell:
        """With decimals that tell the figure nearest to the limit from it, the same in the whole row."""
        if value is None:
            return absent(why)
        if result.relative:
            return Cell(narrator.numbers.share(value, sign=True))
        beyond = None if nearest is None else value + nearest
        return Cell(narrator.difference(result.metric, value, value, beyond)[0])

    return row(
        [
            words(narrator.metric(result.metric)),
            narrator.arm_cell(result.arm),
            written(result.limit),
            written(result.difference),
            written(result.bound),
            narrator.p_cell(result.p_value, narrator.say("why.no_variance")),
            Cell(narrator.say(f"guardrail_status.{result.status}"), status=result.status),
        ]
    )


def heterogeneity_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Whether each arm's effect differs between segments at all."""
    say = narrator.say
    return Table(
        name="heterogeneity",
        title=say("heterogeneity.title"),
        about=say("heterogeneity.about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.metric"), align="left"),
            Column(say("column.q")),
            Column(say("column.p_heterogeneity")),
        ),
        rows=tuple(_heterogeneity_row(narrator, group) for group in analysis.segments),
    )


def _heterogeneity_row(narrator: Narrator, group: SegmentHeterogeneity) -> Row:
    why = narrator.say("why.no_heterogeneity")
    return row(
        [
            narrator.arm_cell(group.arm),
            words(narrator.metric(group.metric)),
            narrator.number_cell(group.heterogeneity_q, why),
            narrator.p_cell(group.p_value, why),
        ]
    )


def segments_table(narrator: Narrator, analysis: Analysis) -> Table:
    """An arm's effect in each segment: as estimated, and drawn towards the arm's mean effect."""
    say = narrator.say
    return Table(
        name="segments",
        title=say("segments.title"),
        about=say("segments.about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.segment"), align="left"),
            Column(say("column.estimated")),
            Column(say("column.shrunken", level=narrator.level)),
        ),
        rows=tuple(_segment_row(narrator, group, line) for group in analysis.segments for line in group.rows),
    )


def _segment_row(narrator: Narrator, group: SegmentHeterogeneity, line: SegmentRow) -> Row:
    estimated, _ = narrator.difference(group.metric, line.difference, line.low, line.high, times=PER)
    return row(
        [
            words(narrator.arm(group.arm), narrator.metric(group.metric)),
            words(line.segment),
            words(estimated),
            Cell(*narrator.difference(group.metric, line.shrunken, line.low, line.high, times=PER)),
        ]
    )


def winner_table(narrator: Narrator, analysis: Analysis) -> Table:
    """The winner's value, corrected for having been chosen."""
    say = narrator.say
    return Table(
        name="winner",
        title=say("winner.title"),
        about=say("winner.about"),
        columns=(
            Column(say("column.segment"), align="left"),
            Column(say("column.arm"), align="left"),
            Column(say("column.metric"), align="left"),
            Column(say("column.naive")),
            Column(say("column.corrected", level=narrator.level)),
            Column(say("column.method"), align="left"),
        ),
        rows=tuple(_winner_row(narrator, line) for line in analysis.winner_corrected),
    )


def _winner_row(narrator: Narrator, line: WinnerCorrected) -> Row:
    naive, _ = narrator.difference(line.metric, line.naive, line.low, line.high, times=PER)
    return row(
        [
            words(narrator.segment(line.segment)),
            narrator.arm_cell(line.arm),
            words(narrator.metric(line.metric)),
            words(naive),
            Cell(*narrator.difference(line.metric, line.corrected, line.low, line.high, times=PER)),
            words(narrator.method(line.method)),
        ]
    )


def factorial_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Main effects of the factors' levels, and their interactions."""
    say = narrator.say
    return Table(
        name="factorial",
        title=say("factorial.title"),
        about=say("factorial.about"),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.term"), align="left"),
            Column(say("column.difference", level=narrator.level)),
            Column(say("column.p_value")),
            Column(say("column.p_adjusted")),
        ),
        rows=tuple(_factorial_row(narrator, term) for term in analysis.factorial),
    )


def _factorial_row(narrator: Narrator, term: FactorialTerm) -> Row:
    no_test = narrator.say("why.no_variance")
    effect = absent(narrator.say("why.joint_test", degrees=term.degrees))
    if term.estimate is not None:
        effect = Cell(*narrator.difference(term.metric, term.estimate, term.low, term.high))
    return row(
        [
            words(narrator.metric(term.metric)),
            _term_cell(narrator, term.term),
            effect,
            narrator.p_cell(term.p_value, no_test),
            narrator.p_cell(term.p_value_adjusted, no_test),
        ]
    )


def _term_cell(narrator: Narrator, term: str) -> Cell:
    """A factor, with the levels of which the one is taken from the other; or factors that depend on each other."""
    factors = narrator.definition.arms.factors or {}
    pair = [level.split(":", 1) for level in term.split(" - ")]
    if len(pair) == 2:
        factor, levels = pair[0][0], [level for _, level in pair]
    else:
        factor, levels = term, list(factors.get(term, {}))
    if factor not in factors or len(levels) != 2:
        return words(term.replace(":", " × "))
    first, second = (factors[factor][level].label or level for level in levels)
    return words(factor, f"{first} − {second}")


def odds_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Posterior odds, beside the test and not instead of it."""
    say = narrator.say
    return Table(
        name="odds",
        title=say("odds.title"),
        about=say("odds.about"),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.arm"), align="left"),
            Column(say("column.probability_best")),
            Column(say("column.probability_better")),
            Column(say("column.expected_loss")),
            Column(say("column.prior"), align="left"),
            Column(say("column.posterior", level=narrator.level)),
        ),
        rows=tuple(_odds_row(narrator, line) for line in analysis.bayes),
    )


def _odds_row(narrator: Narrator, line: Bayes) -> Row:
    return row(
        [
            words(narrator.metric(line.metric)),
            narrator.arm_cell(line.arm),
            words(narrator.numbers.share(line.probability_best, 1)),
            words(narrator.numbers.share(line.probability_better_than_control, 1)),
            narrator.mean(line.metric, line.expected_loss),
            words(_prior(narrator, line)),
            _posterior(narrator, line),
        ]
    )


def _prior(narrator: Narrator, line: Bayes) -> str:
    """The prior of the difference, as the definition states it."""
    if line.prior_mean is None or line.prior_sd is None:
        return narrator.say("prior.flat")
    mean, _ = narrator.difference(line.metric, line.prior_mean, None, None)
    deviation, _ = narrator.difference(line.metric, line.prior_sd, None, None, sign=False)
    return narrator.say("prior.normal", mean=mean, deviation=deviation)


def _posterior(narrator: Narrator, line: Bayes) -> Cell:
    """The posterior of the difference with its credible interval."""
    if line.posterior_mean is None:
        return absent(narrator.say("why.no_posterior"))
    return Cell(*narrator.difference(line.metric, line.posterior_mean, line.low, line.high))
