"""Lifecycle stages by days, ready to use; a brand sets its own limits from its purchase cycle.

Stages are half-open: `(7, 45)` holds from day 7 up to, but not including, day 45; None has no upper end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Stages = Mapping[str, tuple[int, int | None]]

STAGES: Mapping[str, Stages] = MappingProxyType(
    {
        "dormancy": MappingProxyType(
            {
                "active": (0, 90),
                "silent": (90, 180),
                "near_dormant": (180, 365),
                "dormant": (365, 730),
                "churned": (730, None),
            }
        ),
        "aftercare": MappingProxyType(
            {
                "after_sales": (0, 7),
                "active": (7, 45),
                "silent": (45, 90),
                "sleeping": (90, 140),
                "churning": (140, 365),
                "dead": (365, None),
            }
        ),
    }
)
"""By days since the last purchase; a member without one (never purchased) has no stage."""
