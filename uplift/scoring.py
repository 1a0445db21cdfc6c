"""Scoring an audience: in the engine for tables and trees, in batches of bounded memory for models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from experiments.assignment.draws import purpose_hash, slot
from experiments.audience.audience import Audience
from experiments.definition.errors import OutsideError
from experiments.experiment import Experiment
from experiments.queries import column, double, is_null, named, number, relation
from uplift.offers import Offers
from uplift.policy import ShippedPolicy
from uplift.reading import feature_column
from uplift.rules import Individual
from uplift.sql import cell_case

if TYPE_CHECKING:
    import pandas as pd

CELLS = "rollout_cells"
_BATCH = 250_000


def worth_column(arm: int) -> str:
    """The column with what a model predicts of an arm, by the arm's number."""
    return f"worth_{arm}"


def score_members(experiment: Experiment, audience: Audience, offers: Offers) -> str:
    """The relation with `member`, `cell` and `part` of every eligible member.

    The cell is the part of the audience that the rule knows. Of a table or a tree it is the part that is allocated, too; of a
    model that is those with the same predictions, which stand beside it, one column for each arm (`worth_column`).
    """
    case = cell_case(offers.rule, experiment.engine, offers.segments)
    if case is None:
        return _by_model(experiment, audience, offers)
    query = exp.select(named(column("member"), "member"), named(case, "cell"), named(case.copy(), "part"))
    experiment.engine.create(
        CELLS, query.from_(relation(audience.relation)).where(is_null(column("refused_by")))
    )
    return CELLS


def _by_model(experiment: Experiment, audience: Audience, offers: Offers) -> str:
    """A slice of the audience by hash at a time, scored in Python and written beside the lists until it is read back."""
    assert offers.policy is not None
    engine, policy = experiment.engine, offers.policy
    worth = [worth_column(k) for k in range(len(offers.arms))]
    with scratch(experiment) as folder:
        files = [
            _write_scores(policy, frame, folder / f"{place}.parquet")
            for place, frame in enumerate(_slices(experiment, audience, policy))
        ]
        empty = exp.select(named(exp.Literal.string(""), "member"), named(number(0), "cell"))
        engine.read_files(
            "rollout_scored", files, empty.select(*(named(double(0.0), name) for name in worth))
        )
        keys = [column("cell"), *(column(name) for name in worth)]
        part = exp.Window(
            this=exp.DenseRank(), order=exp.Order(expressions=[exp.Ordered(this=key) for key in keys])
        )
        zero_based = exp.Sub(this=part, expression=number(1))
        engine.create(CELLS, exp.select("*", named(zero_based, "part")).from_(relation("rollout_scored")))
    return CELLS


def _slices(experiment: Experiment, audience: Audience, policy: ShippedPolicy) -> Iterator[pd.DataFrame]:
    engine = experiment.engine
    slices = max(1, -(-audience.eligible // _BATCH))
    features = [
        named(feature_column(name, kind, audience.columns[name], experiment), name)
        for name, kind in policy.kinds.items()
    ]
    part = slot(engine, purpose_hash(engine, experiment.definition.salt, "learn", column("member")), slices)
    for place in range(slices):
        experiment.progress(f"Scoring members, part {place + 1} of {slices}")
        here = exp.and_(is_null(column("refused_by")), exp.EQ(this=part.copy(), expression=number(place)))
        query = exp.select(named(column("member"), "the member"), *features).from_(
            relation(audience.relation)
        )
        yield engine.fetch(query.where(here)).to_pandas()


def _write_scores(policy: ShippedPolicy, frame: pd.DataFrame, path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    assert isinstance(policy.rule, Individual)
    effects = policy.rule.model.effects(policy.members(frame).codes)
    # A prediction of minus zero is no other prediction than zero.
    columns = {worth_column(k): effects[:, k] + 0.0 for k in range(effects.shape[1])}
    member = pa.array(frame["the member"], pa.string())
    parquet.write_table(pa.table({"member": member, "cell": policy.rule.cells_of(effects), **columns}), path)
    return path


@contextmanager
def scratch(experiment: Experiment) -> Iterator[Path]:
    """A folder beside the lists for tables that go back into the engine; it is taken away again, members and all.

    Raises:
        OutsideError: The disk refuses.
    """
    folder = experiment.workspace.rollout / ".scoring"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            sweep_scratch(experiment)
    except OSError as error:
        raise OutsideError(
            f"Could not write in {folder}: {error.strerror or type(error).__name__}",
            "Nothing was half-written",
            "Make room or give another folder with --out, then run the same command again",
        ) from error


def sweep_scratch(experiment: Experiment) -> None:
    """Take away what `scratch` left where the process was killed."""
    folder = experiment.workspace.rollout / ".scoring"
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    folder.rmdir()
