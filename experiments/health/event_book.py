"""The event book: how many rows lay in the windows of each arm and day when these were first read as closed.

An event belongs to its own time, so a row that is loaded after its window has closed is found only beside an earlier count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from experiments.assignment.assigned import Assigned
from experiments.data.catalogue import Catalogue
from experiments.definition.errors import InputError, OutsideError
from experiments.definition.model import Definition
from experiments.documents.storage import read_document, to_json
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.measurement.event_counts import SourceEvents, count_events
from experiments.measurement.measurement import Measurement

_CLOCKS_CHANGE = timedelta(hours=1)


@dataclass(frozen=True)
class ReadEvents:
    """The rows of one source in the closed windows of one arm and planned day, as they were first read.

    Attributes:
        source: The event source.
        arm: The arm.
        day: The planned send day (ISO 8601).
        share: The part of the members whose rows were looked at.
        members: Members of the arm who are planned for that day.
        rows: Their rows.
        read_at: When (UTC, ISO 8601).
    """

    source: str
    arm: str
    day: str
    share: float
    members: int
    rows: int
    read_at: str

    @property
    def place(self) -> tuple[str, str, str, float, int]:
        """What the rows are of: the same members, looked at in the same part."""
        return self.source, self.arm, self.day, self.share, self.members


@dataclass(frozen=True)
class EventBook:
    """The first reading of every closed day, by one definition."""

    experiment: str
    definition_sha256: str
    read: tuple[ReadEvents, ...] = ()
    schema: str = "offerwise.events/1"


@dataclass(frozen=True)
class ChangedRows:
    """How the rows of one source in windows that had closed have changed since these were first read.

    Attributes:
        source: The event source.
        since: The earliest of the first readings (UTC, ISO 8601).
        rows: Rows at the first readings.
        gained: Arm to rows that came later.
        lost: Arm to rows that went away.
    """

    source: str
    since: str
    rows: int
    gained: dict[str, int]
    lost: dict[str, int]


@dataclass(frozen=True)
class EventEvidence:
    """What health reads of events.

    Attributes:
        sources: Rows and repeats of each source.
        changed: For each source with days that were read before, what has changed since.
        closed: Source to the members of whose days every window has closed.
    """

    sources: tuple[SourceEvents, ...]
    changed: tuple[ChangedRows, ...]
    closed: Mapping[str, int]


def read_events(
    experiment: Experiment, catalogue: Catalogue, assigned: Assigned, measurement: Measurement
) -> EventEvidence:
    """Count the events, hold them against the book, and enter the days that have closed since.

    Days are compared as long as the definition and the members of the day are the same. Of a source without any row nothing is
    entered: it may not have been loaded yet, and its rows would be called late for ever.

    Raises:
        OutsideError: The book is damaged, or the disk refuses.
    """
    definition, path = experiment.definition, experiment.workspace.events
    sources = count_events(experiment, catalogue, assigned, measurement.assigned)
    try:
        book = read_document(EventBook, path)
    except InputError as error:
        raise OutsideError(
            f"Could not read {path}, which keeps how many events were read",
            "Nothing was changed",
            "Delete it; rows that come late are then told from now on",
        ) from error
    if book is None or book.definition_sha256 != definition.origin.sha256:
        book = EventBook(definition.id, definition.origin.sha256)
    now = {each.place: each for each in _closed(definition, sources, experiment.now)}
    known = {each.place: each for each in book.read}
    loaded = {each.source for each in sources if each.rows}
    new = tuple(each for place, each in now.items() if place not in known and each.source in loaded)
    if new:
        read = EventBook(book.experiment, book.definition_sha256, (*book.read, *new))
        write_whole(path, to_json(read))
    before = [(known[place], each.rows) for place, each in now.items() if place in known]
    closed: Counter[str] = Counter()
    for each in now.values():
        closed[each.source] += each.members
    return EventEvidence(sources, tuple(_changed(before)), closed)


def _closed(definition: Definition, sources: Iterable[SourceEvents], now: datetime) -> Iterator[ReadEvents]:
    """The counts of days of which every window has closed."""
    today = (now - _CLOCKS_CHANGE).astimezone(definition.zone).date()
    for source in sources:
        for each in source.counts:
            if each.day is not None and today > each.day + timedelta(days=source.window_days):
                yield ReadEvents(
                    source=source.source,
                    arm=each.arm,
                    day=each.day.isoformat(),
                    share=source.share,
                    members=each.members,
                    rows=each.rows,
                    read_at=now.isoformat(timespec="seconds"),
                )


def _changed(before: Sequence[tuple[ReadEvents, int]]) -> Iterator[ChangedRows]:
    """Source by source, from the first readings with the rows that there are now."""
    for source in dict.fromkeys(read.source for read, _ in before):
        of_source = [(read, rows) for read, rows in before if read.source == source]
        gained: dict[str, int] = {}
        lost: dict[str, int] = {}
        for read, rows in of_source:
            arms = gained if rows > read.rows else lost
            if rows != read.rows:
                arms[read.arm] = arms.get(read.arm, 0) + abs(rows - read.rows)
        yield ChangedRows(
            source=source,
            since=min(read.read_at for read, _ in of_source),
            rows=sum(read.rows for read, _ in of_source),
            gained=gained,
            lost=lost,
        )
