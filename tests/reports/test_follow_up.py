"""What the first screen says once a policy and a rollout exist."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from experiments.documents.analysis import Verdict
from reports.follow_up import disagreeing_segments, follow_up
from reports.headline import Headline, read_headline
from reports.narrator import Narrator
from tests.reports.report_examples import analysis, open_experiment, rollout, uplift
from uplift.documents import Chosen, Rollout, Uplift


def first_screen(
    folder: Path, found: Uplift | None, listed: Rollout | None, status: str = "rollout"
) -> Headline:
    experiment = open_experiment(folder)
    document = analysis(experiment, status)  # type: ignore[arg-type]
    narrator = Narrator.of(experiment)
    return follow_up(narrator, read_headline(narrator, document), document, found, listed)


def test_a_policy_that_gives_other_offers_is_named_with_what_the_rollout_follows(tmp_path: Path) -> None:
    proven = first_screen(tmp_path, uplift(), None).reasons[0]
    assert "other offers than the analysis in vip;" in proven
    assert "follows the policy" in proven
    single = dataclasses.replace(uplift(), chosen=Chosen("best_single_arm", "", None))
    assert "follows the analysis" in first_screen(tmp_path, single, None).reasons[0]


def test_a_policy_that_agrees_is_not_mentioned(tmp_path: Path) -> None:
    document = analysis(open_experiment(tmp_path))
    agreeing = Verdict("rollout", "care", {"vip": "gift", "dormant": "control"}, document.verdict.reasons, "")
    assert disagreeing_segments(dataclasses.replace(document, verdict=agreeing), uplift()) == ()


def test_without_segments_the_policy_is_held_against_the_overall_winner(tmp_path: Path) -> None:
    document = analysis(open_experiment(tmp_path))
    overall = dataclasses.replace(document, verdict=Verdict("rollout", "gift", {}, (), ""))
    assert disagreeing_segments(overall, uplift()) == ("dormant",)


def test_the_next_step_is_the_one_that_is_left(tmp_path: Path) -> None:
    assert "Run: offerwise rollout definition.yml" in first_screen(tmp_path, None, None).next_step
    assert "`offerwise rollout " in first_screen(tmp_path, uplift(), None).next_step
    assert "49,000 members" in first_screen(tmp_path, uplift(), rollout()).next_step


def test_a_verdict_that_is_no_rollout_stays_as_it_is(tmp_path: Path) -> None:
    kept = first_screen(tmp_path, uplift(), rollout(), "no_rollout")
    assert kept == first_screen(tmp_path, None, None, "no_rollout")
