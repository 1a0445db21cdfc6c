"""Obstacles: what forbids a verdict on the effects, by the definition's `invalid_if` and the health checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.decision.sentences import Sentences
from experiments.definition.model import Definition
from experiments.documents.analysis import HealthCheck, Reason

WINDOW_OPEN = "window_open"
SAMPLE_BELOW_PLAN = "sample_below_plan"


@dataclass(frozen=True)
class Obstacle:
    """Why no effect may be read: the experiment is broken, or it is too early."""

    status: Literal["invalid", "too_early"]
    reasons: tuple[Reason, ...]
    next_step: str


def find_obstacle(
    definition: Definition, health: Sequence[HealthCheck], sentences: Sentences, *, at_the_end: bool = True
) -> Obstacle | None:
    """The obstacle that the health checks show; None where effects may be read.

    Invalid: a sample ratio's p-value (overall, over the segments, over the send days) is below `srm_p_below` or a ledger is
    not as it was drawn, or one of the checks fails that `invalid_if` asks for (`arm_missing`, `sample_below_plan`), or a
    member stands in the assignment twice, or a unit of assignment in several arms. Too early: a window is open. A fixed
    design has one look, after every window has closed, so that no effect is shown before, whatever
    `invalid_if.window_open` says; a broken experiment is broken at any time and comes first. Before the end of a design
    that looks more than once (`at_the_end` is False) members may still be added, so that `sample_below_plan` forbids
    nothing.
    """
    broken = [
        sentences.reason(check.check, detail=check.detail)
        for check in health
        if _breaks(check, definition) and (at_the_end or check.check != SAMPLE_BELOW_PLAN)
    ]
    if broken:
        return Obstacle("invalid", tuple(broken), sentences.next_step("invalid"))
    opened = [check for check in health if check.check == WINDOW_OPEN and check.status == "fail"]
    if opened:
        reasons = tuple(sentences.reason(WINDOW_OPEN, detail=check.detail) for check in opened)
        return Obstacle("too_early", reasons, sentences.next_step("too_early"))
    return None


def _breaks(check: HealthCheck, definition: Definition) -> bool:
    rule = definition.decision.invalid_if
    match check.check:
        case "sample_ratio" | "sample_ratio_by_segment" | "sample_ratio_by_day":
            if check.p_value is None:
                return check.status == "fail"
            return check.p_value < rule.srm_p_below
        case "arm_missing":
            return rule.arm_missing and check.status == "fail"
        case "sample_below_plan":
            return rule.sample_below_plan is not None and check.status == "fail"
        case "duplicates" | "units_split":
            return check.status == "fail"
        case _:
            return False
