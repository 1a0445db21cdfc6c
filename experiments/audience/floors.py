"""Floors and ceilings of a contact policy, over the stage of a member and the contacts that are counted there."""

from __future__ import annotations

from sqlglot import exp

from experiments.definition.contact_policy import ContactKind, ContactPolicy
from experiments.queries import coalesce, number


def below_floor(policy: ContactPolicy, kind: ContactKind, stage: exp.Expr, counted: exp.Expr) -> exp.Expr:
    """Whether a member had fewer contacts of a kind than the floor of the own stage; false in a stage without limits."""
    case = exp.Case(this=stage.copy())
    for name, limits in policy.stages.items():
        is_below = exp.LT(this=counted.copy(), expression=number(limits.bounds(kind)[0]))
        case = case.when(exp.Literal.string(name), is_below)
    return coalesce(case, exp.false())


def at_ceiling(policy: ContactPolicy, kind: ContactKind, stage: exp.Expr, counted: exp.Expr) -> exp.Expr:
    """Whether a member had as many contacts of a kind as the ceiling of the own stage; false where there is none."""
    case = exp.Case(this=stage.copy())
    for name, limits in policy.stages.items():
        ceiling = limits.bounds(kind)[1]
        reached = exp.false() if ceiling is None else exp.GTE(this=counted.copy(), expression=number(ceiling))
        case = case.when(exp.Literal.string(name), reached)
    return coalesce(case, exp.false())
