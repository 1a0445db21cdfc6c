"""The ramp: each step's lists are written once, after the steps before it have been measured by the rollout's own holdout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.audience.audience import Audience
from experiments.data.catalogue import Catalogue
from experiments.definition.arms import CONTROL
from experiments.definition.columns import is_reserved
from experiments.definition.errors import OutsideError
from experiments.experiment import Experiment
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.units import build_units
from experiments.measurement.windows import PLANNED, longest_window
from experiments.queries import column, fetch_rows, is_null, named, number, relation, when
from uplift.rollout_ledger import LEDGER, ledger_path
from uplift.sql import SEGMENT

RELEASED = "rollout_released"
_MEASURED = "rollout_measured"


def step_path(experiment: Experiment, step: int) -> Path:
    """Where a step's members stand; its presence means that its lists may have been sent."""
    return experiment.workspace.rollout / f"step-{step}.parquet"


def list_path(experiment: Experiment, arm: str, step: int, steps: int) -> Path:
    """Where the list of an arm in a step stands."""
    return experiment.workspace.rollout / (f"{arm}.csv" if steps == 1 else f"{arm}__step{step}.csv")


def released_steps(experiment: Experiment, steps: int) -> tuple[int, ...]:
    """The steps that are released, from 1 on."""
    return tuple(step for step in range(1, steps + 1) if step_path(experiment, step).exists())


def refuse_loss(experiment: Experiment, steps: int) -> None:
    """Ledger, steps and lists are written in this order: one whose successor stands has been lost, not left out.

    Drawn or released anew, members who may have been sent an offer would be sent one again.

    Raises:
        OutsideError: The ledger or a step is gone.
    """
    released = released_steps(experiment, steps)
    last = max([0, *released, *_listed(experiment, steps)])
    needed = [ledger_path(experiment), *(step_path(experiment, step) for step in range(1, last + 1))]
    gone = [path.name for path in needed if not path.exists()] if last else []
    if gone:
        folder = experiment.workspace.rollout
        raise OutsideError(
            f"Could not read the rollout {folder}: {', '.join(gone)} is gone, and what was written after it stands",
            "Nothing was changed, and nobody was drawn or released",
            f"Restore {folder} from a backup; only if nobody has been sent anything, take it away and run the same command again",
        )


def _listed(experiment: Experiment, steps: int) -> Iterator[int]:
    """The steps of which a list stands."""
    for arm in experiment.definition.offer_arms:
        for step in range(1, steps + 1):
            if list_path(experiment, arm.id, step, steps).exists():
                yield step


def release(experiment: Experiment, audience: Audience, step: int) -> None:
    """Write who is in a step, whole: those of the ledger who are eligible today, contacted and held out alike.

    Eligibility and caps are decided alike for everybody of the step, before anybody of it is contacted, so that contacted and
    held-out members remain comparable.
    """
    engine = experiment.engine
    experiment.progress(f"Releasing step {step}")
    names = ("member", SEGMENT, "cell", "arm", "policy_arm", "reason", "propensity", "ramp_step")
    query = (
        exp.select(
            *(named(column(name, "drawn"), name) for name in names),
            named(engine.instant_literal(experiment.now), PLANNED),
        )
        .from_(relation(LEDGER, "drawn"))
        .join(
            relation(audience.relation, "people"),
            on=exp.EQ(this=column("member", "people"), expression=column("member", "drawn")),
        )
        .where(
            exp.and_(
                exp.EQ(this=column("ramp_step", "drawn"), expression=number(step)),
                is_null(column("refused_by", "people")),
            )
        )
        .order_by(engine.collated(column("member", "drawn")))
    )
    engine.write(query, step_path(experiment, step))


def read_released(experiment: Experiment, steps: Iterable[int]) -> dict[int, tuple[int, datetime]]:
    """Make the released members readable as relation RELEASED; of each step its members, and when it was released."""
    engine = experiment.engine
    engine.read_files(RELEASED, [step_path(experiment, step) for step in steps], exp.select(number(1)))
    query = (
        exp.select(
            named(column("ramp_step"), "step"),
            named(exp.Count(this=exp.Star()), "members"),
            named(exp.Max(this=column(PLANNED)), "at"),
        )
        .from_(relation(RELEASED))
        .group_by(column("ramp_step"))
    )
    return {int(row["step"]): (int(row["members"]), row["at"]) for row in fetch_rows(engine, query)}


def windows_close(experiment: Experiment, released: dict[int, tuple[int, datetime]]) -> datetime | None:
    """When the last window of the released steps closes; None where nobody is in them.

    At least a day after the release, even where no metric has a window: a command that is run twice releases one step.
    """
    if not released:
        return None
    days = max(longest_window(experiment.definition), 1)
    return max(at for _, at in released.values()) + timedelta(days=days)


def measure_released(experiment: Experiment, catalogue: Catalogue, audience: Audience) -> Measurement:
    """What the members of the released steps did, counted from the release: arms against the rollout's own holdout.

    The segment of a member is what the policy gives it, or would have given; its stratum is its part of the audience. Within
    both, chance alone decided who was held out. Members who are not offered anything are in no arm.
    """
    engine = experiment.engine
    held = exp.EQ(this=column("reason", "drawn"), expression=exp.Literal.string("holdout"))
    known = [name for name in audience.columns if not is_reserved(name)]
    query = (
        exp.select(
            named(column("member", "drawn"), "member"),
            named(when(held, exp.Literal.string(CONTROL), column("arm", "drawn")), "arm"),
            named(column("policy_arm", "drawn"), SEGMENT),
            named(exp.cast(column("cell", "drawn"), exp.DType.TEXT), "stratum"),
            named(column("ramp_step", "drawn"), "batch"),
            named(column("propensity", "drawn"), "propensity"),
            named(column(PLANNED, "drawn"), PLANNED),
            *(named(column(name, "people"), name) for name in known),
        )
        .from_(relation(RELEASED, "drawn"))
        .join(
            relation(audience.relation, "people"),
            on=exp.EQ(this=column("member", "people"), expression=column("member", "drawn")),
            join_type="left",
        )
        .where(exp.NEQ(this=column("reason", "drawn"), expression=exp.Literal.string("not_offered")))
    )
    engine.create(_MEASURED, query)
    assigned = Assigned(_MEASURED, engine.columns(_MEASURED), locked=True, recorded=False)
    return measure(experiment, build_units(experiment, catalogue, assigned))
