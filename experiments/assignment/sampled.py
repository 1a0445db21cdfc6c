"""The sample by class: of the members who come first, and of the others, how many may enter and how many are assigned."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from experiments.definition.columns import UNDER_FLOOR
from experiments.documents.analysis import Reason
from experiments.documents.assignment import Assignment, SampledClass
from experiments.documents.storage import read_document
from experiments.experiment import Experiment
from experiments.queries import column, count_where, fetch_rows, is_null, named, relation

_PACKAGE = "experiments"


def sampled_classes(experiment: Experiment, audience: str, ledger: str) -> tuple[SampledClass, ...]:
    """Those under the floor of their stage, and the others; none where the definition lets nobody come first.

    Args:
        experiment: The experiment.
        audience: The relation of the audience.
        ledger: The relation of everybody assigned.

    Raises:
        OutsideError: The engine fails.
    """
    if not experiment.definition.prefers_under_floor:
        return ()
    first = column(UNDER_FLOOR, "people")
    query = (
        exp.select(
            named(first, "first"),
            named(exp.Count(this=exp.Star()), "eligible"),
            named(count_where(exp.not_(is_null(column("member", "drawn")))), "sampled"),
        )
        .from_(relation(audience, "people"))
        .join(
            relation(ledger, "drawn"),
            on=exp.EQ(this=column("member", "drawn"), expression=column("member", "people")),
            join_type="left",
        )
        .where(is_null(column("refused_by", "people")))
        .group_by(first.copy())
    )
    rows = {bool(row["first"]): row for row in fetch_rows(experiment.engine, query)}
    return tuple(
        SampledClass(is_first, int(rows[is_first]["eligible"]), int(rows[is_first]["sampled"]))
        if is_first in rows
        else SampledClass(is_first, 0, 0)
        for is_first in (True, False)
    )


def is_uneven(classes: Sequence[SampledClass]) -> bool:
    """Whether the classes were drawn with unlike chances, so that the sample is no simple random sample of the eligible.

    >>> is_uneven([SampledClass(True, 10, 10), SampledClass(False, 20, 20)])
    False
    """
    return any(each.sampled < each.eligible for each in classes) and all(each.eligible for each in classes)


def classes_of_test(experiment: Experiment) -> tuple[SampledClass, ...]:
    """The classes as the last `assign` told them; none where it left no document.

    Raises:
        InputError: The document is damaged.
    """
    if not experiment.definition.prefers_under_floor:
        return ()
    found = read_document(Assignment, experiment.workspace.document("assignment"))
    return () if found is None else found.classes


def told_classes(experiment: Experiment, classes: Sequence[SampledClass]) -> tuple[Reason, ...]:
    """What letting some come first means for whoever reads the effects."""
    if not is_uneven(classes):
        return ()
    first, others = classes
    text = experiment.words.say(
        _PACKAGE,
        "assignment.under_floor_first",
        first=f"{first.sampled:,}",
        of_first=f"{first.eligible:,}",
        others=f"{others.sampled:,}",
        of_others=f"{others.eligible:,}",
    )
    return (Reason("under_floor_first", text),)
