"""The command line: one function for each command of the contract, each a few words around a step of the journey."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.definition.errors import RefusedError
from offerwise.journey import Journey
from offerwise.opening import DEFAULT_OUT, open_experiment
from offerwise.options import Options, with_options
from offerwise.screen import Screen

app = typer.Typer(
    name="offerwise",
    help="A/B testing and uplift for CRM campaigns: from one YAML file to a verdict in money and a send list.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(help="The definition of the experiment, a YAML file.", show_default=False)]


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(version("offerwise"))
        raise typer.Exit


@app.callback()
def _offerwise(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    pass


@dataclass(frozen=True)
class Run:
    """One run of a command: the journey it takes a step of, and the screen it answers on."""

    journey: Journey
    screen: Screen
    options: Options

    def answer(self, document: Any) -> None:
        """Show a document to people and, when asked for, to a machine."""
        from reports.terminal import show

        show(self.screen.people, document, self.journey.experiment)
        self.screen.document(document)


@contextmanager
def _running(file: Path, options: Options) -> Iterator[Run]:
    screen = Screen(options.as_json)
    with (
        screen.progress() as progress,
        open_experiment(
            file,
            engine=options.engine,
            out=options.out,
            language=options.lang,
            tables=options.tables,
            progress=progress,
        ) as experiment,
    ):
        yield Run(Journey(experiment, _tracker(experiment, options)), screen, options)


@app.command()
@with_options
def validate(file: File, options: Options) -> None:
    """Check the file and the data it names."""
    with _running(file, options) as run:
        run.answer(run.journey.validate())


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for an editor."""
    from experiments.definition.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command()
@with_options
def design(file: File, options: Options) -> None:
    """Audience size, power, detectable effect, allocation, duration, budget; refuses what cannot work."""
    with _running(file, options) as run:
        document = run.journey.design()
        run.answer(document)
    if not document.feasible:
        raise typer.Exit(RefusedError.exit_code)


@app.command()
@with_options
def assign(file: File, options: Options) -> None:
    """Draw the arms, write the ledger and one send list for each arm, lock the definition."""
    with _running(file, options) as run:
        run.answer(run.journey.assign())


@app.command()
@with_options
def analyze(file: File, options: Options) -> None:
    """Effects, verdict, report and MLflow run."""
    with _running(file, options) as run:
        document = run.journey.analyze()
        run.answer(document)
    if document.verdict.status in {"invalid", "too_early"}:
        raise typer.Exit(RefusedError.exit_code)


@app.command()
@with_options
def uplift(
    file: File,
    options: Options,
    value: Annotated[str | None, typer.Option(help="Ask the question of another metric.", metavar="METRIC")] = None,
) -> None:
    """Learners, held-out policy values and the chosen offer policy, registered in MLflow."""
    with _running(file, options) as run:
        run.answer(run.journey.uplift(value))


@app.command()
@with_options
def rollout(file: File, options: Options) -> None:
    """Budgeted send lists for the members who were not in the test, with holdout and exploration."""
    with _running(file, options) as run:
        run.answer(run.journey.rollout())


@app.command()
@with_options
def demo(
    options: Options,
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the campaign is made.")] = Path("demo"),
) -> None:
    """Make a synthetic win-back campaign and run the whole journey on it, to a report and MLflow runs."""
