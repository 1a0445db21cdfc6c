"""The contacts that caps and policy count: one column of the contacts' pass for each window, kind and channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from sqlglot import exp

from experiments.audience.event_pass import ContactCount
from experiments.definition.contact_policy import ContactKind, ContactPolicy
from experiments.definition.model import Definition

KINDS: tuple[ContactKind, ...] = get_args(ContactKind)


@dataclass(frozen=True)
class ContactColumns:
    """What is counted.

    Attributes:
        counts: Column of the pass to what it counts.
        caps: The column of each contact cap, in the order of the caps.
        kinds: Kind of contact to the column with the count of the member's own stage; empty without a policy.
    """

    counts: Mapping[str, ContactCount]
    caps: tuple[str, ...]
    kinds: Mapping[ContactKind, str]

    def by_stage(
        self, policy: ContactPolicy, stage: exp.Expr, values: Mapping[str, exp.Expr]
    ) -> dict[str, exp.Expr]:
        """The count of each kind over the window of the member's stage; NULL in a stage without limits."""
        found: dict[str, exp.Expr] = {}
        for kind, name in self.kinds.items():
            case = exp.Case(this=stage.copy())
            for each, limits in policy.stages.items():
                counted = values[_policy_column(kind, limits.days)]
                case = case.when(exp.Literal.string(each), counted.copy())
            found[name] = case
        return found


def contact_columns(definition: Definition) -> ContactColumns:
    """Everything that the definition's caps and policy count, each once."""
    caps, policy = definition.audience.contact_caps, definition.audience.contact_policy
    counts = {
        f"cap__{place}": ContactCount(cap.channels, None if cap.kind == "any" else cap.kind, cap.days)
        for place, cap in enumerate(caps)
    }
    names = tuple(counts)
    if policy is None:
        return ContactColumns(counts, names, {})
    for kind in KINDS:
        for days in {limits.days: None for limits in policy.stages.values()}:
            counts[_policy_column(kind, days)] = ContactCount(policy.channels, kind, days)
    return ContactColumns(counts, names, {kind: f"contacts__{kind}" for kind in KINDS})


def _policy_column(kind: ContactKind, days: int) -> str:
    return f"policy__{kind}__{days}"
