"""The document of `analyze`, field by field as the contract names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

VerdictStatus = Literal["rollout", "no_rollout", "invalid", "too_early"]


CheckStatus = Literal["pass", "warn", "fail"]


GuardrailStatus = Literal["pass", "fail", "unclear"]


Role = Literal["primary", "secondary", "value", "guardrail"]


@dataclass(frozen=True)
class Reason:
    """Why a verdict is what it is: a code for machines, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The decision: what to send, to whom, why, and what to do next."""

    status: VerdictStatus
    winner: str | None
    winner_by_segment: Mapping[str, str]
    reasons: tuple[Reason, ...]
    next_step: str


@dataclass(frozen=True)
class HealthCheck:
    """One check of the experiment's health."""

    check: str
    status: CheckStatus
    p_value: float | None
    detail: str


@dataclass(frozen=True)
class ArmCount:
    """The members of one arm, by intention to treat."""

    arm: str
    label: str
    members: int
    share: float


@dataclass(frozen=True)
class Effect:
    """One difference between two arms on one metric, overall (`segment` None) or within a segment.

    `difference` is the mean over the members assigned to `arm` minus that of `versus`; `lift` is their ratio minus 1.
    A bound that the data do not set (an arm of one member) is None, and so are the p-values where they show no
    variance. Where the design looks more than once, p-values and intervals hold at all looks together, and `method`
    says so: `score_group_sequential`, `welch_always_valid`.
    """

    metric: str
    segment: str | None
    arm: str
    versus: str
    role: Role
    members_arm: int
    members_versus: int
    mean_arm: float
    mean_versus: float
    difference: float
    difference_low: float | None
    difference_high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    std_error: float | None
    statistic: float | None
    p_value: float | None
    p_value_adjusted: float | None
    method: str
    difference_low_adjusted: float | None
    difference_high_adjusted: float | None
    interval_adjustment: str


@dataclass(frozen=True)
class ComparisonWithBest:
    """An offer arm minus the best of the other offers, with intervals that hold for all of them together (Hsu's MCB).

    An interval ends at 0 where the data settle the order: an arm with nothing on the good side of 0 is not the best, one
    with nothing on the bad side is. A bound that the data do not set is None.
    """

    metric: str
    arm: str
    difference: float
    low: float | None
    high: float | None
    may_be_best: bool
    is_best: bool


@dataclass(frozen=True)
class Finding:
    """What factors or segments say beside the verdict: a code for machines, a sentence for people."""

    about: Literal["factors", "segments"]
    code: str
    metric: str
    text: str


@dataclass(frozen=True)
class FactorialTerm:
    """A main effect or an interaction of the factors.

    A joint test of several degrees of freedom has a chi-square statistic, and no single estimate.
    """

    metric: str
    term: str
    estimate: float | None
    std_error: float | None
    low: float | None
    high: float | None
    statistic: float | None
    p_value: float | None
    p_value_adjusted: float | None
    degrees: int = 1


@dataclass(frozen=True)
class SegmentRow:
    """An arm's effect in one segment, as estimated and shrunken towards the others."""

    segment: str
    difference: float
    std_error: float | None
    shrunken: float
    low: float
    high: float


@dataclass(frozen=True)
class SegmentHeterogeneity:
    """Whether an arm's effect differs between segments (Cochran's Q), with the segments' rows."""

    metric: str
    arm: str
    heterogeneity_q: float | None
    p_value: float | None
    tau_squared: float | None
    rows: tuple[SegmentRow, ...]


@dataclass(frozen=True)
class WinnerCorrected:
    """The winner's effect, corrected for having been chosen."""

    segment: str | None
    metric: str
    arm: str
    naive: float
    corrected: float
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class GuardrailResult:
    """One guardrail for one arm: one-sided non-inferiority at the limit.

    `limit`, `difference` and `bound` are arm minus control, or with `relative` arm over control minus 1; a limit is
    negative where a fall does harm. The bound is one-sided, on the harmful side; None where the data set none.
    """

    metric: str
    arm: str
    limit: float
    difference: float | None
    bound: float | None
    p_value: float | None
    status: GuardrailStatus
    relative: bool = False


