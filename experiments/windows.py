"""Measurement windows: a member's window opens at the planned send time and closes after whole days of 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class WindowState:
    """Whether the windows of the members assigned have closed, by the experiment's `now`.

    Attributes:
        open_members: Members whose longest window closes after `now`; 0 where no metric has a window.
        closes_at: When the last window closes (UTC); None where no metric has a window.
    """

    open_members: int
    closes_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether some member can still add to a metric."""
        return self.open_members > 0
