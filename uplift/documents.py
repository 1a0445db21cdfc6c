"""The JSON documents of `uplift` and `rollout` as frozen types, field by field as the contract names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.definition.uplift import LearnerName, PolicyKind
from experiments.documents.analysis import GuardrailResult, Reason


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class EffectGroup:
    """Members whose predicted effects are alike: the mean prediction, and what came true."""

    members: int
    predicted: float
    realised: Interval


@dataclass(frozen=True)
class Learner:
    """One learner on members that it was not fitted on.

    `policy_value` is the value per member of giving everybody the arm with the largest predicted effect; `qini`, `auuc` and
    `autoc` say, by arm, how well its predictions rank members for that arm against control. `slope` is the share of predicted
    differences that came true (best linear projection), `groups` are tenths of the members by predicted effect.
    """

    name: LearnerName
    policy_value: float
    low: float
    high: float
    qini: Mapping[str, float]
    auuc: Mapping[str, float]
    seconds: float
    qini_interval: Mapping[str, Interval] = field(default_factory=dict)
    autoc: Mapping[str, Interval] = field(default_factory=dict)
    slope: Mapping[str, Interval | None] = field(default_factory=dict)
    groups: Mapping[str, tuple[EffectGroup, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Heterogeneity:
    """Whether effects differ between members at all."""

    test: str
    p_value: float | None
    found: bool


@dataclass(frozen=True)
class Policy:
    """One kind of policy on members that it was not learned from.

    `value` is a level per member; gains are paired differences, `gain_low` and `gain_high` the 95 % interval of the one over the
    best single arm. `stability` is the share of members whose offer the folds' policies do not agree on. `value_ipw` and
    `value_self_normalised` are the value by weights alone, without a model.
    """

    kind: PolicyKind
    detail: str
    value: float
    low: float
    high: float
    gain_over_control: float
    gain_over_best_single_arm: float
    gain_low: float
    gain_high: float
    proven: bool = False
    stability: float | None = None
    value_ipw: Interval | None = None
    value_self_normalised: Interval | None = None


@dataclass(frozen=True)
class Chosen:
    """The policy that is used, why, and as SQL where it is a table or a tree."""

    kind: PolicyKind
    reason: str
    sql: str | None


@dataclass(frozen=True)
class SegmentOffer:
    """What the chosen policy gives in a segment: the members who get an arm, and their value per member with it."""

    segment: str
    arm: str
    members: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PolicyPart:
    """A part of the audience as the policy that ships knows it, and its offer there; amounts per member.

    `gain` is over no contact, corrected for the choice; `cost` is contact and benefits; `incremental_buyers` are those whom
    the offer adds. A figure that does not exist is None.
    """

    part: str
    arm: str
    members: int
    share: float
    gain: float
    low: float
    high: float
    cost: float
    incremental_buyers: float | None
    cost_per_incremental_buyer: float | None
    roi: float | None


@dataclass(frozen=True)
class Driver:
    """How much a feature moves an arm's predicted effect between members.

    `importance` is the mean absolute part of it in the effect, by Shapley values of the outcome model, in the value's own
    unit; `share` is its part of all features'; `words` say where the effect is larger.
    """

    arm: str
    feature: str
    importance: float
    share: float
    words: str


@dataclass(frozen=True)
class TreeNode:
    """A node of the policy's tree as people draw it: a question with two answers, or a leaf with its arm."""

    words: str
    arm: str | None = None
    members: int = 0
    children: tuple[int, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """An arm for the next test: left out or added, and why."""

    arm: str
    action: str
    why: str


@dataclass(frozen=True)
class NextTest:
    """The next experiment: which arms, how many members, to find what.

    `members` are all, in `arms` offers and control, so that a gain of `minimum_effect` per member over the best arm is found
    with the given power. Where it has a size and the arms are ours to draw, a definition of it stands among the files of
    `uplift`, as `next_test`.
    """

    proposals: tuple[Proposal, ...]
    arms: int
    members: int | None
    minimum_effect: float
    power: float


@dataclass(frozen=True)
class Uplift:
    """`uplift --json`.

    `parts` say what the chosen policy earns in each part of the audience, `drivers` which features move which offer's
    effect, `tree` is its tree from the root on, `resampled` the share of members whose offer changes where it is learned again
    from resampled members, and `next_test` what should be tested next.
    """

    experiment: str
    value_metric: str
    learners: tuple[Learner, ...]
    heterogeneity: Heterogeneity
    policies: tuple[Policy, ...]
    chosen: Chosen
    offers_by_segment: tuple[SegmentOffer, ...]
    members: int = 0
    sampled: int = 0
    parts: tuple[PolicyPart, ...] = ()
    drivers: tuple[Driver, ...] = ()
    tree: tuple[TreeNode, ...] = ()
    resampled: float | None = None
    next_test: NextTest | None = None
    notes: tuple[Reason, ...] = ()
    model_uri: str | None = None
    mlflow_run_id: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    schema: str = "offerwise.uplift/1"


@dataclass(frozen=True)
class Offer:
    """One arm of the rollout: the members whom the policy gives it, what they should earn and cost; nobody who explores."""

    arm: str
    members: int
    expected_profit: float
    expected_cost: float


@dataclass(frozen=True)
class BudgetPoint:
    """A point of the budget curve: the best rollout whose cost bound is this, what it should earn, whom it offers something."""

    cost_bound: float
    expected_profit: float
    members: int


@dataclass(frozen=True)
class MoreBudget:
    """What `amount` more of budget would bring: profit, and members who are offered something."""

    amount: float
    expected_profit: float
    members: int


@dataclass(frozen=True)
class LimitUse:
    """A stock or a channel: its most members, those who use it, and the profit that one more would bring."""

    name: str
    most: int
    used: int
    shadow_price: float


@dataclass(frozen=True)
class RolloutClass:
    """Members of a rollout under the floor of their stage, or the others: all, those whom the policy offers something, and the rest.

    `not_offered` are those whom the budget and the limits do not reach, or for whom no offer pays.
    """

    under_floor: bool
    members: int
    offered: int
    not_offered: int


@dataclass(frozen=True)
class OtherMix:
    """What weighing those who come first and the others as they are in the rollout changes of `expected_profit`, which does not.

    `low` and `high` bound `shift` at 95 %, by the test's errors. `untold` members are contacted of whose class the test has too few
    in their part, so that nothing tells what an offer does to them.
    """

    shift: float
    low: float
    high: float
    untold: int


@dataclass(frozen=True)
class RolloutPlan:
    """What the draw decided beside the ledger, kept in `plan.json`: it holds for as long as the ledger does.

    `settings` is the definition's `rollout` as it was drawn. `optimism` is what the plan's expected profit was lowered by, for
    having been chosen by the estimates that tell it.
    """

    settings: Mapping[str, Any]
    shadow_price: float
    optimism: float = 0.0
    limits: tuple[LimitUse, ...] = ()
    budget_curve: tuple[BudgetPoint, ...] = ()
    more_budget: MoreBudget | None = None
    schema: str = "offerwise.rollout_plan/1"

    def __post_init__(self) -> None:
        if self.more_budget is not None and not self.budget_curve:
            raise ValueError("more_budget without a budget_curve")


@dataclass(frozen=True)
class RampStep:
    """One step of the ramp.

    `share` is the part of the audience that is reached with it. `released_at` is None until its lists are written; `withdrawn`
    are members who were drawn for it and were not eligible any more on that day, contacted and held out alike. `accepted_at` is
    when somebody let it follow though guardrails of the steps before were unclear; None where nobody had to.
    """

    step: int
    share: float
    members: int
    released_at: str | None = None
    withdrawn: int | None = None
    accepted_at: str | None = None


@dataclass(frozen=True)
class Rollout:
    """`rollout --json`.

    `members` are offered, held out, exploring or not offered; `offers` are those whom the policy gives an arm, `explore` counts
    those who get one at random. `cost_bound` and `expected_profit` are of both: the profits of the offers and that of
    exploration add to `expected_profit`, which is incremental over no contact, with a 95 % prediction interval of what the
    holdout will show. Profit is what the value metric counts, here and in all parts: money, or members who act. `follows` is
    the kind of policy, or `winner_by_segment`. `shadow_price` is the profit that one more unit of budget would bring,
    `budget_curve` what every budget would, without and with more; `limits` are stocks and channels.
    `ramp_guardrails` are those of the steps released so far, each arm against the rollout's own holdout; `ramp_waits` says that the
    next step waits for somebody to accept that some of them are unclear. `classes` tell what those
    get whom the definition lets come first, and the others; `other_mix` what their mix, where it is not the test's, changes.
    """

    experiment: str
    members: int
    offers: tuple[Offer, ...]
    holdout: int
    explore: int
    not_offered: int
    budget: float | None
    cost_bound: float
    expected_profit: float
    low: float
    high: float
    shadow_price: float | None = None
    budget_curve: tuple[BudgetPoint, ...] = ()
    more_budget: MoreBudget | None = None
    limits: tuple[LimitUse, ...] = ()
    classes: tuple[RolloutClass, ...] = ()
    other_mix: OtherMix | None = None
    ramp: tuple[RampStep, ...] = ()
    ramp_guardrails: tuple[GuardrailResult, ...] = ()
    ramp_waits: bool = False
    next_step: str = ""
    follows: str = "winner_by_segment"
    reasons: tuple[Reason, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    mlflow_run_id: str | None = None
    schema: str = "offerwise.rollout/1"