@dataclass(frozen=True)
class Money:
    """What one arm brought, as attributed and incremental to no contact, in the definition's currency.

    `removed_by_cap` is the revenue above the winsorising cap in this arm; incremental figures are from capped values
    where the definition winsorises, attributed ones are raw. `contact_cost` is the part of `cost` that contacting the
    members took. `cost_per_attributed_buyer` and `cost_per_incremental_buyer` divide the same `cost`, benefits included.
    """

    arm: str
    members: int
    attributed_buyers: int | None
    incremental_buyers: float | None
    attributed_revenue: float | None
    incremental_revenue: float | None
    cost: float
    attributed_profit: float | None
    incremental_profit: float | None
    incremental_profit_low: float | None
    incremental_profit_high: float | None
    roi: float | None
    cost_per_incremental_buyer: float | None
    break_even_lift: float | None
    removed_by_cap: float | None = None
    contact_cost: float = 0.0
    cost_per_attributed_buyer: float | None = None


@dataclass(frozen=True)
class Bayes:
    """Posterior odds beside the test, not instead of it.

    `prior_mean` and `prior_sd` are those of the normal prior of the difference from control, None for the flat prior;
    `posterior_mean`, `low` and `high` are the posterior of that difference with its equal-tailed credible interval.
    """

    metric: str
    arm: str
    probability_best: float
    probability_better_than_control: float
    expected_loss: float
    prior_mean: float | None = None
    prior_sd: float | None = None
    posterior_mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class DeliveredShare:
    """The members of an arm whom a message reached, of all its members; the share is None in an arm without members."""

    arm: str
    members: int
    reached: int
    share: float | None


@dataclass(frozen=True)
class ComplierRow:
    """An arm's effect against control on the members reached because of it (compliers): the Wald ratio, delta-method interval.

    `compliers` is their share, the share reached in the arm minus that in control; `one_sided` says that nobody of control
    was reached. Effect and interval are None where the two shares are too alike. The decision never reads it.
    """

    metric: str
    arm: str
    compliers: float
    effect: float | None
    low: float | None
    high: float | None
    std_error: float | None
    one_sided: bool


@dataclass(frozen=True)
class ClosedArm:
    """An arm that was closed in the middle of the test, which nothing is decided about.

    `members` were planned before it closed; `left_out` drew it later, were not sent to, and are in no figure. `effects` are its
    differences from the members of control who were planned for the same days, one row a metric, without any correction.
    """

    arm: str
    label: str
    closed_from: str
    members: int
    left_out: int
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class LookTaken:
    """One look at the data of a design that looks more than once, as the ledger of looks keeps it.

    `information` is the least, over the arms, of the members whose window had closed over those planned. `bound` is what
    the z statistic of one comparison had to exceed, at the level that the family's correction leaves each, and
    `nominal_level` its two-sided level. `alpha_spent` is the family's error spent up to this look; an always-valid
    design spends none.
    """

    number: int
    taken_at: str
    information: float
    matured: Mapping[str, int]
    final: bool
    bound: float | None
    nominal_level: float | None
    alpha_spent: float | None
    definition_sha256: str


@dataclass(frozen=True)
class Analysis:
    """`analyze --json`.

    `look` is the number of the look that was read, None where the design has one look or none was due; `looks` are all
    that were taken.
    """

    experiment: str
    definition_sha256: str
    locked: bool
    verdict: Verdict
    health: tuple[HealthCheck, ...]
    arms: tuple[ArmCount, ...]
    effects: tuple[Effect, ...] = ()
    adjusted_effects: tuple[Effect, ...] = ()
    arm_comparisons: tuple[Effect, ...] = ()
    with_best: tuple[ComparisonWithBest, ...] = ()
    factorial: tuple[FactorialTerm, ...] = ()
    segments: tuple[SegmentHeterogeneity, ...] = ()
    winner_corrected: tuple[WinnerCorrected, ...] = ()
    guardrails: tuple[GuardrailResult, ...] = ()
    money: tuple[Money, ...] = ()
    bayes: tuple[Bayes, ...] = ()
    findings: tuple[Finding, ...] = ()
    delivery: tuple[DeliveredShare, ...] = ()
    compliers: tuple[ComplierRow, ...] = ()
    closed_arms: tuple[ClosedArm, ...] = ()
    look: int | None = None
    looks: tuple[LookTaken, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    mlflow_run_id: str | None = None
    schema: str = "offerwise.analysis/1"
