"""The tables of a plan and of the draw: power, guardrails' power, arms, refusals, balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.documents.assignment import Assignment, Balance, ContactLevel
from experiments.documents.design import ArmPower, Design, GuardrailPower
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words

BALANCED_BELOW = 0.1
"""Standardised differences under this are taken as balanced (Austin 2009, Statistics in Medicine 28)."""
ENOUGH_POWER = 0.8


def plan_table(narrator: Narrator, design: Design) -> Table:
    """The plan's figures, one a line."""
    say, numbers = narrator.say, narrator.numbers
    effect = design.minimum_effect
    smallest = absent(say("why.no_minimum_effect"))
    if effect is not None:
        smallest = Cell(narrator.difference(design.metric, effect, None, None)[0])
    needed = absent(say("why.no_members_needed"))
    if design.members_needed is not None:
        needed = Cell(numbers.count(design.members_needed))
    budget = absent(say("why.no_budget")) if design.budget is None else Cell(numbers.money(design.budget))
    source = narrator.say(f"baseline.{design.baseline_source}")
    baseline = narrator.mean(design.metric, design.baseline, say("why.no_baseline"))
    correction = say("plan.alpha_each", alpha=numbers.share(design.alpha_each), correction=design.correction)
    best = say("plan.best_control", share=numbers.share(design.best_control_share))
    lines = (
        ("eligible", Cell(numbers.count(design.eligible))),
        ("audience", Cell(numbers.count(design.audience))),
        ("members_needed", needed),
        ("metric", Cell(narrator.metric(design.metric))),
        ("baseline", baseline if baseline.absent else Cell(baseline.text, source)),
        ("minimum_effect", smallest),
        ("power", Cell(numbers.level(design.power))),
        ("alpha", Cell(numbers.level(design.alpha), correction)),
        ("control_share", Cell(numbers.share(design.control_share), best)),
        ("duration", Cell(say("plan.days", days=design.duration_days))),
        ("expected_cost", Cell(numbers.money(design.expected_cost))),
        ("budget", budget),
    )
    return Table(
        name="plan",
        title=say("plan.title"),
        about=say("plan.about"),
        columns=(Column(say("column.figure"), align="left"), Column(say("column.planned"))),
        rows=tuple(row([words(say(f"plan.{code}")), cell]) for code, cell in lines),
    )


def power_table(narrator: Narrator, design: Design) -> Table:
    """What each arm's comparison with control can detect."""
    say = narrator.say
    return Table(
        name="power",
        title=say("power.title"),
        about=say("power.about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.share")),
            Column(say("column.members")),
            Column(say("column.members_needed")),
            Column(say("column.power")),
            Column(say("column.detectable")),
        ),
        rows=tuple(_power_row(narrator, design, arm) for arm in design.arms),
    )


def _power_row(narrator: Narrator, design: Design, arm: ArmPower) -> Row:
    needed, power, effect = arm.members_needed, arm.power, arm.detectable_effect
    reached = power is not None and power >= design.power
    flat = "why.no_baseline" if design.baseline is None else "why.flat_baseline"
    why = narrator.say("why.no_minimum_effect" if design.minimum_effect is None else flat)
    return row(
        [
            narrator.arm_cell(arm.arm),
            words(narrator.numbers.share(arm.share)),
            words(narrator.numbers.count(arm.members)),
            absent(why) if needed is None else words(narrator.numbers.count(needed)),
            absent(why)
            if power is None
            else Cell(narrator.numbers.share(power), status="pass" if reached else "fail"),
            absent(narrator.say(flat))
            if effect is None
            else words(narrator.difference(design.metric, effect, None, None)[0]),
        ]
    )


def guardrail_power_table(narrator: Narrator, design: Design) -> Table:
    """Whether each guardrail can be passed by an arm that does no harm."""
    say = narrator.say
    return Table(
        name="guardrail_power",
        title=say("guardrail_power.title"),
        about=say("guardrail_power.about"),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.limit")),
            Column(say("column.baseline")),
            Column(say("column.power")),
        ),
        rows=tuple(_guardrail_power_row(narrator, rail) for rail in design.guardrails),
    )


def _guardrail_power_row(narrator: Narrator, rail: GuardrailPower) -> Row:
    declared = narrator.guardrail_of(rail.metric)
    relative = declared is not None and declared.limit is None
    limit = (
        narrator.numbers.share(rail.limit, sign=True)
        if relative
        else narrator.difference(rail.metric, rail.limit, None, None)[0]
    )
    power = absent(narrator.say("why.no_baseline" if rail.baseline is None else "why.flat_baseline"))
    if rail.power is not None:
        power = Cell(
            narrator.numbers.share(rail.power), status="pass" if rail.power >= ENOUGH_POWER else "warn"
        )
    return row(
        [
            words(narrator.metric(rail.metric)),
            words(limit),
            narrator.mean(rail.metric, rail.baseline, narrator.say("why.no_baseline")),
            power,
        ]
    )


