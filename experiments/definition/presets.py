"""Lifecycle stages by days and their contact policy, ready to use; a brand sets its own limits from its purchase cycle.

Stages are half-open: `(7, 45)` holds from day 7 up to, but not including, day 45; None has no upper end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

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

POLICIES: Mapping[str, Mapping[str, Mapping[str, int | tuple[int, int]]]] = MappingProxyType(
    {
        "aftercare": MappingProxyType(
            {
                "after_sales": MappingProxyType({"days": 7, "care": (4, 7), "marketing": (0, 0)}),
                "active": MappingProxyType({"days": 38, "care": (2, 3), "marketing": (3, 4)}),
                "silent": MappingProxyType({"days": 45, "care": (1, 2), "marketing": (2, 3)}),
                "sleeping": MappingProxyType({"days": 50, "care": (1, 2), "marketing": (1, 2)}),
                "churning": MappingProxyType({"days": 225, "care": (0, 1), "marketing": (1, 2)}),
                "dead": MappingProxyType({"days": 365, "care": (0, 0), "marketing": (0, 1)}),
            }
        ),
    }
)
"""Floors and ceilings of care and marketing contacts for each stage of `aftercare`.

They are rolling: `days` is how long a member stays in the stage, and a year in the last one.
"""


class LayersPreset(NamedTuple):
    """Limits of the seven layers, by the name under which a definition asks for them."""

    name: str
    limits: Mapping[str, int]


SEVEN_LAYERS = LayersPreset(
    "seven_layers", MappingProxyType({"new": 90, "active": 90, "churned": 365, "high_repurchase": 3})
)
