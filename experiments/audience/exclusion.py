"""Lists of members, by key: who may never enter, and who is exempt from marketing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from experiments.definition.errors import InputError
from experiments.definition.model import MEMBERS, Definition
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import column, named, relation


@dataclass(frozen=True)
class Lists:
    """The lists under one key of `audience`, and why their members may not enter."""

    key: Literal["exclude_lists", "exempt_lists"]
    refusal: Literal["exclude_lists", "exempt"]

    def files(self, definition: Definition) -> tuple[str, ...]:
        """The files, as they are written."""
        audience = definition.audience
        return audience.exclude_lists if self.key == "exclude_lists" else audience.exempt_lists or ()


EXCLUDE_LISTS = Lists("exclude_lists", "exclude_lists")
EXEMPT_LISTS = Lists("exempt_lists", "exempt")


@dataclass(frozen=True)
class MemberList:
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


def open_member_list(experiment: Experiment, lists: Lists, number: int) -> MemberList:
    """Open the list of that position.

    Raises:
        InputError: It cannot be read, or its key is neither text nor an integer; at the definition's line.
    """
    definition, engine = experiment.definition, experiment.engine
    at = ("audience", lists.key, number)
    file = lists.files(definition)[number]
    path = str(definition.origin.resolve_file(at, file))
    name, named_key = f"{lists.key}_{number}", definition.data[MEMBERS].key
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
    return MemberList(name, key)
