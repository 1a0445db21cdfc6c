"""What stands behind an offer policy: its parts in money, what drives its offers, its tree, and the next test."""

from __future__ import annotations

from reports.narrator import PER, Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words
from reports.trees import TreeChart
from uplift.documents import Driver, NextTest, PolicyPart, Proposal, Uplift


def parts_table(narrator: Narrator, uplift: Uplift) -> Table:
    """What each part of the audience gets, earns and costs."""
    say = narrator.say
    return Table(
        name="parts",
        title=say("parts.title"),
        about=say("parts.about"),
        columns=(
            Column(say("column.part"), align="left"),
            Column(say("column.offer"), align="left"),
            Column(say("column.members")),
            Column(say("column.gain_control")),
            Column(say("column.cost_per_1000")),
            Column(say("column.cost_per_buyer")),
            Column(say("column.roi")),
        ),
        rows=tuple(_part_row(narrator, uplift.value_metric, part) for part in uplift.parts),
    )


def _part_row(narrator: Narrator, metric: str, part: PolicyPart) -> Row:
    numbers, offered = narrator.numbers, bool(part.cost or part.gain)
    nothing = absent(narrator.say("why.not_offered"))
    buyer, roi = absent(narrator.say("why.no_added_buyer")), absent(narrator.say("why.no_return"))
    if part.cost_per_incremental_buyer is not None:
        buyer = Cell(numbers.money(part.cost_per_incremental_buyer))
    if part.roi is not None:
        roi = Cell(numbers.share(part.roi, 0, sign=True))
    gain = Cell(*narrator.difference(metric, part.gain, part.low, part.high, times=PER))
    return row(
        [
            words(part.part),
            narrator.arm_cell(part.arm),
            words(numbers.count(part.members), numbers.share(part.share)),
            gain if offered else nothing,
            words(numbers.money(part.cost * PER, 0)) if offered else nothing,
            buyer if offered else nothing,
            roi if offered else nothing,
        ]
    )


def drivers_table(narrator: Narrator, uplift: Uplift) -> Table:
    """Which features move which offer's effect."""
    say = narrator.say
    return Table(
        name="drivers",
        title=say("drivers.title"),
        about=say("drivers.about"),
        columns=(
            Column(say("column.offer"), align="left"),
            Column(say("column.feature"), align="left"),
            Column(say("column.driver_share")),
            Column(say("column.driver_words"), align="left"),
        ),
        rows=tuple(_driver_row(narrator, driver) for driver in uplift.drivers),
    )


def _driver_row(narrator: Narrator, driver: Driver) -> Row:
    return row(
        [
            narrator.arm_cell(driver.arm),
            words(driver.feature),
            words(narrator.numbers.share(driver.share, 0)),
            words(driver.words),
        ]
    )


def tree_charts(narrator: Narrator, uplift: Uplift) -> tuple[TreeChart, ...]:
    """The policy's tree; none where it is no tree."""
    if not uplift.tree:
        return ()
    say = narrator.say
    offers = sum(node.arm is not None for node in uplift.tree)
    chart = TreeChart(
        name="chart-tree",
        title=say("chart.tree"),
        summary=say("chart.tree_summary", leaves=offers),
        nodes=uplift.tree,
        answers=(say("chart.yes"), say("chart.no")),
        members=[say("chart.members", members=narrator.numbers.count(node.members)) for node in uplift.tree],
    )
    return (chart,)


def further_sentences(narrator: Narrator, uplift: Uplift) -> tuple[str, ...]:
    """How many offers change where the policy is learned again from half of the members, and what the next test should be."""
    told = []
    if uplift.resampled is not None:
        told.append(narrator.say("uplift.resampled", share=narrator.numbers.share(uplift.resampled)))
    if uplift.next_test is not None:
        told.append(_next_test_sentence(narrator, uplift.value_metric, uplift.next_test))
    if "next_test" in uplift.files:
        told.append(narrator.say("next_test.file", file=uplift.files["next_test"]))
    return tuple(told)


def next_test_table(narrator: Narrator, uplift: Uplift) -> Table | None:
    """Arms to leave out and to add; None where nothing is proposed."""
    if uplift.next_test is None:
        return None
    say = narrator.say
    return Table(
        name="next_test",
        title=say("next_test.title"),
        about=say("next_test.table"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.proposal"), align="left"),
            Column(say("column.reason"), align="left"),
        ),
        rows=tuple(_proposal_row(narrator, each) for each in uplift.next_test.proposals)
        or (row([words(say("next_test.all")), words(say("next_test.keep")), words("")]),),
    )


def _next_test_sentence(narrator: Narrator, metric: str, proposed: NextTest) -> str:
    if proposed.members is None:
        return narrator.say("next_test.nothing")
    effect, _ = narrator.difference(metric, proposed.minimum_effect, None, None, times=PER, sign=False)
    facts = {
        "members": narrator.numbers.count(proposed.members),
        "arms": proposed.arms,
        "effect": effect,
        "metric": narrator.metric(metric),
        "power": narrator.numbers.level(proposed.power),
    }
    return narrator.say("next_test.sentence", **facts)


def _proposal_row(narrator: Narrator, proposal: Proposal) -> Row:
    action = narrator.say_or(f"next_test.{proposal.action}", proposal.action)
    return row([narrator.arm_cell(proposal.arm), words(action), words(proposal.why)])
