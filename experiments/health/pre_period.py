"""Health of the arms before the experiment: were they alike on the covariates, all taken together?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.definition.model import Definition
from experiments.documents.analysis import HealthCheck
from experiments.health.split import WARN_BELOW
from experiments.health.telling import HealthWording
from experiments.inference.moments import pool
from experiments.inference.rerandomisation import imbalance_p_value
from experiments.measurement.measurement import Measurement


@dataclass(frozen=True)
class PrePeriodHealth:
    """The joint check of the covariates; none where the definition names none, or where units were assigned.

    It warns and never fails: of a hundred true draws one is that unlike by chance, the estimates are adjusted for the
    covariates, and dropping draws one does not like is what rerandomisation does before anybody is sent anything.

    Attributes:
        definition: Names the covariates.
        measurement: Their moments, by arm.
        wording: How checks are told.
    """

    definition: Definition
    measurement: Measurement
    wording: HealthWording

    def checks(self) -> Iterable[HealthCheck]:
        """Mahalanobis distances of the arms' covariate means from the common mean, against chi-square."""
        measured = self.measurement.metrics[self.definition.goals.primary.metric]
        names = measured.covariates
        if not names or self.measurement.unit_counts is not None:
            return
        arms = [measured.arm(arm.id).select(names) for arm in self.definition.all_arms]
        arms = [arm for arm in arms if arm.count]
        if len(arms) < 2:
            return
        everybody = pool(arms)
        if everybody.count <= len(arms) + len(names):
            return
        p_value = imbalance_p_value(
            [arm.count for arm in arms],
            [list(arm.mean) for arm in arms],
            everybody.comoment / everybody.count,
        )
        is_alike = p_value >= WARN_BELOW
        shown = self.wording.listed(self.definition.design.covariates)
        code = "pre_period_alike" if is_alike else "pre_period_differs"
        yield self.wording.told(
            "pre_period_balance", "pass" if is_alike else "warn", code, p_value, covariates=shown
        )
