"""The parts of the audience that a policy knows, each with what its offer earns and costs there, in words and in money."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlglot import exp

from experiments.inference.tails import critical_value
from experiments.money.buyers import find_buyers
from experiments.money.value_formula import value_formula
from experiments.queries import as_double, column, count_where, double, fetch_rows, named, relation
from uplift.costs import measure_costs
from uplift.documents import PolicyPart
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.offers import optimism_of, rule_arms, uncounted_contact
from uplift.policy import ShippedPolicy
from uplift.reading import segment_names
from uplift.rules import Rule, SegmentTable, Tree
from uplift.sentences import PolicyWords
from uplift.sql import cell_case
from uplift.tree_nodes import leaves


def policy_parts(evidence: Evidence, policy: ShippedPolicy, words: PolicyWords) -> tuple[PolicyPart, ...]:
    """One row for each part with members of the test.

    Gains are over no contact, less what a chosen offer looks better for having been chosen; the interval is the part's own,
    for each part by itself. Cost is contact and benefits per member; buyers are those whom the offer adds to what control
    bought in the same part. Return is profit over cost, profit being the gain less what the value does not count of the contact;
    it exists for the definition's own value where that is a formula in money, or a sum.
    """
    own = rule_arms(policy.rule, len(policy.cells), policy)
    optimism, reach = optimism_of(policy), critical_value(0.05)
    costs = measure_costs(evidence, policy.rule, len(policy.cells)).expected
    buyers = _added_buyers(evidence, policy.rule, len(policy.cells))
    definition = evidence.experiment.definition
    in_money = value_formula(definition) is not None and policy.value_metric == definition.goals.value_metric
    uncounted = uncounted_contact(evidence, policy.value_metric)
    tested = sum(cell.members for cell in policy.cells)
    names = _names(policy, own, words)
    rows = []
    for place, cell in enumerate(policy.cells):
        arm = own[place]
        if not cell.members:
            continue
        gain = cell.gains[arm] - optimism if arm else 0.0
        error = cell.std_errors[arm] if arm else 0.0
        cost = float(costs[place, arm]) if arm else 0.0
        added = None if buyers is None or not arm else float(buyers[place, arm])
        rows.append(
            PolicyPart(
                part=names[place],
                arm=policy.arms[arm],
                members=cell.members,
                share=cell.members / tested,
                gain=gain,
                low=gain - reach * error,
                high=gain + reach * error,
                cost=cost,
                incremental_buyers=added,
                cost_per_incremental_buyer=cost / added if added is not None and added > 0 else None,
                roi=(gain - float(uncounted[arm])) / cost if in_money and cost > 0 else None,
            )
        )
    return tuple(rows)


def _names(policy: ShippedPolicy, own: Sequence[int], words: PolicyWords) -> list[str]:
    rule = policy.rule
    if isinstance(rule, SegmentTable):
        return [words.segment(name) for name in policy.segments]
    if isinstance(rule, Tree):
        return [words.path(path) for _, path in leaves(rule.root)]
    if len(own) == 1:
        return [words.everybody()]
    bands = len(own) // len(policy.arms)
    return [words.band(policy.arms[arm], place % bands + 1, bands) for place, arm in enumerate(own)]


def _added_buyers(evidence: Evidence, rule: Rule, parts: int) -> Array | None:
    """Shape (C, K): the share of buyers in each arm less that in control; None where nothing says who buys.

    Of a rule that is a model the engine does not know the parts: the same in all of them.
    """
    definition, engine = evidence.experiment.definition, evidence.experiment.engine
    formula = value_formula(definition)
    buyers = find_buyers(definition, formula.revenue if formula else ())
    if buyers is None:
        return None
    arms = [arm.id for arm in definition.all_arms]
    case = cell_case(rule, engine, segment_names(definition))
    bought = exp.NEQ(
        this=as_double(column(evidence.units.metric_columns[buyers.metric])), expression=double(0.0)
    )
    inner = exp.select(
        named(column("arm"), "arm"), named(case or exp.Literal.number(0), "cell"), named(bought, "bought")
    ).from_(relation(evidence.units.relation))
    query = (
        exp.select(
            column("arm"),
            column("cell"),
            named(exp.Count(this=exp.Star()), "members"),
            named(count_where(column("bought")), "buyers"),
        )
        .from_(inner.subquery("buyers_of"))
        .group_by(column("arm"), column("cell"))
    )
    counts = np.zeros((2, parts, len(arms)))
    for row in fetch_rows(engine, query):
        place = slice(None) if case is None else int(row["cell"])
        counts[:, place, arms.index(row["arm"])] += np.reshape(
            [float(row["members"]), float(row["buyers"])], (2, *([1] if case is None else []))
        )
    share = counts[1] / np.maximum(counts[0], 1.0)
    return np.asarray(share - share[:, :1])
