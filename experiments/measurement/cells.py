"""Cells: the groups of members that moments are kept for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Cell:
    """The members of one arm in one segment and one stratum.

    Attributes:
        arm: The arm's id.
        segment: The segment's id; the empty text where the definition has no segments or none holds.
        stratum: The stratum's name; the empty text where arms were not drawn within strata.
    """

    arm: str
    segment: str
    stratum: str
