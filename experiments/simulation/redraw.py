"""Redraw: the arms drawn again, as a fresh salt would draw them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from experiments.assignment.strata import cumulative
from experiments.definition.model import Definition
from experiments.simulation.sample import MemberSample

Arms = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Redraw:
    """Draws arms for the members of a sample by the definition's method.

    A uniform random number stands for the md5 of a fresh salt and a key. `stratified`: by rank within stratum
    and batch, in [floor(c_i n + u), floor(c_(i+1) n + u)), so that the counts are exact. `hash`, and `recorded`
    arms, of whose draw only the shares are known: each member, or each unit, on its own.

    Attributes:
        shares: Share of each arm, control first.
        group: Shape (n,): the group within which ranks are drawn; None where members are drawn on their own.
        unit: Shape (n,): the unit that is drawn; None where that is the member.
        members: n.
    """

    shares: tuple[Fraction, ...]
    group: NDArray[np.int64] | None
    unit: NDArray[np.int64] | None
    members: int

    @classmethod
    def of(cls, definition: Definition, sample: MemberSample) -> Redraw:
        """The draw of a definition over a sample."""
        stratified = definition.assignment.method == "stratified"
        shares = tuple(arm.share for arm in definition.all_arms)
        return cls(shares, sample.group if stratified else None, sample.unit, sample.members)

    def draw(self, rng: np.random.Generator) -> Arms:
        """Shape (n,): the number of each member's arm, control being 0."""
        if self.group is not None:
            return self._by_rank(self.group, rng)
        if self.unit is not None:
            return self._by_share(rng.random(int(self.unit.max()) + 1))[self.unit]
        return self._by_share(rng.random(self.members))

    @property
    def _ends(self) -> NDArray[np.float64]:
        """Where each arm but the last ends, as a share of all."""
        return np.array([float(share) for share in cumulative(self.shares)[1:-1]])

    def _by_share(self, uniform: NDArray[np.float64]) -> Arms:
        return np.searchsorted(self._ends, uniform, side="right")

    def _by_rank(self, group: NDArray[np.int64], rng: np.random.Generator) -> Arms:
        sizes = np.bincount(group)
        order = np.lexsort((rng.random(self.members), group))
        rank = np.empty(self.members, dtype=np.int64)
        rank[order] = np.arange(self.members) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        ends = np.floor(np.outer(self._ends, sizes) + rng.random(len(sizes)))
        return sum((rank >= end[group] for end in ends), start=np.zeros(self.members, dtype=np.int64))