def entry_table(narrator: Narrator, document: Design | Assignment) -> Table:
    """Who could enter: how many each rule removed, in order; by reason where the document knows no rules."""
    if not document.rules:
        return _refused_table(narrator, document.eligible, document.refused)
    say, count = narrator.say, narrator.numbers.count
    lines = [
        row(
            [
                words(narrator.say_or(f"rule.{rule.refusal}", rule.refusal)),
                words(rule.text, rule.key),
                words(count(rule.members)),
                words(count(rule.left)),
            ]
        )
        for rule in document.rules
    ]
    eligible = [words(say("rule.eligible")), words(""), words(""), words(count(document.eligible))]
    return Table(
        name="refused",
        title=say("refused.title"),
        about=say("removals.about"),
        columns=(
            Column(say("column.rule"), align="left"),
            Column(say("removals.says"), align="left"),
            Column(say("removals.removed")),
            Column(say("removals.left")),
        ),
        rows=(*lines, row(eligible, strong=True)),
    )


def contact_levels_table(narrator: Narrator, levels: Sequence[ContactLevel]) -> Table:
    """How the members of each stage stand to the contact policy; no row without a policy."""
    say, count = narrator.say, narrator.numbers.count
    return Table(
        name="contact_levels",
        title=say("contact_levels.title"),
        about=say("contact_levels.about"),
        columns=(
            Column(say("contact_levels.stage"), align="left"),
            Column(say("contact_levels.kind"), align="left"),
            Column(say("contact_levels.window")),
            Column(say("contact_levels.bounds")),
            Column(say("column.members")),
            Column(say("contact_levels.below")),
            Column(say("contact_levels.eligible_below")),
            Column(say("contact_levels.eligible_after")),
            Column(say("contact_levels.reached")),
        ),
        rows=tuple(
            row(
                [
                    words(level.stage),
                    words(narrator.say_or(f"contact_levels.{level.kind}", level.kind)),
                    words(count(level.days)),
                    words(_bounds(narrator, level)),
                    words(count(level.members)),
                    Cell(count(level.below_floor), status="warn" if level.below_floor else "pass"),
                    words(count(level.eligible_below_floor)),
                    _after_send(narrator, level),
                    words(count(level.at_ceiling)),
                ]
            )
            for level in levels
        ),
    )


def _after_send(narrator: Narrator, level: ContactLevel) -> Cell:
    if level.eligible_below_floor_after is None:
        return absent(narrator.say("why.no_arms_yet"))
    return words(narrator.numbers.count(level.eligible_below_floor_after))


def _bounds(narrator: Narrator, level: ContactLevel) -> str:
    ceiling = narrator.say("contact_levels.no_ceiling") if level.ceiling is None else str(level.ceiling)
    return f"{level.floor} – {ceiling}"


def _refused_table(narrator: Narrator, eligible: int, refused: Mapping[str, int]) -> Table:
    """Who could not enter, by the first reason that kept them out."""
    say = narrator.say
    lines = [*refused.items(), ("eligible", eligible)]
    return Table(
        name="refused",
        title=say("refused.title"),
        about=say("refused.about"),
        columns=(Column(say("column.rule"), align="left"), Column(say("column.members"))),
        rows=tuple(
            row(
                [
                    words(narrator.say_or(f"rule.{rule}", rule.replace("_", " "))),
                    words(narrator.numbers.count(count)),
                ],
                strong=rule == "eligible",
            )
            for rule, count in lines
        ),
    )


def assigned_table(narrator: Narrator, assignment: Assignment) -> Table:
    """How many members each arm got."""
    say = narrator.say
    return Table(
        name="assigned",
        title=say("assigned.title"),
        about=say("assigned.about", sampled=narrator.numbers.count(assignment.sampled)),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.members")),
            Column(say("column.share")),
        ),
        rows=tuple(
            row(
                [
                    narrator.arm_cell(arm.arm),
                    words(narrator.numbers.count(arm.members)),
                    words(narrator.numbers.share(arm.share)),
                ]
            )
            for arm in assignment.arms
        ),
    )


def balance_table(narrator: Narrator, assignment: Assignment) -> Table:
    """The largest standardised difference of each feature, before anything was sent."""
    say = narrator.say
    return Table(
        name="balance",
        title=say("balance.title"),
        about=say("balance.about"),
        columns=(
            Column(say("column.feature"), align="left"),
            Column(say("column.standardised")),
            Column(say("column.result"), align="left"),
        ),
        rows=tuple(_balance_row(narrator, line) for line in assignment.balance),
    )


def _balance_row(narrator: Narrator, line: Balance) -> Row:
    balanced = abs(line.max_standardised_difference) < BALANCED_BELOW
    status = Cell(
        narrator.say("balance.even" if balanced else "balance.uneven"), status="pass" if balanced else "warn"
    )
    return row(
        [words(line.feature), words(narrator.numbers.number(line.max_standardised_difference, 3)), status]
    )
