"""The options that all commands share, declared once and given to each command as one object."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from experiments.definition.errors import Fault, InputError
from experiments.files import DEFAULT_OUT
from experiments.language import Language
from offerwise.opening import DEFAULT_ENGINE

LEDGERS_VARIABLE = "OFFERWISE_LEDGERS"
"""Names the folders of `--ledgers` where the option is not given, joined as those of PATH are."""


def _folder(text: str) -> Path:
    """The folder of `--out`; an empty text, such as that of a variable that is not set, is not the current one."""
    if not str(text).strip():
        raise InputError.single("names no folder", "give a folder, or leave the option out", key="--out")
    return Path(text)


@dataclass(frozen=True)
class Options:
    """What every command that works on an experiment can be told."""

    out: Annotated[
        Path,
        typer.Option(
            help="Everything is written under OUT/<experiment id>/.", parser=_folder, metavar="PATH"
        ),
    ] = DEFAULT_OUT
    engine: Annotated[
        str,
        typer.Option(
            help="URL of the engine that holds the data.", envvar="OFFERWISE_ENGINE", show_envvar=True
        ),
    ] = DEFAULT_ENGINE
    table: Annotated[
        list[str] | None,
        typer.Option(help="Read a data source from another file or table.", metavar="NAME=TABLE"),
    ] = None
    ledgers: Annotated[
        list[str] | None,
        typer.Option(
            help="Another --out folder with tests of the exclusive group; may be given several times. "
            f"\\[env var: {LEDGERS_VARIABLE}]",
            metavar="PATH",
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, and nothing else there.")
    ] = False
    lang: Annotated[Language, typer.Option(help="Language of the answer.")] = "en"
    no_mlflow: Annotated[bool, typer.Option("--no-mlflow", help="Log no run in MLflow.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False

    @property
    def ledger_folders(self) -> tuple[Path, ...]:
        """The folders of `--ledgers`, else those of the environment variable.

        Raises:
            InputError: A folder is named by an empty text.
        """
        given = self.ledgers or []
        variable = os.environ.get(LEDGERS_VARIABLE, "")
        if not given and variable.strip():
            given = [name for name in variable.split(os.pathsep) if name.strip()]
        if any(not name.strip() for name in given):
            raise InputError.single(
                "names no folder", "give a folder, or leave the option out", key="--ledgers"
            )
        return tuple(map(Path, given))

    @property
    def tables(self) -> dict[str, str]:
        """Data source to table, as `--table` maps them.

        Raises:
            InputError: A mapping is not of the form NAME=TABLE, or a source is mapped twice.
        """
        pairs = [entry.partition("=") for entry in self.table or []]
        wrong = [
            Fault(None, None, "--table", f"'{name}{equals}{target}' maps nothing", "write it as NAME=TABLE")
            for name, equals, target in pairs
            if not (name and equals and target)
        ]
        names = [name for name, _, _ in pairs]
        wrong += [
            Fault(None, None, "--table", f"'{name}' is mapped {names.count(name)} times", "map it once")
            for name in dict.fromkeys(names)
            if name and names.count(name) > 1
        ]
        if wrong:
            raise InputError(wrong)
        return {name: target for name, _, target in pairs}


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes `options: Options` one command-line option for each field of Options."""
    hints = get_type_hints(command, include_extras=True)
    shared = get_type_hints(Options, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "options"
    ]
    common = [
        inspect.Parameter(
            item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=shared[item.name]
        )
        for item in dataclasses.fields(Options)
    ]

    def run(*args: Any, **given: Any) -> None:
        options = Options(**{item.name: given.pop(item.name) for item in common})
        command(*args, **given, options=options)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {item.name: item.annotation for item in [*own, *common]}
    run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    return run
