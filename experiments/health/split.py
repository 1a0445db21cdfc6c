"""Health of the split: do the arms have the members that their shares promise, each of them once?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from experiments.definition.arms import Arm
from experiments.definition.model import Definition
from experiments.documents.analysis import CheckStatus, HealthCheck
from experiments.health.telling import HealthWording
from experiments.inference.sample_ratio import sample_ratio
from experiments.measurement.measurement import Measurement
from experiments.measurement.member_counts import MemberCount

WARN_BELOW = 0.01
"""A p-value below this warns."""

Group = TypeVar("Group", bound=Hashable)
_Groups: TypeAlias = Mapping[Hashable, Mapping[str, int]]

_LEAST_EXPECTED = 5
"""Members that the shares must promise every arm of a group before its chi-square is taken."""


@dataclass(frozen=True)
class SplitHealth:
    """The checks of the split: who was assigned, whatever they did.

    Attributes:
        definition: Arms, shares, method and limits.
        measurement: The members assigned.
        wording: How checks are told.
    """

    definition: Definition
    measurement: Measurement
    wording: HealthWording

    def checks(self) -> Iterable[HealthCheck]:
        """Every check that applies.

        Our own stratified draw is checked exactly; arms that were recorded or drawn by hash, segments and send days by
        Pearson's chi-square. Segments (and days) are one family: the smallest p-value times their number. Where shops or
        households were assigned, they are what is counted, and none may have members in two arms.
        """
        yield self._arm_missing()
        if self.definition.assignment.method == "stratified" and self.measurement.unit_counts is None:
            yield self._exact_counts()
        else:
            yield self._sample_ratio()
        segments, days = self._by_segment_and_day()
        yield from self._by("sample_ratio_by_segment", segments)
        yield from self._by("sample_ratio_by_day", days)
        yield self._duplicates()
        yield from self._units_split()
        yield from self._sample_below_plan()

    @property
    def _arms(self) -> tuple[Arm, ...]:
        return self.definition.all_arms

    def _arm_missing(self) -> HealthCheck:
        missing = [self.wording.arm(arm.id) for arm in self._arms if not self.measurement.assigned_to(arm.id)]
        if missing:
            return self.wording.told("arm_missing", "fail", "arm_missing", arms=self.wording.listed(missing))
        return self.wording.told("arm_missing", "pass", "arms_present", count=len(self._arms))

    def _sample_ratio(self) -> HealthCheck:
        units = self.measurement.unit_counts
        counts = self._counts(self.measurement.assigned) if units is None else self._whole(units.arms)
        members = sum(counts.values())
        if not members:
            return self.wording.told("sample_ratio", "fail", "nobody")
        p_value = self._p_value(counts)
        furthest = max(self._arms, key=lambda arm: abs(counts[arm.id] - arm.share * members) / arm.share)
        facts = {
            "counts": self.wording.counts(counts),
            "arm": self.wording.arm(furthest.id),
            "members": f"{counts[furthest.id]:,}",
            "planned": f"{round(furthest.share * members):,}",
        }
        status = self._status(p_value)
        of_units = "" if units is None else "units_"
        return self.wording.told("sample_ratio", status, f"{of_units}split_{status}", p_value, **facts)

    def _exact_counts(self) -> HealthCheck:
        """Every arm of every stratum and batch has its share of the members, within one."""
        groups = _grouped(self.measurement.assigned, lambda each: (each.cell.stratum, each.batch))
        for (stratum, batch), members in groups.items():
            counts = self._counts(members)
            total = sum(counts.values())
            for arm in self._arms:
                if abs(counts[arm.id] - arm.share * total) >= 1:
                    return self.wording.told(
                        "sample_ratio",
                        "fail",
                        "split_inexact",
                        stratum=stratum,
                        batch=batch,
                        arm=self.wording.arm(arm.id),
                        members=f"{counts[arm.id]:,}",
                        planned=f"{float(arm.share * total):,.1f}",
                    )
        counts = self._counts(self.measurement.assigned)
        return self.wording.told("sample_ratio", "pass", "split_exact", counts=self.wording.counts(counts))

    def _by_segment_and_day(self) -> tuple[_Groups, _Groups]:
        """What the arms have in each segment, and on each planned send day: units, where those were assigned."""
        units, assigned = self.measurement.unit_counts, self.measurement.assigned
        if units is not None:
            return self._whole_groups(units.segments), self._whole_groups(units.days)
        by_segment = _grouped(assigned, lambda each: each.cell.segment)
        by_day = _grouped(assigned, lambda each: each.day)
        return (
            {segment: self._counts(members) for segment, members in by_segment.items()},
            {day: self._counts(members) for day, members in by_day.items()},
        )

    def _by(self, check: str, groups: _Groups) -> Iterable[HealthCheck]:
        """The split within groups that are large enough; nothing where there are no two."""
        found: list[tuple[float, Hashable]] = []
        for group, counts in groups.items():
            least = min(arm.share for arm in self._arms) * sum(counts.values())
            if least >= _LEAST_EXPECTED:
                found.append((self._p_value(counts), group))
        if len(found) < 2:
            return
        smallest, worst = min(found, key=lambda each: each[0])
        p_value = min(1.0, len(found) * smallest)
        status = self._status(p_value)
        code = f"{check}_{'pass' if status == 'pass' else 'differs'}"
        yield self.wording.told(check, status, code, p_value, count=len(found), worst=worst)

    def _duplicates(self) -> HealthCheck:
        repeated = self.measurement.repeated_members
        if repeated:
            return self.wording.told("duplicates", "fail", "duplicates", members=f"{repeated:,}")
        return self.wording.told("duplicates", "pass", "no_duplicates")

    def _units_split(self) -> Iterable[HealthCheck]:
        """A unit with members in several arms was not assigned as one; its variance would be wrong."""
        units = self.measurement.unit_counts
        if units is None:
            return
        name, count = self.definition.audience.unit, sum(units.arms.values())
        if units.split:
            yield self.wording.told("units_split", "fail", "units_split", units=f"{units.split:,}", unit=name)
        else:
            yield self.wording.told("units_split", "pass", "units_whole", units=f"{count:,}", unit=name)

    def _sample_below_plan(self) -> Iterable[HealthCheck]:
        """Fails below the definition's limit, and warns where there is no limit and members are fewer than planned."""
        planned, limit = (
            self.definition.assignment.sample_size,
            self.definition.decision.invalid_if.sample_below_plan,
        )
        if planned is None:
            return
        members = sum(self.measurement.assigned_to(arm.id) for arm in self._arms)
        status: CheckStatus = "pass"
        if members < planned * (1.0 if limit is None else limit):
            status = "warn" if limit is None else "fail"
        code = "sample_as_planned" if status == "pass" else "sample_below_plan"
        share = f"{members / planned:.1%}"
        yield self.wording.told(
            "sample_below_plan", status, code, members=f"{members:,}", planned=f"{planned:,}", share=share
        )

    def _counts(self, members: Iterable[MemberCount]) -> dict[str, int]:
        counts = dict.fromkeys((arm.id for arm in self._arms), 0)
        for each in members:
            counts[each.cell.arm] += each.members
        return counts

    def _whole(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The counts of every arm, 0 where there is nobody."""
        return {arm.id: counts.get(arm.id, 0) for arm in self._arms}

    def _whole_groups(self, groups: Mapping[Any, Mapping[str, int]]) -> _Groups:
        return {group: self._whole(counts) for group, counts in groups.items()}

    def _p_value(self, counts: Mapping[str, int]) -> float:
        shares = [float(arm.share) for arm in self._arms]
        return sample_ratio([counts[arm.id] for arm in self._arms], shares).p_value

    def _status(self, p_value: float) -> CheckStatus:
        if p_value < self.definition.decision.invalid_if.srm_p_below:
            return "fail"
        return "warn" if p_value < WARN_BELOW else "pass"


def _grouped(
    members: Iterable[MemberCount], group_of: Callable[[MemberCount], Group]
) -> dict[Group, list[MemberCount]]:
    groups: dict[Group, list[MemberCount]] = {}
    for each in members:
        groups.setdefault(group_of(each), []).append(each)
    return groups
