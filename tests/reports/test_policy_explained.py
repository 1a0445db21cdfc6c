"""The policy's tree, money and drivers, the next test, and the rollout's curve, stock and ramp: on the terminal and in the report."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from experiments.language import Language
from reports.html import render_report
from reports.terminal import show
from reports.trees import TreeChart, draw_tree
from tests.reports.report_examples import analysis, assignment, design, open_experiment, rollout, uplift
from uplift.documents import (
    BudgetPoint,
    Driver,
    LimitUse,
    NextTest,
    PolicyPart,
    Proposal,
    RampStep,
    Rollout,
    TreeNode,
    Uplift,
)

TREE = (
    TreeNode("days at most 200", None, 9000, (1, 2)),
    TreeNode("500 <points>", "pts500__care", 4000),
    TreeNode("tier is vip", None, 5000, (3, 4)),
    TreeNode("Coupon", "cpn20__care", 2000),
    TreeNode("No contact", "control", 3000),
)


def explained() -> Uplift:
    arm = "pts500__care"
    return dataclasses.replace(
        uplift(),
        parts=(
            PolicyPart("days at most 200", arm, 4000, 0.4, 0.5, 0.2, 0.8, 0.25, 0.01, 25.0, 2.0),
            PolicyPart("days above 200", "control", 6000, 0.6, 0.0, 0.0, 0.0, 0.0, None, None, None),
        ),
        drivers=(Driver(arm, "days", 0.3, 0.8, "larger the larger days is"),),
        tree=TREE,
        resampled=0.042,
        next_test=NextTest((Proposal(arm, "drop", "It is behind."),), 3, 81_234, 0.05, 0.8),
        files={"next_test": "runs/next.yml"},
    )


def planned() -> Rollout:
    found = rollout()
    return dataclasses.replace(
        found,
        budget=1000.0,
        budget_curve=tuple(BudgetPoint(100.0 * k, 1000.0 * k**0.5, 100 * k) for k in range(21)),
        limits=(LimitUse("gift", 5000, 4999, 1.25),),
        ramp=(RampStep(1, 0.1, 700, "2026-12-01T09:00:00+00:00", 12), RampStep(2, 1.0, 6300)),
        next_step="Send the lists. Step 2 of 2 follows.",
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_of_it_is_told(language: Language, tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path, language=language)
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=False)
    show(console, explained(), experiment)
    show(console, planned(), experiment)
    page = render_report(
        experiment, analysis(experiment), explained(), planned(), assignment(experiment), design(experiment)
    )
    for place in (text.getvalue(), page):
        for said in (
            "4.2",
            "81,234",
            "It is behind.",
            "4,999",
            "Step 2 of 2",
            "2026-12-01 17:00",
            "25.00",
            "next.yml",
        ):
            assert said in place, said
    assert 'id="chart-tree-title"' in page
    assert 'id="curve-budget-title"' in page
    assert "500 &lt;points&gt;" in page


def test_a_tree_is_drawn_with_its_answers_in_their_places() -> None:
    svg = ET.fromstring(draw_tree(TreeChart("t", "Tree", "A tree", TREE, ("yes", "no"), ["n"] * 5)))
    texts = {each.text: each for each in svg.iter("text")}
    where = {name: float(texts[name].get("x", "0%")[:-1]) for name in (node.words for node in TREE)}
    assert where["500 <points>"] < where["Coupon"] < where["No contact"]
    assert where["Coupon"] < where["tier is vip"] < where["No contact"]
    depth = {name: int(texts[name].get("y", "0")) for name in where}
    assert depth["days at most 200"] < depth["tier is vip"] == depth["500 <points>"] < depth["Coupon"]
    assert len(list(svg.iter("line"))) == 4
    assert draw_tree(TreeChart("t", "Tree", "A tree", (), ("yes", "no"), [])) == ""
