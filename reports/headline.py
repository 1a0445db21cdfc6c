"""The first screen: the verdict in one sentence of money, what to do next, and who gets which offer."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.definition.arms import CONTROL
from experiments.documents.analysis import Analysis, Effect, Money, VerdictStatus
from reports.narrator import PER, Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words


@dataclass(frozen=True)
class Tile:
    """One figure of the first screen: what it is, the figure, and a quieter line."""

    label: str
    figure: str
    under: str


@dataclass(frozen=True)
class Headline:
    """What a director reads first.

    Attributes:
        status: The verdict.
        label: The verdict in two or three words.
        sentence: The verdict in one sentence, with the value and its interval where they may be shown.
        departures: The segments whose offer is another one; empty where there are none.
        note: How the figure of the sentence was corrected; empty where it was not.
        reasons: Why, one sentence each.
        next_step: What to do.
        tiles: The figures of the arm that the sentence is about.
        offers: The offer for each segment; None where the definition has no segments or the verdict no offers.
    """

    status: VerdictStatus
    label: str
    sentence: str
    departures: str
    note: str
    reasons: tuple[str, ...]
    next_step: str
    tiles: tuple[Tile, ...]
    offers: Table | None


@dataclass(frozen=True)
class Gain:
    """An arm's value per member against no contact; `naive` is set where the estimate is corrected for the choice."""

    arm: str
    estimate: float
    low: float | None
    high: float | None
    naive: float | None = None
    method: str = ""


def read_headline(narrator: Narrator, analysis: Analysis) -> Headline:
    """The first screen of an analysis."""
    verdict = analysis.verdict
    gain = leading_gain(narrator, analysis)
    return Headline(
        status=verdict.status,
        label=narrator.say(f"verdict.{verdict.status}"),
        sentence=_sentence(narrator, analysis, gain),
        departures=_departures(narrator, analysis),
        note=_correction(narrator, gain),
        reasons=tuple(reason.text for reason in verdict.reasons),
        next_step=verdict.next_step,
        tiles=_tiles(narrator, analysis, gain),
        offers=offers_by_segment(narrator, analysis),
    )


def decisive(analysis: Analysis) -> tuple[Effect, ...]:
    """The effects that the decision reads: the adjusted ones where the definition names covariates or strata."""
    adjusted = {
        (effect.metric, effect.segment, effect.arm, effect.versus) for effect in analysis.adjusted_effects
    }
    rest = (e for e in analysis.effects if (e.metric, e.segment, e.arm, e.versus) not in adjusted)
    return (*analysis.adjusted_effects, *rest)


def effect_of(analysis: Analysis, metric: str, arm: str, segment: str | None = None) -> Effect | None:
    """The effect on one metric that the decision read, or None."""
    wanted = (metric, arm, segment)
    return next((e for e in decisive(analysis) if (e.metric, e.arm, e.segment) == wanted), None)


def leading_gain(narrator: Narrator, analysis: Analysis) -> Gain | None:
    """The value of the winner, or of the arm with the highest value where nobody won; None where none may be shown."""
    if analysis.verdict.status not in {"rollout", "no_rollout"}:
        return None
    value = narrator.definition.goals.value_metric
    overall = [e for e in decisive(analysis) if e.metric == value and e.segment is None]
    if not overall:
        return None
    winner = analysis.verdict.winner
    chosen = next((e for e in overall if e.arm == winner), None)
    if chosen is None:
        chosen = max(overall, key=lambda effect: effect.difference)
    for row_ in analysis.winner_corrected:
        if (row_.segment, row_.metric, row_.arm) == (None, value, winner):
            return Gain(row_.arm, row_.corrected, row_.low, row_.high, row_.naive, row_.method)
    return Gain(chosen.arm, chosen.difference, chosen.difference_low, chosen.difference_high)


def _sentence(narrator: Narrator, analysis: Analysis, gain: Gain | None) -> str:
    verdict = analysis.verdict
    if verdict.status == "too_early" and narrator.definition.design.looks.kind != "fixed":
        return narrator.say("headline.too_early_look")
    if verdict.status in {"invalid", "too_early"}:
        return narrator.say(f"headline.{verdict.status}")
    if gain is None:
        key = "no_rollout" if verdict.status == "no_rollout" else "rollout_by_segment"
        return narrator.say(f"headline.{key}")
    code = verdict.status if verdict.status == "no_rollout" or verdict.winner else "rollout_by_segment_best"
    text, interval = _per_thousand(narrator, gain)
    bounds = narrator.say("headline.interval", level=narrator.level, interval=interval) if interval else ""
    facts = {"arm": narrator.arm(gain.arm), "gain": text, "interval": bounds, "value": _value_name(narrator)}
    return narrator.say(f"headline.{code}_gain", **facts)


