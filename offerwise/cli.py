"""The command line: one function for each command of the contract, each a few words around a step of the journey."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.definition.errors import Fault, InputError, RefusedError, collected
from experiments.definition.load import load
from experiments.engines.script import Warehouse
from experiments.experiment import Experiment
from experiments.files import DEFAULT_OUT
from experiments.language import Words
from experiments.progress import Progress
from offerwise.journey import Journey
from offerwise.opening import open_experiment
from offerwise.options import Options, with_options
from offerwise.screen import Screen, standard_output

if TYPE_CHECKING:
    from reports.terminal import Shown
    from reports.tracking import Tracker

app = typer.Typer(
    name="offerwise",
    help="A/B testing and uplift for CRM campaigns: from one YAML file to a verdict in money and a send list.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="The definition of the experiment, a YAML file.", show_default=False),
]


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(version("offerwise"))
        raise typer.Exit


@app.callback()
def _offerwise(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    pass


@dataclass(frozen=True)
class Run:
    """One run of a command: the journey it takes a step of, and the screen it answers on."""

    journey: Journey
    screen: Screen

    def answer(self, document: Shown) -> None:
        """Show a document to people and, when asked for, to a machine."""
        from reports.terminal import show

        with standard_output():
            show(self.screen.people, document, self.journey.experiment)
        self.screen.document(document)


@contextmanager
def _running(file: Path, options: Options) -> Iterator[Run]:
    screen = Screen(options.as_json, Words(options.lang))
    with screen.progress() as progress, _journey(file, options, options.out, screen, progress) as journey:
        yield Run(journey, screen)


@contextmanager
def _journey(
    file: Path, options: Options, out: Path, screen: Screen, progress: Progress
) -> Iterator[Journey]:
    tables, ledgers = _read(options, file)
    with open_experiment(
        file,
        engine=options.engine,
        out=out,
        language=options.lang,
        tables=tables,
        progress=progress,
        ledgers=ledgers,
    ) as experiment:
        yield Journey(experiment, None if options.no_mlflow else _tracker(experiment), screen.warn)


def _read(options: Options, file: Path) -> tuple[Mapping[str, str], Sequence[Path]]:
    """What `--table` and `--ledgers` say; where one of them says nothing, with the faults of the file."""
    faults: list[Fault] = []
    tables: Mapping[str, str] = {}
    ledgers: Sequence[Path] = ()
    with collected(faults):
        tables = options.tables
    with collected(faults):
        ledgers = options.ledger_folders
    if faults:
        with collected(faults):
            load(file)
        raise InputError(faults)
    return tables, ledgers


def _tracker(experiment: Experiment) -> Tracker:
    from reports.tracking import Tracker

    return Tracker(None, experiment.workspace)


@app.command()
@with_options
def validate(
    file: File,
    options: Options,
    sql: Annotated[
        Warehouse | None,
        typer.Option(help="Print the SQL of audience, draw and moments for this warehouse instead."),
    ] = None,
) -> None:
    """Check the file and the data it names."""
    with _running(file, options) as run:
        if sql is None:
            run.answer(run.journey.validate())
            return
        written = run.journey.warehouse_sql(sql)
        if options.as_json:
            run.screen.document(written)
        else:
            with standard_output():
                typer.echo(written.sql, nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for an editor."""
    from experiments.definition.schema import json_schema

    with standard_output():
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
def assign(
    file: File,
    options: Options,
    explain: Annotated[
        str | None,
        typer.Option(
            help="Draw nothing; say why this member is in, out, and in which arm.", metavar="MEMBER"
        ),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The day of entry, where members enter day by day.", metavar="DATE"
        ),
    ] = None,
) -> None:
    """Draw the arms, write the ledger and one send list for each arm, lock the definition."""
    with _running(file, options) as run:
        if explain is not None:
            run.answer(run.journey.explain(explain))
        else:
            run.answer(run.journey.assign(as_of and as_of.date()))


@app.command()
@with_options
def monitor(file: File, options: Options) -> None:
    """Health only: split, delivery and guardrail alarms; nothing of effects."""
    with _running(file, options) as run:
        document = run.journey.monitor()
        run.answer(document)
    if document.needs_action:
        raise typer.Exit(RefusedError.exit_code)


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
def simulate(
    file: File,
    options: Options,
    runs: Annotated[int, typer.Option(help="Simulated experiments of each kind.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed draws the same experiments.")] = 0,
) -> None:
    """A/A and A/B simulations on the experiment's own data: type I error, power, coverage."""
    with _running(file, options) as run:
        run.answer(run.journey.simulate(runs=runs, seed=seed))


@app.command()
@with_options
def uplift(
    file: File,
    options: Options,
    value: Annotated[
        str | None, typer.Option(help="Ask the question of another metric.", metavar="METRIC")
    ] = None,
) -> None:
    """Learners, held-out policy values and the chosen offer policy, registered in MLflow."""
    with _running(file, options) as run:
        run.answer(run.journey.uplift(value))


@app.command()
@with_options
def rollout(
    file: File,
    options: Options,
    accept_unclear: Annotated[
        bool,
        typer.Option(
            "--accept-unclear",
            help="Release the next step of the ramp though a guardrail is unclear, in the test and in the steps sent so far.",
        ),
    ] = False,
) -> None:
    """Budgeted send lists for the members who were not in the test, with holdout and exploration."""
    with _running(file, options) as run:
        document = run.journey.rollout(accept_unclear=accept_unclear)
        run.answer(document)
    if document.ramp_waits:
        raise typer.Exit(RefusedError.exit_code)


@app.command()
@with_options
def demo(
    options: Options,
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="[DIR]",
            help="Where the campaign is made; without --out, what the commands write is under DIR/runs.",
        ),
    ] = Path("demo"),
) -> None:
    """Make a synthetic win-back campaign and run the whole journey on it, to a report and MLflow runs."""
    from offerwise.demo.ending import show_ending
    from offerwise.demo.journey import run_demo
    from reports.terminal import show

    words = Words(options.lang)
    screen = Screen(options.as_json, words)

    def tell(document: Shown, experiment: Experiment) -> None:
        with standard_output():
            show(screen.people, document, experiment)

    out = directory / DEFAULT_OUT if options.out == DEFAULT_OUT else options.out
    with screen.progress() as progress:
        ended = run_demo(
            directory,
            lambda definition: _journey(definition, options, out, screen, progress),
            show=tell,
            words=words,
            progress=progress,
        )
    with standard_output():
        show_ending(screen.people, ended, words)
    screen.document(ended)
