"""The rollout: send lists for the eligible members who were not in the test, within the budget, measured by its own holdout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from sqlglot import exp

from experiments.assignment.ledger import hold
from experiments.audience.audience import Audience, build_audience, snapshot_of
from experiments.definition.errors import InputError, RefusedError
from experiments.definition.rollout import Rollout as Settings
from experiments.documents.analysis import Analysis, Reason
from experiments.experiment import Experiment
from experiments.queries import column, named, number, relation
from uplift.budget import Problem, rollout_limits, sold_out
from uplift.costs import Costs, measure_costs
from uplift.documents import Offer, RampStep, Rollout, RolloutPlan
from uplift.evidence import PACKAGE, Evidence, open_evidence, value_metric_of
from uplift.features import Array
from uplift.forecast import forecast
from uplift.mix import other_mix
from uplift.offers import Offers, choose_offers, read_analysis
from uplift.ramp import (
    RELEASED,
    list_path,
    measure_released,
    read_released,
    refuse_loss,
    release,
    released_steps,
    windows_close,
)
from uplift.ramp_guardrails import (
    RampGate,
    accepted_at,
    judge_released,
    record_acceptance,
    refuse_harm,
    told_unclear,
)
from uplift.rollout_draw import Shares, count_people, draw_people
from uplift.rollout_ledger import Drawn, ledger_path, read_ledger, write_ledger
from uplift.rollout_plan import keep_plan, money_reasons, read_plan, refuse_what_exploration_exceeds
from uplift.rules import Individual, SegmentTable
from uplift.sampled_first import has_other_mix, told_mix
from uplift.scoring import sweep_scratch


def rollout(experiment: Experiment, *, accept_unclear: bool = False) -> Rollout:
    """Draw holdout, exploration and offers once, and write one list for each arm of the ramp's first step, or its next.

    It follows the proven policy of `uplift`, else the winner of each segment, and offers or explores no arm that the
    definition's rule does not let be rolled out. The members are those who are eligible today (the
    definition's snapshot, where that is later) and were not in the test. A further call draws nobody again: it releases the next
    step of the ramp once the windows of those before it have closed and their guardrails let it, and before that
    writes lists and document anew. A member is in one step, and a step is written once, so that nobody is sent anything twice.

    Args:
        experiment: The experiment.
        accept_unclear: Whether the next step follows though a guardrail is unclear that the test has not shown to hold.

    Raises:
        RefusedError: The verdict is not `rollout`, nobody is left, exploration alone exceeds the budget or a limit, members
            were drawn by another policy or other settings, or a guardrail of the steps released so far has failed.
        InputError: The definition or the data are wrong.
        OutsideError: The engine or the disk fails, or what an earlier call wrote is gone; no member is drawn by halves.
    """
    settings = _settings(experiment)
    metric = value_metric_of(experiment, None)
    evidence = open_evidence(experiment)
    analysis = read_analysis(evidence)
    offers = choose_offers(evidence, analysis, metric)
    work = _Work(evidence, settings, offers, measure_costs(evidence, offers.rule, len(offers.arm)))
    with hold(experiment.workspace.out, experiment.progress):
        sweep_scratch(experiment)
        refuse_loss(experiment, len(settings.ramp))
        if not ledger_path(experiment).exists():
            work.draw()
        drawn = read_ledger(experiment, offers)
        _refuse_other(experiment, drawn, _mark(offers))
        plan = read_plan(experiment, settings)
        ramp = work.climb(drawn, analysis, accept_unclear=accept_unclear)
        lists = work.write_lists(ramp)
        is_other = has_other_mix(experiment, drawn.classes)
        mix = other_mix(evidence, offers, metric) if is_other else None
    reasons = (
        *evidence.notes,
        *_barred(experiment, offers),
        *_followed(experiment, offers, analysis),
        *_nobody_offered(experiment, drawn),
        *money_reasons(experiment, plan, metric),
        *(told_mix(experiment, drawn.classes, mix, metric) if is_other else ()),
        *told_unclear(experiment, ramp.gate),
    )
    document = work.document(drawn, plan, {"ledger": ledger_path(experiment), **lists})
    return replace(
        document,
        reasons=reasons,
        other_mix=mix,
        ramp=ramp.steps,
        ramp_guardrails=ramp.gate.results,
        ramp_waits=ramp.waits,
        next_step=ramp.next_step,
    )


@dataclass(frozen=True)
class _Ramp:
    """Where the ramp stands after this call."""

    steps: tuple[RampStep, ...]
    gate: RampGate
    waits: bool
    next_step: str

    @property
    def released(self) -> tuple[int, ...]:
        return tuple(each.step for each in self.steps if each.released_at is not None)


@dataclass(frozen=True)
class _Work:
    """One rollout: the test, the settings, what is offered and what that costs."""

    evidence: Evidence
    settings: Settings
    offers: Offers
    costs: Costs

    @property
    def experiment(self) -> Experiment:
        return self.evidence.experiment

    @cached_property
    def audience(self) -> Audience:
        """Who is eligible today."""
        experiment = self.experiment
        today = experiment.now.astimezone(experiment.definition.zone).date()
        return build_audience(
            experiment, self.evidence.catalogue, snapshot=max(today, snapshot_of(experiment))
        )

    def draw(self) -> None:
        """Decide on everybody, and write plan and ledger."""
        experiment, offers, settings = self.experiment, self.offers, self.settings
        say = experiment.words.say
        eligible = tuple(offers.arms.index(arm) for arm in self.evidence.eligible)
        audience = self.audience
        gone = sold_out(experiment.definition.all_arms, settings)
        # Where everything is sold out, exploration is refused as any that exceeds a limit.
        exploring = tuple(k for k in eligible if k not in gone) or eligible
        experiment.progress("Drawing holdout, exploration and offers")
        draw_people(self.evidence, audience, offers, settings, exploring)
        people = count_people(experiment, offers)
        if not people.members:
            raise RefusedError([say(PACKAGE, "rollout.nobody_left")], say(PACKAGE, "rollout.widen"))
        limits = rollout_limits(experiment.definition.all_arms, settings, people.explored)
        problem = Problem(
            offers,
            self.costs,
            settings.budget,
            people.sizes,
            people.explored,
            eligible,
            limits,
            people.groups,
        )
        refuse_what_exploration_exceeds(experiment, problem, limits)
        plan = problem.solve()
        experiment.progress("Writing the rollout's ledger")
        keep_plan(experiment, problem, plan, settings)
        write_ledger(self.evidence, offers, Shares.of(settings), plan, exploring, _mark(offers))

    def climb(self, drawn: Drawn, analysis: Analysis, *, accept_unclear: bool) -> _Ramp:
        """Release the first step, or the next one where the steps before it allow it.

        Raises:
            RefusedError: A guardrail of the steps released so far has failed.
        """
        experiment, ramp = self.experiment, self.settings.ramp
        done = released_steps(experiment, len(ramp))
        gate, waits = RampGate(), False
        if len(done) < len(ramp) and (not done or self._has_closed(done)):
            if done:
                gate = self._judge(analysis)
                waits = bool(gate.unproven) and not accept_unclear
            if not waits:
                done = self._release_next(drawn, done, gate)
        steps = tuple(self._steps(drawn, done))
        following = self._waiting(done) if waits else self._next_of(drawn, done)
        return _Ramp(steps, gate, waits, following)

    def _judge(self, analysis: Analysis) -> RampGate:
        measured = measure_released(self.experiment, self.evidence.catalogue, self.audience)
        gate = judge_released(self.experiment, measured, analysis)
        refuse_harm(self.experiment, gate)
        return gate

    def _release_next(self, drawn: Drawn, done: tuple[int, ...], gate: RampGate) -> tuple[int, ...]:
        """Release the next step; one without a member is released together with that after it."""
        audience = self.audience
        record_acceptance(self.experiment, len(done) + 1, gate.unproven)
        while len(done) < len(self.settings.ramp):
            done = (*done, len(done) + 1)
            release(self.experiment, audience, done[-1])
            if drawn.steps.get(done[-1]):
                break
        return done

    def _steps(self, drawn: Drawn, done: tuple[int, ...]) -> Iterator[RampStep]:
        found = read_released(self.experiment, done)
        for place, share in enumerate(self.settings.ramp, start=1):
            members = drawn.steps.get(place, 0)
            if place not in done:
                yield RampStep(place, share, members)
                continue
            inside = found.get(place)
            kept = inside[0] if inside else 0
            at = inside[1].isoformat() if inside else self.experiment.now.isoformat()
            yield RampStep(place, share, members, at, members - kept, accepted_at(self.experiment, place))

    def _waiting(self, done: tuple[int, ...]) -> str:
        """What to decide before the next step."""
        facts = {
            "step": len(done) + 1,
            "steps": len(self.settings.ramp),
            "file": self.experiment.arguments,
        }
        return self.experiment.words.say(PACKAGE, "rollout.next_step_waits", **facts)

    def _next_of(self, drawn: Drawn, done: tuple[int, ...]) -> str:
        """What comes next; nothing where nobody is contacted in any step."""
        return self._next(done) if drawn.strata.contacted.any() else ""

    def _has_closed(self, done: tuple[int, ...]) -> bool:
        closes = windows_close(self.experiment, read_released(self.experiment, done))
        return closes is None or closes <= self.experiment.now

    def _next(self, done: tuple[int, ...]) -> str:
        experiment, steps = self.experiment, len(self.settings.ramp)
        if len(done) >= steps:
            return ""
        say, file = experiment.words.say, experiment.arguments
        closes = windows_close(experiment, read_released(experiment, done))
        facts = {"step": len(done) + 1, "steps": steps, "file": file}
        if closes is None:
            return say(PACKAGE, "rollout.next_step", **facts)
        day = closes.astimezone(experiment.definition.zone).strftime("%Y-%m-%d %H:%M")
        return say(PACKAGE, "rollout.next_step_from", day=day, **facts)

    def write_lists(self, ramp: _Ramp) -> dict[str, Path]:
        """One CSV for each arm that somebody gets, for each released step where there are several."""
        experiment, engine = self.experiment, self.experiment.engine
        files: dict[str, Path] = {}
        sent = {
            (str(arm), int(step))
            for arm, step in engine.rows(
                exp.select(column("arm"), column("ramp_step")).distinct().from_(relation(RELEASED))
            )
        }
        for arm in experiment.definition.offer_arms:
            for step in ramp.released:
                if (arm.id, step) not in sent:
                    continue
                path = list_path(experiment, arm.id, step, len(ramp.steps))
                files[path.stem] = path
                is_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(arm.id))
                is_step = exp.EQ(this=column("ramp_step"), expression=number(step))
                query = (
                    exp.select(
                        column("member"),
                        column("arm"),
                        named(exp.Literal.string(arm.channel or ""), "channel"),
                        named(exp.Literal.string("; ".join(arm.templates)), "template"),
                        column("reason"),
                    )
                    .from_(relation(RELEASED))
                    .where(exp.and_(is_arm, is_step))
                    .order_by(engine.collated(column("member")))
                )
                engine.write(query, path)
        return files

    def document(self, drawn: Drawn, plan: RolloutPlan, files: dict[str, Path]) -> Rollout:
        """All of it from ledger, plan and evidence, so that running again, or on after being stopped, tells the same."""
        experiment, budget, offers = self.experiment, self.settings.budget, self.offers
        offered, explored = drawn.counts["offer"], drawn.counts["explore"]
        expected = forecast(offers, drawn.strata, plan.optimism)
        cost = offered * self.costs.expected
        return Rollout(
            experiment=experiment.definition.id,
            members=int(sum(counts.sum() for counts in drawn.counts.values())),
            offers=_offer_rows(offers, offered, expected.by_arm, cost),
            holdout=int(drawn.counts["holdout"].sum()),
            explore=int(explored.sum()),
            not_offered=int(drawn.counts["not_offered"].sum()),
            budget=budget.amount if budget else None,
            cost_bound=self.costs.bound(offered + explored, budget),
            expected_profit=expected.total,
            low=expected.low,
            high=expected.high,
            shadow_price=plan.shadow_price,
            budget_curve=plan.budget_curve,
            more_budget=plan.more_budget,
            limits=plan.limits,
            classes=drawn.classes,
            follows=offers.policy.kind if offers.policy else "winner_by_segment",
            files={name: str(path) for name, path in files.items()},
        )


def _offer_rows(offers: Offers, offered: Array, profit: Array, cost: Array) -> tuple[Offer, ...]:
    return tuple(
        Offer(arm, int(offered[:, k].sum()), float(profit[k]), float(cost[:, k].sum()))
        for k, arm in enumerate(offers.arms)
        if k and np.any(offered[:, k])
    )


def _barred(experiment: Experiment, offers: Offers) -> tuple[Reason, ...]:
    """Says so where what is followed gives an arm that failed the definition's rule, such as a guardrail."""
    if not offers.barred:
        return ()
    say = experiment.words.say
    arms = say(PACKAGE, "figure.comma").join(offers.barred)
    return (Reason("arm_not_eligible", say(PACKAGE, "rollout.arm_not_eligible", arms=arms)),)


