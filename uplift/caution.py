"""Departures from one arm for everybody that can be proven: small expected gains are given up where noise would drown them.

A member who gets arm k instead of the best single arm s adds its expected gain g to the gain of a policy, and v_k + v_s to
the variance of its estimate, v being the variance of the arms' doubly robust scores. A sum of gains over the root of its
variance is largest where exactly the departures with g / (v_k + v_s) above some c are kept (the argument of Neyman and
Pearson; a mean less its standard error is what Swaminathan and Joachims 2015 maximise). Where the whole gain is clear, c is 0.

The margins c (v_k + v_s) are taken from the effects of an individual policy, and from the scores that trees and segment tables
are learned from: a leaf or a segment departs where its mean gain exceeds the margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from uplift.features import Array
from uplift.learners import EffectModel
from uplift.sample import LearningSample, Members

CLEAR = 4.0
"""A gain of so many standard errors is nearly always proven: nothing is given up for more."""

_NEARLY = 0.95
_FEWEST = 0.05
_STEPS = 20
_JUDGED = 50_000


@dataclass(frozen=True)
class Caution:
    """What a departure costs.

    Attributes:
        single: The best single arm.
        noise: Shape (K,): variance of a member's doubly robust score by arm.
        members: How many independent members the gain is as good as estimated from.
    """

    single: int
    noise: Array
    members: float

    @classmethod
    def of(cls, sample: LearningSample, single: int, members: float) -> Caution:
        """From the outcomes of the members in `sample`; the variance within arms stands for what no model explains."""
        noise = np.zeros(len(sample.arms))
        for k in range(len(noise)):
            here = sample.arm == k
            if here.any():
                centred = sample.value[here] - sample.value[here].mean()
                noise[k] = ((centred / sample.propensity[here]) ** 2).sum() / len(sample)
        return cls(single, noise, members)

    def margins(self, effects: Array) -> Array:
        """What an arm must gain over the others before a member departs to it, shape (K,); 0 for the single arm.

        The smallest c with which the expected gain is CLEAR standard errors, or nearly as many as any c gives; at least a
        twentieth of the members still depart, as far as they did with c = 0.

        Args:
            effects: Shape (n, K): expected value of each member in each arm, up to a constant of the member.
        """
        gains = effects - effects[:, [self.single]]
        variance = self.noise + self.noise[self.single]
        variance[self.single] = 0.0
        rest = np.arange(len(variance)) != self.single
        best = (gains[:, rest] / np.maximum(variance[rest], np.finfo(float).tiny)).max(axis=1)
        if not (best > 0).any():
            return np.zeros(len(variance))
        levels = np.quantile(best[best > 0], np.arange(_STEPS) / _STEPS)
        candidates = np.append(0.0, levels)
        judged = [self._judge(gains - c * variance, gains, variance) for c in candidates]
        ratios, shares = np.array(judged).T
        allowed = shares >= min(_FEWEST, shares[0])
        enough = min(CLEAR, _NEARLY * float(ratios[allowed].max()))
        return np.asarray(candidates[np.argmax(allowed & (ratios >= enough))] * variance)

    def _judge(self, penalised: Array, gains: Array, variance: Array) -> tuple[float, float]:
        """The expected gain in standard errors, and the share of members who depart."""
        arm = penalised.argmax(axis=1)
        gain, spread = float(gains[np.arange(len(arm)), arm].mean()), float(variance[arm].mean())
        ratio = gain * math.sqrt(self.members / spread) if spread > 0 else 0.0
        return ratio, float((arm != self.single).mean())

    def margins_of(self, model: EffectModel, members: Members) -> Array:
        """`margins` by what a learner expects of the first of `members`."""
        few = np.arange(min(len(members), _JUDGED))
        return self.margins(model.effects(members.rows(few).codes))
