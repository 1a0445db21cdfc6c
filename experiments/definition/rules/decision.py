"""Decision: a rule that can be followed with what the definition has."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem


def check_decision(draft: Draft) -> Iterator[Problem]:
    """The rules of `decision`."""
    if draft.decision is not None and draft.decision.pick.by == "segment" and draft.has_no_segments:
        yield Problem(
            ("decision", "pick", "by"),
            "there are no segments",
            "add `audience.segments`, or write `by: overall`",
        )
