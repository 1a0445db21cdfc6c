"""Whether contacts are labelled as limits on them say: a limit counts no contact whose label is another text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from sqlglot import exp

from experiments.data.column_checks import CHANNEL, CONTACT_KIND
from experiments.data.source_rows import SourceRows
from experiments.definition.contact_policy import CONTACTS, ContactKind
from experiments.definition.errors import Fault
from experiments.definition.model import Definition
from experiments.definition.origin import KeyPath
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, named, number

_MOST = 1000
"""So many labels are looked at, the most frequent ones; a column with more of them holds no labels."""


def check_contact_labels(experiment: Experiment, rows: Mapping[str, SourceRows]) -> Iterator[Fault]:
    """Labels that differ from one of the definition by capitals or spaces alone: their contacts would pass every limit.

    A label that is like none is left alone: a brand may have channels, and contacts such as receipts, that no limit is for.
    """
    contacts = rows.get(CONTACTS)
    if contacts is None:
        return
    for name, labels in _limited(experiment.definition).items():
        counted = named(exp.Count(this=exp.Star()), "rows")
        query = exp.select(named(column(name, contacts.alias), "label"), counted).from_(contacts.table)
        grouped = query.group_by(column(name, contacts.alias)).order_by(column("rows").desc())
        by_folded = {_folded(label): label for label in labels}
        for row in fetch_rows(experiment.engine, grouped.limit(number(_MOST))):
            found = row["label"]
            meant = None if found is None or found in labels else by_folded.get(_folded(found))
            if meant is not None:
                yield _fault(experiment.definition, labels[meant], name, found, meant, row["rows"])


def _fault(definition: Definition, at: KeyPath, name: str, found: str, meant: str, rows: int) -> Fault:
    place = f"in {rows:,} row{'' if rows == 1 else 's'} of {CONTACTS}"
    cause = f"`{name}` is `{found}` {place}, which is not `{meant}`, so that none of them counts"
    return definition.origin.fault(at, cause, f"write `{meant}` in the data")


def _limited(definition: Definition) -> dict[str, dict[str, KeyPath]]:
    """Of each column that limits read, every label that one of them counts, and where it stands."""
    audience = definition.audience
    channels: dict[str, KeyPath] = {}
    kinds: dict[str, KeyPath] = {}
    for place, cap in enumerate(audience.contact_caps):
        at: KeyPath = ("audience", "contact_caps", place)
        for index, channel in enumerate(cap.channels):
            channels.setdefault(channel, (*at, "channels", index))
        if cap.kind != "any":
            kinds.setdefault(cap.kind, (*at, "kind"))
    policy = audience.contact_policy
    if policy is not None:
        for index, channel in enumerate(policy.channels or ()):
            channels.setdefault(channel, ("audience", "contact_policy", "channels", index))
        for kind in get_args(ContactKind):
            kinds.setdefault(kind, ("audience", "contact_policy"))
    return {name: labels for name, labels in ((CHANNEL, channels), (CONTACT_KIND, kinds)) if labels}


def _folded(label: str) -> str:
    return label.strip().casefold()
