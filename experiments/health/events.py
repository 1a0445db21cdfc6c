"""Health of the events: are rows there twice, and have rows come since they were first read?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from experiments.definition.model import Definition
from experiments.documents.analysis import CheckStatus, HealthCheck
from experiments.health.event_book import ChangedRows, EventEvidence
from experiments.health.telling import HealthWording
from experiments.measurement.event_counts import SourceEvents

FAILS_FROM = 0.01
"""The part of the rows that may not be repeats, where an id tells that they are."""
SILENT_FROM = 1000
"""Members with closed windows from which on a source without a row is told: of fewer, rare events may have happened to none."""


@dataclass(frozen=True)
class EventHealth:
    """The checks of each event source that metrics read, in the windows of the members who were looked at.

    Without an id equal rows may be two true events, so they warn; with one they are repeats, and 1 % of them fails.
    Late rows warn: what was read before lacked them, and more may come. No row at all warns, because a source that ends before the
    send looks like members who did nothing, and a guardrail without events passes.

    Attributes:
        definition: The arms.
        events: What was counted, now and before.
        wording: How checks are told.
    """

    definition: Definition
    events: EventEvidence
    wording: HealthWording

    def checks(self) -> Iterable[HealthCheck]:
        """Every check that applies."""
        for source in self.events.sources:
            if source.adds_up and source.rows:
                yield self._repeats(source)
        changed = {each.source: each for each in self.events.changed}
        for source in self.events.sources:
            told = changed.get(source.source)
            if source.rows or (told is not None and told.rows):
                yield self._late(source, told)
            elif (members := self.events.closed.get(source.source, 0)) >= SILENT_FROM:
                facts = {"source": source.source, "members": f"{members:,}"}
                yield self.wording.told("late_events", "warn", "no_events", None, **facts)

    def _repeats(self, source: SourceEvents) -> HealthCheck:
        part = source.repeats / source.rows
        status: CheckStatus = "pass"
        if source.repeats:
            status = "fail" if source.has_id and part >= FAILS_FROM else "warn"
        code = "no_repeats" if status == "pass" else "repeats_by_id" if source.has_id else "repeats"
        rows, repeats = Counter[str](), Counter[str]()
        for each in source.counts:
            rows[each.arm] += each.rows
            repeats[each.arm] += each.repeats
        arms = self.wording.listed(
            f"{self.wording.arm(arm.id)} {repeats[arm.id] / rows[arm.id]:.2%}"
            for arm in self.definition.all_arms
            if rows[arm.id]
        )
        facts = {"source": source.source, "rows": f"{source.rows:,}", "repeats": f"{source.repeats:,}"}
        facts["looked_at"] = self._looked_at(source)
        return self.wording.told(
            "repeated_events", status, code, None, **facts, share=f"{part:.2%}", arms=arms
        )

    def _looked_at(self, source: SourceEvents) -> str:
        """Whose rows were looked at: all members', or those of one in so many."""
        if source.share == 1:
            return self.wording.part("of_all")
        return self.wording.part("of_one_in", count=round(1 / source.share))

    def _late(self, source: SourceEvents, changed: ChangedRows | None) -> HealthCheck:
        """Rows that came or went since a first reading, and how far the rows reach."""
        facts = {
            "source": source.source,
            "newest": self.wording.moment(source.newest) if source.newest else "-",
            "looked_at": self._looked_at(source),
        }
        if changed is not None and (changed.gained or changed.lost):
            arms = {
                arm.id: changed.gained.get(arm.id, 0) - changed.lost.get(arm.id, 0)
                for arm in self.definition.all_arms
            }
            return self.wording.told(
                "late_events",
                "warn",
                "events_changed",
                None,
                **facts,
                since=self.wording.moment(datetime.fromisoformat(changed.since)),
                rows=f"{changed.rows:,}",
                gained=f"{sum(changed.gained.values()):,}",
                lost=f"{sum(changed.lost.values()):,}",
                arms=self.wording.listed(f"{self.wording.arm(arm)} {n:+,}" for arm, n in arms.items()),
            )
        code = "events_whole" if changed is None else "events_unchanged"
        return self.wording.told("late_events", "pass", code, None, **facts)
