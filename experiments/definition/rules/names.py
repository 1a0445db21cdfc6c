"""Names that become columns of one table may not collide."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.columns import is_reserved
from experiments.definition.draft import Draft, Problem
from experiments.definition.metrics import CONTACT_COST


def check_names(draft: Draft) -> Iterator[Problem]:
    """Features and metrics have names of their own, whatever the capitals: engines do not tell these apart."""
    seen: dict[str, str] = {}
    for block in ("features", "metrics"):
        for name in draft.names(block):
            folded = name.casefold()
            if folded == CONTACT_COST or is_reserved(folded):
                yield Problem((block, name), f"`{folded}` is a name that Offerwise uses itself", "rename it")
            elif folded in seen:
                yield Problem((block, name), f"the name is taken by {seen[folded]}", "rename one of them")
            seen.setdefault(folded, f"{block}.{name}")
