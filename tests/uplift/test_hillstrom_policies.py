"""The real Hillstrom test: no personalised policy is proven better than the Mens e-mail to everybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from offerwise.opening import open_experiment
from uplift.search import find_policy


def difference_of_means(shared: Path, metric: str) -> tuple[float, float]:
    """Mens e-mail less no e-mail, by pandas from the file, and its standard error; scores may move it by what covariates explain."""
    frame = pd.read_csv(shared / "data" / "hillstrom.csv.gz")
    mailed = frame["segment"] != "No E-Mail"
    frame = frame.assign(visited=frame["visit"], converted=frame["conversion"])
    frame["profit"] = 0.30 * frame["spend"] - 0.10 * mailed
    values = frame.groupby("segment")[metric]
    means, errors = values.mean(), values.var() / values.size()
    arms = ["Mens E-Mail", "No E-Mail"]
    return float(means[arms[0]] - means[arms[1]]), float(errors[arms].sum() ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["profit", "spend", "converted", "visited"])
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
    plain, error = difference_of_means(shared, metric)
    assert single.gain_over_control == pytest.approx(plain, abs=error / 3)
    part = document.parts[0]
    assert part.high - part.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert (part.roi is not None) == (metric == "profit")
    assert document.members == 64_000
