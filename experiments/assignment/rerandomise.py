"""Rerandomisation: arms are drawn again, by new salts, until they are alike on covariates; the salt that was accepted is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement

import numpy as np
from sqlglot import exp

from experiments.assignment.batch import ENTERING
from experiments.assignment.draw import Draw
from experiments.audience.audience import Audience
from experiments.definition.assignment import Rerandomise
from experiments.definition.errors import OutsideError
from experiments.engines.protocol import Engine
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.inference.moments import Array
from experiments.inference.rerandomisation import imbalance, largest_imbalance
from experiments.queries import as_double, coalesce, column, double, fetch_rows, named, relation
from experiments.refusals import refusal


@dataclass(frozen=True)
class Accepted:
    """The draw that was accepted, as `rerandomisation.json` keeps it beside the ledger.

    Attributes:
        salt: The salt of the arms in every batch: the definition's, followed from the second draw on by `#1`, `#2`, ...
        draws: How many draws were made.
        imbalance: The criterion of the one that was accepted.
        largest_imbalance: What it may be at most.
        covariates: What the arms were to be alike on.
    """

    salt: str
    draws: int
    imbalance: float
    largest_imbalance: float
    covariates: tuple[str, ...]


def accepted_salt(experiment: Experiment) -> str:
    """The salt by which arms are drawn once the first batch is in the ledger.

    Raises:
        OutsideError: It was accepted among several, and what keeps it is gone.
    """
    if experiment.definition.assignment.rerandomise is None:
        return experiment.definition.salt
    path = experiment.workspace.rerandomisation
    try:
        return str(json.loads(path.read_text(encoding="utf8"))["salt"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutsideError(
            f"Could not read {path}, which keeps the salt that was accepted",
            "Nothing was changed",
            "Restore it from a backup",
        ) from error


def rerandomise(
    experiment: Experiment, settings: Rerandomise, audience: Audience, enter: Callable[[str], None]
) -> str:
    """Draw the first batch by one salt after the other, keep the first whose arms are alike enough, and give its salt.

    The criterion and its limit: `experiments.inference.rerandomisation`; a covariate that a member does not have counts as
    its mean. Inference stays valid with the covariates in the regression of each arm, as `design.covariates` puts them
    there (Li and Ding 2020, JRSS B 82).

    Args:
        experiment: The experiment.
        settings: Covariates, and how many draws are accepted and made.
        audience: Where the covariates are known.
        enter: Makes the relation of those who enter, by a salt.

    Raises:
        RefusedError: No draw was accepted.
    """
    definition = experiment.definition
    names, limit, means, covariance = settings.covariates, 0.0, [0.0], np.zeros((1, 1))
    for number in range(settings.max_draws):
        salt = definition.salt if number == 0 else f"{definition.salt}#{number}"
        enter(salt)
        if number == 0:
            means, covariance = _spread(experiment.engine, audience, names)
            limit = largest_imbalance(settings.accept, len(definition.all_arms), covariance)
        members, rows = Draw(experiment, 0, salt).drawn()
        if not members:
            return salt
        found = _imbalance(experiment.engine, _beside(rows, audience, names), means, covariance)
        experiment.progress(f"Draw {number + 1}: imbalance {found:.3g}, accepted up to {limit:.3g}")
        if found <= limit:
            accepted = Accepted(salt, number + 1, found, limit, names)
            write_whole(experiment.workspace.rerandomisation, json.dumps(asdict(accepted), indent=1) + "\n")
            return salt
    raise refusal(experiment.words, "never_alike", draws=settings.max_draws, limit=f"{limit:.3g}")


def _beside(rows: exp.Select, audience: Audience, names: Sequence[str]) -> exp.Select:
    """Rows of members with their covariates as doubles, `covariate_0`, `covariate_1`, ..."""
    same = exp.EQ(this=column("member", "people"), expression=column("member", "drawn"))
    values = [
        named(as_double(column(name, "people")), f"covariate_{place}") for place, name in enumerate(names)
    ]
    return (
        exp.select(*(column(name, "drawn") for name in rows.named_selects))
        .select(*values)
        .from_(rows.subquery("drawn"))
        .join(relation(audience.relation, "people"), on=same)
    )


def _spread(engine: Engine, audience: Audience, names: Sequence[str]) -> tuple[list[float], Array]:
    """Mean and covariance of the covariates over all who enter, missing values at the mean."""
    everybody = _beside(exp.select(column("member")).from_(relation(ENTERING)), audience, names)
    places = range(len(names))
    averages = [named(exp.Avg(this=column(f"covariate_{place}")), f"mean_{place}") for place in places]
    (row,) = fetch_rows(engine, exp.select(*averages).from_(everybody.subquery("everybody")))
    means = [float(row[f"mean_{place}"] or 0.0) for place in places]
    pairs = list(combinations_with_replacement(places, 2))
    products = [
        named(
            exp.Avg(this=exp.Mul(this=_centred(one, means), expression=_centred(other, means))),
            f"product_{one}_{other}",
        )
        for one, other in pairs
    ]
    (row,) = fetch_rows(engine, exp.select(*products).from_(everybody.subquery("everybody")))
    covariance = np.zeros((len(names), len(names)))
    for one, other in pairs:
        covariance[one, other] = covariance[other, one] = float(row[f"product_{one}_{other}"] or 0.0)
    return means, covariance


def _imbalance(engine: Engine, rows: exp.Select, means: Sequence[float], covariance: Array) -> float:
    averages = [named(exp.Avg(this=_centred(place, means)), f"mean_{place}") for place, _ in enumerate(means)]
    query = exp.select(column("arm"), named(exp.Count(this=exp.Star()), "members"), *averages)
    found = fetch_rows(engine, query.from_(rows.subquery("rows")).group_by(column("arm")))
    apart = [[float(row[f"mean_{place}"]) for place, _ in enumerate(means)] for row in found]
    return imbalance([int(row["members"]) for row in found], apart, covariance)


def _centred(place: int, means: Sequence[float]) -> exp.Expr:
    value = coalesce(column(f"covariate_{place}"), double(means[place]))
    return exp.paren(exp.Sub(this=value, expression=double(means[place])))
