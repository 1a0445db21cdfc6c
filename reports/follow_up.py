"""What the verdict becomes once there are a policy and a rollout: where they disagree, and what to do next."""

from __future__ import annotations

import dataclasses

from experiments.documents.analysis import Analysis
from reports.headline import Headline
from reports.narrator import Narrator
from uplift.documents import Rollout, Uplift

_PERSONALISED = frozenset({"by_segment", "tree", "individual"})


def follow_up(
    narrator: Narrator, headline: Headline, analysis: Analysis, uplift: Uplift | None, rollout: Rollout | None
) -> Headline:
    """The first screen with the reason `uplift_disagrees` where it holds, and the step that comes next by now."""
    if analysis.verdict.status != "rollout":
        return headline
    differing = () if uplift is None else disagreeing_segments(analysis, uplift)
    if uplift is not None and differing:
        code = "policy" if uplift.chosen.kind in _PERSONALISED else "analysis"
        reason = narrator.say(f"uplift_disagrees.{code}", segments=", ".join(differing))
        headline = dataclasses.replace(headline, reasons=(reason, *headline.reasons))
    if rollout is not None:
        holdout = narrator.numbers.count(rollout.holdout)
        return dataclasses.replace(headline, next_step=narrator.say("next.send", holdout=holdout))
    if uplift is not None:
        step = narrator.say("next.rollout", file=narrator.arguments)
        return dataclasses.replace(headline, next_step=step)
    return headline


def disagreeing_segments(analysis: Analysis, uplift: Uplift) -> tuple[str, ...]:
    """The segments in which the policy gives other offers than the analysis, in the policy's order."""
    verdict = analysis.verdict
    differing = (
        offer.segment
        for offer in uplift.offers_by_segment
        if offer.arm != verdict.winner_by_segment.get(offer.segment, verdict.winner)
    )
    return tuple(dict.fromkeys(differing))
