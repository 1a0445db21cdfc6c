"""The terminal tells the same facts, and fits."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

import offerwise
from experiments.definition.load import load
from experiments.documents.analysis import FactorialTerm, GuardrailResult
from experiments.experiment import Experiment
from experiments.language import Language
from reports.accounts import money_table
from reports.grid import split_columns
from reports.narrator import Narrator
from reports.plans import power_table
from reports.policies import policies_table
from reports.results import effects_table, factorial_table, guardrails_table
from reports.rollouts import ramp_table
from reports.terminal import Shown, show
from tests.reports.report_examples import (
    CHINESE,
    ENGLISH,
    HOSTILE,
    analysis,
    assignment,
    design,
    open_experiment,
    rollout,
    uplift,
    validation,
)
from uplift.documents import RampStep

Made = Callable[[Experiment], Shown]

COMMANDS: dict[str, Made] = {
    "validate": validation,
    "design": design,
    "refused design": lambda experiment: design(experiment, feasible=False),
    "assign": assignment,
    "analyze": analysis,
    "invalid": lambda experiment: analysis(experiment, "invalid"),
    "uplift": lambda _: uplift(),
    "rollout": lambda _: rollout(),
}


def shown(experiment: Experiment, made: Made, width: int = 80) -> str:
    text = io.StringIO()
    show(Console(file=text, width=width, force_terminal=False), made(experiment), experiment)
    return text.getvalue()


@pytest.mark.parametrize(("language", "labels"), [("en", ENGLISH), ("zh", CHINESE), ("en", HOSTILE)])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_is_wider_than_the_terminal(
    tmp_path: Path, language: Language, labels: dict[str, str], command: str, width: int
) -> None:
    text = shown(open_experiment(tmp_path, labels, language), COMMANDS[command], width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_figures_are_whole_at_eighty_columns(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    text = shown(experiment, COMMANDS["analyze"])
    narrator, document = Narrator.of(experiment), analysis(experiment)
    for table in (money_table(narrator, document), effects_table(narrator, document, by_segment=False)):
        figures = {cell.text for row in table.rows for cell in row.cells[1:]}
        assert len(figures) > 5
        assert {figure for figure in figures if figure not in text} == set()


def test_the_verdict_the_reasons_and_the_next_step_are_told(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    text = " ".join(shown(experiment, COMMANDS["analyze"]).split())
    assert "Roll out. Send “Care message with 500 points”: +$216 profit per 1,000 members" in text
    assert "In vip, send “Last-chance text” instead. In dormant, send nothing." in text
    assert "Next: Run: offerwise rollout definition.yml" in text


def test_notes_are_raised_and_tables_say_what_they_are_counted_in(tmp_path: Path) -> None:
    """A plain 1 beside a dash reads as a figure, and amounts per 1,000 members as amounts per member."""
    text = shown(open_experiment(tmp_path), COMMANDS["analyze"])
    assert "—¹" in text
    assert "\n¹ control is what the other arms are compared with" in text
    assert "Per 1,000 members: as estimated" in text
    assert "— 1" not in text


@pytest.mark.parametrize(
    ("minimum_effect", "why"), [(0.002, "the past shows no variance"), (None, "names none")]
)
def test_a_power_that_does_not_exist_says_what_is_missing(
    tmp_path: Path, minimum_effect: float | None, why: str
) -> None:
    experiment = open_experiment(tmp_path)
    planned = design(experiment)
    unknown = tuple(
        dataclasses.replace(arm, power=None, members_needed=None, detectable_effect=None)
        for arm in planned.arms
    )
    planned = dataclasses.replace(planned, baseline=0.0, minimum_effect=minimum_effect, arms=unknown)
    table = power_table(Narrator.of(experiment), planned)
    assert why in table.notes[0]


@pytest.mark.parametrize(
    ("zone", "shown_at"), [("UTC", "2026-12-01 20:30"), ("Asia/Shanghai", "2026-12-02 04:30")]
)
def test_the_ramp_tells_the_definition_s_clock(tmp_path: Path, zone: str, shown_at: str) -> None:
    experiment = open_experiment(tmp_path)
    definition = experiment.definition.model_copy(update={"timezone": zone})
    narrator = dataclasses.replace(Narrator.of(experiment), definition=definition)
    steps = (RampStep(1, 0.1, 700, "2026-12-01T20:30:00+00:00", 0), RampStep(2, 1.0, 6300))
    table = ramp_table(narrator, dataclasses.replace(rollout(), ramp=steps))
    assert table is not None
    assert table.rows[0].cells[3].text == shown_at


def test_a_guardrail_s_figures_have_the_same_decimals_and_are_told_from_the_limit(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    near = GuardrailResult("complained", "care", 0.0030, 0.00148, 0.00227, 0.002, "pass")
    nearer = GuardrailResult("complained", "gift", 0.0030, None, 0.0029996, 0.05, "pass")
    rows = guardrails_table(Narrator.of(experiment), (near, nearer)).rows
    assert [cell.text for cell in rows[0].cells[2:5]] == ["+0.300 pp", "+0.148 pp", "+0.227 pp"]
    assert rows[1].cells[2].text != rows[1].cells[4].text


def test_an_individual_policy_names_its_learner_in_words(tmp_path: Path) -> None:
    found = uplift()
    single = found.policies[1]
    named = tuple(
        dataclasses.replace(single, kind=kind, detail="joint") for kind in ("individual", "best_single_arm")
    )
    table = policies_table(Narrator.of(open_experiment(tmp_path)), dataclasses.replace(found, policies=named))
    assert [line.cells[0].under for line in table.rows] == ["Joint model", "joint"]


def test_a_factor_s_difference_says_which_level_is_taken_from_which(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    winback = load(Path(offerwise.__file__).parent / "examples" / "winback.yml")
    narrator = dataclasses.replace(Narrator.of(experiment), definition=winback)
    found = (1.0, 0.1, 0.8, 1.2, 10.0, 0.0, 0.0)
    terms = ("copy", "incentive:pts500 - incentive:cpn20", "incentive:copy", "incentive")
    document = dataclasses.replace(
        analysis(experiment), factorial=tuple(FactorialTerm("profit", term, *found) for term in terms)
    )
    told = [line.cells[1] for line in factorial_table(narrator, document).rows]
    assert [(cell.text, cell.under) for cell in told] == [
        ("copy", "关怀 − 限时"),
        ("incentive", "500 积分 − 满 100 减 20"),
        ("incentive × copy", ""),
        ("incentive", ""),
    ]


def test_a_refused_plan_says_why(tmp_path: Path) -> None:
    text = shown(open_experiment(tmp_path), COMMANDS["refused design"])
    assert "The plan is refused" in text
    assert "12,000 more members are needed" in text


@pytest.mark.parametrize("width", range(40, 200, 7))
def test_every_column_is_drawn_once_beside_the_first(tmp_path: Path, width: int) -> None:
    experiment = open_experiment(tmp_path)
    table = effects_table(Narrator.of(experiment), analysis(experiment), by_segment=True)
    groups = list(split_columns(table, width))
    assert all(group[0] == 0 for group in groups)
    assert [place for group in groups for place in group[1:]] == list(range(1, len(table.columns)))


def test_many_files_of_one_folder_are_one_line(tmp_path: Path) -> None:
    lists = {f"care__step{step}": f"/runs/rollout/care__step{step}.csv" for step in range(9)}
    written = dataclasses.replace(
        rollout(), files={**lists, "report": "/runs/report.html"}, mlflow_run_id="abc123"
    )
    text = shown(open_experiment(tmp_path), lambda _: written)
    assert "/runs/rollout: 9 files" in text
    assert "report: /runs/report.html" in text
    assert "step3" not in text
    assert "abc123" in text


@pytest.mark.parametrize(
    ("language", "why"),
    [("en", "the data show no variance, so there is no test"), ("zh", "数据没有方差，因而没有检验")],
)
def test_a_p_value_that_does_not_exist_is_left_out_with_the_reason(
    tmp_path: Path, language: Language, why: str
) -> None:
    experiment = open_experiment(tmp_path, language=language)
    narrator, document = Narrator.of(experiment), analysis(experiment)
    absent = {"p_value": None, "p_value_adjusted": None}
    document = dataclasses.replace(
        document,
        adjusted_effects=(),
        effects=tuple(dataclasses.replace(effect, **absent) for effect in document.effects),
        guardrails=tuple(dataclasses.replace(rail, p_value=None) for rail in document.guardrails),
        factorial=(FactorialTerm("profit", "offer", 1.0, None, None, None, None, **absent),),
    )
    for table, missing in (
        (effects_table(narrator, document, by_segment=False), 2),
        (guardrails_table(narrator, document.guardrails), 1),
        (factorial_table(narrator, document), 2),
    ):
        assert table.rows
        assert all(sum(cell.absent == why for cell in row.cells) == missing for row in table.rows)
