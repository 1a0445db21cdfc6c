"""The real Hillstrom test: no personalised policy is proven better than the Mens e-mail to everybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from offerwise.opening import open_experiment
from uplift.search import find_policy


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["profit", "spend", "converted"])
def test_the_mens_email_goes_to_everybody(shared: Path, tmp_path: Path, metric: str) -> None:
    """With the joint learner in place of the three of the file, which take a minute for each metric."""
    with open_experiment(shared / "design" / "hillstrom.yml", out=tmp_path) as experiment:
        definition = experiment.definition
        assert definition.uplift is not None
        quick = definition.model_copy(
            update={"uplift": definition.uplift.model_copy(update={"learners": ("joint",)})}
        )
        document = find_policy(replace(experiment, definition=quick), metric).document
    assert document.chosen.kind == "best_single_arm"
    assert document.chosen.reason.startswith(
        "No personalised policy is proven better than Mens e-mail (mens) to everybody"
    )
    single = {policy.kind: policy for policy in document.policies}["best_single_arm"]
    assert single.detail == "mens"
    assert single.gain_over_control > 0
    assert document.members == 64_000
