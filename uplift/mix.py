"""What another mix of classes does to a forecast: members under the floor of their stage and the others, weighed as they are in the rollout.

A forecast takes over the effects of the test, in which one of the two may have come first. Within a part of the audience c and an
arm k, with the effects t(first) and t(others) of the test, its error is (m(first) - m p) (t(first) - t(others)): m members of the
rollout are contacted, m(first) of them from those who came first, who are the share p of the test's members there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from sqlglot import exp

from experiments.audience.audience import build_audience
from experiments.definition.columns import UNDER_FLOOR
from experiments.inference.tails import critical_value
from experiments.queries import as_double, column, fetch_rows, is_null, named, relation
from uplift.documents import OtherMix
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.offers import Offers
from uplift.rollout_ledger import LEDGER
from uplift.sample import FEWEST
from uplift.scoring import score_members

_TESTED = "mix_of_test"


@dataclass(frozen=True)
class ClassMoments:
    """What the test's members did, by part of the audience, arm and class: first those who came first, then the others.

    Attributes:
        members: Shape (C, K, 2).
        mean: Shape (C, K, 2): of the value.
        variance: Shape (C, K, 2): between members.
    """

    members: Array
    mean: Array
    variance: Array


def other_mix(evidence: Evidence, offers: Offers, metric: str) -> OtherMix | None:
    """By how much the classes' own effects change the forecast; None where the test's members have no one class as of one day.

    That is where members enter day by day, or where the class of a shop or household is its members' together.

    Raises:
        OutsideError: The engine fails.
    """
    audience = evidence.experiment.definition.audience
    if audience.is_daily or audience.unit is not None:
        return None
    tested = _of_test(evidence, offers, metric)
    return weigh(tested, _contacted(evidence, offers))


def weigh(tested: ClassMoments, contacted: Array) -> OtherMix:
    """The shift of the forecast's profit with its 95 % interval, and the members of whose class the test tells nothing.

    An effect is read where both of its arms have `FEWEST` members of both classes in the part. Errors of arms that share a control
    go together.

    Args:
        tested: The test.
        contacted: Shape (C, K, 2): members of the rollout who are contacted.
    """
    enough = tested.members >= FEWEST
    known = (enough & enough[:, :1, :]).all(axis=2)
    in_part = tested.members.sum(axis=1)
    share = in_part[:, 0] / np.maximum(in_part.sum(axis=1), 1.0)
    excess = np.where(known, contacted[:, :, 0] - contacted.sum(axis=2) * share[:, None], 0.0)
    excess[:, 0] = 0.0
    effect = tested.mean - tested.mean[:, :1, :]
    shift = float((excess * (effect[:, :, 0] - effect[:, :, 1])).sum())
    error = (tested.variance / np.maximum(tested.members, 1.0)).sum(axis=2)
    variance = (excess**2 * error).sum() + (excess.sum(axis=1) ** 2 * error[:, 0]).sum()
    reach = critical_value(0.05) * math.sqrt(float(variance))
    untold = contacted * ~(enough & enough[:, :1, :])
    return OtherMix(shift, shift - reach, shift + reach, int(untold[:, 1:, :].sum()))


def _of_test(evidence: Evidence, offers: Offers, metric: str) -> ClassMoments:
    """The test's members as they were at its snapshot: part and class are from before anybody was contacted."""
    experiment = evidence.experiment
    engine, shape = experiment.engine, (*offers.gains.shape, 2)
    audience = build_audience(experiment, evidence.catalogue)
    # Whoever was assigned counts, whatever the data say of the member since.
    entered = exp.select("*").from_(relation(audience.relation, "people"))
    entered = entered.join(relation(evidence.assigned.relation, "drawn"), on=_same("drawn"), join_type="semi")
    engine.create(_TESTED, _without_refusal(entered, engine.columns(audience.relation)))
    cells = score_members(experiment, replace(audience, relation=_TESTED), offers)
    value = as_double(column(evidence.units.metric_columns[metric], "units"))
    first = column(UNDER_FLOOR, "people")
    query = (
        exp.select(
            named(column("cell", "cells"), "cell"),
            named(column("arm", "units"), "arm"),
            named(first, "first"),
            named(exp.Count(this=value), "members"),
            named(exp.Sum(this=value.copy()), "total"),
            named(exp.Sum(this=exp.Mul(this=value.copy(), expression=value.copy())), "squares"),
        )
        .from_(relation(evidence.units.relation, "units"))
        .join(relation(_TESTED, "people"), on=_same("units"))
        .join(relation(cells, "cells"), on=_same("cells"))
        .where(exp.not_(is_null(value.copy())))
        .group_by(column("cell", "cells"), column("arm", "units"), first.copy())
    )
    members, mean, variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for row in fetch_rows(engine, query):
        at = int(row["cell"]), offers.arms.index(row["arm"]), 0 if row["first"] else 1
        count = members[at] = float(row["members"])
        mean[at] = row["total"] / count
        variance[at] = max(row["squares"] - count * mean[at] ** 2, 0.0) / max(count - 1, 1.0)
    return ClassMoments(members, mean, variance)


def _contacted(evidence: Evidence, offers: Offers) -> Array:
    """Members of the rollout who are contacted, by part, arm and class."""
    keys = [column(name) for name in ("cell", "arm", UNDER_FLOOR)]
    query = exp.select(*keys, named(exp.Count(this=exp.Star()), "members")).from_(relation(LEDGER))
    sent = exp.In(
        this=column("reason"), expressions=[exp.Literal.string(each) for each in ("offer", "explore")]
    )
    found = np.zeros((*offers.gains.shape, 2))
    for row in fetch_rows(
        evidence.experiment.engine, query.where(sent).group_by(*(key.copy() for key in keys))
    ):
        at = int(row["cell"]), offers.arms.index(row["arm"]), 0 if row[UNDER_FLOOR] else 1
        found[at] += row["members"]
    return found


def _without_refusal(people: exp.Select, columns: Iterable[str]) -> exp.Select:
    kept = [column(name, "people") for name in columns if name != "refused_by"]
    refusal = exp.cast(exp.null(), exp.DType.TEXT)
    return people.select(*kept, named(refusal, "refused_by"), append=False)


def _same(alias: str) -> exp.Expr:
    return exp.EQ(this=column("member", alias), expression=column("member", "people"))