def _departures(narrator: Narrator, analysis: Analysis) -> str:
    """Segments whose offer is not the overall winner's, in a half-sentence each."""
    verdict = analysis.verdict
    if verdict.status != "rollout":
        return ""
    parts = []
    for segment, arm in verdict.winner_by_segment.items():
        if arm == CONTROL:
            parts.append(narrator.say("headline.segment_nothing", segment=segment))
        elif arm != verdict.winner:
            parts.append(narrator.say("headline.segment_instead", segment=segment, arm=narrator.arm(arm)))
    return narrator.say("headline.between").join(parts)


def _per_thousand(narrator: Narrator, gain: Gain) -> tuple[str, str]:
    metric = narrator.definition.goals.value_metric
    return narrator.difference(metric, gain.estimate, gain.low, gain.high, times=PER)


def _value_name(narrator: Narrator) -> str:
    return narrator.metric(narrator.definition.goals.value_metric)


def _correction(narrator: Narrator, gain: Gain | None) -> str:
    if gain is None or gain.naive is None:
        return ""
    metric = narrator.definition.goals.value_metric
    naive, _ = narrator.difference(metric, gain.naive, gain.low, gain.high, times=PER)
    return narrator.say("headline.corrected", naive=naive, method=narrator.method(gain.method))


def _tiles(narrator: Narrator, analysis: Analysis, gain: Gain | None) -> tuple[Tile, ...]:
    members = sum(arm.members for arm in analysis.arms)
    tested = Tile(
        narrator.say("tile.members"),
        narrator.numbers.count(members),
        narrator.say("tile.arms", arms=len(analysis.arms)),
    )
    if gain is None:
        return (tested,)
    effect = effect_of(analysis, narrator.definition.goals.primary.metric, gain.arm)
    money = next((line for line in analysis.money if line.arm == gain.arm), None)
    return (*_primary_tile(narrator, effect), *_money_tiles(narrator, money), tested)


def _primary_tile(narrator: Narrator, effect: Effect | None) -> tuple[Tile, ...]:
    if effect is None:
        return ()
    difference = narrator.difference_cell(effect)
    label = narrator.say("tile.primary", metric=narrator.metric(effect.metric))
    return (Tile(label, difference.text, difference.under),)


def _money_tiles(narrator: Narrator, money: Money | None) -> tuple[Tile, ...]:
    """Cost per incremental buyer and return on cost, where they exist."""
    tiles: list[Tile] = []
    if money is None:
        return ()
    if money.cost_per_incremental_buyer is not None:
        attributed = money.cost_per_attributed_buyer
        under = (
            ""
            if attributed is None
            else narrator.say("tile.attributed", cost=narrator.numbers.money(attributed))
        )
        cost = narrator.numbers.money(money.cost_per_incremental_buyer)
        tiles.append(Tile(narrator.say("tile.cost"), cost, under))
    if money.roi is not None:
        cost = narrator.say("tile.spent", cost=narrator.total(money.cost, why="").text)
        tiles.append(Tile(narrator.say("tile.roi"), narrator.numbers.share(money.roi, 0, sign=True), cost))
    return tuple(tiles)


def offers_by_segment(narrator: Narrator, analysis: Analysis) -> Table | None:
    """Which offer each segment gets, with its value there; only where the verdict is a rollout with segments."""
    verdict = analysis.verdict
    if verdict.status != "rollout" or not verdict.winner_by_segment:
        return None
    say = narrator.say
    return Table(
        name="offers",
        title=say("offers.title"),
        about=say("offers.about"),
        columns=(
            Column(say("column.segment"), align="left"),
            Column(say("column.send"), align="left"),
            Column(say("column.value_per_1000", value=_value_name(narrator))),
        ),
        rows=tuple(_offer(narrator, analysis, *item) for item in verdict.winner_by_segment.items()),
    )


def _offer(narrator: Narrator, analysis: Analysis, segment: str, arm: str) -> Row:
    cells: list[Cell] = [words(segment), narrator.arm_cell(arm)]
    metric = narrator.definition.goals.value_metric
    effect = effect_of(analysis, metric, arm, segment)
    if arm == CONTROL:
        cells.append(absent(narrator.say("why.control")))
    elif effect is None:
        cells.append(absent(narrator.say("why.no_segment_effect")))
    else:
        low, high = effect.difference_low, effect.difference_high
        cells.append(Cell(*narrator.difference(metric, effect.difference, low, high, times=PER)))
    return row(cells, strong=arm not in {analysis.verdict.winner, CONTROL})
