"""Whether the members who have an arm are still known by the keys under which they were drawn."""

from __future__ import annotations

from sqlglot import exp

from experiments.data.catalogue import Catalogue
from experiments.definition.errors import Fault, InputError
from experiments.definition.model import MEMBERS
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, named, relation

_LOOKED_UP = 1000
_REMEDY = (
    "give the members the keys under which they were drawn, or map the source to their table with --table"
)


def require_recognised(experiment: Experiment, catalogue: Catalogue, ledger: str) -> None:
    """Members may leave the data, but not all of them, and a key that begins with 0 is never an integer's.

    Keys that have lost their zeros, or another table of members, would make strangers of those who have an arm: they would
    show no outcome, be drawn again, and be sent a rollout's offer on top of the test's.

    Args:
        experiment: The experiment.
        catalogue: Its data.
        ledger: The relation of the ledger.

    Raises:
        InputError: Keys were texts when arms were drawn and are integers now, or nobody in the ledger is found.
    """
    if _is_other_type(experiment, catalogue, ledger):
        key = experiment.definition.data[MEMBERS].key
        cause = f"`{key}` is an integer now, and members have keys that begin with 0 in the ledger"
        raise InputError([_fault(experiment, cause)])
    # Where members enter day by day, the data may hold those of the day alone.
    if not experiment.definition.audience.is_daily and _is_nobody_found(experiment, catalogue, ledger):
        cause = "nobody who has an arm is found by the key under which they were drawn"
        raise InputError([_fault(experiment, cause)])


def _fault(experiment: Experiment, cause: str) -> Fault:
    return experiment.definition.origin.fault(("data", MEMBERS, "key"), cause, _REMEDY)


def _is_other_type(experiment: Experiment, catalogue: Catalogue, ledger: str) -> bool:
    if catalogue.members.columns[experiment.definition.data[MEMBERS].key] is ColumnType.TEXT:
        return False
    zero_first = exp.Like(this=column("member"), expression=exp.Literal.string("0_%"))
    query = exp.select(column("member")).from_(relation(ledger)).where(zero_first).limit(1)
    return bool(experiment.engine.rows(query))


def _is_nobody_found(experiment: Experiment, catalogue: Catalogue, ledger: str) -> bool:
    """Whether there are members in the ledger, and none of them is in the data; mostly the first ones tell."""
    everybody = exp.select(column("member")).from_(relation(ledger))
    queries = (everybody.limit(_LOOKED_UP), everybody)
    return all(_are_strangers(experiment, catalogue, query) for query in queries)


def _are_strangers(experiment: Experiment, catalogue: Catalogue, drawn: exp.Select) -> bool:
    engine = experiment.engine
    key = engine.as_key(column(experiment.definition.data[MEMBERS].key, "people"))
    query = (
        exp.select(named(exp.Count(this=exp.Star()), "drawn"), named(exp.Count(this=key), "found"))
        .from_(drawn.subquery("drawn"))
        .join(
            relation(catalogue.members.relation, "people"),
            on=exp.EQ(this=key.copy(), expression=column("member", "drawn")),
            join_type="left",
        )
    )
    (row,) = fetch_rows(engine, query)
    return bool(row["drawn"]) and not row["found"]
