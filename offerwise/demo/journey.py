"""The whole journey on the demo campaign: make it, test it, answer it, analyze it, roll it out, hold it against the truth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definition.errors import RefusedError
from experiments.documents.analysis import Verdict
from experiments.experiment import Experiment
from experiments.language import Words
from experiments.progress import Progress, silent
from offerwise.demo.campaign import SEED, Campaign, generate, respond
from offerwise.demo.comparison import PACKAGE, Comparison, compare_with_truth

if TYPE_CHECKING:
    import pyarrow as pa

    from offerwise.demo.truth import TrueEffects
    from offerwise.journey import Journey

OpenJourney = Callable[[Path], AbstractContextManager["Journey"]]
"""Opens the journey of a definition, engine and tracking included, and closes it."""

Show = Callable[[Any, Experiment], None]
"""Shows the document of a step to people."""


@dataclass(frozen=True)
class Demo:
    """How the demo ended.

    Attributes:
        directory: Where the campaign stands.
        definition: Its definition, with which every command can be run again.
        truth: The file that holds the planted truth and the true effects.
        report: The HTML report.
        mlflow: The store that holds the runs, without credentials; None where none were logged.
        verdict: What the analysis decided.
        comparison: What was found beside what was planted.
    """

    directory: str
    definition: str
    truth: str
    report: str
    mlflow: str | None
    verdict: Verdict
    comparison: Comparison
    schema: str = "offerwise.demo/1"


def run_demo(
    directory: Path,
    open_journey: OpenJourney,
    *,
    show: Show,
    words: Words,
    progress: Progress = silent,
    seed: int = SEED,
) -> Demo:
    """Run every step of the journey on the demo campaign, making it first where it does not stand yet.

    It can be run again: the campaign, the arms and the answers stay as they are.

    Args:
        directory: Where the campaign is made.
        open_journey: Opens the journey of a definition. The answers change the data, so that it is opened twice.
        show: Shows each step's document.
        words: The language of the sentences.
        progress: Told what is being done.
        seed: What all chance in the campaign comes from.

    Raises:
        RefusedError: The design cannot work, or the experiment is invalid.
        InputError: The folder holds something else.
    """
    progress(words.say(PACKAGE, "progress.generate", directory=directory))
    campaign = generate(directory, seed, language=words.language)
    with open_journey(campaign.definition) as journey:
        truth = _test(campaign, journey, show, words, progress)
    with open_journey(campaign.definition) as journey:
        return _answer(campaign, journey, truth, show)


def _test(campaign: Campaign, journey: Journey, show: Show, words: Words, progress: Progress) -> TrueEffects:

    experiment = journey.experiment
    design = journey.design()
    show(design, experiment)
    if not design.feasible:
        raise RefusedError((reason.text for reason in design.reasons), design.next_step)
    assigned = journey.assign()
    # The campaign lies in the past, so that its windows have closed; its members answer as if they had been sent to in time.
    notes = tuple(note for note in assigned.notes if note.code != "sends_over")
    show(replace(assigned, notes=notes), experiment)
    progress(words.say(PACKAGE, "progress.respond"))
    return respond(campaign, experiment.definition, ledger_rows(experiment))


def ledger_rows(experiment: Experiment) -> pa.Table:
    """The rows of the assignment ledger that members answer by."""
    from sqlglot import exp

    from experiments.assignment.open_ledger import open_ledger
    from experiments.queries import column, relation
    from offerwise.demo.responses import LEDGER_COLUMNS

    name = "drawn"
    open_ledger(experiment.workspace, experiment.engine).read(name)
    query = exp.select(*map(column, LEDGER_COLUMNS)).from_(relation(name))
    return experiment.engine.fetch(query)


def _answer(campaign: Campaign, journey: Journey, truth: TrueEffects, show: Show) -> Demo:
    experiment = journey.experiment
    analysis = journey.analyze()
    show(analysis, experiment)
    policy = journey.uplift()
    show(policy, experiment)
    rollout = None
    if analysis.verdict.status == "rollout":
        rollout = journey.rollout()
        show(rollout, experiment)
    alpha = experiment.definition.design.alpha
    return Demo(
        directory=str(campaign.directory),
        definition=str(campaign.definition),
        truth=str(campaign.truth),
        report=str(experiment.workspace.report),
        mlflow=None if journey.tracker is None else journey.tracker.store.shown,
        verdict=analysis.verdict,
        comparison=compare_with_truth(
            analysis, truth, experiment.words, alpha=alpha, uplift=policy, rollout=rollout
        ),
    )
