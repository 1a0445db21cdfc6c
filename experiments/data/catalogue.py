"""The catalogue: every data source opened, and checked as the definition uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.audience.exclusion import EXCLUDE_LISTS, EXEMPT_LISTS, open_member_list
from experiments.data.column_checks import check_columns
from experiments.data.row_checks import check_rows
from experiments.data.source_table import SourceTable
from experiments.definition.errors import Fault, InputError
from experiments.definition.model import MEMBERS
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment


@dataclass(frozen=True)
class Catalogue:
    """The data sources of an experiment, open in its engine.

    Attributes:
        sources: Source name to its relation and columns.
        features: Feature name to its type.
    """

    sources: Mapping[str, SourceTable]
    features: Mapping[str, ColumnType]

    @property
    def members(self) -> SourceTable:
        """The source with one row for each member."""
        return self.sources[MEMBERS]

    @property
    def member_kinds(self) -> Mapping[str, ColumnType]:
        """The types of what conditions on members may read: the members' columns and the features."""
        return {**self.members.columns, **self.features}


def open_data(experiment: Experiment) -> Catalogue:
    """Open every source of the definition and check columns, types and rows as the definition uses them.

    Checked are: each column and its type; keys of sources with one row a member, which are unique and never
    missing; the labels of recorded arms; missing values of recorded outcomes; binary outcomes, which are 0 or 1;
    moments, which lie in the calendar; the labels of contacts that are limited; and that the lists of members can be read.

    Raises:
        InputError: Something does not fit: every fault at once, each at the definition's line.
        OutsideError: The engine fails.
    """
    experiment.progress("Opening the data")
    sources, faults = _open_sources(experiment)
    checked = check_columns(experiment, sources)
    faults += [*checked.faults, *_list_faults(experiment)]
    if not faults:
        experiment.progress("Checking the rows")
        faults += check_rows(experiment, sources)
    if faults:
        raise InputError(faults)
    return Catalogue(sources, checked.features)


def _open_sources(experiment: Experiment) -> tuple[dict[str, SourceTable], list[Fault]]:
    origin = experiment.definition.origin
    sources: dict[str, SourceTable] = {}
    faults: list[Fault] = []
    for name, source in experiment.definition.data.items():
        try:
            relation = f"data__{name}"
            columns = experiment.engine.open_source(relation, experiment.table_of(name), key=source.key)
        except InputError as error:
            faults += [
                origin.fault(("data", name, "table"), fault.cause, fault.remedy) for fault in error.faults
            ]
        else:
            sources[name] = SourceTable(relation, columns)
    return sources, faults


def _list_faults(experiment: Experiment) -> list[Fault]:
    faults: list[Fault] = []
    for lists in (EXCLUDE_LISTS, EXEMPT_LISTS):
        for number, _ in enumerate(lists.files(experiment.definition)):
            try:
                open_member_list(experiment, lists, number)
            except InputError as error:
                faults += error.faults
    return faults
