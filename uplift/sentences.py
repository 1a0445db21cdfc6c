"""What the search and the rollout say to people, in the user's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from experiments.decision.sentences import Sentences
from experiments.definition.uplift import LearnerName, PolicyKind
from uplift.evaluation import Estimate
from uplift.evidence import PACKAGE
from uplift.gate import Contender, GateResult
from uplift.rules import PERSONALISED, Everybody, Rule, SegmentTable, Tree
from uplift.sample import LearningSample
from uplift.tree_nodes import NumberSplit, Split, leaves

_CLEAR = 0.5
"""A rank correlation beyond this is told as a direction."""
_VALUE = attrgetter("value")


@dataclass(frozen=True)
class PolicyWords:
    """Sentences about the policies of one sample for one metric."""

    sentences: Sentences
    sample: LearningSample
    metric: str

    def reason(
        self, gate: GateResult, kind: PolicyKind, single: Rule, members: int, barred: Sequence[str]
    ) -> str:
        """Why the chosen policy is the chosen one, which of its arms may not be rolled out, and from whom it was learned."""
        sentences = [self._why(gate, kind, single)]
        if barred:
            arms = self._say("figure.comma").join(self.sentences.arm(arm) for arm in barred)
            sentences.append(self._say("reason.barred", arms=arms))
        if members > len(self.sample):
            sampled = f"{len(self.sample):,}"
            sentences.append(self._say("reason.bounded", sampled=sampled, members=f"{members:,}"))
        return " ".join(sentences)

    def _why(self, gate: GateResult, kind: PolicyKind, single: Rule) -> str:
        rivals = [each for each in gate.contenders if each.kind in PERSONALISED]
        # One that came to the same offer for everybody in every fold has a gain of exactly 0, which tells nothing.
        rivals = [each for each in rivals if each.over_single.std_error > 0] or rivals
        facts = {"metric": self.metric, "single": self.arm(single)}
        if kind in PERSONALISED:
            return self._say(
                "reason.personalised",
                policy=self._say(f"policy.{kind}"),
                **facts,
                **self._gain(gate.chosen.over_single),
            )
        if not rivals:
            alone = "reason.nobody_alone" if kind == "treat_nobody" else "reason.one_offer_alone"
            return self._say(alone, **facts)
        if kind == "treat_nobody":
            # Some fold may have taken an arm that loses: a gain over that is none over no contact.
            gains = [min(each.over_single, each.over_control, key=_VALUE) for each in rivals]
            return self._say("reason.nobody", **facts, **self._gain(max(gains, key=_VALUE)))
        best = max((each.over_single for each in rivals), key=_VALUE)
        return self._say("reason.one_offer", **facts, **self._gain(best))

    def detail(self, each: Contender, rule: Rule | None, learner: LearnerName | None) -> str:
        """What a policy of a kind is, in a few words."""
        if isinstance(rule, SegmentTable):
            offers = [
                self._say("figure.offer", segment=self.segment(name), arm=self.sample.arms[arm].id)
                for name, arm in zip(self.sample.segments, rule.arms, strict=True)
            ]
            return self._say("detail.by_segment", offers=self._say("figure.comma").join(offers))
        if isinstance(rule, Tree):
            paths = [path for _, path in leaves(rule.root)]
            return self._say("detail.tree", depth=max(map(len, paths)), leaves=len(paths))
        if isinstance(rule, Everybody):
            return self.sample.arms[rule.arm].id
        return self._say("detail.individual", learner=learner) if each.kind == "individual" else ""

    def arm(self, rule: Rule) -> str:
        """The arm of a rule for everybody, by label and id."""
        return self.sentences.arm(self.sample.arms[rule.arm].id) if isinstance(rule, Everybody) else ""

    def segment(self, name: str) -> str:
        """A segment's name; a word for everybody or for members of none."""
        if name:
            return name
        return self._say("figure.everybody" if len(self.sample.segments) == 1 else "figure.no_segment")

    def everybody(self) -> str:
        """The part that is everybody."""
        return self._say("figure.everybody")

    def band(self, arm: str, band: int, bands: int) -> str:
        """Members to whom a model gives an arm, by how much it expects."""
        return self._say("part.band", arm=arm, band=band, bands=bands)

    def path(self, path: Sequence[tuple[Split, bool]]) -> str:
        """The way to a leaf, its conditions on one feature together."""
        if not path:
            return self.everybody()
        return self._say("part.and").join(self.condition(split, left=left) for split, left in path)

    def condition(self, split: Split, *, left: bool) -> str:
        """What is true of members who go left, or right, at a split."""
        if isinstance(split, NumberSplit):
            if split.threshold is None:
                return self._say("part.known" if left else "part.unknown", feature=split.feature)
            number = f"{split.threshold:,.12g}"
            return self._say("part.at_most" if left else "part.above", feature=split.feature, number=number)
        levels = [self._say("part.missing") if level is None else level for level in split.levels]
        code = "part.one_of" if left else "part.none_of"
        return self._say(code, feature=split.feature, levels=self._say("figure.comma").join(levels))

    def driver_level(self, feature: str, level: str | None) -> str:
        """For which level of a feature an effect is largest."""
        return self._say("driver.level", feature=feature, level=level or self._say("part.missing"))

    def driver_number(self, feature: str, correlation: float) -> str:
        """Whether an effect grows or falls with a number, by their rank correlation."""
        code = "larger" if correlation > _CLEAR else "smaller" if correlation < -_CLEAR else "varies"
        return self._say(f"driver.{code}", feature=feature)

    def next_test(self, code: str, **arms: str) -> str:
        """Why an arm should be left out of the next test, or added to it."""
        labels = {name: self._arm_of(arm) for name, arm in arms.items()}
        return self._say(f"next_test.{code}", **labels)

    def _arm_of(self, arm: str) -> str:
        """An arm by label and id; an id alone where it was not tested."""
        return self.sentences.arm(arm) if arm in {each.id for each in self.sample.arms} else arm

    def _gain(self, gain: Estimate) -> dict[str, str]:
        low, high = (self.sentences.change(self.metric, bound) for bound in gain.interval())
        return {
            "gain": self.sentences.change(self.metric, gain.value),
            "interval": self._say("figure.interval", low=low, high=high),
        }

    def _say(self, code: str, **facts: object) -> str:
        return self.sentences.words.say(PACKAGE, code, **facts)
