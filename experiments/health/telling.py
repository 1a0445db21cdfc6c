"""How a health check is told: its status, its p-value and one sentence for the people who run the campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from experiments.definition.model import Definition
from experiments.documents.analysis import CheckStatus, HealthCheck
from experiments.language import Words
from experiments.numbers import probability

_PACKAGE = "experiments"


@dataclass(frozen=True)
class HealthWording:
    """Sentences of the table `health`, with arms by their labels and counts with separators."""

    definition: Definition
    words: Words

    def told(
        self, check: str, status: CheckStatus, code: str, p_value: float | None = None, **facts: object
    ) -> HealthCheck:
        """A check with the sentence of `health.<code>`; `p` in a sentence is the check's p-value."""
        if p_value is not None:
            facts["p"] = f"p {probability(p_value)}"
        return HealthCheck(check, status, p_value, self.words.say(_PACKAGE, f"health.{code}", **facts))

    def part(self, code: str, **facts: object) -> str:
        """A part of a sentence."""
        return self.words.say(_PACKAGE, f"health.{code}", **facts)

    def arm(self, arm: str) -> str:
        """An arm by its label, and its id where that is another word."""
        label = self.definition.arm(arm).label
        return arm if label == arm else f"{label} ({arm})"

    def listed(self, items: Iterable[str]) -> str:
        """Several things in a row."""
        return self.words.say(_PACKAGE, "health.comma").join(items)

    def counts(self, counts: Mapping[str, int]) -> str:
        """Members of each arm, in the order of the file."""
        return self.listed(f"{self.arm(arm)} {members:,}" for arm, members in counts.items())

    def moment(self, moment: datetime) -> str:
        """A moment as the definition's time zone reads it."""
        return f"{moment.astimezone(self.definition.zone):%Y-%m-%d %H:%M} ({self.definition.timezone})"