def _nobody_offered(experiment: Experiment, drawn: Drawn) -> tuple[Reason, ...]:
    """Says so where the policy gives nobody anything."""
    if drawn.counts["offer"].any():
        return ()
    return (Reason("nobody_offered", experiment.words.say(PACKAGE, "rollout.nobody_offered")),)


def _followed(experiment: Experiment, offers: Offers, analysis: Analysis) -> tuple[Reason, ...]:
    """Says whether the winners of the analysis are followed, or a proven policy, and whether that gives other arms than they are."""
    say, verdict = experiment.words.say, analysis.verdict
    if offers.policy is None:
        return (Reason("winners_followed", say(PACKAGE, "rollout.winners_followed")),)
    winners = {name: verdict.winner_by_segment.get(name, verdict.winner) for name in offers.segments}
    given = [offers.arms[arm] for arm in offers.arm]
    if isinstance(offers.rule, SegmentTable):
        same = given == list(winners.values())
    else:
        same = {*given} == {*winners.values()} and len({*given}) == 1
    several = [f"{name}: {arm}" for name, arm in winners.items()]
    facts = {
        "policy": say(PACKAGE, f"policy.{offers.policy.kind}"),
        "winner": say(PACKAGE, "figure.comma").join(several)
        if len({*winners.values()}) > 1
        else verdict.winner,
    }
    code = "policy_followed" if same else "uplift_disagrees"
    return (Reason(code, say(PACKAGE, f"rollout.{code}", **facts)),)


def _settings(experiment: Experiment) -> Settings:
    definition = experiment.definition
    settings = definition.rollout or Settings()
    if settings.holdout_share + settings.explore_share >= 1:
        cause = "holdout and exploration together leave nobody to make an offer to"
        raise InputError(
            [definition.origin.fault(("rollout",), cause, "lower holdout_share or explore_share")]
        )
    return settings


def _mark(offers: Offers) -> str:
    """Which rule drew: the kind and the first digits of a hash of what it gives, or of a model's figures."""
    rule = offers.policy.cells if offers.policy and isinstance(offers.rule, Individual) else offers.rule
    kind = offers.policy.kind if offers.policy else "winner_by_segment"
    return f"{kind}-{hashlib.sha256(f'{rule}{offers.arm}'.encode()).hexdigest()[:12]}"


def _refuse_other(experiment: Experiment, drawn: Drawn, mark: str) -> None:
    if drawn.marks <= {mark}:
        return
    say = experiment.words.say
    raise RefusedError([say(PACKAGE, "rollout.other_policy")], say(PACKAGE, "rollout.keep_rollout"))
