"""Why one member is in or out, and in which arm, as sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.documents.explanation import ExplainedClosing, ExplainedDraw, Explanation
from reports.narrator import Narrator
from reports.tables import Column, Table, row, words


def explanation_sentence(narrator: Narrator, found: Explanation) -> str:
    """The answer in one sentence; in a few what becomes of a member whose arm was closed."""
    say = narrator.say
    if found.arm is not None:
        facts = {"member": found.member, "arm": narrator.arm(found.arm), "id": found.arm}
        if found.closing is None:
            return say("explanation.assigned", **facts)
        return _closed(narrator, found, found.closing, facts)
    if found.refused_by is not None:
        reason = narrator.say_or(f"rule.{found.refused_by}", found.refused_by)
        return say("explanation.refused", member=found.member, reason=reason)
    return say(f"explanation.{found.status}", member=found.member)


def _closed(
    narrator: Narrator, found: Explanation, closing: ExplainedClosing, facts: Mapping[str, str]
) -> str:
    return narrator.say(
        "explanation.closed_sent" if closing.is_sent else "explanation.closed_left_out",
        **facts,
        day=closing.closed_from,
        recorded=closing.recorded_at,
        planned=found.send.planned_send_at if found.send else "",
    )


def rules_table(narrator: Narrator, found: Explanation) -> Table:
    """Each rule in order: what it says, what it reads of the member, and its outcome."""
    say = narrator.say
    lines = [
        row(
            [
                words(narrator.say_or(f"rule.{rule.refusal}", rule.refusal)),
                words(rule.text, rule.key),
                words(", ".join(f"{name} = {_shown(value)}" for name, value in rule.values.items())),
                words(say("explanation.removes" if rule.removes else "explanation.passes")),
            ],
            strong=rule.removes,
        )
        for rule in found.rules
    ]
    if found.under_floor is not None:
        told = say("explanation.first" if found.under_floor else "explanation.not_first")
        preference = words(say("explanation.under_floor"), "audience.contact_policy.prefer")
        lines.append(row([preference, words(""), words(""), words(told)]))
    return Table(
        name="explained-rules",
        title=say("explanation.rules_title"),
        about=say("explanation.rules_about", snapshot=found.snapshot),
        columns=(
            Column(say("column.rule"), align="left"),
            Column(say("removals.says"), align="left"),
            Column(say("explanation.member"), align="left"),
            Column(say("explanation.outcome"), align="left"),
        ),
        rows=tuple(lines),
    )


def draw_table_of(narrator: Narrator, found: Explanation) -> Table:
    """The steps of the draw, so that anybody can take them again; no row for a member without an arm."""
    say = narrator.say
    return Table(
        name="explained-draw",
        title=say("explanation.draw_title"),
        about=say("explanation.draw_about"),
        columns=(
            Column(say("explanation.step"), align="left"),
            Column(say("explanation.value"), align="left"),
        ),
        rows=tuple(row([words(say(f"explanation.{step}")), words(value)]) for step, value in _steps(found)),
    )


def _steps(found: Explanation) -> Iterator[tuple[str, str]]:
    if found.draw is None:
        return
    yield "assigned_at", found.assigned_at or ""
    yield "hashed", found.draw.hashed
    yield "digits", found.draw.digits
    yield from _of_ranks(found, found.draw)
    for each in found.draw.arms:
        mark = " *" if each.arm == found.arm else ""
        yield "owns", f"{each.arm}: [{each.first}, {each.until}){mark}"
    if found.send is not None:
        yield "send_hashed", f"{found.send.hashed}: {found.send.digits}"
        yield "slot", f"{found.send.slot} / {found.send.slots}: {found.send.planned_send_at}"


def _of_ranks(found: Explanation, draw: ExplainedDraw) -> Iterator[tuple[str, str]]:
    if draw.rank is None:
        return
    yield "stratum", f"{found.stratum} ({found.batch})"
    yield "rank", f"{draw.rank} / {draw.members}"
    yield "offset", f"{draw.offset_hashed}: {draw.offset}"


def _shown(value: object) -> str:
    return "NULL" if value is None else str(value)
