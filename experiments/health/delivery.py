"""Health of delivery: did the messages reach as many members in every offer, and nobody of control?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import HealthCheck
from experiments.health.split import WARN_BELOW
from experiments.health.telling import HealthWording
from experiments.inference.homogeneity import homogeneity
from experiments.measurement.measurement import Measurement


@dataclass(frozen=True)
class DeliveryHealth:
    """The checks of delivery; none where the definition does not say who was reached.

    They warn and never fail: everybody assigned is counted whether reached or not, so the effect of sending stays what it
    is, but offers that reached unlike shares differ by more than what they offer.

    Attributes:
        definition: Names the metric that says who was reached.
        measurement: What the members assigned did.
        wording: How checks are told.
    """

    definition: Definition
    measurement: Measurement
    wording: HealthWording

    def checks(self) -> Iterable[HealthCheck]:
        """Every check that applies."""
        if self.definition.delivery is None:
            return
        measured = self.measurement.metrics[self.definition.delivery.metric]
        sides = {arm.id: measured.arm(arm.id) for arm in self.definition.all_arms}
        members = {arm: side.count for arm, side in sides.items() if side.count}
        reached = {arm: sides[arm].nonzero_count(measured.value) for arm in members}
        offers = [arm for arm in members if arm != CONTROL]
        if len(offers) > 1:
            yield self._differential(offers, members, reached)
        if CONTROL in members:
            yield self._control(members[CONTROL], reached[CONTROL])

    def _differential(
        self, offers: list[str], members: dict[str, int], reached: dict[str, int]
    ) -> HealthCheck:
        """One share of every offer's members was reached (homogeneity), whatever that share is."""
        p_value = homogeneity([reached[arm] for arm in offers], [members[arm] for arm in offers])
        is_alike = p_value >= WARN_BELOW
        shares = self.wording.listed(
            f"{self.wording.arm(arm)} {reached[arm] / members[arm]:.1%}" for arm in offers
        )
        code = "delivery_alike" if is_alike else "delivery_differs"
        return self.wording.told(
            "differential_delivery", "pass" if is_alike else "warn", code, p_value, shares=shares
        )

    def _control(self, members: int, reached: int) -> HealthCheck:
        if not reached:
            return self.wording.told("control_reached", "pass", "control_not_reached")
        share = f"{reached / members:.1%}"
        return self.wording.told(
            "control_reached", "warn", "control_reached", members=f"{reached:,}", share=share
        )
