"""Bands: a value cut into numbered parts, by limits or by quantiles of all members; R, F and M are three of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from experiments.definition.features import Feature
from experiments.queries import all_of, as_double, column, double, is_null, named, number, relation, when

_RANKED = "values_in_order"
_COUNTED = "values_counted"


def by_limits(feature: Feature, value: exp.Expr, limits: Sequence[float]) -> exp.Expr:
    """Band 1 below the first limit, one more from each limit on; NULL where there is no value."""
    reached = [exp.GTE(this=as_double(value.copy()), expression=double(limit)) for limit in limits]
    return _band(feature, value, reached)


def by_cuts(feature: Feature, value: exp.Expr, cuts: Sequence[exp.Expr]) -> exp.Expr:
    """Band 1 up to the first cut, one more above each; equal values are in one band, NULL where there is no value."""
    above = [exp.GT(this=value.copy(), expression=cut) for cut in cuts]
    return _band(feature, value, above)


def _band(feature: Feature, value: exp.Expr, passed: Sequence[exp.Expr]) -> exp.Expr:
    """1 and as many as were passed; counted from the other end where low values are better."""
    up = feature.better != "down"
    case = exp.Case().when(is_null(value.copy()), exp.cast(exp.null(), exp.DType.BIGINT))
    for place in range(len(passed), 0, -1):
        case = case.when(passed[place - 1], number(place + 1 if up else len(passed) + 1 - place))
    return case.else_(number(1 if up else len(passed) + 1))


def quantile_cuts(table: str, wanted: Mapping[str, int]) -> exp.Select:
    """One row with the quantile cuts of columns: `NAME__1` up to `NAME__(n - 1)` for each.

    Cut k of n is the smallest value that at least k/n of the values do not exceed, decided on whole numbers of
    members, so that every engine and every order of the rows finds the same one.

    Args:
        table: The relation with one row a member.
        wanted: Column to its number n of bands.
    """
    query = exp.select()
    for place, (name, bands) in enumerate(wanted.items()):
        alias = f"cuts_{place}"
        cuts = _cuts(table, name, bands).subquery(alias)
        selected = [named(column(cut, alias), cut) for cut in cut_names(name, bands)]
        query = query.select(*selected)
        query = query.from_(cuts) if place == 0 else query.join(cuts, join_type="cross")
    return query


def cut_names(name: str, bands: int) -> tuple[str, ...]:
    """The columns of a column's quantile cuts.

    >>> cut_names("spend", 3)
    ('spend__1', 'spend__2')
    """
    return tuple(f"{name}__{place}" for place in range(1, bands))


def _cuts(table: str, name: str, bands: int) -> exp.Select:
    value = column(name)
    counted = (
        exp.select(named(value, "value"), named(exp.Count(this=exp.Star()), "members"))
        .from_(relation(table))
        .where(exp.not_(is_null(value.copy())))
        .group_by(value.copy())
    )
    order = exp.Order(expressions=[exp.Ordered(this=column("value"), nulls_first=False)])
    members = exp.Sum(this=column("members"))
    ranked = exp.select(
        column("value"),
        named(exp.Window(this=members, order=order), "reached"),
        named(exp.Window(this=members.copy()), "everybody"),
    ).from_(counted.subquery(_COUNTED))
    cuts = []
    for place, cut in enumerate(cut_names(name, bands), start=1):
        enough = exp.GTE(
            this=exp.Mul(this=column("reached"), expression=number(bands)),
            expression=exp.Mul(this=column("everybody"), expression=number(place)),
        )
        cuts.append(named(exp.Min(this=when(all_of([enough]), column("value"))), cut))
    return exp.select(*cuts).from_(ranked.subquery(_RANKED))
