"""What a rollout's draw decided beside its ledger: prices, the budget curve, and what more budget would bring."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.decision.sentences import Sentences
from experiments.definition.errors import RefusedError
from experiments.definition.rollout import Rollout as Settings
from experiments.documents.analysis import Reason
from experiments.documents.storage import read_document, to_json
from experiments.experiment import Experiment
from experiments.files import write_whole
from uplift.budget import Plan, Problem
from uplift.documents import BudgetPoint, LimitUse, MoreBudget, RolloutPlan
from uplift.evidence import PACKAGE
from uplift.forecast import expected_profit
from uplift.limits import Limit
from uplift.plan_optimism import plan_optimism

_POINTS = 41
_MORE = 0.2


def keep_plan(experiment: Experiment, problem: Problem, plan: Plan, settings: Settings) -> None:
    """Write `plan.json`, before the ledger: where the ledger stands, the plan does."""
    points = () if problem.budget is None else problem.curve(_POINTS if not problem.limits else _POINTS // 4)
    further = _further(problem)
    plans = [plan, *(each for _, each in points), *([further[1]] if further else [])]
    optimism = plan_optimism(problem, [each.capacity for each in plans])
    profits = [_profit(problem, each, lowered) for each, lowered in zip(plans, optimism, strict=True)]
    curve = zip(points, profits[1:], strict=False)
    found = RolloutPlan(
        settings=settings.model_dump(mode="json", exclude_none=True),
        shadow_price=plan.shadow_price,
        optimism=float(optimism[0]),
        limits=_limits(problem, plan, settings),
        budget_curve=tuple(
            BudgetPoint(bound, profit, int(each.given.sum())) for (bound, each), profit in curve
        ),
        more_budget=further and _more(plan, *further, profits[-1] - profits[0]),
    )
    write_whole(experiment.workspace.rollout / "plan.json", to_json(found))


def read_plan(experiment: Experiment, settings: Settings) -> RolloutPlan:
    """The plan of the ledger that stands.

    Raises:
        RefusedError: The members were drawn by other settings, or the plan is gone.
        InputError: It is damaged.
    """
    say = experiment.words.say
    found = read_document(RolloutPlan, experiment.workspace.rollout / "plan.json")
    if found is None or found.settings != settings.model_dump(mode="json", exclude_none=True):
        code = "rollout.no_plan" if found is None else "rollout.other_settings"
        raise RefusedError([say(PACKAGE, code)], say(PACKAGE, "rollout.keep_rollout"))
    return found


def money_reasons(experiment: Experiment, plan: RolloutPlan, metric: str) -> tuple[Reason, ...]:
    """What more budget would bring of the value metric, and which limits bind, in a sentence each."""
    sentences = Sentences(experiment.definition, experiment.words, experiment.arguments)
    say, numbers = experiment.words.say, sentences.numbers
    told = []
    more, binding = plan.more_budget, [limit for limit in plan.limits if limit.shadow_price > 0]
    if more is not None and more.expected_profit > 0:
        facts = {
            "amount": numbers.money(more.amount, 0),
            "profit": sentences.total(metric, more.expected_profit),
            "members": numbers.count(more.members),
            "each": sentences.total(metric, more.expected_profit / more.amount),
            "metric": metric,
        }
        told.append(Reason("more_budget", say(PACKAGE, "rollout.more_budget", **facts)))
    elif more is not None and plan.budget_curve[-1].cost_bound <= plan.settings["budget"]["amount"]:
        code = "budget_not_binding" if binding else "budget_ample"
        facts = {
            "cost": numbers.money(plan.budget_curve[-1].cost_bound, 0),
            "names": say(PACKAGE, "figure.comma").join(limit.name for limit in binding),
        }
        told.append(Reason(code, say(PACKAGE, f"rollout.{code}", **facts)))
    for limit in binding:
        facts = {
            "name": limit.name,
            "used": numbers.count(limit.used),
            "price": sentences.total(metric, limit.shadow_price),
            "metric": metric,
        }
        told.append(Reason("limit_binds", say(PACKAGE, "rollout.limit_binds", **facts)))
    return tuple(told)


def refuse_what_exploration_exceeds(
    experiment: Experiment, problem: Problem, limits: Sequence[Limit]
) -> None:
    """Exploration is drawn before the policy: it must fit into the budget and every limit by itself.

    Raises:
        RefusedError: It does not.
    """
    say, budget = experiment.words.say, problem.budget
    file = experiment.definition.origin.path.name
    told = []
    if budget is not None and problem.exploration > budget.amount:
        facts = {"cost": f"{problem.exploration:,.2f}", "budget": f"{budget.amount:,.2f}"}
        told.append(say(PACKAGE, "rollout.exploration_too_dear", **facts))
    told += [
        say(PACKAGE, "rollout.exploration_too_large", name=limit.name, over=f"{-limit.most:,.0f}")
        for limit in limits
        if limit.most < 0
    ]
    if told:
        raise RefusedError(told, say(PACKAGE, "rollout.less_exploration", file=file))


def _further(problem: Problem) -> tuple[float, Plan] | None:
    """A round fifth of the budget more, and the plan with it; None where there is no budget."""
    if problem.budget is None or problem.budget.amount <= 0:
        return None
    amount = _round(problem.budget.amount * _MORE)
    return amount, problem.with_budget(problem.budget.amount + amount).solve()


def _more(plan: Plan, amount: float, other: Plan, gained: float) -> MoreBudget:
    return MoreBudget(amount, max(gained, 0.0), int(other.given.sum() - plan.given.sum()))


def _profit(problem: Problem, plan: Plan, optimism: float) -> float:
    return expected_profit(problem.offers, problem.by_cell(plan.given), problem.explored, optimism)[1]


def _limits(problem: Problem, plan: Plan, settings: Settings) -> tuple[LimitUse, ...]:
    written = [*(settings.stock or {}).values(), *(settings.contacts or {}).values()]
    given = (problem.by_cell(plan.given) + problem.explored).sum(axis=0)
    prices = plan.limit_prices or (0.0,) * len(problem.limits)
    return tuple(
        LimitUse(limit.name, most, int(given[list(limit.options)].sum()), price)
        for limit, most, price in zip(problem.limits, written, prices, strict=True)
    )


def _round(value: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above a value.

    >>> _round(50_000.0), _round(1_200.0), _round(0.7)
    (50000.0, 1000.0, 0.5)
    """
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return max(power * factor for factor in (1, 2, 5) if power * factor <= value * (1 + 1e-9))
