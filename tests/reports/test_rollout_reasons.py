"""What a rollout says beside its figures stands on the terminal and in the report."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

from rich.console import Console

from experiments.documents.analysis import Reason
from reports.html import render_report
from reports.terminal import show
from tests.reports.report_examples import analysis, assignment, design, open_experiment, rollout, uplift


def test_a_rollout_s_reasons_are_told(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    said = "The coupon is not rolled out."
    told = dataclasses.replace(rollout(), reasons=(Reason("arm_not_eligible", said),))
    text = io.StringIO()
    show(Console(file=text, width=80, force_terminal=False), told, experiment)
    assert said in text.getvalue()
    documents = (uplift(), told, assignment(experiment), design(experiment))
    assert said in render_report(experiment, analysis(experiment), *documents)
