"""Health of the stages after the draw: have the arms kept their sizes among those who were sent, and who are analysed?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import CheckStatus, HealthCheck
from experiments.health.split import WARN_BELOW
from experiments.health.telling import HealthWording
from experiments.inference.homogeneity import homogeneity
from experiments.measurement.stage_counts import StageCount

Stage = Literal["send", "analysis"]

_Counts: TypeAlias = tuple[Mapping[str, int], Mapping[str, int]]
"""Arm to the members who came so far, and to those who might have."""

_LEAST_MEMBERS = 5
"""Members whom every arm of a group has, for the group to be tested."""


@dataclass(frozen=True)
class StageHealth:
    """The sample ratio at send and at analysis, overall, by segment and by planned day.

    The split of the draw itself is `SplitHealth`'s. Here each arm's members who came so far are held against its members at
    the stage before (homogeneity), which sees a loss that the shares alone would hide: of 10,000 members in each of two
    arms, 60 lost in one of them are z = 7.8, and against the shares 0.4. Groups are one family: the smallest p-value times
    their number.

    At send, offers only: a difference warns, because everybody assigned is analysed whether sent or not. At analysis all arms:
    a difference fails below `invalid_if.srm_p_below`, because who is left is no longer alike. Shops and households are sent to
    and lost as one, so where those were assigned nothing is tested; that control was sent a message is told all the same.

    Attributes:
        definition: Arms and limits.
        stages: The counts.
        by_unit: Whether shops or households were assigned instead of members.
        wording: How checks are told.
    """

    definition: Definition
    stages: Sequence[StageCount]
    by_unit: bool
    wording: HealthWording

    def checks(self) -> Iterable[HealthCheck]:
        """Every check that applies."""
        if not self.by_unit:
            yield from self._at_send()
        yield from self._control_sent()
        if not self.by_unit:
            yield from self._at_analysis()

    @cached_property
    def _arms(self) -> tuple[str, ...]:
        return tuple(arm.id for arm in self.definition.all_arms)

    def _at_send(self) -> Iterable[HealthCheck]:
        if self.definition.delivery is not None:
            yield from self._stage("send", lambda each: (each.sent or 0, each.measured), self._arms[1:])

    def _control_sent(self) -> Iterable[HealthCheck]:
        """Whether anybody of control was sent a message, where the data say to whom one was sent."""
        delivery = self.definition.delivery
        if delivery is None or delivery.sent is None:
            return
        of_control = [each for each in self.stages if each.arm == CONTROL]
        sent = sum(each.sent or 0 for each in of_control)
        if not sent:
            yield self.wording.told("control_sent", "pass", "control_not_sent")
        elif members := sum(each.measured for each in of_control):
            yield self.wording.told(
                "control_sent", "warn", "control_sent", members=f"{sent:,}", share=f"{sent / members:.1%}"
            )

    def _at_analysis(self) -> Iterable[HealthCheck]:
        lost = sum(each.assigned - each.analysed for each in self.stages)
        if self.stages and not lost:
            yield self.wording.told("sample_ratio_at_analysis", "pass", "analysis_of_everybody")
            return
        yield from self._stage("analysis", lambda each: (each.analysed, each.assigned), self._arms)

    def _stage(
        self, stage: Stage, counts: Callable[[StageCount], tuple[int, int]], arms: Sequence[str]
    ) -> Iterable[HealthCheck]:
        """Overall, by segment and by day."""
        whole = self._grouped(counts, arms, lambda _: None)
        if len(whole) != 1:
            return
        yield self._overall(stage, *whole[None])
        for name, group_of in (("segment", lambda each: each.segment), ("day", lambda each: each.day)):
            groups = self._grouped(counts, arms, group_of)
            if len(groups) > 1:
                yield self._by(stage, name, groups)

    def _grouped(
        self,
        counts: Callable[[StageCount], tuple[int, int]],
        arms: Sequence[str],
        group_of: Callable[[StageCount], Hashable],
    ) -> dict[Hashable, _Counts]:
        """The groups that have two arms or more with members enough for a test; arms without are left out."""
        came: dict[Hashable, Counter[str]] = {}
        might: dict[Hashable, Counter[str]] = {}
        for each in self.stages:
            if each.arm in arms:
                group, (so_far, expected) = group_of(each), counts(each)
                came.setdefault(group, Counter())[each.arm] += so_far
                might.setdefault(group, Counter())[each.arm] += expected
        found: dict[Hashable, _Counts] = {}
        for group, before in might.items():
            tested = [arm for arm in arms if before[arm] >= _LEAST_MEMBERS]
            if len(tested) > 1:
                found[group] = {arm: came[group][arm] for arm in tested}, {arm: before[arm] for arm in tested}
        return found

    def _overall(self, stage: Stage, came: Mapping[str, int], before: Mapping[str, int]) -> HealthCheck:
        p_value = homogeneity(list(came.values()), list(before.values()))
        share = sum(came.values()) / sum(before.values())
        furthest = max(came, key=lambda arm: abs(came[arm] - share * before[arm]) / before[arm] ** 0.5)
        status = self._status(stage, p_value)
        facts = {
            "counts": self.wording.counts(came),
            "arm": self.wording.arm(furthest),
            "members": f"{came[furthest]:,}",
            "before": f"{before[furthest]:,}",
            "promised": f"{round(share * before[furthest]):,}",
        }
        code = f"{stage}_{'alike' if status == 'pass' else 'differs'}"
        return self.wording.told(f"sample_ratio_at_{stage}", status, code, p_value, **facts)

    def _by(self, stage: Stage, name: str, groups: Mapping[Hashable, _Counts]) -> HealthCheck:
        tests = [
            (homogeneity(list(came.values()), list(before.values())), group)
            for group, (came, before) in groups.items()
        ]
        smallest, worst = min(tests, key=lambda each: each[0])
        p_value = min(1.0, len(tests) * smallest)
        status = self._status(stage, p_value)
        code = f"{stage}_by_{name}_{'alike' if status == 'pass' else 'differs'}"
        counts = self.wording.counts(groups[worst][0])
        return self.wording.told(
            f"sample_ratio_at_{stage}_by_{name}",
            status,
            code,
            p_value,
            count=len(tests),
            worst=worst,
            counts=counts,
        )

    def _status(self, stage: Stage, p_value: float) -> CheckStatus:
        if stage == "analysis" and p_value < self.definition.decision.invalid_if.srm_p_below:
            return "fail"
        return "warn" if p_value < WARN_BELOW else "pass"
