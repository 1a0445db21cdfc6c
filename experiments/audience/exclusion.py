"""Exclude lists: members who may never enter, by key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from experiments.definition.errors import InputError
from experiments.definition.model import MEMBERS
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import column, named, relation


@dataclass(frozen=True)
class ExcludeList:
    """One list, open in the engine.

    Attributes:
        relation: The relation of its rows.
        key: The column with the member's key: the one that is named as the members' key, else the first.
    """

    relation: str
    key: str

    def members(self, experiment: Experiment) -> exp.Select:
        """The keys on the list, as text, under the name `member`."""
        key = experiment.engine.as_key(column(self.key))
        return exp.select(named(key, "member")).from_(relation(self.relation))


def open_exclude_list(experiment: Experiment, number: int) -> ExcludeList:
    """Open the exclude list of that position.

    Raises:
        InputError: It cannot be read, or its key is neither text nor an integer; at the definition's line.
    """
    definition, engine = experiment.definition, experiment.engine
    at = ("audience", "exclude_lists", number)
    file = definition.audience.exclude_lists[number]
    path = str(definition.origin.resolve_file(at, file))
    name, named_key = f"exclude_list_{number}", definition.data[MEMBERS].key
    try:
        columns = engine.open_source(name, path)
        key = named_key if named_key in columns else next(iter(columns))
        if columns[key] is not ColumnType.TEXT:
            # Digits were taken for a number: read them again as they stand, so that `0012` stays `0012`.
            columns = engine.open_source(name, path, key=key)
    except InputError as error:
        raise InputError(
            definition.origin.fault(at, fault.cause, fault.remedy) for fault in error.faults
        ) from error
    if columns[key] not in {ColumnType.TEXT, ColumnType.INTEGER}:
        cause = f"the column `{key}` of {file} is {columns[key].value}, not text or an integer"
        raise InputError([definition.origin.fault(at, cause, "list the members' keys in the first column")])
    return ExcludeList(name, key)
