"""The demo at its real size through the real rooms: the analysis comes to what was planted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.assignment.file_ledger import FileLedger
from experiments.definition.arms import Arm
from experiments.definition.load import load
from experiments.design.design import design
from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from experiments.experiment import Experiment
from experiments.language import Words
from offerwise.demo.campaign import SEED, Campaign, generate, respond
from offerwise.demo.comparison import Comparison, compare_with_truth
from offerwise.demo.truth import TrueEffects
from offerwise.opening import open_experiment

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Story:
    campaign: Campaign
    out: Path
    design: Design
    assignment: Assignment
    analysis: Analysis
    truth: TrueEffects

    @property
    def comparison(self) -> Comparison:
        return compare_with_truth(self.analysis, self.truth, Words())


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    out = folder / "runs"
    campaign = generate(folder / "demo", SEED)
    with open_experiment(campaign.definition, out=out) as experiment:
        planned, assignment = design(experiment), assign(experiment)
        truth = respond(campaign, experiment.definition, drawn(experiment))
    with open_experiment(campaign.definition, out=out) as experiment:
        return Story(campaign, out, planned, assignment, analyze(experiment), truth)


def ledger_rows(story: Story) -> pa.Table:
    with open_experiment(story.campaign.definition, out=story.out) as experiment:
        return drawn(experiment)


def drawn(experiment: Experiment) -> pa.Table:
    batches = FileLedger(experiment.workspace, experiment.engine).batch_files()
    return pa.concat_tables([pq.read_table(path) for path in batches])


def test_the_plan_is_feasible_and_leaves_members_for_a_rollout_that_the_budget_binds(story: Story) -> None:
    assert story.design.feasible
    assert story.assignment.sampled == 136_000
    left = story.assignment.eligible - story.assignment.sampled
    assert left >= 40_000
    assert story.design.budget is not None
    cheapest = min(arm.contact_cost + 0.02 * arm.unit_cost_if_taken for arm in _offers(story))
    assert left * cheapest > story.design.budget
    assert all(story.assignment.refused[rule] > 0 for rule in ("exclude_lists", "holdout", "contact_caps"))


def test_guardrails_have_power_for_the_arms_that_should_win(story: Story) -> None:
    assert [guardrail.metric for guardrail in story.design.guardrails] == ["unsubscribed", "complained"]
    assert all(
        guardrail.power is not None and guardrail.power > 0.95 for guardrail in story.design.guardrails
    )


def test_everything_planted_is_found(story: Story) -> None:
    assert story.analysis.verdict.status == "rollout"
    statements = story.comparison.statements
    assert {statement.about for statement in statements} == {"best_arm", "loss_maker", "harmful"}
    assert [statement.text for statement in statements if not statement.agrees] == []


def test_the_loss_makers_sell_and_lose(story: Story) -> None:
    effects = {(row.metric, row.arm): row for row in story.analysis.adjusted_effects if row.segment is None}
    for arm in ("cpn20__care", "cpn20__urgent"):
        sold, earned = effects["converted", arm], effects["profit", arm]
        assert sold.p_value_adjusted < 0.001
        assert sold.difference > 0 > earned.difference
        assert arm not in story.analysis.verdict.winner_by_segment.values()


def test_intervals_hold_the_truth_as_often_as_they_should(story: Story) -> None:
    comparison = story.comparison
    total = len(comparison.effects)
    assert total == 6 * 2 * (1 + 3)
    assert comparison.expected_misses == pytest.approx(0.05 * total)
    # They err in groups: an arm's overall interval with those of its segments. So the bound is one for 12 groups of 4.
    assert total - comparison.covered <= 4 * binom.ppf(0.999, total // 4, 0.05)


def test_running_again_changes_no_arm_and_no_answer(story: Story) -> None:
    before = ledger_rows(story)
    with open_experiment(story.campaign.definition, out=story.out) as experiment:
        again = assign(experiment)
        assert respond(story.campaign, experiment.definition, drawn(experiment)) == story.truth
    assert again.arms == story.assignment.arms
    assert ledger_rows(story).equals(before)
    with open_experiment(story.campaign.definition, out=story.out) as experiment:
        repeated = analyze(experiment)
    assert repeated.verdict.winner_by_segment == story.analysis.verdict.winner_by_segment
    # Sums of floating columns are promised to 1e-9 between runs, since threads add in another order.
    differences = [row.difference for row in story.analysis.effects]
    assert [row.difference for row in repeated.effects] == pytest.approx(differences, rel=1e-7, abs=1e-9)


def _offers(story: Story) -> tuple[Arm, ...]:
    return load(story.campaign.definition).offer_arms
