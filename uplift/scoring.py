"""Scoring an audience: in the engine for tables and trees, in batches of bounded memory for models."""

from __future__ import annotations

from sqlglot import exp

from experiments.assignment.draws import purpose_hash, slot
from experiments.audience.audience import Audience
from experiments.experiment import Experiment
from experiments.queries import column, is_null, named, number, relation
from uplift.offers import Offers
from uplift.reading import feature_column
from uplift.sql import cell_case

CELLS = "rollout_cells"
_BATCH = 250_000


def cell_of_members(experiment: Experiment, audience: Audience, offers: Offers) -> str:
    """The relation with `member` and `cell`, the part of the audience, of every eligible member."""
    case = cell_case(offers.rule, experiment.engine, offers.segments)
    if case is not None:
        query = exp.select(named(column("member"), "member"), named(case, "cell")).from_(
            relation(audience.relation)
        )
        experiment.engine.create(CELLS, query.where(is_null(column("refused_by"))))
        return CELLS
    return _by_model(experiment, audience, offers)


def _by_model(experiment: Experiment, audience: Audience, offers: Offers) -> str:
    """A slice of the audience by hash at a time, scored in Python and written beside the lists until it is read back."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    assert offers.policy is not None
    engine, policy = experiment.engine, offers.policy
    slices = max(1, -(-audience.eligible // _BATCH))
    folder = experiment.workspace.rollout / ".scoring"
    folder.mkdir(parents=True, exist_ok=True)
    features = [
        named(feature_column(name, kind, audience.columns[name], experiment), name)
        for name, kind in policy.kinds.items()
    ]
    part = slot(engine, purpose_hash(engine, experiment.definition.salt, "learn", column("member")), slices)
    files = []
    try:
        for place in range(slices):
            experiment.progress(f"Scoring members, part {place + 1} of {slices}")
            here = exp.and_(is_null(column("refused_by")), exp.EQ(this=part.copy(), expression=number(place)))
            query = exp.select(named(column("member"), "the member"), *features).from_(
                relation(audience.relation)
            )
            frame = engine.fetch(query.where(here)).to_pandas()
            table = pa.table(
                {"member": pa.array(frame["the member"], pa.string()), "cell": policy.choose(frame)}
            )
            files.append(folder / f"{place}.parquet")
            parquet.write_table(table, files[-1])
        empty = exp.select(named(exp.Literal.string(""), "member"), named(number(0), "cell"))
        engine.read_files("rollout_scored", files, empty)
        engine.create(CELLS, exp.select("*").from_(relation("rollout_scored")))
    finally:
        for file in files:
            file.unlink(missing_ok=True)
        folder.rmdir()
    return CELLS
