"""The same facts on the terminal: tables that fit the width there is, down to 60 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from rich.text import Text

from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from experiments.documents.monitoring import Monitoring
from experiments.documents.validation import Validation
from experiments.experiment import Experiment
from reports.grid import draw_table
from reports.narrator import Narrator
from reports.tables import Column, Table, row, words

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.documents.explanation import Explanation
    from experiments.documents.simulation import Simulation
    from reports.headline import Headline
    from uplift.documents import Rollout, Uplift

Shown: TypeAlias = Union[
    Validation, Design, Assignment, "Explanation", Monitoring, Analysis, "Uplift", "Rollout", "Simulation"
]
"""The documents that a command answers with."""

_FILES_LISTED = 6

_VERDICTS: Sequence[tuple[str, str]] = (
    ("rollout", "green"),
    ("no_rollout", "yellow"),
    ("invalid", "red"),
    ("too_early", "yellow"),
)


def show(console: Console, document: Shown, experiment: Experiment) -> None:
    """Show the document of any command."""
    from experiments.documents.explanation import Explanation
    from experiments.documents.simulation import Simulation
    from uplift.documents import Rollout, Uplift

    match document:
        case Validation():
            show_validate(console, document, experiment)
        case Design():
            show_design(console, document, experiment)
        case Assignment():
            show_assign(console, document, experiment)
        case Explanation():
            show_explanation(console, document, experiment)
        case Monitoring():
            show_monitor(console, document, experiment)
        case Analysis():
            show_analyze(console, document, experiment)
        case Uplift():
            show_uplift(console, document, experiment)
        case Rollout():
            show_rollout(console, document, experiment)
        case Simulation():
            show_simulation(console, document, experiment)


def show_validate(console: Console, validation: Validation, experiment: Experiment) -> None:
    """What `validate` found: sources with their columns, arms with their shares."""
    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.validate", id=validation.experiment))
    counts = {
        "sources": len(validation.sources),
        "arms": len(validation.arms),
        "metrics": len(validation.metrics),
    }
    _line(console, narrator.say("terminal.validated", **counts))
    draw_table(console, _sources(narrator, validation))
    draw_table(console, _arms(narrator))
    _line(console, narrator.say("terminal.lock", sha256=validation.definition_sha256), "dim")


def _sources(narrator: Narrator, validation: Validation) -> Table:
    say = narrator.say
    return Table(
        name="sources",
        title=say("terminal.sources_title"),
        about=say("terminal.sources_about"),
        columns=(
            Column(say("column.source"), align="left"),
            Column(say("column.table"), align="left"),
            Column(say("column.key"), align="left"),
            Column(say("column.columns")),
        ),
        rows=tuple(
            row([words(found.source), words(found.table), words(found.key), words(str(found.columns))])
            for found in validation.sources
        ),
    )


def _arms(narrator: Narrator) -> Table:
    say = narrator.say
    return Table(
        name="arms",
        title=say("terminal.arms_title"),
        about=say("terminal.arms_about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.share")),
            Column(say("terminal.contact_cost")),
        ),
        rows=tuple(
            row(
                [
                    narrator.arm_cell(arm.id),
                    words(narrator.numbers.share(float(arm.share)), str(arm.share)),
                    words(narrator.numbers.money(arm.contact_cost)),
                ]
            )
            for arm in narrator.definition.all_arms
        ),
    )


def show_design(console: Console, design: Design, experiment: Experiment) -> None:
    """The plan: whether it works, its figures, what each arm and each guardrail can show."""
    from reports.detectable import detectable_table
    from reports.looks import planned_looks_table
    from reports.plans import (
        contact_levels_table,
        entry_table,
        guardrail_power_table,
        plan_table,
        power_table,
    )

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.design", id=design.experiment))
    for table in (
        plan_table(narrator, design),
        power_table(narrator, design),
        detectable_table(narrator, design),
        guardrail_power_table(narrator, design),
        planned_looks_table(narrator, design),
        entry_table(narrator, design),
        contact_levels_table(narrator, design.contact_levels),
    ):
        draw_table(console, table)
    console.print()
    status = "plan.feasible" if design.feasible else "plan.infeasible"
    _line(console, narrator.say(status), "bold green" if design.feasible else "bold red")
    for reason in design.reasons:
        _line(console, reason.text)
    _ending(console, narrator, design.next_step, design.files, design.mlflow_run_id)


def show_assign(console: Console, assignment: Assignment, experiment: Experiment) -> None:
    """The draw: members of each arm, who was refused, and the balance."""
    from reports.plans import assigned_table, balance_table, contact_levels_table, entry_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.assignment", id=assignment.experiment))
    for table in (
        assigned_table(narrator, assignment),
        entry_table(narrator, assignment),
        contact_levels_table(narrator, assignment.contact_levels),
        balance_table(narrator, assignment),
    ):
        draw_table(console, table)
    for note in assignment.notes:
        _line(console, note.text)
    files = {"ledger": assignment.files.ledger, **assignment.files.send_lists}
    _ending(console, narrator, assignment.next_step, files, assignment.mlflow_run_id)


def show_explanation(console: Console, explanation: Explanation, experiment: Experiment) -> None:
    """One member: the answer, each rule with its outcome, and the draw step by step."""
    from reports.explanation import draw_table_of, explanation_sentence, rules_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.explanation", id=explanation.experiment))
    for table in (rules_table(narrator, explanation), draw_table_of(narrator, explanation)):
        draw_table(console, table)
    console.print()
    _line(console, explanation_sentence(narrator, explanation), "bold")


def show_monitor(console: Console, monitoring: Monitoring, experiment: Experiment) -> None:
    """Health only: checks, arms, guardrail alarms, and the state last."""
    from reports.checks import checks_table
    from reports.monitoring import alarms_table, monitored_arms_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.monitor", id=monitoring.experiment))
    for table in (
        checks_table(narrator, monitoring.health),
        monitored_arms_table(narrator, monitoring),
        alarms_table(narrator, monitoring),
    ):
        draw_table(console, table)
    console.print()
    _line(
        console,
        narrator.say(f"monitor.{monitoring.status}"),
        "bold red" if monitoring.needs_action else "bold",
    )
    _ending(console, narrator, "", monitoring.files, None)


def show_analyze(console: Console, analysis: Analysis, experiment: Experiment) -> None:
    """The analysis: effects, guardrails, segments, health, money, and the verdict last."""
    from reports.accounts import cost_table, money_table
    from reports.checks import checks_table
    from reports.closed_arms import closed_arms_table
    from reports.delivery import compliers_table, delivery_table
    from reports.headline import read_headline
    from reports.looks import looks_table
    from reports.results import (
        effects_table,
        factorial_table,
        guardrails_table,
        heterogeneity_table,
        segments_table,
        winner_table,
        with_best_table,
    )

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.analysis", id=analysis.experiment))
    for table in (
        effects_table(narrator, analysis, by_segment=False),
        guardrails_table(narrator, analysis.guardrails),
        heterogeneity_table(narrator, analysis),
        segments_table(narrator, analysis),
        factorial_table(narrator, analysis),
        with_best_table(narrator, analysis),
        winner_table(narrator, analysis),
        closed_arms_table(narrator, analysis),
        delivery_table(narrator, analysis),
        compliers_table(narrator, analysis),
        checks_table(narrator, analysis.health),
        looks_table(narrator, analysis),
        money_table(narrator, analysis),
        cost_table(narrator, analysis),
    ):
        draw_table(console, table)
    for finding in analysis.findings:
        _line(console, finding.text)
    _verdict(console, read_headline(narrator, analysis))
    _ending(console, narrator, analysis.verdict.next_step, analysis.files, analysis.mlflow_run_id)


def _verdict(console: Console, headline: Headline) -> None:
    """The answer: last, so that it stands on the screen when the command ends."""
    draw_table(console, headline.offers)
    console.print()
    _line(console, f"{headline.label}. {headline.sentence}", f"bold {dict(_VERDICTS)[headline.status]}")
    for sentence in (headline.departures, headline.note):
        _line(console, sentence)
    for reason in headline.reasons:
        _line(console, f"• {reason}")


def show_uplift(console: Console, uplift: Uplift, experiment: Experiment) -> None:
    """The policy that was found, its held-out value, and the learners."""
    from reports.policies import learners_table, policies_table, policy_segments_table, uplift_sentences
    from reports.reasons import drivers_table, further_sentences, next_test_table, parts_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.uplift", id=uplift.experiment))
    tables = (
        policies_table(narrator, uplift),
        policy_segments_table(narrator, uplift),
        parts_table(narrator, uplift),
        drivers_table(narrator, uplift),
        learners_table(narrator, uplift),
        next_test_table(narrator, uplift),
    )
    for table in tables:
        if table is not None:
            draw_table(console, table)
    console.print()
    first, *others = (*uplift_sentences(narrator, uplift), *further_sentences(narrator, uplift))
    _line(console, first, "bold")
    for sentence in others:
        _line(console, sentence)
    _ending(console, narrator, "", uplift.files, uplift.mlflow_run_id)


def show_rollout(console: Console, rollout: Rollout, experiment: Experiment) -> None:
    """The lists of the rollout and their money."""
    from reports.results import guardrails_table
    from reports.rollouts import limits_table, ramp_table, rollout_summary_table, rollout_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.rollout", id=rollout.experiment))
    tables = (
        rollout_summary_table(narrator, rollout),
        rollout_table(narrator, rollout),
        limits_table(narrator, rollout),
        ramp_table(narrator, rollout),
        guardrails_table(narrator, rollout.ramp_guardrails, "ramp_guardrails"),
    )
    for table in tables:
        if table is not None:
            draw_table(console, table)
    for reason in rollout.reasons:
        _line(console, reason.text)
    _ending(console, narrator, rollout.next_step, rollout.files, rollout.mlflow_run_id)


def show_simulation(console: Console, simulation: Simulation, experiment: Experiment) -> None:
    """The simulated rates without and with an effect, then the verdict on the engine."""
    from reports.simulations import simulated_sentence, simulation_table

    narrator = Narrator.of(experiment)
    _heading(console, narrator.say("terminal.simulation", id=simulation.experiment))
    _line(console, simulated_sentence(narrator, simulation), "dim")
    draw_table(console, simulation_table(narrator, simulation, "aa"))
    draw_table(console, simulation_table(narrator, simulation, "ab"))
    console.print()
    verdict, *others = simulation.reasons
    _line(console, verdict.text, "bold green" if simulation.calibrated else "bold red")
    for reason in others:
        _line(console, reason.text)
    _ending(console, narrator, simulation.next_step, simulation.files, simulation.mlflow_run_id)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.rule(Text(text, style="bold"), align="left", style="dim")


def _line(console: Console, text: str, style: str = "") -> None:
    if text:
        console.print(Text(text, style=style))


def _ending(
    console: Console, narrator: Narrator, next_step: str, files: Mapping[str, str], run_id: str | None
) -> None:
    """What stands where, and what to do next."""
    if files:
        console.print()
        _line(console, narrator.say("terminal.files"), "bold")
        for line in _file_lines(narrator, files):
            console.print(Text(line), overflow="fold")
    if run_id:
        _line(console, narrator.say("terminal.run", run=run_id))
    if next_step:
        console.print()
        _line(console, f"{narrator.say('terminal.next')}: {next_step}", "bold")


def _file_lines(narrator: Narrator, files: Mapping[str, str]) -> Iterator[str]:
    """A line for each file; many in one folder are one line."""
    inside = Counter(Path(path).parent for path in files.values())
    told: set[Path] = set()
    for name, path in files.items():
        folder = Path(path).parent
        if inside[folder] <= _FILES_LISTED:
            yield f"{name}: {path}"
        elif folder not in told:
            told.add(folder)
            yield narrator.say("terminal.many_files", folder=folder, count=inside[folder])
